/* gated.c: the gated unit of PixelCNN over samples of T positions, with a bias of each sample's own.
 * Van den Oord et al. 2016, section 2.1; the bias is the condition's of section 2.3. */
#include "kern/table.h"

#define UNIT_COST 60.0 /* of a tanh and a sigmoid, in floating point operations */

typedef struct {
    float *y, *dx, *dbias;
    const float *dy, *x, *bias;
    int64_t T, C;
    const ae_kernels *k;
} gated_task;

static void
forward_sample(void *arg, int64_t n, int thread)
{
    const gated_task *t = arg;
    const int64_t at = n * t->T * t->C;
    (void)thread;
    t->k->gated_rows(t->y + at, t->x + 2 * at, t->bias ? t->bias + 2 * n * t->C : NULL, t->T,
                     t->C);
}

static void
backward_sample(void *arg, int64_t n, int thread)
{
    const gated_task *t = arg;
    const int64_t at = n * t->T * t->C, width = 2 * t->C;
    (void)thread;
    t->k->gated_grad_rows(t->dx + 2 * at, t->dy + at, t->x + 2 * at,
                          t->bias ? t->bias + n * width : NULL, t->T, t->C);
    if (t->dbias != NULL) {
        t->k->scaled_column_sums(t->dbias + n * width, t->dx + 2 * at, 1.0f, t->T, width);
    }
}

static ae_status
run(gated_task *t, int64_t N, ae_task fn, const ae_ctx *ctx)
{
    t->k = ctx->k;
    ae_parallel(ctx, N, UNIT_COST * (double)N * (double)t->T * (double)t->C, fn, t);
    return AE_OK;
}

ae_status
ae_gated_tanh_fwd(float *y, const float *x, const float *bias, int64_t N, int64_t T, int64_t C,
                  const ae_ctx *ctx)
{
    gated_task t = {.y = y, .x = x, .bias = bias, .T = T, .C = C};
    return run(&t, N, forward_sample, ctx);
}

ae_status
ae_gated_tanh_bwd(float *dx, float *dbias, const float *dy, const float *x, const float *bias,
                  int64_t N, int64_t T, int64_t C, const ae_ctx *ctx)
{
    gated_task t = {.dx = dx, .dbias = dbias, .dy = dy, .x = x, .bias = bias, .T = T, .C = C};
    return run(&t, N, backward_sample, ctx);
}
