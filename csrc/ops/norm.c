/* norm.c: what the norms share; see norm.h. */
#include "base/math.h"
#include "ops/norm.h"

#include <math.h>
#include <string.h>

#define MOST_BLOCKS 64 /* whose sums are added one after the other */

ae_status
ae_norm_plan(ae_norm_task *t, int64_t size, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t near = ae_max(1, AE_NORM_NEAR / ae_max(1, size));
    t->k = ctx->k;
    t->width = ae_round_up(t->g->C, AE_MAX_NR);
    t->block = ae_max(near, ae_ceil_div(t->items, MOST_BLOCKS));
    t->blocks = ae_max(1, ae_ceil_div(t->items, t->block));

    size_t sums = ae_bytes(t->blocks, 2 * (int64_t)sizeof(double), t->width);
    size_t moments = ae_bytes(ctx->threads, 2 * (int64_t)sizeof(double), t->width);
    size_t factors = ae_bytes(ctx->threads, 4 * (int64_t)sizeof(float), t->width);
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(sums, ae_bytes_add(moments, factors))));
    t->sums = ae_arena_take(ctx->arena, sums);
    t->moments = ae_arena_take(ctx->arena, moments);
    t->factors = ae_arena_take(ctx->arena, factors);
    memset(t->sums, 0, sums);
    memset(t->factors, 0, factors);
done:
    return status;
}

void
ae_norm_total(ae_norm_task *t)
{
    for (int64_t i = 1; i < t->blocks; i++) {
        for (int64_t c = 0; c < 2 * t->width; c++) {
            t->sums[c] += t->sums[i * 2 * t->width + c];
        }
    }
}

void
ae_norm_parameters(const ae_norm_task *t, float *dgamma, float *dbeta)
{
    const ae_adds adds = t->g->adds;
    for (int64_t c = 0; c < t->g->C; c++) {
        if (dbeta != NULL) {
            dbeta[c] = (adds.b ? dbeta[c] : 0.0f) + (float)t->sums[c];
        }
        if (dgamma != NULL) {
            dgamma[c] = (adds.w ? dgamma[c] : 0.0f) + (float)t->sums[t->width + c];
        }
    }
}

float
ae_norm_rstd(float var, float eps)
{
    return (float)(1.0 / sqrt((double)var + (double)eps));
}

void
ae_norm_finish(float *mean, float *rstd, float *var, const double sum[2], double count,
               float shift, float eps)
{
    double m = count > 0 ? sum[0] / count : 0.0;
    double v = count > 0 ? sum[1] / count - m * m : 0.0;
    v = v < 0 ? 0.0 : v; /* by rounding; NaN stays */
    *mean = (float)((double)shift + m);
    if (var != NULL) {
        *var = (float)v;
    }
    if (rstd != NULL) {
        *rstd = (float)(1.0 / sqrt(v + (double)eps));
    }
}
