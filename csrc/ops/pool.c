/* pool.c: max_pool2d and upsample2d on images (N, H, W, C), cut into runs of rows.
 *
 * Both backward passes are gathers: every row of dx has one writer that reads the rows of dy it
 * came to, in order.
 */
#include <string.h>

#include "base/math.h"
#include "kern/table.h"

#define CHUNK 8192 /* values of a run of rows */

typedef struct {
    const ae_pool_cfg *g;
    const ae_kernels *k;
    float *out;
    int32_t *index_out;
    const float *in;
    const int32_t *index;
    void (*row)(const void *task, int64_t n, int64_t h); /* of image n */
    int64_t height, rows, step; /* rows of an image, of all images, of a task */
} pool_task;

static void
run_of_rows(void *arg, int64_t i, int thread)
{
    const pool_task *t = arg;
    int64_t end = ae_min(t->rows, (i + 1) * t->step);
    (void)thread;
    for (int64_t row = i * t->step; row < end; row++) {
        t->row(t, row / t->height, row % t->height);
    }
}

/* Rows of `width` values, each of which costs `taps` operations on vectors. */
static ae_status
over_rows(pool_task *t, int64_t height, int64_t width, int64_t taps, const ae_ctx *ctx)
{
    int64_t values;
    t->k = ctx->k;
    t->height = height;
    if (__builtin_mul_overflow(t->g->N, height, &t->rows) ||
        __builtin_mul_overflow(t->rows, width, &values)) {
        return AE_ESIZE;
    }
    if (values > 0) {
        t->step = ae_max(1, CHUNK / width);
        ae_parallel(ctx, ae_ceil_div(t->rows, t->step), 4.0 * (double)values * (double)taps,
                    run_of_rows, t);
    }
    return AE_OK;
}

static void
pool_row(const void *task, int64_t n, int64_t p)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    int64_t at = (n * g->P + p) * g->Q * g->C;
    t->k->max_pool_row(t->out + at, t->index_out + at, t->in + n * g->H * g->W * g->C, p, g);
}

ae_status
ae_max_pool2d_fwd(float *y, int32_t *index, const float *x, const ae_pool_cfg *cfg,
                  const ae_ctx *ctx)
{
    pool_task t = {.g = cfg, .out = y, .index_out = index, .in = x, .row = pool_row};
    return over_rows(&t, cfg->P, cfg->Q * cfg->C, cfg->R * cfg->S, ctx);
}

static void
pool_grad_row(const void *task, int64_t n, int64_t h)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    int64_t at = n * g->P * g->Q * g->C;
    t->k->max_pool_grad_row(t->out + (n * g->H + h) * g->W * g->C, t->in + at, t->index + at, h,
                            g);
}

ae_status
ae_max_pool2d_bwd(float *dx, const float *dy, const int32_t *index, const ae_pool_cfg *cfg,
                  const ae_ctx *ctx)
{
    pool_task t = {.g = cfg, .out = dx, .in = dy, .index = index, .row = pool_grad_row};
    int64_t windows = ae_ceil_div(cfg->R, cfg->stride_h) * ae_ceil_div(cfg->S, cfg->stride_w);
    return over_rows(&t, cfg->H, cfg->W * cfg->C, windows, ctx);
}

static void
upsample_row(const void *task, int64_t n, int64_t h)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    int64_t width = g->Q * g->C;
    float *y = t->out + (n * g->H + h) * g->R * width;
    t->k->repeat_pixels(y, t->in + (n * g->H + h) * g->W * g->C, g->W, g->S, g->C);
    for (int64_t r = 1; r < g->R; r++) {
        memcpy(y + r * width, y, (size_t)width * sizeof(float));
    }
}

static void
bilinear_row(const void *task, int64_t n, int64_t p)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    t->k->bilinear_row(t->out + (n * g->P + p) * g->Q * g->C, t->in + n * g->H * g->W * g->C, p,
                       g);
}

ae_status
ae_upsample2d_fwd(float *y, const float *x, const ae_pool_cfg *cfg, const ae_ctx *ctx)
{
    pool_task t = {.g = cfg, .out = y, .in = x, .row = upsample_row};
    if (cfg->bilinear) {
        t.row = bilinear_row;
        return over_rows(&t, cfg->P, cfg->Q * cfg->C, 4, ctx);
    }
    return over_rows(&t, cfg->H, cfg->R * cfg->Q * cfg->C, 1, ctx);
}

static void
upsample_grad_row(const void *task, int64_t n, int64_t h)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    int64_t row = n * g->H + h;
    t->k->sum_blocks(t->out + row * g->W * g->C, t->in + row * g->R * g->Q * g->C, g->R, g->W,
                     g->S, g->C);
}

static void
bilinear_grad_row(const void *task, int64_t n, int64_t h)
{
    const pool_task *t = task;
    const ae_pool_cfg *g = t->g;
    t->k->bilinear_grad_row(t->out + (n * g->H + h) * g->W * g->C,
                            t->in + n * g->P * g->Q * g->C, h, g);
}

ae_status
ae_upsample2d_bwd(float *dx, const float *dy, const ae_pool_cfg *cfg, const ae_ctx *ctx)
{
    pool_task t = {.g = cfg, .out = dx, .in = dy};
    t.row = cfg->bilinear ? bilinear_grad_row : upsample_grad_row;
    int64_t taps = (cfg->bilinear ? 4 : 1) * cfg->R * cfg->S;
    return over_rows(&t, cfg->H, cfg->W * cfg->C, taps, ctx);
}
