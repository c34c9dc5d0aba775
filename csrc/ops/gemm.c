/* gemm.c: the blocked matrix product around the micro-kernels of kern/gemm.inc.
 *
 * Each element of C is one chain of multiply-adds in the order of depth, cut only by next_block:
 * its bits depend neither on the number of threads nor on the chunk or tile that it falls in.
 */
#include "ops/gemm.h"

#include <assert.h>
#include <string.h>

#include "base/math.h"

#define DEPTH 512        /* of a block: a panel of it stays in L1, rows of it in L2 */
#define COLUMN_DEPTH 256 /* where A is packed a tile at a time, in L1 too */
#define RUNS 64          /* most runs in a block */
#define ROW_TILES 16     /* tiles of rows in a chunk */
#define MIN_CHUNKS 16
#define KEPT_CHUNKS 64
#define FEW_PANELS \
    3 /* with no more of them rows are cut finer, so that there are chunks to share */

typedef struct {
    ae_seg seg[RUNS];
    int64_t nseg, depth;
} depth_block;

/* The next block of depth, from position (*s, *at) of the runs on. */
static void
next_block(depth_block *block, const ae_product *p, int64_t *s, int64_t *at)
{
    int64_t step = p->a_stride == 0 ? 1 : p->a_stride;
    int64_t depth = p->a_stride == 0 ? DEPTH : COLUMN_DEPTH;
    block->nseg = block->depth = 0;
    while (*s < p->nseg && block->nseg < RUNS && block->depth < depth) {
        int64_t len = ae_min(p->seg[*s].len - *at, depth - block->depth);
        block->seg[block->nseg].off = p->seg[*s].off + *at * step;
        block->seg[block->nseg].len = len;
        block->nseg += 1;
        block->depth += len;
        *at += len;
        if (*at == p->seg[*s].len) {
            *s += 1;
            *at = 0;
        }
    }
}

static void
load_tile(float *tile, const ae_product *p, int64_t i0, int64_t mr, int64_t n0, int64_t nn,
          int64_t width)
{
    for (int64_t i = 0; i < mr; i++) {
        memcpy(tile + i * width, p->c + p->c_row[i0 + i] + n0, (size_t)nn * sizeof(float));
    }
}

/* One block of depth of the product, and how its tiles go in and out of C. */
typedef struct {
    const ae_kernels *k;
    const ae_product *p;
    const depth_block *block;
    int64_t k0; /* where in the depth it begins */
    bool load;  /* tiles go on from what C holds */
    const ae_epilogue *epilogue;
} block_product;

typedef struct {
    int64_t n0, nn; /* its columns */
    bool narrow;
    int64_t mr, width; /* of its tile */
    const float *b;
    void (*mul_rows)(float *tile, const float *const *a, const ae_seg *seg, int64_t nseg,
                     const float *b, bool load);
    void (*mul_cols)(float *tile, const float *a, int64_t depth, const float *b, bool load);
} panel_view;

static panel_view
view_panel(const block_product *x, int64_t panel)
{
    const ae_kernels *k = x->k;
    panel_view v = {.n0 = panel * k->nr, .nn = ae_min(k->nr, x->p->N - panel * k->nr)};
    v.narrow = v.nn <= k->vlen;
    v.mr = v.narrow ? k->mr_narrow : k->mr;
    v.width = v.narrow ? k->vlen : k->nr;
    v.b = x->p->panels + (v.n0 - x->p->panel0 * k->nr) * x->p->K + x->k0 * v.width;
    if (x->p->pairs) {
        v.mul_rows = v.narrow ? k->mul_row_pairs_narrow : k->mul_row_pairs;
        v.mul_cols = v.narrow ? k->mul_col_pairs_narrow : k->mul_col_pairs;
    }
    else {
        v.mul_rows = v.narrow ? k->mul_rows_narrow : k->mul_rows;
        v.mul_cols = v.narrow ? k->mul_cols_narrow : k->mul_cols;
    }
    return v;
}

/* Rows of A where they lie, panel by panel: a panel is read from L1 by every tile of rows. */
static void
multiply_rows(const block_product *x)
{
    const ae_product *p = x->p;
    const ae_kernels *k = x->k;
    float tile[AE_MAX_MR * AE_MAX_NR] __attribute__((aligned(64))) = {0};
    for (int64_t panel = p->p0; panel < p->p1; panel++) {
        panel_view v = view_panel(x, panel);
        for (int64_t i0 = 0; i0 < p->m; i0 += v.mr) {
            int64_t mr = ae_min(v.mr, p->m - i0);
            const float *row[AE_MAX_MR];
            for (int64_t i = 0; i < v.mr; i++) {
                row[i] = p->a + p->a_row[i0 + ae_min(i, mr - 1)];
            }
            if (x->load) {
                load_tile(tile, p, i0, mr, v.n0, v.nn, v.width);
            }
            if (mr <= AE_FEW_ROWS && x->block->nseg == 1 && !x->load && !p->pairs) {
                for (int64_t i = 0; i < AE_FEW_ROWS; i++) {
                    row[i] += x->block->seg[0].off;
                }
                k->mul_few(tile, row, (int)mr, x->block->depth, v.b, 0, v.width, false);
            }
            else {
                v.mul_rows(tile, row, x->block->seg, x->block->nseg, v.b, x->load);
            }
            k->store_tile(tile, p->c, p->c_row + i0, mr, v.n0, v.nn, x->epilogue);
        }
    }
}

/* Columns of A, tile by tile: what is packed for a tile is read from L1 by every panel. The panels
 * from p0 to p1 have tiles of one shape. */
static void
multiply_columns(const block_product *x, int64_t p0, int64_t p1)
{
    const ae_product *p = x->p;
    float tile[AE_MAX_MR * AE_MAX_NR] __attribute__((aligned(64))) = {0};
    float packed[COLUMN_DEPTH * AE_MAX_MR] __attribute__((aligned(64)));
    panel_view v = view_panel(x, p0);
    for (int64_t i0 = 0; i0 < p->m; i0 += v.mr) {
        int64_t mr = ae_min(v.mr, p->m - i0);
        (v.narrow ? x->k->pack_cols_narrow : x->k->pack_cols)(
            packed, p->a + p->a_row[i0], p->a_stride, x->block->seg, x->block->nseg, mr);
        for (int64_t panel = p0; panel < p1; panel++) {
            v = view_panel(x, panel);
            if (x->load) {
                load_tile(tile, p, i0, mr, v.n0, v.nn, v.width);
            }
            v.mul_cols(tile, packed, x->block->depth, v.b, x->load);
            x->k->store_tile(tile, p->c, p->c_row + i0, mr, v.n0, v.nn, x->epilogue);
        }
    }
}

static void
multiply_block(const block_product *x)
{
    const ae_product *p = x->p;
    if (p->a_stride == 0) {
        multiply_rows(x);
        return;
    }
    int64_t wide = p->p1 - (view_panel(x, p->p1 - 1).narrow ? 1 : 0);
    if (wide > p->p0) {
        multiply_columns(x, p->p0, wide);
    }
    if (p->p1 > wide) {
        multiply_columns(x, wide, p->p1);
    }
}

void
ae_multiply(const ae_kernels *k, const ae_product *p)
{
    depth_block block;
    const ae_epilogue none = {.accumulate = p->epilogue->accumulate};
    int64_t s = 0, at = 0, k0 = 0;
    do {
        next_block(&block, p, &s, &at);
        block_product x = {.k = k, .p = p, .block = &block, .k0 = k0};
        x.load = k0 > 0 && !p->epilogue->accumulate;
        x.epilogue = s == p->nseg ? p->epilogue : &none;
        multiply_block(&x);
        k0 += block.depth;
    } while (s < p->nseg);
}

ae_product
ae_product_rows(int64_t *a_row, int64_t *c_row, const ae_seg *depth, int64_t m, int64_t N,
                int64_t a_rs, int64_t c_rs, const ae_kernels *k)
{
    for (int64_t i = 0; i < m; i++) {
        a_row[i] = i * a_rs;
        c_row[i] = i * c_rs;
    }
    return (ae_product){.a_row = a_row,
                        .seg = depth,
                        .nseg = 1,
                        .K = depth->len,
                        .N = N,
                        .p1 = ae_ceil_div(N, k->nr),
                        .c_row = c_row,
                        .m = m};
}

size_t
ae_packed_bytes(const ae_kernels *k, int64_t K, int64_t N)
{
    return ae_bytes(ae_round_up(N, k->nr), K, sizeof(float));
}

#define PAIR_DEPTH 256 /* pairs of a column at a time */

/* A panel of pairs: columns n0 to n0 + nn. */
static void
pack_pairs(float *dst, const ae_panel_source *b, int64_t n0, int64_t nn, const ae_kernels *k)
{
    const int64_t width = ae_panel_width(k, nn);
    const float *src = b->src + b->tap[0] + n0 * b->ns;
    if (b->ns == 1) {
        if (nn < width) {
            memset(dst, 0, (size_t)(ae_ceil_div(b->nk, 2) * width) * sizeof(float));
        }
        k->pair_rows(dst, width, src, b->ks, b->nk, nn);
        return;
    }
    float pairs[PAIR_DEPTH * AE_MAX_NR];
    for (int64_t at = 0; at < b->nk; at += 2 * PAIR_DEPTH) {
        const int64_t depth = ae_min(2 * PAIR_DEPTH, b->nk - at);
        k->pair_values(pairs, PAIR_DEPTH, src + at, b->ns, nn, depth);
        k->pack_panel(dst + at / 2 * width, pairs, ae_ceil_div(depth, 2), nn, 1, PAIR_DEPTH);
    }
}

void
ae_pack_panel(float *dst, const ae_panel_source *b, int64_t panel, const ae_kernels *k)
{
    int64_t n0 = panel * k->nr, nn = ae_min(k->nr, b->N - n0);
    int64_t width = ae_panel_width(k, nn);
    if (b->pairs) {
        pack_pairs(dst, b, n0, nn, k);
        return;
    }
    for (int64_t tap = 0; tap < b->ntap; tap++) {
        k->pack_panel(dst + tap * b->nk * width, b->src + b->tap[tap] + n0 * b->ns, b->nk, nn,
                      b->ks, b->ns);
    }
}

typedef struct {
    float *panels;
    const ae_panel_source *b;
    const ae_kernels *k;
} pack_task;

static void
pack_one(void *arg, int64_t panel, int thread)
{
    const pack_task *t = arg;
    (void)thread;
    int64_t depth = t->b->pairs ? ae_ceil_div(t->b->nk, 2) : t->b->ntap * t->b->nk;
    ae_pack_panel(t->panels + panel * t->k->nr * depth, t->b, panel, t->k);
}

void
ae_pack(float *panels, const ae_panel_source *b, const ae_ctx *ctx)
{
    pack_task task = {panels, b, ctx->k};
    double work = 4.0 * (double)b->ntap * (double)b->nk * (double)b->N;
    ae_parallel(ctx, ae_ceil_div(b->N, ctx->k->nr), work, pack_one, &task);
}

typedef struct {
    const ae_gemm_args *g;
    const ae_kernels *k;
    const ae_panel_source *b;
    float *panels;
    int64_t row_chunks, panel_groups; /* of nearly equal size, so that threads end together */
    bool pairs;                       /* g is of pairs of bfloat16 */
    bool own;       /* a panel is one chunk's alone, which packs it, in its thread's place */
    uint16_t *half; /* or it makes floats there of these */
    size_t thread_bytes;
} gemm_task;

static float *
place_of(const gemm_task *t, int thread)
{
    return (float *)((char *)t->panels + (size_t)thread * t->thread_bytes);
}

/* Make the panels [p0, p1) ready in a thread's place. */
static float *
own_panels(const gemm_task *t, int64_t p0, int64_t p1, int thread)
{
    const ae_kernels *k = t->k;
    const int64_t K = t->g->K;
    float *mine = place_of(t, thread);
    for (int64_t i = p0; i < p1; i++) {
        float *panel = mine + (i - p0) * k->nr * K;
        if (t->half != NULL) {
            const int64_t width = ae_panel_width(k, t->g->N - i * k->nr);
            k->from_half(panel, t->half + i * k->nr * K, K, width);
        }
        else {
            ae_pack_panel(panel, t->b, i, k);
        }
    }
    return mine;
}

static void
gemm_chunk(void *arg, int64_t chunk, int thread)
{
    const gemm_task *t = arg;
    const ae_gemm_args *g = t->g;
    const ae_kernels *k = t->k;
    int64_t rows[ROW_TILES * AE_MAX_MR], out[ROW_TILES * AE_MAX_MR];
    int64_t part = chunk % t->row_chunks, group = chunk / t->row_chunks;
    int64_t tiles = ae_ceil_div(g->M, k->mr), npanel = ae_ceil_div(g->N, k->nr);
    int64_t i0 = part * tiles / t->row_chunks * k->mr;
    int64_t i1 = ae_min(g->M, (part + 1) * tiles / t->row_chunks * k->mr);
    ae_seg all = {0, g->K};
    ae_product p = {.a = g->a + i0 * g->a_rs,
                    .a_row = rows,
                    .a_stride = g->a_ks == 1 ? 0 : g->a_ks,
                    .seg = &all,
                    .nseg = 1,
                    .panels = t->panels,
                    .pairs = t->pairs,
                    .K = g->K,
                    .N = g->N,
                    .p0 = group * npanel / t->panel_groups,
                    .p1 = (group + 1) * npanel / t->panel_groups,
                    .c = g->c,
                    .c_row = out,
                    .m = i1 - i0,
                    .epilogue = &g->epilogue};
    for (int64_t i = 0; i < p.m; i++) {
        rows[i] = i * g->a_rs;
        out[i] = (i0 + i) * g->ldc;
    }
    if (t->own || t->half != NULL) {
        p.panels = own_panels(t, p.p0, p.p1, thread);
        p.panel0 = p.p0;
    }
    ae_multiply(k, &p);
}

/* ---- few rows of A ------------------------------------------------------------------------- */

/* Two panels, by weights that stay packed. */
static void
few_chunk(void *arg, int64_t chunk, int thread)
{
    const gemm_task *t = arg;
    const ae_gemm_args *g = t->g;
    const ae_kernels *k = t->k;
    float tile[2 * AE_FEW_ROWS * AE_MAX_NR] __attribute__((aligned(64)));
    const float *a[AE_FEW_ROWS];
    int64_t out[AE_FEW_ROWS];
    (void)thread;
    for (int64_t i = 0; i < AE_FEW_ROWS; i++) {
        a[i] = g->a + ae_min(i, g->M - 1) * g->a_rs;
        out[i] = i * g->ldc;
    }
    int64_t n = chunk * 2 * k->nr, end = ae_min(g->N, n + 2 * k->nr);
    while (n < end) {
        const void *panel = t->half != NULL ? (const void *)(t->half + n * g->K)
                                            : (const void *)(t->panels + n * g->K);
        const int64_t width = ae_panel_width(k, end - n);
        const bool two = g->M == 1 && end - n > k->nr + k->vlen;
        k->mul_few(tile, a, (int)g->M, g->K, panel, two ? k->nr * g->K : 0, width,
                   t->half != NULL);
        for (int64_t j = 0; j <= two; j++, n += k->nr) {
            k->store_tile(tile + j * AE_FEW_ROWS * k->nr, g->c, out, g->M, n,
                          ae_min(k->nr, end - n), &g->epilogue);
        }
    }
}

#define TRANSPOSED_COLUMNS 32 /* of a task */

static void
transposed_chunk(void *arg, int64_t chunk, int thread)
{
    const gemm_task *t = arg;
    const ae_gemm_args *g = t->g;
    const ae_kernels *k = t->k;
    float tile[AE_FEW_ROWS * AE_MAX_VLEN] __attribute__((aligned(64)));
    const float *a[AE_FEW_ROWS], *b[AE_MAX_VLEN];
    int64_t out[AE_FEW_ROWS];
    (void)thread;
    for (int64_t i = 0; i < AE_FEW_ROWS; i++) {
        a[i] = g->a + ae_min(i, g->M - 1) * g->a_rs;
        out[i] = i * g->ldc;
    }
    int64_t end = ae_min(g->N, (chunk + 1) * TRANSPOSED_COLUMNS);
    for (int64_t n = chunk * TRANSPOSED_COLUMNS; n < end; n += k->vlen) {
        for (int64_t j = 0; j < k->vlen; j++) {
            b[j] = g->b + ae_min(n + j, g->N - 1) * g->b_ns;
        }
        k->mul_transposed(tile, a, b, g->K, g->M == 1 ? 1 : AE_FEW_ROWS);
        k->store_tile(tile, g->c, out, g->M, n, ae_min(k->vlen, end - n), &g->epilogue);
    }
}

/* ---- rows of A that conflict in L1 ----------------------------------------------------------- */

#define PAGE_FLOATS 1024 /* rows a multiple of this apart are in the same set of L1 */
#define ROW_PADDING 16   /* floats that put them into different sets */

typedef struct {
    float *to;
    const ae_gemm_args *g;
} pad_task;

static void
pad_row(void *arg, int64_t i, int thread)
{
    const pad_task *t = arg;
    (void)thread;
    memcpy(t->to + i * (t->g->K + ROW_PADDING), t->g->a + i * t->g->a_rs,
           (size_t)t->g->K * sizeof(float));
}

/* ---- weights that stay packed, and how the work is cut -------------------------------------- */

static void
pack_half(void *arg, int64_t panel, int thread)
{
    const gemm_task *t = arg;
    const ae_kernels *k = t->k;
    const int64_t K = t->b->nk, left = t->b->N - panel * k->nr;
    ae_pack_panel(place_of(t, thread), t->b, panel, k);
    k->to_half(t->half + panel * k->nr * K, place_of(t, thread), K, ae_panel_width(k, left));
}

/* Take the weights that stay packed, and pack them if they aren't yet. */
static ae_status
take_kept(gemm_task *t, ae_form form, size_t bytes, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    bool ready;
    float *data;
    AE_TRY(ae_packed_take(&data, &ready, t->b->src, form, bytes, ctx));
    if (form == AE_PACKED_LINEAR) {
        t->panels = data;
        if (!ready) {
            ae_pack(data, t->b, ctx);
        }
        return AE_OK;
    }
    t->half = (uint16_t *)data;
    if (!ready) {
        double work = 8.0 * (double)t->b->nk * (double)t->b->N;
        ae_parallel(ctx, ae_ceil_div(t->b->N, ctx->k->nr), work, pack_half, t);
    }
done:
    return status;
}

/* Columns of A are packed a tile at a time: a chunk is one, which all panels then use, where that gives
 * chunks enough. */
static int64_t
tiles_of_chunk(const ae_gemm_args *g, int64_t npanel, const ae_kernels *k)
{
    const int64_t tiles = ae_ceil_div(g->M, k->mr);
    if (g->a_ks != 1) {
        return tiles >= MIN_CHUNKS / 2 ? 1 : ROW_TILES;
    }
    return npanel > FEW_PANELS
               ? ROW_TILES
               : ae_min(ROW_TILES, ae_max(2, ae_ceil_div(tiles * npanel, MIN_CHUNKS)));
}

/* ---- bfloat16 -------------------------------------------------------------------------------- */

#define PAIR_ROWS 8 /* of a task */

typedef struct {
    float *to;
    int64_t to_rs; /* of the pairs, where rows keep their place */
    const ae_gemm_args *g;
    const ae_kernels *k;
} pair_task;

/* Rows of A, or pairs of steps of its depth where it strides. */
static void
pair_some(void *arg, int64_t i, int thread)
{
    const pair_task *t = arg;
    const ae_gemm_args *g = t->g;
    int64_t at = i * PAIR_ROWS;
    (void)thread;
    if (g->a_ks == 1) {
        t->k->pair_values(t->to + at * t->to_rs, t->to_rs, g->a + at * g->a_rs, g->a_rs,
                          ae_min(PAIR_ROWS, g->M - at), g->K);
    }
    else {
        t->k->pair_rows(t->to + at * g->M, g->M, g->a + 2 * at * g->a_ks, g->a_ks,
                        ae_min(2 * PAIR_ROWS, g->K - 2 * at), g->M);
    }
}

/* ---- the driver ------------------------------------------------------------------------------ */

/* How the work is cut, and the bytes of floats of panels: all of them, or each thread's. */
static size_t
plan(gemm_task *t, bool kept, const ae_ctx *ctx)
{
    const ae_gemm_args *g = t->g;
    const ae_kernels *k = t->k;
    const int64_t npanel = ae_ceil_div(g->N, k->nr), tiles = ae_ceil_div(g->M, k->mr);
    const bool half = kept && ctx->packed->half;
    t->row_chunks = ae_ceil_div(tiles, tiles_of_chunk(g, npanel, k));
    t->panel_groups = ae_min(npanel, ae_ceil_div(MIN_CHUNKS, t->row_chunks));
    if (kept && !half) { /* nothing is packed in a chunk: small ones let threads end together */
        t->row_chunks = ae_max(t->row_chunks, ae_min(tiles, ae_ceil_div(KEPT_CHUNKS, npanel)));
    }
    t->own = t->row_chunks == 1 && !kept;
    int64_t columns = ae_min(g->N, ae_ceil_div(npanel, t->panel_groups) * k->nr);
    t->thread_bytes = ae_packed_bytes(k, g->K, columns);
    if (t->own || half) {
        return ae_bytes((int64_t)t->thread_bytes, ctx->threads, 1);
    }
    return kept ? 0 : ae_packed_bytes(k, g->K, g->N);
}

/* The product of bfloat16: A and B become pairs, and then it is one of floats half as deep. */
static ae_status
gemm_of_pairs(const ae_gemm_args *g, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t zero = 0, two = ae_ceil_div(g->K, 2);
    const int64_t a_rs = two % PAGE_FLOATS == 0 ? two + ROW_PADDING : two;
    const ae_panel_source b = {g->b, &zero, 1, g->K, g->N, g->b_ks, g->b_ns, true};
    const double work = 2.0 * (double)g->M * (double)g->N * (double)g->K;
    ae_gemm_args pairs = *g;
    gemm_task t = {.g = &pairs, .k = ctx->k, .b = &b, .pairs = true};
    pairs.K = two;
    size_t room = plan(&t, false, ctx);
    size_t bytes = ae_bytes(g->M, a_rs, sizeof(float));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(room, bytes)));
    t.panels = ae_arena_take(ctx->arena, room);
    pair_task task = {ae_arena_take(ctx->arena, bytes), a_rs, g, ctx->k};
    ae_parallel(ctx, ae_ceil_div(g->a_ks == 1 ? g->M : two, PAIR_ROWS),
                4.0 * (double)g->M * (double)g->K, pair_some, &task);
    pairs.a = task.to;
    if (g->a_ks == 1) {
        pairs.a_rs = a_rs;
    }
    else {
        pairs.a_ks = g->M;
    }
    if (!t.own) {
        ae_pack(t.panels, &b, ctx);
    }
    ae_parallel(ctx, t.row_chunks * t.panel_groups, work, gemm_chunk, &t);
done:
    return status;
}

/* Rows in columns are what only the weight gradient needs: a_rs is 1 and depth strides. A depth
 * of one row makes both strides 1 and is then a product in rows. */
ae_status
ae_gemm(const ae_gemm_args *g, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_kernels *k = ctx->k;
    const int64_t zero = 0;
    assert(g->a_rs == 1 || g->a_ks == 1);
    if (g->M == 0 || g->N == 0) {
        return AE_OK;
    }
    if (ctx->half && g->K > 0) {
        return gemm_of_pairs(g, ctx);
    }
    double work = 2.0 * (double)g->M * (double)g->N * (double)g->K;
    ae_panel_source b = {g->b, &zero, 1, g->K, g->N, g->b_ks, g->b_ns, false};
    ae_gemm_args padded = *g;
    gemm_task t = {.g = g, .k = k, .b = &b};
    const bool few = g->M <= AE_FEW_ROWS && g->a_ks == 1;
    const bool half = ctx->packed != NULL && ctx->packed->half;
    const ae_form form = half ? AE_PACKED_HALF : AE_PACKED_LINEAR;
    const size_t packed = ae_packed_bytes(k, g->K, g->N), held = half ? packed / 2 : packed;
    const bool kept = ctx->packed != NULL && ae_packed_in_arena(ctx, g->b, form, held) == 0;
    if (few && !kept && g->b_ks == 1) {
        ae_parallel(ctx, ae_ceil_div(g->N, TRANSPOSED_COLUMNS), work, transposed_chunk, &t);
        return AE_OK;
    }
    size_t room = plan(&t, kept, ctx);
    bool conflict = !few && g->a_ks == 1 && g->a_rs % PAGE_FLOATS == 0;
    size_t copied = conflict ? ae_bytes(g->M, g->K + ROW_PADDING, sizeof(float)) : 0;
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(room, copied)));
    if (room > 0) {
        t.panels = ae_arena_take(ctx->arena, room);
    }
    if (!t.own && !kept) {
        ae_pack(t.panels, &b, ctx);
    }
    if (kept) {
        AE_TRY(take_kept(&t, form, held, ctx));
    }
    if (few && kept) {
        ae_parallel(ctx, ae_ceil_div(g->N, 2 * k->nr), work, few_chunk, &t);
        return AE_OK;
    }
    if (conflict) {
        pad_task task = {ae_arena_take(ctx->arena, copied), g};
        ae_parallel(ctx, g->M, 4.0 * (double)g->M * (double)g->K, pad_row, &task);
        padded.a = task.to;
        padded.a_rs = g->K + ROW_PADDING;
        t.g = &padded;
    }
    ae_parallel(ctx, t.row_chunks * t.panel_groups, work, gemm_chunk, &t);
done:
    return status;
}

/* ---- column sums --------------------------------------------------------------------------- */

#define SUM_ROWS 512  /* rows of a block, whose sums are float */
#define SUM_BLOCKS 64 /* at most; the blocks are added in double */

typedef struct {
    float *part;
    const float *x;
    int64_t rows, cols, block;
    const ae_kernels *k;
} sum_task;

static void
sum_one(void *arg, int64_t i, int thread)
{
    const sum_task *t = arg;
    int64_t r0 = i * t->block;
    float *part = t->part + i * t->cols;
    (void)thread;
    memset(part, 0, (size_t)t->cols * sizeof(float));
    t->k->add_columns(part, t->x + r0 * t->cols, ae_min(t->block, t->rows - r0), t->cols);
}

ae_status
ae_column_sums(float *sum, const float *x, int64_t rows, int64_t cols, bool adds,
               const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t block = ae_max(SUM_ROWS, ae_ceil_div(rows, SUM_BLOCKS));
    int64_t blocks = ae_ceil_div(rows, block);
    size_t bytes = ae_bytes(blocks, cols, sizeof(float));
    AE_TRY(ae_arena_reserve(ctx->arena, bytes));
    sum_task t = {ae_arena_take(ctx->arena, bytes), x, rows, cols, block, ctx->k};
    ae_parallel(ctx, blocks, (double)rows * (double)cols, sum_one, &t);
    for (int64_t j = 0; j < cols; j++) {
        double s = 0.0;
        for (int64_t i = 0; i < blocks; i++) {
            s += (double)t.part[i * cols + j];
        }
        sum[j] = (adds ? sum[j] : 0.0f) + (float)s;
    }
done:
    return status;
}
