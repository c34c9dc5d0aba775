/* norm_batch.c: batch_norm of (M, C), each channel over all M = N T rows (Ioffe & Szegedy 2015).
 *
 * With x^ = (x - mean) rstd: dgamma = sum(dy x^), dbeta = sum(dy), and while training
 *   dx = gamma rstd (dy - dbeta / M - x^ dgamma / M),
 * where these two are this batch's; otherwise the statistics are constants: dx = gamma rstd dy.
 */
#include "base/math.h"
#include "ops/norm.h"

static int64_t
rows_of(const ae_norm_task *t, int64_t i)
{
    return ae_min(t->block, t->items - i * t->block);
}

static void
moments_block(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    double *s = t->sums + i * 2 * t->width;
    (void)thread;
    /* less the first row, so that the variance doesn't cancel */
    t->k->column_moments(s, s + t->width, t->x + i * t->block * t->g->C, t->x, rows_of(t, i),
                         t->g->C);
}

static void
norm_block(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    int64_t at = i * t->block * t->g->C;
    (void)thread;
    t->k->norm_columns(t->out + at, t->x + at, t->factors, t->factors + t->width, t->beta,
                       rows_of(t, i), t->g->C);
}

ae_status
ae_batch_norm_fwd(float *y, float *mean, float *var, const float *x, const float *gamma,
                  const float *beta, bool training, const ae_norm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_norm_task t = {
        .g = cfg, .out = y, .x = x, .gamma = gamma, .beta = beta, .items = cfg->N * cfg->T};
    double values = (double)t.items * (double)cfg->C;
    AE_TRY(ae_norm_plan(&t, cfg->C, ctx));
    if (training) {
        ae_parallel(ctx, t.items > 0 ? t.blocks : 0, 6.0 * values, moments_block, &t);
        ae_norm_total(&t);
    }
    for (int64_t c = 0; c < cfg->C; c++) {
        if (training) {
            double sum[2] = {t.sums[c], t.sums[t.width + c]};
            ae_norm_finish(&mean[c], NULL, &var[c], sum, (double)t.items,
                           t.items > 0 ? x[c] : 0.0f, cfg->eps);
        }
        t.factors[c] = mean[c];
        t.factors[t.width + c] =
            ae_norm_rstd(var[c], cfg->eps) * (gamma != NULL ? gamma[c] : 1.0f);
    }
    if (t.items > 0) {
        ae_parallel(ctx, t.blocks, 6.0 * values, norm_block, &t);
    }
done:
    return status;
}

static void
dots_block(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    int64_t at = i * t->block * t->g->C;
    double *s = t->sums + i * 2 * t->width;
    (void)thread;
    t->k->column_dots(s, s + t->width, t->dy + at, t->x + at, t->factors, rows_of(t, i),
                      t->g->C);
}

static void
norm_grad_block(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    int64_t at = i * t->block * t->g->C;
    (void)thread;
    t->k->norm_grad_columns(t->out + at, t->dy + at, t->x + at, t->factors, t->width,
                            rows_of(t, i), t->g->C);
}

/* Scale, offset and slope of dx, from the sums of dy and dy (x - mean), the second of which
 * become those of dgamma. */
static void
batch_factors(ae_norm_task *t, const float *var, bool training)
{
    const int64_t w = t->width;
    const double M = (double)t->items;
    for (int64_t c = 0; c < t->g->C; c++) {
        float rstd = ae_norm_rstd(var[c], t->g->eps);
        double r = (double)rstd, gamma = t->gamma != NULL ? (double)t->gamma[c] : 1.0;
        t->factors[w + c] = (float)(gamma * r);
        if (training) {
            t->factors[2 * w + c] = (float)(gamma * r * t->sums[c] / M);
            t->factors[3 * w + c] = (float)(gamma * r * r * r * t->sums[w + c] / M);
        }
        t->sums[w + c] *= r;
    }
}

ae_status
ae_batch_norm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                  const float *mean, const float *var, const float *gamma, bool training,
                  const ae_norm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_norm_task t = {
        .g = cfg, .out = dx, .dy = dy, .x = x, .gamma = gamma, .items = cfg->N * cfg->T};
    double values = (double)t.items * (double)cfg->C;
    AE_TRY(ae_norm_plan(&t, cfg->C, ctx));
    if (t.items == 0) {
        ae_norm_parameters(&t, dgamma, dbeta);
        goto done;
    }
    for (int64_t c = 0; c < cfg->C; c++) {
        t.factors[c] = mean[c];
    }
    if (training || dgamma != NULL || dbeta != NULL) {
        ae_parallel(ctx, t.blocks, 10.0 * values, dots_block, &t);
        ae_norm_total(&t);
    }
    batch_factors(&t, var, training);
    ae_norm_parameters(&t, dgamma, dbeta);
    if (dx != NULL) {
        ae_parallel(ctx, t.blocks, 10.0 * values, norm_grad_block, &t);
    }
done:
    return status;
}
