/* window_up.c: each big pixel gathered from the small ones that reach it; nothing is scattered.
 *
 * Pixels h = sh * t + a of one phase (a, b) of the stride meet the same taps r = (a + ph) mod sh + sh * j,
 * in the small rows p = t + d: each phase is an ordinary stride-1 product with its own taps, and
 * some have none where stride and dilation have a common divisor. The small image is copied once
 * with its border for all phases of a chunk.
 */
#include "base/math.h"
#include "ops/gemm.h"
#include "ops/window.h"

#define CHUNK_PIXELS 192 /* of one phase */
#define CHUNK_BYTES (192 * 1024)
#define MIN_CHUNKS 16

typedef struct {
    ae_axis_phase y, x;
    int64_t a, b;
    int64_t K;
    float *panels;
} phase;

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    const float *small;
    float *big;
    const ae_epilogue *epilogue;
    phase *phases;
    int64_t nphase;
    ae_chunks cut;
    int64_t panel_group, groups;
    int64_t y_low,
        x_low;          /* the first small pixel that any phase reads, relative to t = u = 0 */
    int64_t rows, cols; /* of the copied part of an image */
    char *scratch;
    size_t thread_bytes, list_bytes, copy_bytes;
} up_task;

static void
multiply_phase(const up_task *t, const phase *f, int64_t chunk, int64_t panel, char *scratch)
{
    const ae_window *g = t->g;
    int64_t *a_row = (int64_t *)scratch, *c_row = (int64_t *)(scratch + t->list_bytes);
    ae_seg *seg = (ae_seg *)(scratch + 2 * t->list_bytes + t->copy_bytes);
    int64_t n0 = chunk / t->cut.strips * t->cut.images;
    int64_t t0 = chunk % t->cut.strips * t->cut.rows;
    int64_t n1 = ae_min(g->N, n0 + t->cut.images), t1 = ae_min(f->y.size, t0 + t->cut.rows);
    int64_t m = 0;
    for (int64_t n = n0; n < n1; n++) {
        for (int64_t y = t0; y < t1; y++) {
            int64_t row = (n - n0) * t->rows + y - t0 + f->y.low - t->y_low;
            int64_t h = y * g->sh + f->a;
            for (int64_t u = 0; u < f->x.size; u++, m++) {
                a_row[m] = (row * t->cols + u + f->x.low - t->x_low) * g->C;
                c_row[m] = ((n * g->H + h) * g->W + u * g->sw + f->b) * g->big_step;
            }
        }
    }
    int64_t runs = f->x.gap == 1 ? 1 : f->x.count;
    for (int64_t i = 0; i < f->y.count * runs; i++) {
        int64_t y = i / runs * f->y.gap, x = i % runs * f->x.gap;
        seg[i] = (ae_seg){(y * t->cols + x) * g->C, f->x.count / runs * g->C};
    }
    ae_product p = {.a = (float *)(scratch + 2 * t->list_bytes),
                    .a_row = a_row,
                    .seg = seg,
                    .nseg = f->K == 0 ? 0 : f->y.count * runs,
                    .panels = f->panels,
                    .K = f->K,
                    .N = g->B,
                    .p0 = panel,
                    .p1 = ae_min(panel + t->panel_group, ae_ceil_div(g->B, t->k->nr)),
                    .c = t->big,
                    .c_row = c_row,
                    .m = m,
                    .epilogue = t->epilogue};
    if (m > 0) {
        ae_multiply(t->k, &p);
    }
}

static void
up_chunk(void *arg, int64_t i, int thread)
{
    const up_task *t = arg;
    const ae_window *g = t->g;
    char *scratch = t->scratch + (size_t)thread * t->thread_bytes;
    float *copy = (float *)(scratch + 2 * t->list_bytes);
    int64_t panel = i % t->groups * t->panel_group, chunk = i / t->groups;
    int64_t n0 = chunk / t->cut.strips * t->cut.images;
    int64_t t0 = chunk % t->cut.strips * t->cut.rows;
    for (int64_t n = n0; n < ae_min(g->N, n0 + t->cut.images); n++) {
        ae_copy_part(copy + (n - n0) * t->rows * t->cols * g->C,
                     t->small + n * g->P * g->Q * g->small_step, g->P, g->Q, g->C,
                     g->small_step, t0 + t->y_low, t->x_low, t->rows, t->cols);
    }
    for (int64_t f = 0; f < t->nphase; f++) {
        multiply_phase(t, &t->phases[f], chunk, panel, scratch);
    }
}

static void
make_phases(phase *f, const ae_window *g)
{
    for (int64_t a = 0; a < ae_phases(g->H, g->sh); a++) {
        for (int64_t b = 0; b < ae_phases(g->W, g->sw); b++, f++) {
            f->a = a;
            f->b = b;
            f->y = ae_make_axis_phase(a, g->H, g->R, g->sh, g->ph, g->dh);
            f->x = ae_make_axis_phase(b, g->W, g->S, g->sw, g->pw, g->dw);
            f->K = f->y.count * f->x.count * g->C;
        }
    }
}

static void
pack_phase(phase *f, const float *w, const ae_window *g, int64_t *tap, const ae_ctx *ctx)
{
    int64_t taps = 0;
    for (int64_t i = 0; i < f->y.count; i++) {
        for (int64_t j = 0; j < f->x.count; j++) {
            int64_t r = f->y.first - i * f->y.step, s = f->x.first - j * f->x.step;
            tap[taps++] = (r * g->S + s) * g->w_tap;
        }
    }
    ae_panel_source b = {w, tap, taps, g->C, g->B, g->w_small, g->w_big, false};
    ae_pack(f->panels, &b, ctx);
}

static ae_status
plan(up_task *t, const ae_window *g, const ae_ctx *ctx)
{
    int64_t y_high = 0, x_high = 0;
    ae_axis_range(&t->y_low, &y_high, g->H, g->R, g->sh, g->ph, g->dh);
    ae_axis_range(&t->x_low, &x_high, g->W, g->S, g->sw, g->pw, g->dw);
    int64_t npanel = ae_ceil_div(g->B, ctx->k->nr);
    int64_t rows = ae_ceil_div(g->H, g->sh), cols = ae_ceil_div(g->W, g->sw);
    t->cols = cols - 1 + x_high - t->x_low;
    int64_t row_bytes = t->cols * g->C * (int64_t)sizeof(float);
    t->cut = ae_cut(g->N, rows, cols, CHUNK_PIXELS, row_bytes, CHUNK_BYTES);
    t->rows = t->cut.rows - 1 + y_high - t->y_low;
    int64_t chunks = t->cut.groups * t->cut.strips;
    int64_t groups = ae_max(1, ae_min(npanel, MIN_CHUNKS / ae_max(1, chunks)));
    t->panel_group = ae_ceil_div(npanel, groups);
    t->groups = ae_ceil_div(npanel, t->panel_group);
    size_t pixels = ae_bytes(t->rows, t->cols, t->cut.images);
    t->list_bytes = ae_bytes(t->cut.images * t->cut.rows, cols, sizeof(int64_t));
    t->copy_bytes = ae_bytes((int64_t)pixels, g->C, sizeof(float));
    size_t seg_bytes = ae_bytes(g->R, g->dw == 1 ? 1 : g->S, sizeof(ae_seg));
    t->thread_bytes = ae_bytes_add(ae_bytes_add(t->list_bytes, t->list_bytes),
                                   ae_bytes_add(t->copy_bytes, seg_bytes));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_window_up(float *big, const float *small, const float *w, const ae_window *g,
             const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_kernels *k = ctx->k;
    up_task t = {.g = g, .k = k, .big = big, .small = small, .epilogue = epilogue};
    int64_t taps = g->R * g->S;
    t.nphase = ae_phases(g->H, g->sh) * ae_phases(g->W, g->sw);
    size_t phase_bytes = ae_bytes(t.nphase, 1, sizeof(phase));
    size_t tap_bytes = ae_bytes(taps, 1, sizeof(int64_t));
    /* panels of all phases, each rounded up to a cache line */
    size_t packed =
        ae_bytes_add(ae_packed_bytes(k, taps * g->C, g->B), ae_bytes(t.nphase, 64, 1));
    size_t head = ae_bytes_add(ae_bytes_add(phase_bytes, tap_bytes), packed);
    AE_TRY(plan(&t, g, ctx));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(head, scratch)));
    t.phases = ae_arena_take(ctx->arena, phase_bytes);
    int64_t *tap = ae_arena_take(ctx->arena, tap_bytes);
    make_phases(t.phases, g);
    for (int64_t f = 0; f < t.nphase; f++) {
        t.phases[f].panels = ae_arena_take(ctx->arena, ae_packed_bytes(k, t.phases[f].K, g->B));
        pack_phase(&t.phases[f], w, g, tap, ctx);
    }
    t.scratch = ae_arena_take(ctx->arena, scratch);
    double work = 2.0 * (double)(g->N * g->P * g->Q) * (double)(taps * g->C) * (double)g->B;
    ae_parallel(ctx, t.cut.groups * t.cut.strips * t.groups, work, up_chunk, &t);
done:
    return status;
}
