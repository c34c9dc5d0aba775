/* packed.c: weights that stay packed from call to call, in the form that a product wants. */
#include "ae.h"
#include "base/aligned.h"

size_t
ae_packed_in_arena(const ae_ctx *ctx, size_t bytes)
{
    return ctx->packed == NULL ? bytes : 0;
}

void
ae_packed_free(ae_packed *packed)
{
    ae_aligned_free(packed->data);
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
