/* packed.c: weights that stay packed from call to call, in the form that a product wants. */
#include "ae.h"
#include "base/aligned.h"

static bool
is_kept(const float *w, ae_form form, size_t bytes, const ae_ctx *ctx)
{
    const ae_packed *p = ctx->packed;
    return p->of == w && p->form == (int)form && p->bytes == bytes && p->k == ctx->k;
}

static bool
is_in_arena(const float *w, ae_form form, size_t bytes, const ae_ctx *ctx)
{
    return ctx->packed == NULL || (ctx->packed->fixed && !is_kept(w, form, bytes, ctx));
}

size_t
ae_packed_in_arena(const ae_ctx *ctx, const float *w, ae_form form, size_t bytes)
{
    return is_in_arena(w, form, bytes, ctx) ? bytes : 0;
}

void
ae_packed_free(ae_packed *packed)
{
    ae_aligned_free(packed->data);
    *packed = (ae_packed){.half = packed->half};
}

ae_status
ae_packed_take(float **data, bool *ready, const float *w, ae_form form, size_t bytes,
               const ae_ctx *ctx)
{
    ae_packed *p = ctx->packed;
    *ready = false;
    if (is_in_arena(w, form, bytes, ctx)) {
        *data = ae_arena_take(ctx->arena, bytes);
        return AE_OK;
    }
    if (is_kept(w, form, bytes, ctx)) {
        *data = p->data;
        *ready = true;
        return AE_OK;
    }
    ae_packed_free(p);
    if (bytes > SIZE_MAX / 2) {
        return AE_ESIZE;
    }
    p->data = ae_aligned_alloc(bytes > 0 ? bytes : AE_ALIGN);
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
