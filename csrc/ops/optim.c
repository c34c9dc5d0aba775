/* optim.c: one step of Adam, AdamW or SGD over one flat buffer of parameters, in the
 * formulas of PyTorch's torch.optim. Kingma & Ba 2015; Loshchilov & Hutter 2019; Sutskever
 * et al. 2013. */
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "ops/split.h"

#define BLOCK 32768 /* values of a task, and of a partial sum */

typedef struct {
    double *part;
    float *to;
    const float *x;
    int64_t n;
    const ae_kernels *k;
} block_task;

static void
squares_one(void *arg, int64_t i, int thread)
{
    const block_task *t = arg;
    int64_t at = i * BLOCK;
    (void)thread;
    t->k->sum_squares(t->part + i, t->x + at, ae_min(BLOCK, t->n - at));
}

ae_status
ae_sum_squares(double *sum, const float *x, int64_t n, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t blocks = ae_ceil_div(n, BLOCK);
    size_t bytes = ae_bytes(blocks, sizeof(double), 1);
    AE_TRY(ae_arena_reserve(ctx->arena, bytes));
    block_task t = {.part = ae_arena_take(ctx->arena, bytes), .x = x, .n = n, .k = ctx->k};
    ae_parallel(ctx, blocks, 2.0 * (double)n, squares_one, &t);
    *sum = 0.0;
    for (int64_t i = 0; i < blocks; i++) {
        *sum += t.part[i];
    }
done:
    return status;
}

typedef struct {
    float *p, *m, *v;
    const float *grad;
    ae_adam_factors adam;
    const ae_sgd_cfg *sgd;
    const ae_kernels *k;
} step_task;

static void
adam_span(const void *arg, int64_t at, int64_t n)
{
    const step_task *t = arg;
    t->k->adam(t->p + at, t->m + at, t->v + at, t->grad + at, n, &t->adam);
}

ae_status
ae_adam_step(float *p, float *m, float *v, const float *g, int64_t n, const ae_adam_cfg *cfg,
             const ae_ctx *ctx)
{
    double correction1 = 1.0 - pow(cfg->beta1, (double)cfg->step);
    double correction2 = 1.0 - pow(cfg->beta2, (double)cfg->step);
    double decay = cfg->weight_decay;
    step_task t = {.p = p, .m = m, .v = v, .grad = g, .k = ctx->k};
    t.adam = (ae_adam_factors){.grad_scale = (float)cfg->grad_scale,
                               .decay = (float)(cfg->decoupled ? 0.0 : decay),
                               .take1 = (float)(1.0 - cfg->beta1),
                               .keep1 = (float)cfg->beta1,
                               .take2 = (float)(1.0 - cfg->beta2),
                               .keep2 = (float)cfg->beta2,
                               .rate = (float)(cfg->lr / correction1),
                               .v_scale = (float)(1.0 / sqrt(correction2)),
                               .eps = (float)cfg->eps,
                               .shrink = (float)(cfg->decoupled ? cfg->lr * decay : 0.0)};
    ae_split_span(ctx, n, 10.0, adam_span, &t);
    return AE_OK;
}

static void
sgd_span(const void *arg, int64_t at, int64_t n)
{
    const step_task *t = arg;
    t->k->sgd(t->p + at, t->m != NULL ? t->m + at : NULL, t->grad + at, n, t->sgd);
}

ae_status
ae_sgd_step(float *p, float *m, const float *g, int64_t n, const ae_sgd_cfg *cfg,
            const ae_ctx *ctx)
{
    step_task t = {.p = p, .m = m, .grad = g, .sgd = cfg, .k = ctx->k};
    ae_split_span(ctx, n, 6.0, sgd_span, &t);
    return AE_OK;
}
