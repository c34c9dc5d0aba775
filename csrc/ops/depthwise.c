/* depthwise.c: convolution where every channel has a kernel of its own, in all directions.
 *
 * Nothing is summed over channels, so they are the lanes: a pixel is the sum over the taps that
 * have one to read of a vector of channels times a vector of weights. Both are read where they lie,
 * the weights once transposed to (taps, channels). After the indirect convolution of Dukhan
 * (2019). Weight gradients have one sum for each of a fixed number of blocks of rows, which are
 * added in order: the same bits for any number of threads.
 */
#include "ops/depthwise.h"

#include <string.h>

#include "base/math.h"

#define CHUNK 8192 /* values of a run of rows */
#define BLOCKS 16
#define PART_BYTES ((int64_t)64 << 20) /* of all blocks' sums, about */

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    float *out;
    const float *in, *weight; /* (taps, channels) */
    const ae_epilogue *epilogue;
    const ae_axis_phase *y, *x; /* of `up`: those of each axis */
    void (*row)(const void *task, int64_t n, int64_t h, const float **pixel);
    int64_t height, width; /* of an image of `out` */
    int64_t rows, step;    /* of all images, of a chunk */
    char *scratch;         /* of each thread: pixels and weights of the taps */
    size_t thread_bytes;
} image_task;

/* The pixels and weights of a tap each, and how many there are. */
typedef struct {
    const float **pixel, **weight;
    int64_t count;
} tap_list;

static void
add_taps(tap_list *list, const image_task *t, const float *row, int64_t r, int64_t v,
         const ae_window *g)
{
    for (int64_t s = 0; s < g->S; s++, v += g->dw) {
        if (v >= 0 && v < g->W) {
            list->pixel[list->count] = row + v * g->groups;
            list->weight[list->count++] = t->weight + (r * g->S + s) * g->groups;
        }
    }
}

/* Row p of small image n. */
static void
down_row(const void *task, int64_t n, int64_t p, const float **pixel)
{
    const image_task *t = task;
    const ae_window *g = t->g;
    const float *image = t->in + n * g->H * g->W * g->groups;
    float *y = t->out + (n * g->P + p) * g->Q * g->groups;
    for (int64_t q = 0; q < g->Q; q++, y += g->groups) {
        tap_list list = {pixel, pixel + g->R * g->S, 0};
        for (int64_t r = 0; r < g->R; r++) {
            int64_t h = p * g->sh - g->ph + r * g->dh;
            if (h >= 0 && h < g->H) {
                add_taps(&list, t, image + h * g->W * g->groups, r, q * g->sw - g->pw, g);
            }
        }
        t->k->mul_taps(y, list.pixel, list.weight, list.count, t->epilogue->bias, g->groups);
    }
}

/* Row h of big image n. */
static void
up_row(const void *task, int64_t n, int64_t h, const float **pixel)
{
    const image_task *t = task;
    const ae_window *g = t->g;
    const float *image = t->in + n * g->P * g->Q * g->groups;
    float *x = t->out + (n * g->H + h) * g->W * g->groups;
    const ae_axis_phase *y = &t->y[h % g->sh];
    for (int64_t v = 0; v < g->W; v++, x += g->groups) {
        const ae_axis_phase *f = &t->x[v % g->sw];
        tap_list list = {pixel, pixel + g->R * g->S, 0};
        for (int64_t i = 0; i < y->count * f->count; i++) {
            int64_t a = i / f->count, b = i % f->count;
            int64_t p = h / g->sh + y->low + a * y->gap, q = v / g->sw + f->low + b * f->gap;
            int64_t r = y->first - a * y->step, s = f->first - b * f->step;
            if (p >= 0 && p < g->P && q >= 0 && q < g->Q) {
                list.pixel[list.count] = image + (p * g->Q + q) * g->groups;
                list.weight[list.count++] = t->weight + (r * g->S + s) * g->groups;
            }
        }
        t->k->mul_taps(x, list.pixel, list.weight, list.count, t->epilogue->bias, g->groups);
    }
}

static void
run_of_rows(void *arg, int64_t i, int thread)
{
    const image_task *t = arg;
    const ae_epilogue *e = t->epilogue;
    const float **pixel = (const float **)(t->scratch + (size_t)thread * t->thread_bytes);
    int64_t begin = i * t->step, end = ae_min(t->rows, begin + t->step);
    for (int64_t row = begin; row < end; row++) {
        t->row(t, row / t->height, row % t->height, pixel);
    }
    int64_t at = begin * t->width * t->g->groups;
    int64_t n = (end - begin) * t->width * t->g->groups;
    if (e->act != AE_LINEAR) {
        t->k->act_fwd(t->out + at, t->out + at, n, e->act);
    }
    if (e->act_out != NULL) {
        t->k->act_bwd(t->out + at, t->out + at, e->act_out + at, n, e->act_grad);
    }
    if (e->add != NULL) {
        t->k->add(t->out + at, t->out + at, e->add + at, n);
    }
}

/* The phases of an axis. */
static void
make_phases(ae_axis_phase *f, int64_t size, int64_t kernel, int64_t stride, int64_t pad,
            int64_t dilation)
{
    for (int64_t a = 0; a < ae_phases(size, stride); a++) {
        f[a] = ae_make_axis_phase(a, size, kernel, stride, pad, dilation);
    }
}

static ae_status
over_rows(image_task *t, const float *w, bool up, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_window *g = t->g;
    int64_t taps = g->R * g->S, high = up ? ae_phases(g->H, g->sh) : 0;
    size_t weight_bytes = ae_bytes(taps, g->groups, sizeof(float));
    size_t phase_bytes =
        ae_bytes(high + (up ? ae_phases(g->W, g->sw) : 0), 1, sizeof(ae_axis_phase));
    t->thread_bytes = ae_bytes(2 * taps, 1, sizeof(float *));
    size_t scratch = ae_bytes((int64_t)t->thread_bytes, ctx->threads, 1);
    AE_TRY(ae_arena_reserve(ctx->arena,
                            ae_bytes_add(weight_bytes, ae_bytes_add(phase_bytes, scratch))));
    float *weight = ae_arena_take(ctx->arena, weight_bytes);
    ae_axis_phase *phases = ae_arena_take(ctx->arena, phase_bytes);
    t->scratch = ae_arena_take(ctx->arena, scratch);
    for (int64_t i = 0; i < taps * g->groups; i++) {
        weight[i] = w[i % g->groups * taps + i / g->groups];
    }
    if (up) {
        make_phases(phases, g->H, g->R, g->sh, g->ph, g->dh);
        make_phases(phases + high, g->W, g->S, g->sw, g->pw, g->dw);
    }
    t->weight = weight;
    t->y = phases;
    t->x = phases + high;
    t->rows = g->N * t->height;
    t->step = ae_max(1, CHUNK / ae_max(1, t->width * g->groups));
    double work = 2.0 * (double)t->rows * (double)t->width * (double)(taps * g->groups);
    ae_parallel(ctx, ae_ceil_div(t->rows, t->step), work, run_of_rows, t);
done:
    return status;
}

ae_status
ae_depthwise_down(float *small, const float *big, const float *w, const ae_window *g,
                  const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    image_task t = {.g = g,
                    .k = ctx->k,
                    .out = small,
                    .in = big,
                    .epilogue = epilogue,
                    .row = down_row,
                    .height = g->P,
                    .width = g->Q};
    return over_rows(&t, w, false, ctx);
}

ae_status
ae_depthwise_up(float *big, const float *small, const float *w, const ae_window *g,
                const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    image_task t = {.g = g,
                    .k = ctx->k,
                    .out = big,
                    .in = small,
                    .epilogue = epilogue,
                    .row = up_row,
                    .height = g->H,
                    .width = g->W};
    return over_rows(&t, w, true, ctx);
}

/* ---- gradients of weights -------------------------------------------------------------------- */

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    const float *big, *small;
    float *part; /* [block][tap][channel] */
    int64_t part_size, blocks;
    float *dw;
    bool adds;
} weight_task;

static void
add_row(const weight_task *t, float *part, int64_t n, int64_t p)
{
    const ae_window *g = t->g;
    const float *small = t->small + (n * g->P + p) * g->Q * g->groups;
    for (int64_t r = 0; r < g->R; r++) {
        int64_t h = p * g->sh - g->ph + r * g->dh;
        if (h < 0 || h >= g->H) {
            continue;
        }
        const float *big = t->big + (n * g->H + h) * g->W * g->groups;
        for (int64_t s = 0; s < g->S; s++) {
            int64_t v = s * g->dw - g->pw; /* of q = 0 */
            int64_t q0 = v < 0 ? ae_ceil_div(-v, g->sw) : 0;
            int64_t q1 = v < g->W ? ae_min(g->Q, ae_ceil_div(g->W - v, g->sw)) : 0;
            if (q0 < q1) {
                t->k->add_products(part + (r * g->S + s) * g->groups,
                                   big + (v + q0 * g->sw) * g->groups, g->sw * g->groups,
                                   small + q0 * g->groups, g->groups, q1 - q0, g->groups);
            }
        }
    }
}

static void
sum_block(void *arg, int64_t block, int thread)
{
    const weight_task *t = arg;
    float *part = t->part + block * t->part_size;
    int64_t rows = t->g->N * t->g->P;
    (void)thread;
    memset(part, 0, (size_t)t->part_size * sizeof(float));
    for (int64_t i = rows * block / t->blocks; i < rows * (block + 1) / t->blocks; i++) {
        add_row(t, part, i / t->g->P, i % t->g->P);
    }
}

/* dw of one tap: the blocks added in order, in w's layout. */
static void
reduce_tap(void *arg, int64_t tap, int thread)
{
    const weight_task *t = arg;
    const ae_window *g = t->g;
    int64_t taps = g->R * g->S;
    (void)thread;
    for (int64_t c = 0; c < g->groups; c++) {
        float *to = &t->dw[c * taps + tap], sum = 0.0f;
        for (int64_t i = 0; i < t->blocks; i++) {
            sum += t->part[i * t->part_size + tap * g->groups + c];
        }
        *to = (t->adds ? *to : 0.0f) + sum;
    }
}

ae_status
ae_depthwise_weight(float *dw, const float *big, const float *small, const ae_window *g,
                    bool adds, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    weight_task t = {.g = g, .k = ctx->k, .big = big, .small = small, .dw = dw, .adds = adds};
    t.part_size = g->R * g->S * g->groups;
    int64_t most = PART_BYTES / (int64_t)sizeof(float) / t.part_size;
    t.blocks = ae_min(g->N * g->P, ae_max(1, ae_min(BLOCKS, most)));
    size_t parts = ae_bytes(t.part_size, t.blocks, sizeof(float));
    AE_TRY(ae_arena_reserve(ctx->arena, parts));
    t.part = ae_arena_take(ctx->arena, parts);
    double work = 2.0 * (double)(g->N * g->P * g->Q) * (double)t.part_size;
    ae_parallel(ctx, t.blocks, work, sum_block, &t);
    ae_parallel(ctx, g->R * g->S, (double)t.part_size * (double)t.blocks, reduce_tap, &t);
done:
    return status;
}
