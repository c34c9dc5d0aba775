/* winograd_weight.c: the weight gradient of winograd.h. */
#include "ops/winograd.h"

#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/winograd_plan.h"

#define BATCH_BYTES (3 << 20) /* of transformed values */
#define PANELS 4              /* of a task of products */

typedef struct {
    const ae_wino_plan *p;
    const float *big, *small;
    float *dw;
    bool adds;
    float *v, *d; /* (point, tile, phase * B) and (point, tile, C) of a batch of tiles */
    float *du;    /* (point, outer..., inner...) */
    int64_t t0, tiles, batch;
    int64_t v_gap, d_gap, du_gap;
    int64_t rows, cols; /* of du */
    char *scratch;
    size_t thread_bytes;
} grad_task;

#define TRANSFORM_TILES 8

static void
transform_both(void *arg, int64_t i, int thread)
{
    const grad_task *t = arg;
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    const float *pixel[AE_WINO_OUT * AE_WINO_OUT];
    (void)thread;
    for (int64_t j = i * TRANSFORM_TILES; j < ae_min(t->tiles, (i + 1) * TRANSFORM_TILES);
         j++) {
        ae_wino_place at = ae_wino_find_tile(p, t->t0 + j);
        for (int64_t f = 0; f < p->phases; f++) {
            ae_wino_input(t->v + (j * p->phases + f) * g->B, t->v_gap, p, t->big, t->t0 + j,
                          ae_wino_find_phase(p, f));
        }
        ae_wino_find_pixels(pixel, p, t->small + at.n * g->P * g->Q * g->C, g->P, g->Q, g->C,
                            at.y * AE_WINO_OUT, at.x * AE_WINO_OUT, 1, AE_WINO_OUT);
        p->k->winograd_output_grad(t->d + j * g->C, t->d_gap, pixel, g->C, p->r);
    }
}

/* du of some columns of one point += the product over this batch of tiles. */
static void
multiply_batch(void *arg, int64_t i, int thread)
{
    static const ae_epilogue accumulate = {.accumulate = true};
    const grad_task *t = arg;
    const ae_wino_plan *p = t->p;
    bool big_first = t->p->g->w_big != 1; /* du is (phase * B, C), or (C, phase * B) */
    int64_t groups = ae_ceil_div(t->cols, PANELS * p->k->nr), point = i / groups;
    int64_t first = i % groups * PANELS * p->k->nr;
    char *scratch = t->scratch + (size_t)thread * t->thread_bytes;
    int64_t *a_row = (int64_t *)scratch, *c_row = a_row + t->rows, zero = 0;
    float *panels = (float *)(scratch + ae_bytes(2, t->rows, sizeof(int64_t)));
    const float *v = t->v + point * t->v_gap, *d = t->d + point * t->d_gap;
    ae_panel_source b = {.src = (big_first ? d : v) + first,
                         .tap = &zero,
                         .ntap = 1,
                         .nk = t->tiles,
                         .N = ae_min(PANELS * p->k->nr, t->cols - first),
                         .ks = t->cols,
                         .ns = 1};
    ae_seg all = {0, t->tiles};
    ae_product x = ae_product_rows(a_row, c_row, &all, t->rows, b.N, 1, t->cols, p->k);
    x.a = big_first ? v : d;
    x.a_stride = t->rows;
    x.panels = panels;
    x.c = t->du + point * t->du_gap + first;
    x.epilogue = &accumulate;
    for (int64_t panel = 0; panel < x.p1; panel++) {
        ae_pack_panel(panels + panel * p->k->nr * t->tiles, &b, panel, p->k);
    }
    ae_multiply(p->k, &x);
}

static void
transform_gradient(void *arg, int64_t i, int thread)
{
    const grad_task *t = arg;
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    int64_t phase = i / p->outer, row = i % p->outer, offset[9];
    float *tap[9];
    (void)thread;
    ae_wino_find_taps(offset, p, ae_wino_find_phase(p, phase));
    for (int j = 0; j < p->r * p->r; j++) {
        tap[j] = t->dw + row * g->R * g->S * p->inner + offset[j];
    }
    int64_t at = g->w_big == 1 ? (row * p->phases + phase) * g->B : (phase * g->B + row) * g->C;
    p->k->winograd_weight_grad(tap, t->du + at, t->du_gap, p->inner, p->r, t->adds);
}

static ae_status
plan_gradient(grad_task *t)
{
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    int64_t big = p->phases * g->B, most;
    t->rows = g->w_big == 1 ? g->C : big;
    t->cols = g->w_big == 1 ? big : g->C;
    most = ae_max(1, BATCH_BYTES / (p->points * (big + g->C) * (int64_t)sizeof(float)));
    t->batch = ae_ceil_div(p->tiles, ae_ceil_div(p->tiles, most));
    t->v_gap = ae_wino_gap(t->batch * big);
    t->d_gap = ae_wino_gap(t->batch * g->C);
    t->du_gap = ae_wino_gap(big * g->C);
    t->thread_bytes =
        ae_bytes_add(ae_bytes(2, t->rows, sizeof(int64_t)),
                     ae_packed_bytes(p->k, t->batch, ae_min(t->cols, PANELS * p->k->nr)));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_winograd_weight(float *dw, const float *big, const float *small, const ae_window *g,
                   bool adds, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_wino_plan p;
    ae_wino_make_plan(&p, g, ctx->k, false);
    grad_task t = {.p = &p, .big = big, .small = small, .dw = dw, .adds = adds};
    AE_TRY(plan_gradient(&t));
    size_t zeros = ae_bytes(ae_max(g->B, g->C), 1, sizeof(float));
    size_t v = ae_bytes(p.points, t.v_gap, sizeof(float));
    size_t d = ae_bytes(p.points, t.d_gap, sizeof(float));
    size_t du = ae_bytes(p.points, t.du_gap, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(
        ae_arena_reserve(ctx->arena, ae_bytes_add(ae_bytes_add(zeros, v),
                                                  ae_bytes_add(ae_bytes_add(d, du), scratch))));
    p.zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t.v = ae_arena_take(ctx->arena, v);
    t.d = ae_arena_take(ctx->arena, d);
    t.du = memset(ae_arena_take(ctx->arena, du), 0, du);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    int64_t tasks = p.points * ae_ceil_div(t.cols, PANELS * ctx->k->nr);
    double work = 2.0 * (double)t.batch * (double)t.rows * (double)t.cols;
    for (t.t0 = 0; t.t0 < p.tiles; t.t0 += t.batch) {
        t.tiles = ae_min(t.batch, p.tiles - t.t0);
        ae_parallel(ctx, ae_ceil_div(t.tiles, TRANSFORM_TILES), work, transform_both, &t);
        ae_parallel(ctx, tasks, work * (double)p.points, multiply_batch, &t);
    }
    ae_parallel(ctx, p.phases * p.outer, work, transform_gradient, &t);
done:
    return status;
}
