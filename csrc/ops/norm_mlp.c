/* norm_mlp.c: the parts of a transformer that see each step alone, fused (see ae.h): layer norm, a
 * linear layer, and perhaps gelu, a second layer and the input added.
 *
 * Rows are taken in chunks whose hidden values stay in the second level cache between the layers:
 * in memory they would be four times as many as a chunk's input. Of the forward pass only h is
 * kept; the backward pass computes norm and gelu once more. With g = gelu(h):
 *   dg = dy w2,  dh = dg gelu'(h),  dw2 = dy^T g,  db2 = sum(dy),
 *   dw1 = dh^T z,  db1 = sum(dh),  dz = dh w1,  dx = dy + norm'(dz).
 * Parameter gradients are summed in blocks of chunks, which the number of rows alone determines,
 * and the blocks are added in order.
 */
#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/norm.h"

#define CHUNK 96 /* rows: whole tiles of every instruction set */
#define MOST_BLOCKS 32
#define SPAN 2048 /* values in a task that adds blocks up */

typedef struct {
    const ae_norm_mlp_cfg *g;
    const ae_norm_mlp *p;
    const ae_kernels *k;
    bool half; /* products are of bfloat16 */
    float *y, *h_out, *mean_out, *rstd_out, *dx;
    const float *dy, *dh, *h, *x, *mean, *rstd;
    const float *panels1, *panels2; /* the weights */
    float *scratch;                 /* (threads, floats) */
    int64_t floats;
    int64_t at_pairs;      /* where in a thread's scratch those of bfloat16 are */
    int64_t block, blocks; /* rows of a block of gradients, and how many there are */
    float *part;           /* (blocks, part_size): w1, w2, b1, b2 */
    int64_t part_size, w_size;
    double *sums; /* (blocks, 2, width): beta, gamma */
    int64_t width;
} mlp_task;

/* c (m, N) = a (m, K) B, which is packed; at most CHUNK rows. */
static void
multiply(const mlp_task *t, float *c, const float *a, const float *panels, int64_t m, int64_t K,
         int64_t N, const ae_epilogue *epilogue, float *pairs)
{
    int64_t a_row[CHUNK], c_row[CHUNK];
    if (t->half) {
        const int64_t two = ae_ceil_div(K, 2);
        t->k->pair_values(pairs, two, a, K, m, K);
        a = pairs;
        K = two;
    }
    const ae_seg all = {0, K};
    ae_product p = ae_product_rows(a_row, c_row, &all, m, N, K, N, t->k);
    p.a = a;
    p.panels = panels;
    p.pairs = t->half;
    p.c = c;
    p.epilogue = epilogue;
    if (N > 0) {
        ae_multiply(t->k, &p);
    }
}

/* dw (O, I) += dy (rows, O)^T x (rows, I); `packed` is room for x. */
static void
weight_gradient(const mlp_task *t, float *dw, const float *dy, int64_t O, const float *x,
                int64_t I, int64_t rows, float *packed, float *pairs)
{
    const ae_kernels *k = t->k;
    const int64_t zero = 0;
    int64_t a_row[CHUNK], c_row[CHUNK], depth = rows;
    if (t->half) {
        k->pair_rows(pairs, O, dy, O, rows, O);
        dy = pairs;
        depth = ae_ceil_div(rows, 2);
    }
    const ae_seg all = {0, depth};
    const ae_epilogue add = {.accumulate = true};
    const ae_panel_source b = {x, &zero, 1, rows, I, I, 1, t->half};
    for (int64_t n = 0; n < I; n += k->nr) {
        ae_pack_panel(packed + n * depth, &b, n / k->nr, k);
    }
    for (int64_t o = 0; o < O && I > 0; o += CHUNK) {
        ae_product p = ae_product_rows(a_row, c_row, &all, ae_min(CHUNK, O - o), I, 1, I, k);
        p.a = dy + o;
        p.a_stride = O;
        p.panels = packed;
        p.pairs = t->half;
        p.c = dw + o * I;
        p.epilogue = &add;
        ae_multiply(k, &p);
    }
}

/* ---- forward ---------------------------------------------------------------------------------- */

static void
forward_chunk(void *arg, int64_t i, int thread)
{
    const mlp_task *t = arg;
    const ae_norm_mlp *p = t->p;
    const int64_t C = t->g->C, F = t->g->F, n = i * CHUNK, rows = ae_min(CHUNK, t->g->N - n);
    float *z = t->scratch + thread * t->floats, *g = z + CHUNK * C, *h = t->h_out + n * F;
    float *pairs = z + t->at_pairs;
    const float *x = t->x + n * C;
    const ae_epilogue first = {.bias = p->b1}, second = {.bias = p->b2, .add = x};
    ae_layer_rows(t->k, z, t->mean_out + n, t->rstd_out + n, x, p->gamma, p->beta, rows, C,
                  t->g->eps);
    multiply(t, h, z, t->panels1, rows, C, F, &first, pairs);
    if (p->w2 != NULL) {
        t->k->act_fwd(g, h, rows * F, AE_GELU);
        multiply(t, t->y + n * C, g, t->panels2, rows, F, C, &second, pairs);
    }
}

/* ---- backward --------------------------------------------------------------------------------- */

/* The gradients that a chunk of rows from n on adds to those of block `b`. */
static void
backward_rows(const mlp_task *t, int64_t b, int64_t n, int64_t rows, float *scratch)
{
    const int64_t C = t->g->C, F = t->g->F;
    const float *x = t->x + n * C, *dy = t->dy + n * C, *dh = t->dh;
    const float *mean = t->mean + n, *rstd = t->rstd + n;
    float *z = scratch, *dz = z + CHUNK * C, *packed = dz + CHUNK * C;
    float *dx = t->dx + n * C, *pairs = scratch + t->at_pairs;
    float *dw1 = t->part + b * t->part_size, *dw2 = dw1 + t->w_size;
    float *db1 = t->p->w2 != NULL ? dw2 + t->w_size : dw2, *db2 = db1 + F;
    double *sums = t->sums + 2 * b * t->width;
    const ae_epilogue plain = {0};
    if (t->p->w2 != NULL) {
        float *g = packed + CHUNK * ae_max(t->width, F + AE_MAX_NR), *dg = g + CHUNK * F;
        multiply(t, dg, dy, t->panels2, rows, C, F, &plain, pairs);
        t->k->gelu_both(g, dg, t->h + n * F, rows * F);
        weight_gradient(t, dw2, dy, C, g, F, rows, packed, pairs);
        t->k->add_columns(db2, dy, rows, C);
        dh = dg;
    }
    else {
        dh += n * F;
    }
    for (int64_t i = 0; i < rows; i++) {
        t->k->norm_row(z + i * C, x + i * C, mean[i], rstd[i], t->p->gamma, t->p->beta, C);
    }
    weight_gradient(t, dw1, dh, F, z, C, rows, packed, pairs);
    t->k->add_columns(db1, dh, rows, F);
    multiply(t, dz, dh, t->panels1, rows, F, C, &plain, pairs);
    ae_layer_rows_grad(t->k, dx, dz, x, mean, rstd, t->p->gamma, rows, C);
    t->k->column_dots_by_row(sums, sums + t->width, dz, x, mean, rstd, rows, C);
    t->k->add(dx, dx, dy, rows * C);
}

static void
backward_block(void *arg, int64_t b, int thread)
{
    const mlp_task *t = arg;
    const int64_t end = ae_min(t->g->N, (b + 1) * t->block);
    memset(t->part + b * t->part_size, 0, (size_t)t->part_size * sizeof(float));
    memset(t->sums + 2 * b * t->width, 0, (size_t)(2 * t->width) * sizeof(double));
    for (int64_t n = b * t->block; n < end; n += CHUNK) {
        backward_rows(t, b, n, ae_min(CHUNK, end - n), t->scratch + thread * t->floats);
    }
}

/* A span of the first block becomes that of all. */
static void
add_blocks(void *arg, int64_t i, int thread)
{
    const mlp_task *t = arg;
    const int64_t at = i * SPAN, n = ae_min(SPAN, t->part_size - at);
    (void)thread;
    for (int64_t b = 1; b < t->blocks; b++) {
        t->k->add(t->part + at, t->part + at, t->part + b * t->part_size + at, n);
    }
}

/* to (n) = or += from (n) */
static void
give(const mlp_task *t, float *to, const float *from, int64_t n, bool adds)
{
    if (adds) {
        t->k->add(to, to, from, n);
    }
    else {
        memcpy(to, from, (size_t)n * sizeof(float));
    }
}

static void
give_gradients(const mlp_task *t, const ae_norm_mlp_grads *d)
{
    const ae_norm_mlp_cfg *g = t->g;
    const int64_t C = g->C, F = g->F;
    const float *from = t->part;
    give(t, d->w1, from, t->w_size, g->adds.w1);
    from += t->w_size;
    if (t->p->w2 != NULL) {
        give(t, d->w2, from, t->w_size, g->adds.w2);
        from += t->w_size;
        give(t, d->b2, from + F, C, g->adds.b2);
    }
    give(t, d->b1, from, F, g->adds.b1);
    for (int64_t c = 0; c < C; c++) {
        double beta = 0.0, gamma = 0.0;
        for (int64_t b = 0; b < t->blocks; b++) {
            beta += t->sums[2 * b * t->width + c];
            gamma += t->sums[(2 * b + 1) * t->width + c];
        }
        d->beta[c] = (g->adds.beta ? d->beta[c] : 0.0f) + (float)beta;
        d->gamma[c] = (g->adds.gamma ? d->gamma[c] : 0.0f) + (float)gamma;
    }
}

/* ---- drivers ------------------------------------------------------------------------------------ */

/* Memory for scratch, gradients and the weights, which are packed, as they are or transposed. */
static ae_status
prepare(mlp_task *t, bool transposed, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t zero = 0, C = t->g->C, F = t->g->F, shrunk = ctx->half ? 2 : 1;
    /* B is w1^T (C, F) and w2^T (F, C), or w1 and w2 themselves */
    ae_panel_source b1 = {t->p->w1, &zero, 1, C, F, 1, C, ctx->half},
                    b2 = {t->p->w2, &zero, 1, F, C, 1, F, ctx->half};
    if (transposed) {
        b1 = (ae_panel_source){t->p->w1, &zero, 1, F, C, C, 1, ctx->half};
        b2 = (ae_panel_source){t->p->w2, &zero, 1, C, F, F, 1, ctx->half};
    }
    t->k = ctx->k;
    t->half = ctx->half;
    t->at_pairs = t->floats;
    t->floats += t->half ? CHUNK * (ae_max(C, F) + 1) / 2 : 0;
    size_t size1 = ae_packed_bytes(ctx->k, ae_ceil_div(b1.nk, shrunk), b1.N);
    size_t size2 = ae_packed_bytes(ctx->k, ae_ceil_div(b2.nk, shrunk), b2.N);
    size_t scratch = ae_bytes(ctx->threads, t->floats, sizeof(float));
    size_t part = ae_bytes(t->blocks, t->part_size, sizeof(float));
    size_t sums = ae_bytes(t->blocks, 2 * t->width, sizeof(double));
    size_t all = ae_bytes_add(ae_bytes_add(size1, size2), ae_bytes_add(part, sums));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(all, scratch)));
    float *panels1 = ae_arena_take(ctx->arena, size1);
    float *panels2 = ae_arena_take(ctx->arena, size2);
    t->scratch = ae_arena_take(ctx->arena, scratch);
    t->part = ae_arena_take(ctx->arena, part);
    t->sums = ae_arena_take(ctx->arena, sums);
    ae_pack(panels1, &b1, ctx);
    if (t->p->w2 != NULL) {
        ae_pack(panels2, &b2, ctx);
    }
    t->panels1 = panels1;
    t->panels2 = panels2;
done:
    return status;
}

static double
work(const mlp_task *t, double products)
{
    double layers = t->p->w2 != NULL ? 2.0 : 1.0;
    return 2.0 * products * layers * (double)t->g->N * (double)t->g->C * (double)t->g->F;
}

ae_status
ae_norm_mlp_fwd(float *y, float *h, float *mean, float *rstd, const float *x,
                const ae_norm_mlp *p, const ae_norm_mlp_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    mlp_task t = {
        .g = cfg, .p = p, .y = y, .h_out = h, .mean_out = mean, .rstd_out = rstd, .x = x};
    t.floats = CHUNK * (cfg->C + cfg->F);
    AE_TRY(prepare(&t, false, ctx));
    ae_parallel(ctx, ae_ceil_div(cfg->N, CHUNK), work(&t, 1.0), forward_chunk, &t);
done:
    return status;
}

ae_status
ae_norm_mlp_bwd(float *dx, const ae_norm_mlp_grads *grads, const float *dy, const float *dh,
                const float *h, const float *x, const float *mean, const float *rstd,
                const ae_norm_mlp *p, const ae_norm_mlp_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t C = cfg->C, F = cfg->F, chunks = ae_ceil_div(cfg->N, CHUNK);
    mlp_task t = {.g = cfg,
                  .p = p,
                  .dx = dx,
                  .dy = dy,
                  .dh = dh,
                  .h = h,
                  .x = x,
                  .mean = mean,
                  .rstd = rstd};
    const int64_t layers = p->w2 != NULL ? 2 : 1;
    t.width = ae_round_up(C, AE_MAX_NR);
    t.w_size = C * F;
    t.part_size = layers * t.w_size + F + C;
    t.block = CHUNK * ae_max(1, ae_ceil_div(chunks, MOST_BLOCKS));
    t.blocks = ae_max(1, ae_ceil_div(cfg->N, t.block)); /* one of zeros without any row */
    t.floats = CHUNK * (2 * C + ae_max(t.width, F + AE_MAX_NR) + 2 * F);
    AE_TRY(prepare(&t, true, ctx));
    ae_parallel(ctx, t.blocks, work(&t, 2.0), backward_block, &t);
    ae_parallel(ctx, ae_ceil_div(t.part_size, SPAN), (double)(t.blocks * t.part_size),
                add_blocks, &t);
    give_gradients(&t, grads);
done:
    return status;
}
