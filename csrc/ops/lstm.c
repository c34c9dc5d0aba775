/* lstm.c: the forward pass of the LSTM (Hochreiter & Schmidhuber 1997; Gers et al. 2000) and of the
 * GRU (Cho et al. 2014).
 *
 * There is one parallel region for the whole sequence: a task takes a block of samples through all
 * steps, with the packed weights of x and h, which stay in L2. A step's product over x and h, its
 * gates and its state are one pass (kern/lstm.inc); what x contributes is never stored. The
 * states themselves are read where they were written: h in y, c in its cache. Where h has a mask
 * (Gal & Ghahramani 2016), a step's products see a copy.
 */
#include "base/math.h"
#include "ops/gemm.h"
#include "ops/lstm.h"

#include <string.h>

typedef struct {
    float *y, *h, *c, *gates, *cells;
    const ae_lstm_inputs *in;
    const ae_lstm_cfg *cfg;
    const ae_kernels *k;
    int64_t F;             /* features that each step multiplies: none where they repeat */
    int64_t block;         /* samples of a task */
    const float *panels;   /* weights, of all units */
    const float *x_panels; /* w_ih, where x repeats */
    const float *zeros;    /* (4H) */
    char *scratch;         /* of each thread: see block_scratch */
    size_t thread_bytes, row_bytes, start_bytes, list_bytes, kept_bytes;
} forward_task;

/* One thread's memory for a block. */
typedef struct {
    ae_lstm_row *row;
    float *start; /* (block, 4H): what a repeated x gives */
    float *kept;  /* (block, H): h times its mask */
    int64_t *x_row, *start_row;
} block_scratch;

static block_scratch
thread_scratch(const forward_task *t, int thread)
{
    ae_arena own = {t->scratch + (size_t)thread * t->thread_bytes, t->thread_bytes, 0, 0};
    block_scratch b = {.row = ae_arena_take(&own, t->row_bytes),
                       .start = ae_arena_take(&own, t->start_bytes),
                       .kept = ae_arena_take(&own, t->kept_bytes),
                       .x_row = ae_arena_take(&own, t->list_bytes),
                       .start_row = ae_arena_take(&own, t->list_bytes)};
    return b;
}

static ae_lstm_row
row_at(const forward_task *t, const block_scratch *b, int64_t n, int64_t s)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, at = ae_lstm_at(t->in, cfg, n, s);
    const int64_t slot = ae_lstm_slot(cfg, t->block, n, s);
    ae_lstm_row r = {.x = t->in->x,
                     .h = ae_lstm_h(t->y, t->zeros, t->in, cfg, n, s),
                     .c = ae_lstm_c(t->cells, t->zeros, t->in, cfg, t->block, n, s),
                     .gates = t->gates + slot * 4 * H,
                     .y = t->y + at * cfg->stride,
                     .cells = cfg->gru ? NULL : t->cells + slot * H};
    if (cfg->gru) {
        r.c = r.h;
    }
    if (t->in->mask != NULL) {
        r.h = ae_lstm_masked(b->kept + n % t->block * H, r.h, t->in->mask + n * H, H);
    }
    if (cfg->repeat) {
        r.start = b->start + n % t->block * 4 * H;
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
    memcpy(t->h + n * cfg->H, ae_lstm_h(t->y, t->zeros, t->in, cfg, n, length), bytes);
    if (!cfg->gru) {
        memcpy(t->c + n * cfg->H,
               ae_lstm_c(t->cells, t->zeros, t->in, cfg, t->block, n, length), bytes);
    }
}

/* What a repeated x contributes, once for each sample. */
static void
project_once(const forward_task *t, const block_scratch *b, int64_t n0, int64_t n1)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const ae_epilogue add = {.bias = t->in->b};
    const ae_seg all = {0, cfg->F};
    const int64_t H = cfg->H, outputs = ae_lstm_gates(cfg) * H;
    ae_product p =
        ae_product_rows(b->x_row, b->start_row, &all, n1 - n0, outputs, cfg->F, 4 * H, t->k);
    p.a = t->in->x + n0 * cfg->F;
    p.panels = t->x_panels;
    p.c = b->start;
    p.epilogue = &add;
    ae_multiply(t->k, &p);
    for (int64_t i = 0; cfg->gru && i < n1 - n0; i++) { /* x has no part in the last sum */
        const float *bias = t->in->b != NULL ? t->in->b : t->zeros;
        memcpy(b->start + (4 * i + 3) * H, bias + 3 * H, (size_t)H * sizeof(float));
    }
}

static void
forward_block(void *arg, int64_t block, int thread)
{
    const forward_task *t = arg;
    const ae_lstm_cfg *cfg = t->cfg;
    const block_scratch b = thread_scratch(t, thread);
    const int64_t n0 = block * t->block, n1 = ae_min(cfg->N, n0 + t->block);
    const int64_t steps = ae_lstm_steps(t->in, cfg, n0, n1), width = t->k->vlen;
    if (cfg->repeat) {
        project_once(t, &b, n0, n1);
    }
    for (int64_t s = 0; s < steps; s++) {
        int64_t rows = 0;
        for (int64_t n = n0; n < n1; n++) {
            if (s < ae_lstm_length(t->in, cfg, n)) {
                b.row[rows++] = row_at(t, &b, n, s);
            }
        }
        for (int64_t j = 0; j < cfg->H; j += width) {
            const float *panel = t->panels + j * ae_lstm_gates(cfg) * (t->F + cfg->H);
            if (cfg->gru) {
                t->k->gru_cells(b.row, rows, panel, t->F, cfg->H, j, n1 - n0);
            }
            else {
                t->k->lstm_cells(b.row, rows, panel, t->F, cfg->H, j, n1 - n0);
            }
        }
    }
    for (int64_t n = n0; n < n1; n++) {
        finish_sample(t, n);
    }
}

static void
pack_weights(const forward_task *t, float *panels)
{
    const int64_t F = t->F, H = t->cfg->H, width = t->k->vlen, gates = ae_lstm_gates(t->cfg);
    for (int64_t j = 0; j < H; j += width) {
        float *panel = panels + j * gates * (F + H);
        t->k->lstm_pack(panel, t->in->w_ih, F, H, j, gates);
        t->k->lstm_pack(panel + F * gates * width, t->in->w_hh, H, H, j, gates);
    }
}

/* Reserve and fill what all blocks share. */
static ae_status
prepare(forward_task *t, ae_lstm_inputs *in, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t F = t->cfg->F, H = t->cfg->H, zero = 0;
    const bool repeat = t->cfg->repeat;
    const int64_t gates = ae_lstm_gates(t->cfg);
    int64_t units = ae_round_up(H, ctx->k->vlen);
    size_t packed = ae_bytes(t->F + H, gates * units, sizeof(float));
    size_t x_packed = ae_packed_bytes(ctx->k, repeat ? F : 0, gates * H);
    size_t zeros = ae_bytes(4, H, sizeof(float));
    t->row_bytes = ae_bytes(t->block, 1, sizeof(ae_lstm_row));
    t->start_bytes = ae_bytes(repeat ? t->block : 0, 4 * H, sizeof(float));
    t->list_bytes = ae_bytes(repeat ? t->block : 0, 1, sizeof(int64_t));
    t->kept_bytes = ae_bytes(in->mask != NULL ? t->block : 0, H, sizeof(float));
    t->thread_bytes = ae_bytes_add(ae_bytes_add(t->row_bytes, t->start_bytes),
                                   ae_bytes_add(t->list_bytes, t->list_bytes));
    t->thread_bytes = ae_bytes_add(t->thread_bytes, t->kept_bytes);
    size_t scratch = ae_bytes(ctx->threads, (int64_t)t->thread_bytes, 1);
    size_t shared = ae_bytes_add(packed, ae_bytes_add(x_packed, zeros));
    shared = ae_bytes_add(shared, ae_lstm_length_bytes(in, t->cfg));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(shared, scratch)));
    ae_lstm_hold_lengths(in, t->cfg, ctx);
    float *panels = ae_arena_take(ctx->arena, packed);
    float *x_panels = ae_arena_take(ctx->arena, x_packed);
    t->zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t->scratch = ae_arena_take(ctx->arena, scratch);
    pack_weights(t, panels);
    if (repeat) {
        ae_panel_source w = {t->in->w_ih, &zero, 1, F, gates * H, 1, F, false};
        ae_pack(x_panels, &w, ctx);
    }
    t->panels = panels;
    t->x_panels = x_panels;
done:
    return status;
}

ae_status
ae_lstm_fwd(float *y, float *h, float *c, float *gates, float *cells, const ae_lstm_inputs *in,
            const ae_lstm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_lstm_inputs held = *in;
    forward_task t = {.y = y,
                      .h = h,
                      .c = c,
                      .gates = gates,
                      .cells = cells,
                      .in = &held,
                      .cfg = cfg,
                      .k = ctx->k,
                      .F = cfg->repeat ? 0 : cfg->F,
                      .block = ae_lstm_block(cfg, ctx->k)};
    if (cfg->N == 0 || cfg->H == 0) {
        return AE_OK;
    }
    AE_TRY(prepare(&t, &held, ctx));
    double work = 8.0 * (double)(cfg->N * cfg->T) * (double)(cfg->H * (t.F + cfg->H + 10));
    ae_parallel(ctx, ae_ceil_div(cfg->N, t.block), work, forward_block, &t);
done:
    return status;
}

ae_status
ae_gru_fwd(float *y, float *h, float *gates, const ae_lstm_inputs *in, const ae_lstm_cfg *cfg,
           const ae_ctx *ctx)
{
    return ae_lstm_fwd(y, h, NULL, gates, NULL, in, cfg, ctx);
}
