/* reduce.c: sums, ranges and moments of arrays. Blocks depend on sizes alone, and what they give is
 * put together in their order. */
#include <math.h>

#include "base/math.h"
#include "kern/table.h"

#define BLOCK 32768      /* values of a task */
#define SPAN_COST 0.5    /* of a value, in floating point operations: memory limits it */
#define MOMENT_COST 30.0 /* with its exponential */
#define COLUMNS 32       /* of a task of moments */

typedef struct {
    double (*part)[2]; /* of each block: its sum, or its range */
    const void *x;
    ae_source source;
    int64_t n;
    const ae_kernels *k;
} reduce_task;

static void
sum_one(void *arg, int64_t i, int thread)
{
    const reduce_task *t = arg;
    const int64_t at = i * BLOCK, n = ae_min(BLOCK, t->n - at);
    (void)thread;
    if (t->source == AE_F64) {
        t->k->sum_f64(t->part[i], (const double *)t->x + at, n);
    }
    else {
        t->k->sum_f32(t->part[i], (const float *)t->x + at, n);
    }
}

static void
span_one(void *arg, int64_t i, int thread)
{
    const reduce_task *t = arg;
    const int64_t at = i * BLOCK, n = ae_min(BLOCK, t->n - at);
    (void)thread;
    switch (t->source) {
        case AE_U8:
            t->k->span_u8(t->part[i], (const uint8_t *)t->x + at, n);
            break;
        case AE_F32:
            t->k->span_f32(t->part[i], (const float *)t->x + at, n);
            break;
        case AE_F64:
            t->k->span_f64(t->part[i], (const double *)t->x + at, n);
            break;
    }
}

/* Let `one` fill t->part for all blocks. */
static ae_status
each_block(reduce_task *t, double cost, ae_task one, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t blocks = ae_ceil_div(t->n, BLOCK);
    const size_t bytes = ae_bytes(blocks, sizeof *t->part, 1);
    AE_TRY(ae_arena_reserve(ctx->arena, bytes));
    t->part = ae_arena_take(ctx->arena, bytes);
    ae_parallel(ctx, blocks, cost * (double)t->n, one, t);
done:
    return status;
}

ae_status
ae_sum(double *sum, const void *x, ae_source source, int64_t n, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    reduce_task t = {.x = x, .source = source, .n = n, .k = ctx->k};
    AE_TRY(each_block(&t, 1.0, sum_one, ctx));
    *sum = 0.0;
    for (int64_t i = 0; i < ae_ceil_div(n, BLOCK); i++) {
        *sum += t.part[i][0];
    }
done:
    return status;
}

ae_status
ae_span(double span[2], const void *x, ae_source source, int64_t n, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    reduce_task t = {.x = x, .source = source, .n = n, .k = ctx->k};
    AE_TRY(each_block(&t, SPAN_COST, span_one, ctx));
    span[0] = INFINITY;
    span[1] = -INFINITY;
    for (int64_t i = 0; i < ae_ceil_div(n, BLOCK); i++) {
        if (isnan(t.part[i][0])) {
            span[0] = span[1] = t.part[i][0];
            break;
        }
        span[0] = fmin(span[0], t.part[i][0]);
        span[1] = fmax(span[1], t.part[i][1]);
    }
    span[0] +=
        0.0; /* which zero is found first is the kernels' own business: it is 0, not -0 */
    span[1] += 0.0;
done:
    return status;
}

/* ---- codes --------------------------------------------------------------------------- */

typedef struct {
    double *sum;
    const float *mean, *logvar;
    int64_t N, D;
    const ae_kernels *k;
} moments_task;

static void
moments_one(void *arg, int64_t i, int thread)
{
    const moments_task *t = arg;
    const int64_t at = i * COLUMNS, n = ae_min(COLUMNS, t->D - at);
    (void)thread;
    t->k->latent_moments(t->sum + at, t->mean + at, t->logvar + at, t->N, t->D, n);
}

ae_status
ae_latent_moments(double *sum, const float *mean, const float *logvar, int64_t N, int64_t D,
                  const ae_ctx *ctx)
{
    moments_task t = {sum, mean, logvar, N, D, ctx->k};
    ae_parallel(ctx, ae_ceil_div(D, COLUMNS), MOMENT_COST * (double)N * (double)D, moments_one,
                &t);
    return AE_OK;
}
