/* norm_group.c: group_norm of (N, T, C) over T positions and C / G channels, and layer_norm, its
 * case T = G = 1 (Wu & He 2018, Ba, Kiros & Hinton 2016).
 *
 * With x^ = (x - mean) rstd, g = dy gamma and n = T C / G values in a group:
 *   dx = rstd (g - sum(g) / n - x^ sum(g x^) / n),  dgamma = sum(dy x^),  dbeta = sum(dy).
 * A group's sums over T are taken for each channel, which are also those of dgamma and dbeta.
 */
#include <string.h>

#include "base/math.h"
#include "ops/norm.h"

static int64_t
block_end(const ae_norm_task *t, int64_t i)
{
    return ae_min(t->items, (i + 1) * t->block);
}

/* ---- layer_norm: statistics of rows --------------------------------------------------------- */

void
ae_layer_rows(const ae_kernels *k, float *y, float *mean, float *rstd, const float *x,
              const float *gamma, const float *beta, int64_t rows, int64_t C, float eps)
{
    for (int64_t n = 0; n < rows; n++, x += C, y += C) {
        double sum[2];
        float shift = C > 0 ? x[0] : 0.0f;
        k->row_moments(sum, x, C, shift);
        ae_norm_finish(&mean[n], &rstd[n], NULL, sum, (double)C, shift, eps);
        k->norm_row(y, x, mean[n], rstd[n], gamma, beta, C);
    }
}

static void
layer_fwd(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    const int64_t C = t->g->C, n0 = i * t->block;
    (void)thread;
    ae_layer_rows(t->k, t->out + n0 * C, t->mean_out + n0, t->rstd_out + n0, t->x + n0 * C,
                  t->gamma, t->beta, block_end(t, i) - n0, C, t->g->eps);
}

static ae_norm_grad
grad_factors(float mean, float rstd, const double sum[2], double count)
{
    double r = (double)rstd;
    return (ae_norm_grad){.mean = mean,
                          .scale = rstd,
                          .offset = (float)(r * sum[0] / count),
                          .slope = (float)(r * r * r * sum[1] / count)};
}

void
ae_layer_rows_grad(const ae_kernels *k, float *dx, const float *dy, const float *x,
                   const float *mean, const float *rstd, const float *gamma, int64_t rows,
                   int64_t C)
{
    for (int64_t n = 0; n < rows; n++, dx += C, dy += C, x += C) {
        double sum[2];
        k->row_dots(sum, dy, x, mean[n], gamma, C);
        ae_norm_grad g = grad_factors(mean[n], rstd[n], sum, (double)C);
        k->norm_grad_row(dx, dy, x, gamma, &g, C);
    }
}

static void
layer_bwd(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    const int64_t C = t->g->C, end = block_end(t, i);
    const int64_t near = ae_max(1, AE_NORM_NEAR / ae_max(1, C));
    double *sums = t->sums + i * 2 * t->width;
    (void)thread;
    for (int64_t n0 = i * t->block; n0 < end; n0 += near) {
        int64_t rows = ae_min(near, end - n0);
        if (t->out != NULL) {
            ae_layer_rows_grad(t->k, t->out + n0 * C, t->dy + n0 * C, t->x + n0 * C,
                               t->mean + n0, t->rstd + n0, t->gamma, rows, C);
        }
        if (t->parameters) {
            t->k->column_dots_by_row(sums, sums + t->width, t->dy + n0 * C, t->x + n0 * C,
                                     t->mean + n0, t->rstd + n0, rows, C);
        }
    }
}

/* ---- group_norm: statistics of samples -------------------------------------------------------- */

/* Mean and rstd of the groups of sample n; moments and shift are scratch. */
static void
group_statistics(const ae_norm_task *t, int64_t n, double *moments, float *shift)
{
    const int64_t T = t->g->T, C = t->g->C, G = t->g->G, size = C / G;
    const float *x = t->x + n * T * C;
    float *mean = t->mean_out + n * G, *rstd = t->rstd_out + n * G;
    double *s = moments, *ss = moments + t->width, sum[2];
    float eps = t->g->eps;
    if (G == 1) {
        float first = T * C > 0 ? x[0] : 0.0f;
        t->k->row_moments(sum, x, T * C, first);
        ae_norm_finish(mean, rstd, NULL, sum, (double)(T * C), first, eps);
        return;
    }
    memset(moments, 0, (size_t)(2 * t->width) * sizeof(double));
    for (int64_t c = 0; c < C; c++) {
        shift[c] = T > 0 ? x[c / size * size] : 0.0f;
    }
    t->k->column_moments(s, ss, x, shift, T, C);
    for (int64_t g = 0; g < G; g++) {
        sum[0] = sum[1] = 0.0;
        for (int64_t c = g * size; c < (g + 1) * size; c++) {
            sum[0] += s[c];
            sum[1] += ss[c];
        }
        float first = size > 0 ? shift[g * size] : 0.0f;
        ae_norm_finish(&mean[g], &rstd[g], NULL, sum, (double)(T * size), first, eps);
    }
}

static void
group_fwd(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    const int64_t T = t->g->T, C = t->g->C, G = t->g->G, size = C / G;
    double *moments = t->moments + thread * 2 * t->width;
    float *center = t->factors + thread * 4 * t->width, *scale = center + t->width;
    for (int64_t n = i * t->block; n < block_end(t, i); n++) {
        const float *mean = t->mean_out + n * G, *rstd = t->rstd_out + n * G;
        group_statistics(t, n, moments, center);
        for (int64_t c = 0; c < C; c++) {
            center[c] = mean[c / size];
            scale[c] = rstd[c / size] * (t->gamma != NULL ? t->gamma[c] : 1.0f);
        }
        t->k->norm_columns(t->out + n * T * C, t->x + n * T * C, center, scale, t->beta, T, C);
    }
}

/* The factors of dx for channels [c0, c0 + size), a group, from the sums of its channels; sums
 * of dgamma get theirs. `factor` is center, scale, offset and slope, width apart. */
static void
group_factors(const ae_norm_task *t, int64_t n, int64_t g, const double *s, const double *ss,
              float *factor, double *sums)
{
    const int64_t size = t->g->C / t->g->G, c0 = g * size, w = t->width;
    float rstd = t->rstd[n * t->g->G + g];
    double sum[2] = {0.0, 0.0};
    for (int64_t c = c0; c < c0 + size; c++) {
        double gamma = t->gamma != NULL ? (double)t->gamma[c] : 1.0;
        sum[0] += gamma * s[c];
        sum[1] += gamma * ss[c];
        sums[c] += s[c];
        sums[w + c] += (double)rstd * ss[c];
    }
    ae_norm_grad f = grad_factors(factor[c0], rstd, sum, (double)(t->g->T * size));
    for (int64_t c = c0; c < c0 + size; c++) {
        factor[w + c] = f.scale * (t->gamma != NULL ? t->gamma[c] : 1.0f);
        factor[2 * w + c] = f.offset;
        factor[3 * w + c] = f.slope;
    }
}

static void
group_bwd(void *arg, int64_t i, int thread)
{
    const ae_norm_task *t = arg;
    const int64_t T = t->g->T, C = t->g->C, G = t->g->G, size = C / G;
    double *s = t->moments + thread * 2 * t->width, *ss = s + t->width;
    float *factor = t->factors + thread * 4 * t->width;
    for (int64_t n = i * t->block; n < block_end(t, i); n++) {
        const int64_t at = n * T * C;
        for (int64_t c = 0; c < C; c++) {
            factor[c] = t->mean[n * G + c / size];
        }
        memset(s, 0, (size_t)(2 * t->width) * sizeof(double));
        t->k->column_dots(s, ss, t->dy + at, t->x + at, factor, T, C);
        for (int64_t g = 0; g < G; g++) {
            group_factors(t, n, g, s, ss, factor, t->sums + i * 2 * t->width);
        }
        if (t->out != NULL) {
            t->k->norm_grad_columns(t->out + at, t->dy + at, t->x + at, factor, t->width, T, C);
        }
    }
}

/* ---- drivers ------------------------------------------------------------------------------------- */

static bool
is_layer_norm(const ae_norm_cfg *cfg)
{
    return cfg->T == 1 && cfg->G == 1;
}

ae_status
ae_group_norm_fwd(float *y, float *mean, float *rstd, const float *x, const float *gamma,
                  const float *beta, const ae_norm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_norm_task t = {.g = cfg,
                      .out = y,
                      .x = x,
                      .gamma = gamma,
                      .beta = beta,
                      .mean_out = mean,
                      .rstd_out = rstd,
                      .items = cfg->N};
    double values = (double)cfg->N * (double)cfg->T * (double)cfg->C;
    AE_TRY(ae_norm_plan(&t, cfg->T * cfg->C, ctx));
    ae_parallel(ctx, t.blocks, 10.0 * values, is_layer_norm(cfg) ? layer_fwd : group_fwd, &t);
done:
    return status;
}

ae_status
ae_group_norm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x,
                  const float *mean, const float *rstd, const float *gamma,
                  const ae_norm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_norm_task t = {.g = cfg,
                      .out = dx,
                      .dy = dy,
                      .x = x,
                      .gamma = gamma,
                      .mean = mean,
                      .rstd = rstd,
                      .items = cfg->N,
                      .parameters = dgamma != NULL || dbeta != NULL};
    double values = (double)cfg->N * (double)cfg->T * (double)cfg->C;
    AE_TRY(ae_norm_plan(&t, cfg->T * cfg->C, ctx));
    ae_parallel(ctx, t.blocks, 20.0 * values, is_layer_norm(cfg) ? layer_bwd : group_bwd, &t);
    if (t.parameters) {
        ae_norm_total(&t);
        ae_norm_parameters(&t, dgamma, dbeta);
    }
done:
    return status;
}
