/* arena.c: one 64-byte aligned workspace that grows and is emptied by every driver; kept weights. */
#include <stdlib.h>

#include "ae.h"

#ifdef _WIN32 /* whose free() can't take aligned blocks */
#include <malloc.h>
#define aligned_alloc(alignment, size) _aligned_malloc(size, alignment)
#define aligned_free _aligned_free
#else
#define aligned_free free
#endif

#define ALIGN ((size_t)64)

size_t
ae_bytes(int64_t a, int64_t b, int64_t c)
{
    size_t n;
    if (a < 0 || b < 0 || c < 0 || __builtin_mul_overflow((size_t)a, (size_t)b, &n) ||
        __builtin_mul_overflow(n, (size_t)c, &n) || n > SIZE_MAX / 2) {
        return SIZE_MAX;
    }
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

size_t
ae_bytes_add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

ae_status
ae_arena_reserve(ae_arena *arena, size_t bytes)
{
    arena->used = 0;
    bytes = bytes > 0 ? bytes : ALIGN; /* a block of nothing has an address too */
    if (bytes <= arena->capacity) {
        return AE_OK;
    }
    if (bytes > SIZE_MAX / 2) {
        return AE_ESIZE;
    }
    ae_arena_free(arena);
    arena->base = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN * ALIGN);
    if (arena->base == NULL) {
        return AE_ENOMEM;
    }
    arena->capacity = bytes;
    arena->grown += 1;
    return AE_OK;
}

void *
ae_arena_take(ae_arena *arena, size_t bytes)
{
    size_t rounded = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > arena->capacity || rounded > arena->capacity - arena->used) {
        return NULL; /* a driver reserved less than it takes */
    }
    void *block = arena->base + arena->used;
    arena->used += rounded;
    return block;
}

void
ae_arena_free(ae_arena *arena)
{
    aligned_free(arena->base);
    arena->base = NULL;
    arena->capacity = arena->used = 0;
}

size_t
ae_packed_in_arena(const ae_ctx *ctx, size_t bytes)
{
    return ctx->packed == NULL ? bytes : 0;
}

void
ae_packed_free(ae_packed *packed)
{
    aligned_free(packed->data);
    *packed = (ae_packed){0};
}

ae_status
ae_packed_take(float **data, bool *ready, const float *w, ae_form form, size_t bytes,
               const ae_ctx *ctx)
{
    ae_packed *p = ctx->packed;
    *ready = false;
    if (p == NULL) {
        *data = ae_arena_take(ctx->arena, bytes);
        return AE_OK;
    }
    if (p->of == w && p->form == (int)form && p->bytes == bytes && p->k == ctx->k) {
        *data = p->data;
        *ready = true;
        return AE_OK;
    }
    ae_packed_free(p);
    if (bytes > SIZE_MAX / 2) {
        return AE_ESIZE;
    }
    p->data = aligned_alloc(ALIGN, bytes > 0 ? bytes : ALIGN);
    if (p->data == NULL) {
        return AE_ENOMEM;
    }
    *data = p->data;
    p->bytes = bytes;
    p->of = w;
    p->form = form;
    p->k = ctx->k;
    return AE_OK;
}
