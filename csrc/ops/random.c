/* random.c: random numbers and dropout, cut into parts of fixed size. Values depend on their
 * position alone, so nothing has to be kept in order. */
#include "base/math.h"
#include "kern/table.h"

#define PART 8192

typedef struct {
    void *x;
    void (*draw)(float *, int64_t, const ae_stream *); /* of uniform and normal */
    const float *in;                                   /* of dropout */
    float rate;
    int64_t n;
    const ae_stream *stream;
    const ae_kernels *k;
} draw_task;

static int64_t
part_of(const draw_task *t, int64_t i, ae_stream *s)
{
    *s = *t->stream;
    s->offset += (uint64_t)(i * PART);
    return ae_min(PART, t->n - i * PART);
}

static void
draw_bits(void *arg, int64_t i, int thread)
{
    const draw_task *t = arg;
    ae_stream s;
    int64_t n = part_of(t, i, &s);
    (void)thread;
    t->k->random_bits((uint32_t *)t->x + i * PART, n, &s);
}

static void
draw_floats(void *arg, int64_t i, int thread)
{
    const draw_task *t = arg;
    ae_stream s;
    int64_t n = part_of(t, i, &s);
    (void)thread;
    t->draw((float *)t->x + i * PART, n, &s);
}

static void
draw_dropout(void *arg, int64_t i, int thread)
{
    const draw_task *t = arg;
    ae_stream s;
    int64_t n = part_of(t, i, &s);
    (void)thread;
    t->k->dropout((float *)t->x + i * PART, t->in + i * PART, n, t->rate, &s);
}

/* `cost` is that of a value in operations. */
static ae_status
in_parts(draw_task *t, double cost, ae_task fn, const ae_ctx *ctx)
{
    t->k = ctx->k;
    ae_parallel(ctx, ae_ceil_div(t->n, PART), cost * (double)t->n, fn, t);
    return AE_OK;
}

ae_status
ae_random_bits(uint32_t *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx)
{
    draw_task t = {.x = x, .n = n, .stream = stream};
    return in_parts(&t, 10.0, draw_bits, ctx);
}

ae_status
ae_random_uniform(float *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx)
{
    draw_task t = {.x = x, .draw = ctx->k->random_uniform, .n = n, .stream = stream};
    return in_parts(&t, 10.0, draw_floats, ctx);
}

ae_status
ae_random_normal(float *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx)
{
    draw_task t = {.x = x, .draw = ctx->k->random_normal, .n = n, .stream = stream};
    return in_parts(&t, 20.0, draw_floats, ctx);
}

ae_status
ae_dropout(float *y, const float *x, float rate, int64_t n, const ae_stream *stream,
           const ae_ctx *ctx)
{
    draw_task t = {.x = y, .in = x, .rate = rate, .n = n, .stream = stream};
    return in_parts(&t, 12.0, draw_dropout, ctx);
}
