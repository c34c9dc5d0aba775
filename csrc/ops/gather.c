/* gather.c: clean (B, F) and corrupted (B, F) from rows of a source of any size.
 *
 * The source may be a file mapped into memory, with rows anywhere in it. Work is cut into pieces of a
 * few rows, or of one long row: a piece is read once, converted, and corrupted while it is in L1.
 */
#include "base/math.h"
#include "ops/gather.h"

#define PIECE 8192 /* values in a task */
#define BLOCK 2048 /* values converted before they are corrupted */
#define AHEAD 1024 /* bytes of the next row to ask for (rows from anywhere: twice as fast) */

typedef struct {
    float *clean, *corrupted;
    const char *source;
    const int64_t *index;
    int64_t N, B, F, item; /* N: rows of the source; item: bytes of a value of it */
    int64_t rows;          /* in a task, if a row is at most a piece; else 1 */
    int64_t pieces;        /* of a row */
    const ae_gather_cfg *cfg;
    const ae_kernels *k;
} gather_task;

/* Values f0 to f1 of sample b. */
static void
gather_row(const gather_task *t, int64_t b, int64_t f0, int64_t f1)
{
    const char *row = t->source + ae_index(&t->index[b], t->N) * t->F * t->item;
    for (int64_t f = f0; f < f1; f += BLOCK) {
        int64_t n = ae_min(BLOCK, f1 - f), at = b * t->F + f;
        ae_gather_convert(t->cfg, t->k, t->clean + at, row + f * t->item, n);
        if (t->corrupted != NULL) {
            t->k->corrupt(t->corrupted + at, t->clean + at, n, t->cfg, at);
        }
    }
}

static void
gather_piece(void *arg, int64_t i, int thread)
{
    const gather_task *t = arg;
    int64_t b0 = i / t->pieces * t->rows, f0 = i % t->pieces * PIECE;
    int64_t b1 = ae_min(b0 + t->rows, t->B);
    int64_t f1 = t->pieces == 1 ? t->F : ae_min(f0 + PIECE, t->F);
    (void)thread;
    for (int64_t b = b0; b < b1; b++) {
        if (b + 1 < b1) {
            /* the hardware's prefetcher follows a row but can't guess the next one */
            const char *next = t->source + ae_index(&t->index[b + 1], t->N) * t->F * t->item;
            for (int64_t at = 0; at < ae_min(t->F * t->item, AHEAD); at += 64) {
                __builtin_prefetch(next + at);
            }
        }
        gather_row(t, b, f0, f1);
    }
}

ae_status
ae_gather(float *clean, float *corrupted, const void *source, const int64_t *index, int64_t N,
          int64_t B, int64_t F, const ae_gather_cfg *cfg, const ae_ctx *ctx)
{
    static const int64_t item[] = {[AE_U8] = 1, [AE_F32] = 4, [AE_F64] = 8};
    if (N == 0 || B == 0 || F == 0) {
        return AE_OK;
    }
    gather_task t = {.clean = clean,
                     .corrupted = corrupted,
                     .source = source,
                     .index = index,
                     .N = N,
                     .B = B,
                     .F = F,
                     .item = item[cfg->source],
                     .rows = ae_max(1, PIECE / F),
                     .pieces = ae_ceil_div(F, PIECE),
                     .cfg = cfg,
                     .k = ctx->k};
    double cost = corrupted == NULL ? 2.0 : 20.0;
    ae_parallel(ctx, ae_ceil_div(B, t.rows) * t.pieces, cost * (double)B * (double)F,
                gather_piece, &t);
    return AE_OK;
}

ae_status
ae_take_rows(float *y, const void *table, const int64_t *rows, ae_source source, int64_t M,
             int64_t D, int64_t E, const ae_ctx *ctx)
{
    ae_gather_cfg plain = {.source = source, .scale = 1.0f, .corruption = AE_CLEAN};
    return ae_gather(y, NULL, table, rows, E, M, D, &plain, ctx);
}
