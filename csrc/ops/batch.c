/* batch.c: values put beside one another, and added. */
#include <string.h>

#include "base/math.h"
#include "kern/table.h"

#define PART 8192 /* values in a task */

typedef struct {
    float *y;
    const float *a, *b;
    int64_t n, T, C, D; /* n: rows of concat, values of add */
    int64_t part;
    const ae_kernels *k;
} batch_task;

static void
concat_rows(void *arg, int64_t i, int thread)
{
    const batch_task *t = arg;
    int64_t r1 = ae_min((i + 1) * t->part, t->n);
    (void)thread;
    for (int64_t r = i * t->part; r < r1; r++) {
        float *y = t->y + r * (t->C + t->D);
        memcpy(y, t->a + r * t->C, (size_t)t->C * sizeof(float));
        memcpy(y + t->C, t->b + r / t->T * t->D, (size_t)t->D * sizeof(float));
    }
}

static void
split_rows(void *arg, int64_t i, int thread)
{
    const batch_task *t = arg;
    int64_t r1 = ae_min((i + 1) * t->part, t->n);
    (void)thread;
    for (int64_t r = i * t->part; r < r1; r++) {
        memcpy(t->y + r * t->C, t->a + r * (t->C + t->D), (size_t)t->C * sizeof(float));
    }
}

static void
add_part(void *arg, int64_t i, int thread)
{
    const batch_task *t = arg;
    int64_t at = i * t->part;
    (void)thread;
    t->k->add(t->y + at, t->a + at, t->b + at, ae_min(t->part, t->n - at));
}

ae_status
ae_concat_fwd(float *y, const float *x, const float *cond, int64_t N, int64_t T, int64_t C,
              int64_t D, const ae_ctx *ctx)
{
    batch_task t = {.y = y, .a = x, .b = cond, .n = N * T, .T = T, .C = C, .D = D};
    t.part = ae_max(1, PART / ae_max(1, C + D));
    ae_parallel(ctx, ae_ceil_div(t.n, t.part), 2.0 * (double)t.n * (double)(C + D), concat_rows,
                &t);
    return AE_OK;
}

ae_status
ae_concat_bwd(float *dx, const float *dy, int64_t N, int64_t T, int64_t C, int64_t D,
              const ae_ctx *ctx)
{
    batch_task t = {.y = dx, .a = dy, .n = N * T, .T = T, .C = C, .D = D};
    t.part = ae_max(1, PART / ae_max(1, C + D));
    ae_parallel(ctx, ae_ceil_div(t.n, t.part), 2.0 * (double)t.n * (double)(C + D), split_rows,
                &t);
    return AE_OK;
}

ae_status
ae_add(float *y, const float *a, const float *b, int64_t n, const ae_ctx *ctx)
{
    batch_task t = {.y = y, .a = a, .b = b, .n = n, .part = PART, .k = ctx->k};
    ae_parallel(ctx, ae_ceil_div(n, PART), 2.0 * (double)n, add_part, &t);
    return AE_OK;
}
