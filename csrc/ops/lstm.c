/* lstm.c: the forward pass of the LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000).
 *
 * There is one parallel region for the whole sequence: a task takes a block of samples through all
 * steps, with the packed weights of x and h, which stay in L2. A step's product over x and h, its
 * gates and its state are one pass (kern/lstm.inc); what x contributes is never stored. The
 * states themselves are read where they were written: h in y, c in its cache.
 */
#include "ops/lstm.h"

#include <string.h>

typedef struct {
    float *y, *h, *c, *gates, *cells;
    const ae_lstm_inputs *in;
    const ae_lstm_cfg *cfg;
    const ae_kernels *k;
    int64_t F;           /* features that each step multiplies: none where they repeat */
    int64_t block;       /* samples of a task */
    const float *panels; /* of all units */
    const float *zeros;  /* (4H) */
    char *scratch;       /* of each thread: the rows of a block */
    size_t thread_bytes;
} forward_task;

/* Where the sums of a sample's gates begin if x repeats: in the last of its gates to be made. */
static int64_t
kept_step(const ae_lstm_cfg *cfg, int64_t n)
{
    return n * cfg->T + (cfg->reverse ? 0 : cfg->T - 1);
}

static const float *
h_before(const forward_task *t, int64_t n, int64_t s)
{
    return ae_lstm_before(t->y, t->cfg->stride, t->in->h0, t->zeros, t->in, t->cfg, n, s);
}

static const float *
c_before(const forward_task *t, int64_t n, int64_t s)
{
    return ae_lstm_before(t->cells, t->cfg->H, t->in->c0, t->zeros, t->in, t->cfg, n, s);
}

static ae_lstm_row
row_at(const forward_task *t, int64_t n, int64_t s)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, at = ae_lstm_at(t->in, cfg, n, s);
    ae_lstm_row r = {.x = t->in->x,
                     .h = h_before(t, n, s),
                     .c = c_before(t, n, s),
                     .gates = t->gates + at * 4 * H,
                     .y = t->y + at * cfg->stride,
                     .cells = t->cells + at * H};
    if (cfg->repeat) {
        r.start = t->gates + kept_step(cfg, n) * 4 * H;
    }
    else {
        r.x += at * cfg->F;
        r.start = t->in->b != NULL ? t->in->b : t->zeros;
    }
    return r;
}

/* The final state, and zeros behind the last step. */
static void
finish_sample(const forward_task *t, int64_t n)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t length = ae_lstm_length(t->in, cfg, n);
    const size_t bytes = (size_t)cfg->H * sizeof(float);
    for (int64_t s = length; s < cfg->T; s++) {
        memset(t->y + (n * cfg->T + s) * cfg->stride, 0, bytes);
    }
    memcpy(t->h + n * cfg->H, h_before(t, n, length), bytes);
    memcpy(t->c + n * cfg->H, c_before(t, n, length), bytes);
}

static void
forward_block(void *arg, int64_t block, int thread)
{
    const forward_task *t = arg;
    const ae_lstm_cfg *cfg = t->cfg;
    ae_lstm_row *row = (ae_lstm_row *)(t->scratch + (size_t)thread * t->thread_bytes);
    const int64_t n0 = block * t->block, n1 = ae_min(cfg->N, n0 + t->block);
    const int64_t steps = ae_lstm_steps(t->in, cfg, n0, n1), width = t->k->vlen;
    for (int64_t s = 0; s < steps; s++) {
        int64_t rows = 0;
        for (int64_t n = n0; n < n1; n++) {
            if (s < ae_lstm_length(t->in, cfg, n)) {
                row[rows++] = row_at(t, n, s);
            }
        }
        for (int64_t j = 0; j < cfg->H; j += width) {
            const float *panel = t->panels + j * 4 * (t->F + cfg->H);
            t->k->lstm_cells(row, rows, panel, t->F, cfg->H, j);
        }
    }
    for (int64_t n = n0; n < n1; n++) {
        finish_sample(t, n);
    }
}

/* What a repeated x contributes, once for each sample. */
static ae_status
project_once(const forward_task *t, const ae_ctx *ctx)
{
    const ae_lstm_cfg *cfg = t->cfg;
    ae_gemm_args g = {.M = cfg->N,
                      .N = 4 * cfg->H,
                      .K = cfg->F,
                      .a = t->in->x,
                      .a_rs = cfg->F,
                      .a_ks = 1,
                      .b = t->in->w_ih,
                      .b_ks = 1,
                      .b_ns = cfg->F,
                      .c = t->gates + kept_step(cfg, 0) * 4 * cfg->H,
                      .ldc = cfg->T * 4 * cfg->H,
                      .epilogue = {.bias = t->in->b}};
    return ae_gemm(&g, ctx);
}

static void
pack_weights(const forward_task *t, float *panels)
{
    const int64_t F = t->F, H = t->cfg->H, width = t->k->vlen;
    for (int64_t j = 0; j < H; j += width) {
        float *panel = panels + j * 4 * (F + H);
        t->k->lstm_pack(panel, t->in->w_ih, F, H, j);
        t->k->lstm_pack(panel + F * 4 * width, t->in->w_hh, H, H, j);
    }
}

ae_status
ae_lstm_fwd(float *y, float *h, float *c, float *gates, float *cells, const ae_lstm_inputs *in,
            const ae_lstm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    forward_task t = {.y = y,
                      .h = h,
                      .c = c,
                      .gates = gates,
                      .cells = cells,
                      .in = in,
                      .cfg = cfg,
                      .k = ctx->k,
                      .F = cfg->repeat ? 0 : cfg->F,
                      .block = ae_lstm_block(cfg, ctx->k)};
    if (cfg->N == 0 || cfg->H == 0) {
        return AE_OK;
    }
    if (cfg->repeat && cfg->T > 0) {
        AE_TRY(project_once(&t, ctx));
    }
    int64_t units = ae_ceil_div(cfg->H, ctx->k->vlen) * ctx->k->vlen;
    size_t packed = ae_bytes(t.F + cfg->H, 4 * units, sizeof(float));
    size_t zeros = ae_bytes(4, cfg->H, sizeof(float));
    t.thread_bytes = ae_bytes(t.block, 1, sizeof(ae_lstm_row));
    size_t scratch = ae_bytes(ctx->threads, (int64_t)t.thread_bytes, 1);
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(packed, ae_bytes_add(zeros, scratch))));
    float *panels = ae_arena_take(ctx->arena, packed);
    t.zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    t.panels = panels;
    pack_weights(&t, panels);
    double work = 8.0 * (double)(cfg->N * cfg->T) * (double)(cfg->H * (t.F + cfg->H + 10));
    ae_parallel(ctx, ae_ceil_div(cfg->N, t.block), work, forward_block, &t);
done:
    return status;
}
