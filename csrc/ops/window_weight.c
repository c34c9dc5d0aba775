/* window_weight.c: dw = patches of the big image^T x the small one, summed over all small pixels.
 *
 * For each row r of the window, or each tap if it is dilated, (S * B) x pixels times pixels x C. The
 * pixels are cut into blocks whose number depends on shapes alone; each block has its own sum, and
 * the sums are added in order: the same bits for any number of threads.
 */
#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/window.h"

#define BATCH_PIXELS 512
#define BATCH_BYTES (256 * 1024)
#define BLOCKS 16
#define PART_BYTES ((int64_t)64 << 20) /* of all blocks' sums, about */

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    const float *big, *small;
    float *part; /* [block][tap][B][C] */
    int64_t part_size, blocks;
    ae_chunks cut;
    int64_t rows, cols; /* of the copied part of an image */
    char *scratch; /* of each thread: offset lists, the copy, the packed pixels, the runs */
    size_t thread_bytes, list_bytes, copy_bytes, packed_bytes;
    float *dw;
    bool adds;
} weight_task;

/* The small pixels of images n0..n1, rows p0..p1, as panels. */
static int64_t
pack_pixels(const weight_task *t, float *panels, int64_t n0, int64_t n1, int64_t p0, int64_t p1)
{
    const ae_window *g = t->g;
    int64_t nr = t->k->nr, run = (p1 - p0) * g->Q, K = (n1 - n0) * run;
    for (int64_t c = 0; c < g->C; c += nr) {
        int64_t nn = ae_min(nr, g->C - c), width = ae_panel_width(t->k, nn);
        for (int64_t n = n0; n < n1; n++) {
            const float *src = t->small + (n * g->P + p0) * g->Q * g->small_step + c;
            t->k->pack_panel(panels + c * K + (n - n0) * run * width, src, run, nn,
                             g->small_step, 1);
        }
    }
    return K;
}

static void
add_batch(const weight_task *t, float *part, int64_t batch, char *scratch)
{
    const ae_window *g = t->g;
    int64_t *a_row = (int64_t *)scratch, *c_row = (int64_t *)(scratch + t->list_bytes);
    float *copy = (float *)(scratch + 2 * t->list_bytes);
    float *panels = (float *)((char *)copy + t->copy_bytes);
    ae_seg *seg = (ae_seg *)((char *)panels + t->packed_bytes);
    int64_t n0 = batch / t->cut.strips * t->cut.images;
    int64_t p0 = batch % t->cut.strips * t->cut.rows;
    int64_t n1 = ae_min(g->N, n0 + t->cut.images), p1 = ae_min(g->P, p0 + t->cut.rows);
    int64_t nseg = 0, image = t->rows * t->cols * g->B;
    int64_t K = pack_pixels(t, panels, n0, n1, p0, p1);
    for (int64_t n = n0; n < n1; n++) {
        ae_copy_part(copy + (n - n0) * image, t->big + n * g->H * g->W * g->big_step, g->H,
                     g->W, g->B, g->big_step, p0 * g->sh - g->ph, -g->pw,
                     (p1 - p0 - 1) * g->sh + ae_reach(g->R, g->dh), t->cols);
        for (int64_t p = p0; p < p1; p++, nseg++) {
            seg[nseg] = (ae_seg){(n - n0) * image + (p - p0) * g->sh * t->cols * g->B, g->Q};
        }
    }
    const ae_epilogue accumulate = {.accumulate = true};
    int64_t runs = g->dw == 1 ? 1 : g->S, run = g->S / runs * g->B;
    for (int64_t j = 0; j < g->R * runs; j++) {
        int64_t r = j / runs, s = j % runs;
        for (int64_t i = 0; i < run; i++) {
            a_row[i] = (r * g->dh * t->cols + s * g->dw) * g->B + i;
            c_row[i] = ((r * g->S + s) * g->B + i) * g->C;
        }
        ae_product p = {.a = copy,
                        .a_row = a_row,
                        .a_stride = g->sw * g->B,
                        .seg = seg,
                        .nseg = nseg,
                        .panels = panels,
                        .K = K,
                        .N = g->C,
                        .p0 = 0,
                        .p1 = ae_ceil_div(g->C, t->k->nr),
                        .c = part,
                        .c_row = c_row,
                        .m = run,
                        .epilogue = &accumulate};
        ae_multiply(t->k, &p);
    }
}

static void
sum_block(void *arg, int64_t block, int thread)
{
    const weight_task *t = arg;
    char *scratch = t->scratch + (size_t)thread * t->thread_bytes;
    float *part = t->part + block * t->part_size;
    int64_t batches = t->cut.groups * t->cut.strips;
    memset(part, 0, (size_t)t->part_size * sizeof(float));
    for (int64_t b = batches * block / t->blocks; b < batches * (block + 1) / t->blocks; b++) {
        add_batch(t, part, b, scratch);
    }
}

/* dw of one tap: the blocks added in order, in w's layout. */
static void
reduce_tap(void *arg, int64_t tap, int thread)
{
    const weight_task *t = arg;
    const ae_window *g = t->g;
    (void)thread;
    for (int64_t b = 0; b < g->B; b++) {
        float *sum = t->part + (tap * g->B + b) * g->C;
        for (int64_t i = 1; i < t->blocks; i++) {
            const float *part = sum + i * t->part_size;
            for (int64_t c = 0; c < g->C; c++) {
                sum[c] += part[c];
            }
        }
        float *dw = t->dw + tap * g->w_tap + b * g->w_big;
        for (int64_t c = 0; c < g->C; c++) {
            float *to = &dw[c * g->w_small];
            *to = (t->adds ? *to : 0.0f) + sum[c];
        }
    }
}

static ae_status
plan(weight_task *t, const ae_window *g, const ae_ctx *ctx)
{
    t->cols = (g->Q - 1) * g->sw + ae_reach(g->S, g->dw);
    int64_t row_bytes = g->sh * t->cols * g->B * (int64_t)sizeof(float);
    t->cut = ae_cut(g->N, g->P, g->Q, BATCH_PIXELS, row_bytes, BATCH_BYTES);
    t->rows = (t->cut.rows - 1) * g->sh + ae_reach(g->R, g->dh);
    t->part_size = g->R * g->S * g->B * g->C;
    int64_t most = PART_BYTES / (int64_t)sizeof(float) / ae_max(1, t->part_size);
    t->blocks = ae_min(t->cut.groups * t->cut.strips, ae_max(1, ae_min(BLOCKS, most)));

    size_t pixels = ae_bytes(t->rows, t->cols, t->cut.images);
    int64_t K = t->cut.images * t->cut.rows * g->Q;
    t->list_bytes = ae_bytes(g->S, g->B, sizeof(int64_t));
    t->copy_bytes = ae_bytes((int64_t)pixels, g->B, sizeof(float));
    t->packed_bytes = ae_packed_bytes(ctx->k, K, g->C);
    size_t seg_bytes = ae_bytes(t->cut.images, t->cut.rows, sizeof(ae_seg));
    t->thread_bytes =
        ae_bytes_add(ae_bytes_add(t->list_bytes, t->list_bytes),
                     ae_bytes_add(t->copy_bytes, ae_bytes_add(t->packed_bytes, seg_bytes)));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_window_weight(float *dw, const float *big, const float *small, const ae_window *g, bool adds,
                 const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    weight_task t = {.g = g, .k = ctx->k, .big = big, .small = small, .dw = dw, .adds = adds};
    AE_TRY(plan(&t, g, ctx));
    size_t parts = ae_bytes(t.part_size, t.blocks, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(parts, scratch)));
    t.part = ae_arena_take(ctx->arena, parts);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    double work = 2.0 * (double)(g->N * g->P * g->Q) * (double)t.part_size;
    ae_parallel(ctx, t.blocks, work, sum_block, &t);
    ae_parallel(ctx, g->R * g->S, (double)t.part_size * (double)t.blocks, reduce_tap, &t);
done:
    return status;
}
