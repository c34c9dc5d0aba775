/* loss.c: losses and their gradients in one pass over the data. A loss is the sum over a
 * sample's features; its gradient is scaled by what the caller's mean over the batch makes
 * of that sum. */
#include "ops/split.h"

static const double loss_cost[AE_LOSSES] = {[AE_MSE] = 4.0,
                                            [AE_L1] = 5.0,
                                            [AE_HUBER] = 8.0,
                                            [AE_BCE_WITH_LOGITS] = 40.0,
                                            [AE_POISSON] = 120.0};

typedef struct {
    float *loss, *dx;
    const float *dloss, *x, *target, *mask;
    ae_loss kind;
    float delta;
    int64_t F;
    const ae_kernels *k;
} loss_task;

static void
loss_block(const void *arg, double *sum, const ae_block *b)
{
    const loss_task *t = arg;
    int64_t at = b->row * t->F + b->at;
    t->k->loss_rows(t->loss != NULL ? sum : NULL, t->dx != NULL ? t->dx + at : NULL,
                    t->dloss != NULL ? t->dloss + b->row : NULL, t->x + at, t->target + at,
                    t->mask != NULL ? t->mask + at : NULL, b->rows, b->n, t->kind, t->delta);
}

ae_status
ae_loss_fwd_bwd(float *loss, float *dx, const float *dloss, const float *x, const float *target,
                const float *mask, ae_loss kind, float delta, int64_t N, int64_t F,
                const ae_ctx *ctx)
{
    loss_task t = {loss, dx, dloss, x, target, mask, kind, delta, F, ctx->k};
    return ae_split_rows(loss, N, F, 1, loss_cost[kind], loss_block, &t, ctx);
}

/* ---- cross entropy ------------------------------------------------------------------- */

#define LOGIT_COST 25.0

typedef struct {
    float *dx;
    const float *dloss, *logits, *mask;
    const int64_t *labels;
    int64_t T, E;
    const ae_kernels *k;
} entropy_task;

static void
entropy_block(const void *arg, double *sum, const ae_block *b)
{
    const entropy_task *t = arg;
    int64_t at = b->row * t->T + b->at;
    t->k->cross_entropy_rows(sum, t->dx != NULL ? t->dx + at * t->E : NULL,
                             t->dloss != NULL ? t->dloss + b->row : NULL, t->logits + at * t->E,
                             t->labels + at, t->mask != NULL ? t->mask + at : NULL, b->rows,
                             b->n, t->E);
}

ae_status
ae_cross_entropy_fwd_bwd(float *loss, float *dx, const float *dloss, const float *logits,
                         const int64_t *labels, const float *mask, int64_t N, int64_t T,
                         int64_t E, const ae_ctx *ctx)
{
    entropy_task t = {dx, dloss, logits, mask, labels, T, E, ctx->k};
    return ae_split_rows(loss, N, T, E, LOGIT_COST * (double)E, entropy_block, &t, ctx);
}

/* ---- counts ---------------------------------------------------------------------------- */

#define NEGATIVE_BINOMIAL_COST 350.0
#define MULTINOMIAL_COST 150.0

typedef struct {
    float *loss, *dx, *dtheta;
    const float *dloss, *x, *target, *mask, *log_theta;
    bool per_row;
    int64_t T, F;
    const ae_kernels *k;
} count_task;

static void
negative_binomial_block(const void *arg, double *sum, const ae_block *b)
{
    const count_task *t = arg;
    int64_t at = b->row * t->F + b->at;
    t->k->negative_binomial_rows(
        t->loss != NULL ? sum : NULL, t->dx != NULL ? t->dx + at : NULL,
        t->dtheta != NULL ? t->dtheta + at : NULL, t->dloss != NULL ? t->dloss + b->row : NULL,
        t->x + at, t->target + at, t->mask != NULL ? t->mask + at : NULL,
        t->log_theta + (t->per_row ? at : b->at), b->rows, b->n, t->per_row);
}

ae_status
ae_negative_binomial_fwd_bwd(float *loss, float *dx, float *dtheta, const float *dloss,
                             const float *x, const float *target, const float *mask,
                             const float *log_theta, bool per_row, int64_t N, int64_t F,
                             const ae_ctx *ctx)
{
    count_task t = {loss, dx, dtheta, dloss, x, target, mask, log_theta, per_row, 1, F, ctx->k};
    return ae_split_rows(loss, N, F, 1, NEGATIVE_BINOMIAL_COST, negative_binomial_block, &t,
                         ctx);
}

static void
multinomial_block(const void *arg, double *sum, const ae_block *b)
{
    const count_task *t = arg;
    int64_t at = (b->row * t->T + b->at) * t->F;
    t->k->multinomial_rows(
        sum, t->dx != NULL ? t->dx + at : NULL, t->dloss != NULL ? t->dloss + b->row : NULL,
        t->x + at, t->target + at, t->mask != NULL ? t->mask + at : NULL, b->rows, b->n, t->F);
}

ae_status
ae_multinomial_fwd_bwd(float *loss, float *dx, const float *dloss, const float *logits,
                       const float *counts, const float *mask, int64_t N, int64_t T, int64_t E,
                       const ae_ctx *ctx)
{
    count_task t = {loss, dx, NULL, dloss, logits, counts, mask, NULL, false, T, E, ctx->k};
    return ae_split_rows(loss, N, T, E, MULTINOMIAL_COST * (double)E, multinomial_block, &t,
                         ctx);
}
