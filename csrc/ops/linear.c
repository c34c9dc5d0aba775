/* linear.c: y (N, O) = act(x (N, I) w (O, I)^T + b (O)), and the same with w (I, O) for tied decoders.
 *
 * Three products: y = x w^T, dx = dy w, dw = dy^T x. A transposed w swaps strides and nothing else.
 */
#include "ops/gemm.h"

/* Strides of w over its input and output features. */
static int64_t
stride_in(const ae_linear_cfg *cfg)
{
    return cfg->transposed ? cfg->O : 1;
}

static int64_t
stride_out(const ae_linear_cfg *cfg)
{
    return cfg->transposed ? 1 : cfg->I;
}

ae_status
ae_linear_fwd(float *y, const float *x, const float *w, const float *b, const float *r,
              const ae_linear_cfg *cfg, const ae_ctx *ctx)
{
    ae_gemm_args g = {.M = cfg->N,
                      .N = cfg->O,
                      .K = cfg->I,
                      .a = x,
                      .a_rs = cfg->I,
                      .a_ks = 1,
                      .b = w,
                      .b_ks = stride_in(cfg),
                      .b_ns = stride_out(cfg),
                      .c = y,
                      .ldc = cfg->O,
                      .epilogue = {.bias = b, .act = cfg->act, .add = r}};
    return ae_gemm(&g, ctx);
}

static ae_status
weight_gradient(float *dw, const float *dy, const float *x, const ae_linear_cfg *cfg,
                const ae_ctx *ctx)
{
    bool t = cfg->transposed;
    int64_t rows = t ? cfg->I : cfg->O, cols = t ? cfg->O : cfg->I;
    ae_gemm_args g = {.M = rows,
                      .N = cols,
                      .K = cfg->N,
                      .a = t ? x : dy,
                      .a_rs = 1,
                      .a_ks = rows,
                      .b = t ? dy : x,
                      .b_ks = cols,
                      .b_ns = 1,
                      .c = dw,
                      .ldc = cols,
                      .epilogue = {.accumulate = cfg->adds.w}};
    return ae_gemm(&g, ctx);
}

ae_status
ae_linear_bwd(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
              const ae_linear_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    if (db != NULL) {
        AE_TRY(ae_column_sums(db, dy, cfg->N, cfg->O, cfg->adds.b, ctx));
    }
    if (dw != NULL) {
        AE_TRY(weight_gradient(dw, dy, x, cfg, ctx));
    }
    if (dx != NULL) {
        ae_gemm_args g = {.M = cfg->N,
                          .N = cfg->I,
                          .K = cfg->O,
                          .a = dy,
                          .a_rs = cfg->O,
                          .a_ks = 1,
                          .b = w,
                          .b_ks = stride_out(cfg),
                          .b_ns = stride_in(cfg),
                          .c = dx,
                          .ldc = cfg->I};
        if (cfg->x_act != AE_LINEAR) {
            g.epilogue.act_out = x;
            g.epilogue.act_grad = cfg->x_act;
        }
        AE_TRY(ae_gemm(&g, ctx));
    }
done:
    return status;
}
