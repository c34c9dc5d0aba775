/* peak.c: the machine's multiply-add peak, for the benchmarks. */
#include "kern/table.h"

#define TASKS 64

typedef struct {
    const ae_kernels *k;
    int64_t steps;
} peak_task;

static void
run_chains(void *arg, int64_t i, int thread)
{
    const peak_task *t = arg;
    float sink[AE_MAX_NR] = {0};
    (void)i;
    (void)thread;
    t->k->fma_chains(sink, t->steps);
}

double
ae_fma_peak(int64_t steps, const ae_ctx *ctx)
{
    peak_task t = {ctx->k, steps};
    double flops = 2.0 * 14 * ctx->k->vlen * (double)steps * TASKS;
    ae_parallel(ctx, TASKS, flops, run_chains, &t);
    return flops;
}
