/* conv.c: conv2d and conv_transpose2d as the products of window.h, and the choice of a way to each. */
#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/planar.h"
#include "ops/window.h"
#include "ops/winograd.h"

/* A stride as far as it counts: one beyond the big side and the kernel has one window, and what the
 * phases of a stride cost must not grow with a number that nothing was allocated for. */
static int64_t
bounded(int64_t stride, int64_t side, int64_t kernel)
{
    return ae_min(stride, ae_max(1, side + kernel));
}

/* conv2d: the input is the big image, w is (small, R, S, big). */
static ae_window
conv_window(const ae_conv_cfg *c)
{
    return (ae_window){.N = c->N,
                       .H = c->H,
                       .W = c->W,
                       .B = c->C,
                       .P = c->P,
                       .Q = c->Q,
                       .C = c->K,
                       .R = c->R,
                       .S = c->S,
                       .sh = bounded(c->stride_h, c->H, c->R),
                       .sw = bounded(c->stride_w, c->W, c->S),
                       .ph = c->pad_h,
                       .pw = c->pad_w,
                       .w_big = 1,
                       .w_small = c->R * c->S * c->C,
                       .w_tap = c->C,
                       .winograd = c->winograd};
}

/* conv_transpose2d: the output is the big image, w is (big, R, S, small). */
static ae_window
transpose_window(const ae_conv_cfg *c)
{
    return (ae_window){.N = c->N,
                       .H = c->P,
                       .W = c->Q,
                       .B = c->K,
                       .P = c->H,
                       .Q = c->W,
                       .C = c->C,
                       .R = c->R,
                       .S = c->S,
                       .sh = bounded(c->stride_h, c->P, c->R),
                       .sw = bounded(c->stride_w, c->Q, c->S),
                       .ph = c->pad_h,
                       .pw = c->pad_w,
                       .w_big = c->R * c->S * c->C,
                       .w_small = 1,
                       .w_tap = c->C,
                       .winograd = c->winograd};
}

/* ---- the choice of a way to each product ----------------------------------------------------- */

static ae_status
down(float *small, const float *big, const float *w, const ae_window *g,
     const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    if (g->N * g->P * g->Q * g->C == 0) {
        return AE_OK;
    }
    if (ae_winograd_pays(g, ctx->k, false)) {
        return ae_winograd(small, big, w, g, false, epilogue, ctx);
    }
    return ae_window_down(small, big, w, g, epilogue, ctx);
}

static ae_status
up(float *big, const float *small, const float *w, const ae_window *g,
   const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    if (g->N * g->H * g->W * g->B == 0) {
        return AE_OK;
    }
    if (ae_planar_pays(g)) {
        return ae_planar_up(big, small, w, g, epilogue, ctx);
    }
    if (ae_winograd_pays(g, ctx->k, true)) {
        return ae_winograd(big, small, w, g, true, epilogue, ctx);
    }
    return ae_window_up(big, small, w, g, epilogue, ctx);
}

static ae_status
weight(float *dw, const float *big, const float *small, const ae_window *g, bool adds,
       const ae_ctx *ctx)
{
    if (g->N * g->P * g->Q * g->B * g->C == 0) {
        if (!adds) {
            memset(dw, 0, (size_t)(g->R * g->S * g->B * g->C) * sizeof(float));
        }
        return AE_OK;
    }
    if (ae_winograd_pays(g, ctx->k, false)) {
        return ae_winograd_weight(dw, big, small, g, adds, ctx);
    }
    return ae_window_weight(dw, big, small, g, adds, ctx);
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
