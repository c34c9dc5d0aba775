/* arena.c: one 64-byte aligned workspace that grows and is emptied by every driver. */
#include "ae.h"
#include "base/aligned.h"

size_t
ae_bytes(int64_t a, int64_t b, int64_t c)
{
    int64_t n; /* not a size_t, which may have 32 bits */
    if (a < 0 || b < 0 || c < 0 || __builtin_mul_overflow(a, b, &n) ||
        __builtin_mul_overflow(n, c, &n) || (uint64_t)n > SIZE_MAX / 2) {
        return SIZE_MAX;
    }
    return ae_aligned_size((size_t)n);
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
    bytes = bytes > 0 ? bytes : AE_ALIGN; /* a block of nothing has an address too */
    if (bytes <= arena->capacity) {
        return AE_OK;
    }
    if (bytes > SIZE_MAX / 2) {
        return AE_ESIZE;
    }
    ae_arena_free(arena);
    arena->base = ae_aligned_alloc(bytes);
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
    size_t rounded = ae_aligned_size(bytes);
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
    ae_aligned_free(arena->base);
    arena->base = NULL;
    arena->capacity = arena->used = 0;
}
