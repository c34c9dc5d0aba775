/* split.c: see split.h. */
#include "ops/split.h"

#include "base/math.h"

typedef struct {
    ae_span_fn fn;
    const void *arg;
    int64_t total;
} span_task;

static void
one_span(void *arg, int64_t i, int thread)
{
    const span_task *t = arg;
    int64_t at = i * AE_CHUNK;
    (void)thread;
    t->fn(t->arg, at, ae_min(AE_CHUNK, t->total - at));
}

void
ae_split_span(const ae_ctx *ctx, int64_t total, double cost, ae_span_fn fn, const void *arg)
{
    span_task t = {fn, arg, total};
    ae_parallel(ctx, ae_ceil_div(total, AE_CHUNK), cost * (double)total, one_span, &t);
}

#define ROWS 128 /* most rows in a block: their sums are on the stack */

typedef struct {
    ae_rows_fn fn;
    const void *arg;
    float *out;
    double *part; /* (N, pieces): sums of pieces of rows, where rows are cut */
    int64_t N, F, pieces, length, rows;
} rows_task;

/* Some whole rows: a chunk's worth of them, in blocks. */
static void
whole_rows(void *arg, int64_t i, int thread)
{
    const rows_task *t = arg;
    double sum[ROWS];
    int64_t end = ae_min(t->N, (i + 1) * t->rows);
    (void)thread;
    for (int64_t row = i * t->rows; row < end; row += ROWS) {
        ae_block block = {row, ae_min(ROWS, end - row), 0, t->F};
        t->fn(t->arg, sum, &block);
        for (int64_t r = 0; t->out != NULL && r < block.rows; r++) {
            t->out[row + r] = (float)sum[r];
        }
    }
}

/* A piece of one row. */
static void
row_piece(void *arg, int64_t i, int thread)
{
    const rows_task *t = arg;
    int64_t at = i % t->pieces * t->length;
    ae_block block = {i / t->pieces, 1, at, ae_min(t->length, t->F - at)};
    (void)thread;
    t->fn(t->arg, t->part + i, &block);
}

ae_status
ae_split_rows(float *out, int64_t N, int64_t F, int64_t unit, double cost, ae_rows_fn fn,
              const void *arg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    int64_t chunk = ae_max(1, AE_CHUNK / ae_max(1, unit)); /* in units */
    double work = cost * (double)N * (double)F;
    rows_task t = {.fn = fn, .arg = arg, .out = out, .N = N, .F = F};
    if (F <= 2 * chunk) { /* a row of two halves isn't worth a second pass */
        t.rows = ae_max(1, chunk / ae_max(1, F));
        ae_parallel(ctx, ae_ceil_div(N, t.rows), work, whole_rows, &t);
        return AE_OK;
    }
    t.length = chunk;
    t.pieces = ae_ceil_div(F, chunk);
    size_t bytes = ae_bytes(N, t.pieces, sizeof(double));
    AE_TRY(ae_arena_reserve(ctx->arena, bytes));
    t.part = ae_arena_take(ctx->arena, bytes);
    ae_parallel(ctx, N * t.pieces, work, row_piece, &t);
    for (int64_t i = 0; out != NULL && i < N; i++) {
        double s = 0.0;
        for (int64_t j = 0; j < t.pieces; j++) {
            s += t.part[i * t.pieces + j];
        }
        out[i] = (float)s;
    }
done:
    return status;
}
