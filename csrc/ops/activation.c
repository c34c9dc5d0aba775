/* activation.c: activations over arrays of any shape, cut into chunks. */
#include "base/math.h"
#include "kern/table.h"

#define CHUNK 8192 /* values: two or three streams of them stay in the second level cache */

_Static_assert(AE_LINEAR == 0, "what a zeroed struct means");

static const struct {
    const char *name;
    bool from_output;
    double operations;
} activations[AE_ACTIVATIONS] = {
#define AE_ACT(id, name, from_output, operations) {#name, from_output, operations},
#include "kern/act.def"
#undef AE_ACT
};

const char *
ae_act_name(ae_act act)
{
    return activations[act].name;
}

bool
ae_act_from_output(ae_act act)
{
    return activations[act].from_output;
}

typedef struct {
    float *out;
    const float *grad; /* NULL in the forward pass */
    const float *in;
    int64_t n;
    ae_act act;
    const ae_kernels *k;
} act_task;

static void
one_chunk(void *arg, int64_t i, int thread)
{
    const act_task *t = arg;
    int64_t at = i * CHUNK, n = ae_min(CHUNK, t->n - at);
    (void)thread;
    if (t->grad == NULL) {
        t->k->act_fwd(t->out + at, t->in + at, n, t->act);
    }
    else {
        t->k->act_bwd(t->out + at, t->grad + at, t->in + at, n, t->act);
    }
}

static ae_status
run(act_task *t, const ae_ctx *ctx)
{
    double work = activations[t->act].operations * (double)t->n;
    t->k = ctx->k;
    ae_parallel(ctx, ae_ceil_div(t->n, CHUNK), work, one_chunk, t);
    return AE_OK;
}

ae_status
ae_activation_fwd(float *y, const float *x, int64_t n, ae_act act, const ae_ctx *ctx)
{
    act_task t = {.out = y, .in = x, .n = n, .act = act};
    return run(&t, ctx);
}

ae_status
ae_activation_bwd(float *dx, const float *dy, const float *y, int64_t n, ae_act act,
                  const ae_ctx *ctx)
{
    act_task t = {.out = dx, .grad = dy, .in = y, .n = n, .act = act};
    return run(&t, ctx);
}
