/* conv.c: conv2d and conv_transpose2d as the products of window.h, and the choice of a way to each. */
#include <string.h>

#include "base/math.h"
#include "ops/depthwise.h"
#include "ops/gemm.h"
#include "ops/planar.h"
#include "ops/window.h"
#include "ops/winograd.h"

/* A stride as far as it counts: one beyond the big side and the kernel has one window, and what the
 * phases of a stride cost must not grow with a number that nothing was allocated for. */
static int64_t
bounded(int64_t stride, int64_t side, int64_t kernel, int64_t dilation)
{
    return ae_min(stride, ae_max(1, side + ae_reach(kernel, dilation)));
}

/* What both kinds have alike, of big (H, W, B) and small (P, Q, C) images. */
static ae_window
window(const ae_conv_cfg *c, int64_t H, int64_t W, int64_t B, int64_t P, int64_t Q, int64_t C)
{
    int64_t dh = c->R > 1 ? c->dilation_h : 1, dw = c->S > 1 ? c->dilation_w : 1;
    return (ae_window){.N = c->N,
                       .H = H,
                       .W = W,
                       .B = B / c->groups,
                       .P = P,
                       .Q = Q,
                       .C = C / c->groups,
                       .big_step = B,
                       .small_step = C,
                       .groups = c->groups,
                       .R = c->R,
                       .S = c->S,
                       .sh = bounded(c->stride_h, H, c->R, dh),
                       .sw = bounded(c->stride_w, W, c->S, dw),
                       .ph = c->pad_h,
                       .pw = c->pad_w,
                       .dh = dh,
                       .dw = dw,
                       .w_tap = c->C / c->groups,
                       .winograd = c->winograd};
}

/* conv2d: the input is the big image, w is (small, R, S, big). */
static ae_window
conv_window(const ae_conv_cfg *c)
{
    ae_window g = window(c, c->H, c->W, c->C, c->P, c->Q, c->K);
    g.w_big = 1;
    g.w_small = g.R * g.S * g.B;
    return g;
}

/* conv_transpose2d: the output is the big image, w is (big, R, S, small). */
static ae_window
transpose_window(const ae_conv_cfg *c)
{
    ae_window g = window(c, c->P, c->Q, c->K, c->H, c->W, c->C);
    g.w_big = g.R * g.S * g.C;
    g.w_small = 1;
    return g;
}

/* ---- groups of channels ---------------------------------------------------------------------- */

/* The epilogue for the channels from `at` on. */
static ae_epilogue
part_of(const ae_epilogue *e, int64_t at)
{
    ae_epilogue part = *e;
    part.bias = e->bias == NULL ? NULL : e->bias + at;
    part.act_out = e->act_out == NULL ? NULL : e->act_out + at;
    part.add = e->add == NULL ? NULL : e->add + at;
    return part;
}

typedef ae_status (*image_fn)(float *, const float *, const float *, const ae_window *,
                              const ae_epilogue *, const ae_ctx *);

/* A product for each group, which has `to` and `from` channels in the two images. Packed weights
 * are kept of one product, so not here. */
static ae_status
each_group(image_fn fn, float *out, int64_t to, const float *in, int64_t from, const float *w,
           const ae_window *g, const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_ctx alone = *ctx;
    alone.packed = g->groups > 1 ? NULL : ctx->packed;
    for (int64_t i = 0; i < g->groups; i++) {
        ae_epilogue part = part_of(epilogue, i * to);
        AE_TRY(fn(out + i * to, in + i * from, w + i * g->R * g->S * g->B * g->C, g, &part,
                  &alone));
    }
done:
    return status;
}

/* ---- the choice of a way to each product ----------------------------------------------------- */

static ae_status
down(float *small, const float *big, const float *w, const ae_window *g,
     const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    if (g->N * g->P * g->Q * g->C == 0) {
        return AE_OK;
    }
    if (ae_depthwise_pays(g)) {
        return ae_depthwise_down(small, big, w, g, epilogue, ctx);
    }
    if (ae_winograd_pays(g, ctx->k, false)) {
        return ae_winograd(small, big, w, g, false, epilogue, ctx);
    }
    return each_group(ae_window_down, small, g->C, big, g->B, w, g, epilogue, ctx);
}

static ae_status
up(float *big, const float *small, const float *w, const ae_window *g,
   const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    if (g->N * g->H * g->W * g->B == 0) {
        return AE_OK;
    }
    if (ae_depthwise_pays(g)) {
        return ae_depthwise_up(big, small, w, g, epilogue, ctx);
    }
    if (ae_planar_pays(g)) {
        return ae_planar_up(big, small, w, g, epilogue, ctx);
    }
    if (ae_winograd_pays(g, ctx->k, true)) {
        return ae_winograd(big, small, w, g, true, epilogue, ctx);
    }
    return each_group(ae_window_up, big, g->B, small, g->C, w, g, epilogue, ctx);
}

static ae_status
weight(float *dw, const float *big, const float *small, const ae_window *g, bool adds,
       const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t size = g->R * g->S * g->B * g->C; /* of a group */
    if (g->N * g->P * g->Q * size == 0) {
        if (!adds) {
            memset(dw, 0, (size_t)(g->groups * size) * sizeof(float));
        }
        return AE_OK;
    }
    if (ae_depthwise_pays(g)) {
        return ae_depthwise_weight(dw, big, small, g, adds, ctx);
    }
    if (ae_winograd_pays(g, ctx->k, false)) {
        return ae_winograd_weight(dw, big, small, g, adds, ctx);
    }
    for (int64_t i = 0; i < g->groups; i++) {
        AE_TRY(ae_window_weight(dw + i * size, big + i * g->B, small + i * g->C, g, adds, ctx));
    }
done:
    return status;
}

/* ---- the drivers ----------------------------------------------------------------------------- */

/* All gradients; x is the big image of a convolution and the small one of a transposed one. */
static ae_status
backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
         const ae_conv_cfg *cfg, bool transposed, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_window g = transposed ? transpose_window(cfg) : conv_window(cfg);
    ae_epilogue epilogue = {.act_out = cfg->x_act == AE_LINEAR ? NULL : x,
                            .act_grad = cfg->x_act};
    if (db != NULL) {
        AE_TRY(ae_column_sums(db, dy, cfg->N * cfg->P * cfg->Q, cfg->K, cfg->adds.b, ctx));
    }
    if (dw != NULL) {
        AE_TRY(weight(dw, transposed ? dy : x, transposed ? x : dy, &g, cfg->adds.w, ctx));
    }
    if (dx != NULL) {
        AE_TRY((transposed ? down : up)(dx, dy, w, &g, &epilogue, ctx));
    }
done:
    return status;
}

ae_status
ae_conv2d_fwd(float *y, const float *x, const float *w, const float *b, const float *r,
              const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    ae_window g = conv_window(cfg);
    ae_epilogue epilogue = {.bias = b, .act = cfg->act, .add = r};
    return down(y, x, w, &g, &epilogue, ctx);
}

ae_status
ae_conv2d_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
              const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    return backward(dx, dw, db, dy, x, w, cfg, false, ctx);
}

ae_status
ae_conv_transpose2d_fwd(float *y, const float *x, const float *w, const float *b,
                        const float *r, const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    ae_window g = transpose_window(cfg);
    ae_epilogue epilogue = {.bias = b, .act = cfg->act, .add = r};
    return up(y, x, w, &g, &epilogue, ctx);
}

ae_status
ae_conv_transpose2d_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                        const float *w, const ae_conv_cfg *cfg, const ae_ctx *ctx)
{
    return backward(dx, dw, db, dy, x, w, cfg, true, ctx);
}
