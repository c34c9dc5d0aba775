/* vq.c: vector quantisation, z (N, D) against a codebook (E, D).
 *
 * The nearest entry is a product z e^T whose epilogue is an argmin: tiles of scores are consumed as
 * they are made, and the N x E matrix never exists. A score s = z . e - |e|^2 / 2 in float32 is off
 * by at most gamma |z| |e| for the product's chain of D multiply-adds, with gamma = D u / (1 - D u)
 * and u = 2^-24 (Higham 2002, section 3.1), and by u (|z| |e| + 2 |e|^2) for |e|^2 / 2, the difference
 * and its rounding. Rows that this leaves in doubt get the product once more and the distances that
 * matter in double, so that the index is that of the least distance computed in float64, and of the
 * lower entry where those are equal.
 *
 * A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural discrete representation learning",
 * NeurIPS (2017).
 */
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"

#define ROW_TILES 16 /* tiles of rows in a chunk, at most */
#define MIN_CHUNKS 16
#define MAX_VLEN 16
#define MAX_ROWS (ROW_TILES * AE_MAX_MR)

typedef struct {
    float *quantized;
    int64_t *index;
    const float *z, *codebook, *panels, *half;
    int64_t N, D, E, chunk;
    float slope, constant; /* of the error of a score: slope |z| + constant */
    const ae_kernels *k;
} nearest_task;

/* What is known of the rows of a chunk, or of those in doubt. */
typedef struct {
    int64_t rows;
    const float *row[MAX_ROWS + AE_MAX_MR]; /* the last one repeated, to fill a tile */
    /* the first time: lanes of each row, and one vector of rows more */
    float best[(MAX_ROWS + MAX_VLEN) * MAX_VLEN], second[(MAX_ROWS + MAX_VLEN) * MAX_VLEN];
    int32_t which[(MAX_ROWS + MAX_VLEN) * MAX_VLEN];
    /* for those in doubt */
    float limit[MAX_ROWS];
    double least[MAX_ROWS];
    int64_t index[MAX_ROWS];
} chunk_state;

static void
fill_last_tile(chunk_state *s)
{
    for (int64_t i = s->rows; i < s->rows + AE_MAX_MR; i++) {
        s->row[i] = s->row[s->rows - 1];
    }
}

/* The products of all rows and all entries, tile by tile, into vq_scan or vq_compare. */
static void
scan_tiles(const nearest_task *t, chunk_state *s, bool compare)
{
    float tile[AE_MAX_MR * AE_MAX_NR] __attribute__((aligned(64))) = {0};
    const ae_kernels *k = t->k;
    const ae_seg all = {0, t->D};
    for (int64_t n0 = 0; n0 < t->E; n0 += k->nr) {
        const float *panel = t->panels + n0 * t->D, *half = t->half + n0;
        bool narrow = t->E - n0 <= k->vlen;
        int64_t full = narrow ? k->mr_narrow : k->mr, width = narrow ? k->vlen : k->nr;
        for (int64_t i = 0; i < s->rows; i += full) {
            int64_t mr = ae_min(full, s->rows - i), at = i * k->vlen;
            (narrow ? k->mul_rows_narrow : k->mul_rows)(tile, s->row + i, &all, 1, panel,
                                                        false);
            if (compare) {
                k->vq_compare(s->least + i, s->index + i, s->limit + i, s->row + i, tile, half,
                              mr, n0, width, t->codebook, t->E, t->D);
            }
            else {
                k->vq_scan(s->best + at, s->second + at, s->which + at, tile, half, mr, n0,
                           width);
            }
        }
    }
}

/* Rows that rounding leaves in doubt, once more. */
static void
settle_doubts(const nearest_task *t, chunk_state *s, int64_t *index, const float *z)
{
    int64_t rows = s->rows, which[MAX_ROWS];
    s->rows = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (s->limit[i] == INFINITY) {
            continue;
        }
        int64_t n = s->rows++;
        which[n] = i;
        s->row[n] = z + i * t->D;
        s->limit[n] = s->limit[i];
        s->least[n] = INFINITY;
        s->index[n] = 0;
    }
    if (s->rows > 0) {
        fill_last_tile(s);
        scan_tiles(t, s, true);
    }
    for (int64_t i = 0; i < s->rows; i++) {
        index[which[i]] = s->index[i];
    }
}

static void
nearest_chunk(void *arg, int64_t i, int thread)
{
    const nearest_task *t = arg;
    chunk_state s;
    int64_t r0 = i * t->chunk, vlen = t->k->vlen;
    const float *z = t->z + r0 * t->D;
    (void)thread;
    s.rows = ae_min(t->chunk, t->N - r0);
    for (int64_t r = 0; r < s.rows; r++) {
        s.row[r] = z + r * t->D;
    }
    fill_last_tile(&s);
    scan_tiles(t, &s, false);
    for (int64_t j = s.rows * vlen; j < (s.rows + vlen) * vlen; j++) {
        s.best[j] = s.second[j] = 0.0f; /* vq_pick reads whole vectors of rows */
        s.which[j] = 0;
    }
    t->k->vq_pick(t->index + r0, s.limit, s.best, s.second, s.which, z, s.rows, t->D, t->slope,
                  t->constant);
    int64_t r1 = r0 + s.rows;
    settle_doubts(t, &s, t->index + r0, z);
    for (int64_t r = r0; t->quantized != NULL && r < r1; r++) {
        memcpy(t->quantized + r * t->D, t->codebook + ae_index(&t->index[r], t->E) * t->D,
               (size_t)t->D * sizeof(float));
    }
}

/* |e|^2 / 2, infinite for the columns that fill the last panel; and the bound of the error. */
static void
plan_scores(nearest_task *t, float *half, int64_t padded)
{
    const double u = 0x1p-24, depth = (double)t->D * u;
    double most = 0.0;
    t->k->vq_half_squares(half, t->codebook, t->E, t->D);
    for (int64_t e = 0; e < t->E; e++) {
        most = half[e] > most ? half[e] : most;
    }
    for (int64_t e = t->E; e < padded; e++) {
        half[e] = INFINITY;
    }
    double gamma = depth < 0.5 ? depth / (1.0 - depth) : INFINITY;
    /* a rounding more, of a limit; a hundredth, for those of this bound; and what underflow hides */
    t->slope = (float)(1.01 * (gamma + 2.0 * u) * sqrt(2.0 * most));
    t->constant = (float)(1.01 * 3.0 * u * most + 1e-19 * t->slope + 1e-38);
    t->half = half;
}

ae_status
ae_vector_quantize_fwd(float *quantized, int64_t *index, const float *z, const float *codebook,
                       int64_t N, int64_t D, int64_t E, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_kernels *k = ctx->k;
    const int64_t zero = 0;
    if (N == 0) {
        return AE_OK;
    }
    if (E < 1 || E > INT32_MAX - AE_MAX_NR) {
        return E < 1 ? AE_EVALUE : AE_ESIZE;
    }
    int64_t padded = ae_round_up(E, k->nr);
    size_t packed = ae_packed_bytes(k, D, E), norms = ae_bytes(padded, 1, sizeof(float));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(packed, norms)));
    float *panels = ae_arena_take(ctx->arena, packed);
    float *half = ae_arena_take(ctx->arena, norms);
    ae_panel_source b = {codebook, &zero, 1, D, E, 1, D, false};
    ae_pack(panels, &b, ctx);

    nearest_task t = {.quantized = quantized,
                      .index = index,
                      .z = z,
                      .codebook = codebook,
                      .panels = panels,
                      .N = N,
                      .D = D,
                      .E = E,
                      .k = k};
    plan_scores(&t, half, padded);
    int64_t tiles = ae_min(ROW_TILES, ae_max(1, N / (MIN_CHUNKS * k->mr)));
    t.chunk = tiles * k->mr;
    ae_parallel(ctx, ae_ceil_div(N, t.chunk), 2.0 * (double)N * (double)E * (double)(D + 2),
                nearest_chunk, &t);
done:
    return status;
}

/* ---- the straight-through gradient --------------------------------------------------------- */

#define GRAD_ROWS 64

typedef struct {
    float *dz;
    const float *dq, *z, *codebook;
    const int64_t *index;
    int64_t N, D, E;
    float c;
    const ae_kernels *k;
} grad_task;

static void
grad_rows(void *arg, int64_t i, int thread)
{
    const grad_task *t = arg;
    int64_t r1 = ae_min((i + 1) * GRAD_ROWS, t->N);
    (void)thread;
    for (int64_t r = i * GRAD_ROWS; r < r1; r++) {
        int64_t at = r * t->D;
        t->k->vq_grad(t->dz + at, t->dq + at, t->z + at,
                      t->codebook + ae_index(&t->index[r], t->E) * t->D, t->D, t->c);
    }
}

/* ---- sums by entry --------------------------------------------------------------------------- */

#define PIECE_ROWS 256 /* rows whose sum is float; more of an entry's are added in double */
#define GROUP 8        /* pieces, or entries, of a task */

/* Rows sorted by their entry, and each entry's run cut into pieces. */
typedef struct {
    int64_t *of;    /* (N): the entry of each row */
    int64_t *row;   /* (N), in index order within an entry */
    int64_t *start; /* (E + 1): entry e has row[start[e]] to row[start[e + 1]] */
    int64_t *piece; /* (E + 1): and pieces piece[e] to piece[e + 1] */
    int64_t *entry; /* of each piece */
    int64_t pieces;
    float *part; /* (pieces, D) */
    const float *z;
    const float *less; /* (E, D), or NULL: subtracted from every row */
    int64_t D, E;
    float *sum; /* (E, D) = or += scale * the sum */
    float scale;
    bool accumulate;
    const ae_kernels *k;
} by_entry;

/* A counting sort, so that the order within an entry is that of the rows. */
static void
sort_rows(by_entry *t, const int64_t *index, int64_t N)
{
    memset(t->start, 0, (size_t)(t->E + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < N; i++) {
        t->of[i] = ae_index(&index[i], t->E);
        t->start[t->of[i] + 1] += 1;
    }
    t->pieces = 0;
    for (int64_t e = 0; e < t->E; e++) {
        t->piece[e] = t->pieces;
        for (int64_t n = t->start[e + 1]; n > 0; n -= PIECE_ROWS) {
            t->entry[t->pieces++] = e;
        }
        t->start[e + 1] += t->start[e];
    }
    t->piece[t->E] = t->pieces;
    for (int64_t i = 0; i < N; i++) {
        t->row[t->start[t->of[i]]++] = i;
    }
    /* every start has moved to the next entry's */
    memmove(t->start + 1, t->start, (size_t)t->E * sizeof(int64_t));
    t->start[0] = 0;
}

static ae_status
plan_by_entry(by_entry *t, const int64_t *index, int64_t N, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t most = N / PIECE_ROWS + ae_min(N, t->E); /* pieces */
    size_t rows = ae_bytes(N, 1, sizeof(int64_t));
    size_t entries = ae_bytes(t->E + 1, 1, sizeof(int64_t));
    size_t pieces = ae_bytes(most, 1, sizeof(int64_t));
    size_t parts = ae_bytes(most, t->D, sizeof(float));
    size_t sorted = ae_bytes_add(ae_bytes_add(rows, pieces), ae_bytes_add(entries, entries));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(rows, ae_bytes_add(sorted, parts))));
    t->of = ae_arena_take(ctx->arena, rows);
    t->row = ae_arena_take(ctx->arena, rows);
    t->start = ae_arena_take(ctx->arena, entries);
    t->piece = ae_arena_take(ctx->arena, entries);
    t->entry = ae_arena_take(ctx->arena, pieces);
    t->part = ae_arena_take(ctx->arena, parts);
    t->k = ctx->k;
    sort_rows(t, index, N);
done:
    return status;
}

static void
sum_pieces(void *arg, int64_t group, int thread)
{
    const by_entry *t = arg;
    int64_t end = ae_min((group + 1) * GROUP, t->pieces);
    (void)thread;
    for (int64_t p = group * GROUP; p < end; p++) {
        int64_t e = t->entry[p], from = t->start[e] + (p - t->piece[e]) * PIECE_ROWS;
        int64_t n = ae_min(PIECE_ROWS, t->start[e + 1] - from);
        t->k->vq_add_rows(t->part + p * t->D, t->z, t->row + from, n, t->D,
                          t->less == NULL ? NULL : t->less + e * t->D);
    }
}

static void
join_pieces(void *arg, int64_t group, int thread)
{
    const by_entry *t = arg;
    int64_t end = ae_min((group + 1) * GROUP, t->E);
    (void)thread;
    for (int64_t e = group * GROUP; e < end; e++) {
        float *sum = t->sum + e * t->D;
        for (int64_t j = 0; j < t->D; j++) {
            double s = 0.0;
            for (int64_t p = t->piece[e]; p < t->piece[e + 1]; p++) {
                s += (double)t->part[p * t->D + j];
            }
            sum[j] = (float)((t->accumulate ? (double)sum[j] : 0.0) + t->scale * s);
        }
    }
}

static void
add_by_entry(by_entry *t, const ae_ctx *ctx)
{
    double values = (double)t->start[t->E] * (double)t->D;
    double parts = (double)(t->pieces + t->E) * (double)t->D;
    ae_parallel(ctx, ae_ceil_div(t->pieces, GROUP), 2.0 * values, sum_pieces, t);
    ae_parallel(ctx, ae_ceil_div(t->E, GROUP), 2.0 * parts, join_pieces, t);
}

ae_status
ae_vector_quantize_bwd(float *dz, float *dcodebook, const float *dq, const float *z,
                       const float *codebook, const int64_t *index, float commitment,
                       float scale, int64_t N, int64_t D, int64_t E, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    grad_task grad = {dz, dq, z, codebook, index, N, D, E, 2.0f * scale * commitment, ctx->k};
    if (dcodebook != NULL) {
        by_entry t = {.z = z,
                      .less = codebook,
                      .D = D,
                      .E = E,
                      .sum = dcodebook,
                      .scale = -2.0f * scale,
                      .accumulate = true};
        AE_TRY(plan_by_entry(&t, index, N, ctx));
        add_by_entry(&t, ctx);
    }
    ae_parallel(ctx, ae_ceil_div(N, GRAD_ROWS), 3.0 * (double)N * (double)D, grad_rows, &grad);
done:
    return status;
}

ae_status
ae_vq_statistics(float *count, float *sum, const float *z, const int64_t *index, int64_t N,
                 int64_t D, int64_t E, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    by_entry t = {.z = z, .D = D, .E = E, .sum = sum, .scale = 1.0f};
    AE_TRY(plan_by_entry(&t, index, N, ctx));
    add_by_entry(&t, ctx);
    for (int64_t e = 0; e < E; e++) {
        count[e] = (float)(t.start[e + 1] - t.start[e]);
    }
done:
    return status;
}
