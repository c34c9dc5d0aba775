/* steps.c: sequences (N, T, C): learned positions added to them, and the mean over their steps. */
#include <string.h>

#include "base/math.h"
#include "kern/table.h"

#define COLUMNS 1024 /* values of p in a task of its gradient */

typedef struct {
    float *out;
    const float *x, *p;
    const int64_t *lengths;
    int64_t N, T, C;
    bool repeated, adds;
    const ae_kernels *k;
} steps_task;

static double
values(const steps_task *t)
{
    return (double)t->N * (double)t->T * (double)t->C;
}

/* ---- positions ------------------------------------------------------------------------------- */

static void
add_positions(void *arg, int64_t n, int thread)
{
    const steps_task *t = arg;
    const int64_t size = t->T * t->C;
    float *y = t->out + n * size;
    (void)thread;
    if (!t->repeated) {
        t->k->add(y, t->x + n * size, t->p, size);
        return;
    }
    for (int64_t i = 0; i < t->T; i++) {
        t->k->add(y + i * t->C, t->x + n * t->C, t->p + i * t->C, t->C);
    }
}

/* Some columns of (N, T C), summed in order of the samples. */
static void
position_gradient(void *arg, int64_t i, int thread)
{
    const steps_task *t = arg;
    const int64_t size = t->T * t->C, at = i * COLUMNS, n = ae_min(COLUMNS, size - at);
    (void)thread;
    if (!t->adds) {
        memset(t->out + at, 0, (size_t)n * sizeof(float));
    }
    for (int64_t sample = 0; sample < t->N; sample++) {
        t->k->add(t->out + at, t->out + at, t->x + sample * size + at, n);
    }
}

static void
sum_steps(void *arg, int64_t n, int thread)
{
    const steps_task *t = arg;
    (void)thread;
    t->k->scaled_column_sums(t->out + n * t->C, t->x + n * t->T * t->C, 1.0f, t->T, t->C);
}

ae_status
ae_positions_fwd(float *y, const float *x, const float *p, int64_t N, int64_t T, int64_t C,
                 bool repeated, const ae_ctx *ctx)
{
    steps_task t = {y, x, p, NULL, N, T, C, repeated, false, ctx->k};
    ae_parallel(ctx, N, 4.0 * values(&t), add_positions, &t);
    return AE_OK;
}

ae_status
ae_positions_bwd(float *dx, float *dp, const float *dy, int64_t N, int64_t T, int64_t C,
                 bool adds, const ae_ctx *ctx)
{
    steps_task t = {.x = dy, .N = N, .T = T, .C = C, .adds = adds, .k = ctx->k};
    if (dp != NULL) {
        t.out = dp;
        ae_parallel(ctx, ae_ceil_div(T * C, COLUMNS), 4.0 * values(&t), position_gradient, &t);
    }
    if (dx != NULL) {
        t.out = dx;
        ae_parallel(ctx, N, 4.0 * values(&t), sum_steps, &t);
    }
    return AE_OK;
}

/* ---- mean ------------------------------------------------------------------------------------ */

static int64_t
length(const steps_task *t, int64_t n)
{
    return t->lengths == NULL ? t->T : ae_index(&t->lengths[n], t->T + 1);
}

static void
mean_steps(void *arg, int64_t n, int thread)
{
    const steps_task *t = arg;
    const int64_t steps = length(t, n);
    const float share = 1.0f / (float)ae_max(1, steps);
    (void)thread;
    t->k->scaled_column_sums(t->out + n * t->C, t->x + n * t->T * t->C, share, steps, t->C);
}

static void
share_gradient(void *arg, int64_t n, int thread)
{
    const steps_task *t = arg;
    const int64_t steps = length(t, n);
    const float share = 1.0f / (float)ae_max(1, steps);
    float *dx = t->out + n * t->T * t->C;
    (void)thread;
    for (int64_t i = 0; i < steps; i++) {
        t->k->scale_f32(dx + i * t->C, t->x + n * t->C, t->C, share);
    }
    memset(dx + steps * t->C, 0, (size_t)((t->T - steps) * t->C) * sizeof(float));
}

ae_status
ae_mean_steps_fwd(float *y, const float *x, const int64_t *lengths, int64_t N, int64_t T,
                  int64_t C, const ae_ctx *ctx)
{
    steps_task t = {y, x, NULL, lengths, N, T, C, false, false, ctx->k};
    ae_parallel(ctx, N, 4.0 * values(&t), mean_steps, &t);
    return AE_OK;
}

ae_status
ae_mean_steps_bwd(float *dx, const float *dy, const int64_t *lengths, int64_t N, int64_t T,
                  int64_t C, const ae_ctx *ctx)
{
    steps_task t = {dx, dy, NULL, lengths, N, T, C, false, false, ctx->k};
    ae_parallel(ctx, N, 4.0 * values(&t), share_gradient, &t);
    return AE_OK;
}
