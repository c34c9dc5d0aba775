/* window_down.c: each small pixel from its window of the big image, as an implicit product.
 *
 * A row of the window is one run of S * B contiguous floats in an image whose border is present, or
 * S runs if it is dilated, so each chunk of images or rows is copied, border and all, into the
 * thread's scratch; without padding and groups the image itself serves. No patch matrix exists.
 */
#include "base/math.h"
#include "ops/gemm.h"
#include "ops/window.h"

#define CHUNK_PIXELS 192
#define CHUNK_BYTES (192 * 1024)
#define MIN_CHUNKS 16

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    const float *big, *panels;
    float *small;
    const ae_epilogue *epilogue;
    ae_chunks cut;
    int64_t panel_group, groups;
    bool direct;        /* all windows are inside: read the image itself */
    int64_t rows, cols; /* of the copied part of an image */
    char *scratch;      /* of each thread: two offset lists, the copy, the runs */
    size_t thread_bytes, list_bytes, copy_bytes;
    int64_t runs, run; /* of a row of the window, and their size */
} down_task;

static void
down_chunk(void *arg, int64_t i, int thread)
{
    const down_task *t = arg;
    const ae_window *g = t->g;
    char *scratch = t->scratch + (size_t)thread * t->thread_bytes;
    int64_t *a_row = (int64_t *)scratch, *c_row = (int64_t *)(scratch + t->list_bytes);
    float *copy = (float *)(scratch + 2 * t->list_bytes);
    ae_seg *seg = (ae_seg *)(scratch + 2 * t->list_bytes + t->copy_bytes);
    int64_t panel = i % t->groups * t->panel_group, chunk = i / t->groups;
    int64_t n0 = chunk / t->cut.strips * t->cut.images;
    int64_t p0 = chunk % t->cut.strips * t->cut.rows;
    int64_t n1 = ae_min(g->N, n0 + t->cut.images), p1 = ae_min(g->P, p0 + t->cut.rows);
    int64_t rows = t->direct ? g->H : t->rows, cols = t->direct ? g->W : t->cols;
    int64_t m = 0, images = t->direct ? g->H * g->W * g->B : 0;
    const float *a = t->direct ? t->big : copy;
    for (int64_t n = n0; n < n1; n++) {
        int64_t first =
            t->direct ? n * images + p0 * g->sh * cols * g->B : (n - n0) * rows * cols * g->B;
        if (!t->direct) {
            ae_copy_part(copy + first, t->big + n * g->H * g->W * g->big_step, g->H, g->W, g->B,
                         g->big_step, p0 * g->sh - g->ph, -g->pw,
                         (p1 - p0 - 1) * g->sh + ae_reach(g->R, g->dh), cols);
        }
        for (int64_t p = p0; p < p1; p++) {
            for (int64_t q = 0; q < g->Q; q++, m++) {
                a_row[m] = first + ((p - p0) * g->sh * cols + q * g->sw) * g->B;
                c_row[m] = ((n * g->P + p) * g->Q + q) * g->small_step;
            }
        }
    }
    for (int64_t j = 0; j < g->R * t->runs; j++) {
        int64_t r = j / t->runs, s = j % t->runs;
        seg[j] = (ae_seg){(r * g->dh * cols + s * g->dw) * g->B, t->run};
    }
    ae_product p = {.a = a,
                    .a_row = a_row,
                    .seg = seg,
                    .nseg = g->R * t->runs,
                    .panels = t->panels,
                    .K = g->R * g->S * g->B,
                    .N = g->C,
                    .p0 = panel,
                    .p1 = ae_min(panel + t->panel_group, ae_ceil_div(g->C, t->k->nr)),
                    .c = t->small,
                    .c_row = c_row,
                    .m = m,
                    .epilogue = t->epilogue};
    ae_multiply(t->k, &p);
}

static ae_status
plan(down_task *t, const ae_window *g, const ae_ctx *ctx)
{
    int64_t npanel = ae_ceil_div(g->C, ctx->k->nr);
    int64_t high = ae_reach(g->R, g->dh), wide = ae_reach(g->S, g->dw);
    t->direct = g->ph == 0 && g->pw == 0 && (g->P - 1) * g->sh + high <= g->H &&
                (g->Q - 1) * g->sw + wide <= g->W && g->groups == 1;
    t->runs = g->dw == 1 ? 1 : g->S;
    t->run = g->dw == 1 ? g->S * g->B : g->B;
    t->cols = (g->Q - 1) * g->sw + wide;
    int64_t row_bytes = g->sh * t->cols * g->B * (int64_t)sizeof(float);
    t->cut = ae_cut(g->N, g->P, g->Q, CHUNK_PIXELS, t->direct ? 0 : row_bytes, CHUNK_BYTES);
    t->rows = (t->cut.rows - 1) * g->sh + high;
    int64_t chunks = t->cut.groups * t->cut.strips;
    int64_t groups = ae_max(1, ae_min(npanel, MIN_CHUNKS / ae_max(1, chunks)));
    t->panel_group = ae_ceil_div(npanel, groups);
    t->groups = ae_ceil_div(npanel, t->panel_group);

    size_t pixels = ae_bytes(t->rows, t->cols, t->cut.images);
    t->list_bytes = ae_bytes(t->cut.images * t->cut.rows, g->Q, sizeof(int64_t));
    t->copy_bytes = t->direct ? 0 : ae_bytes((int64_t)pixels, g->B, sizeof(float));
    size_t seg_bytes = ae_bytes(g->R, t->runs, sizeof(ae_seg));
    t->thread_bytes = ae_bytes_add(ae_bytes_add(t->list_bytes, t->list_bytes),
                                   ae_bytes_add(t->copy_bytes, seg_bytes));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_window_down(float *small, const float *big, const float *w, const ae_window *g,
               const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    down_task t = {.g = g, .k = ctx->k, .big = big, .small = small, .epilogue = epilogue};
    int64_t taps = g->R * g->S;
    AE_TRY(plan(&t, g, ctx));
    size_t packed = ae_packed_bytes(ctx->k, taps * g->B, g->C);
    size_t tap_bytes = ae_bytes(taps, 1, sizeof(int64_t));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    bool ready;
    float *panels;
    size_t weights = ae_packed_in_arena(ctx, w, AE_PACKED_DOWN, packed);
    AE_TRY(
        ae_arena_reserve(ctx->arena, ae_bytes_add(weights, ae_bytes_add(tap_bytes, scratch))));
    AE_TRY(ae_packed_take(&panels, &ready, w, AE_PACKED_DOWN, packed, ctx));
    int64_t *tap = ae_arena_take(ctx->arena, tap_bytes);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    t.panels = panels;
    for (int64_t i = 0; i < taps; i++) {
        tap[i] = i * g->w_tap;
    }
    ae_panel_source b = {w, tap, taps, g->B, g->C, g->w_big, g->w_small, false};
    if (!ready) {
        ae_pack(panels, &b, ctx);
    }
    double work = 2.0 * (double)(g->N * g->P * g->Q) * (double)(taps * g->B) * (double)g->C;
    ae_parallel(ctx, t.cut.groups * t.cut.strips * t.groups, work, down_chunk, &t);
done:
    return status;
}
