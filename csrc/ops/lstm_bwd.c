/* lstm_bwd.c: the gradients of the LSTM and the GRU, by backpropagation through time.
 *
 * A task takes a block of samples back through all steps, so many at a time that the gradients of
 * the gates' sums stay in L2. From these come the gradient of x at those steps and what they add to
 * the block's own sums of weight gradients: products whose depth is all samples and steps. Where x
 * is the same at every step, both come from the sums over the steps instead, in the end. The
 * blocks' sums are added in order.
 */
#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/lstm.h"
#include "ops/split.h"

#define DEPTH 256 /* samples times steps at a time: a block of depth of ae_multiply */

typedef struct {
    const ae_lstm_grads *out;
    const float *dy, *dh, *dc, *y, *gates, *cells;
    const ae_lstm_inputs *in;
    const ae_lstm_cfg *cfg;
    const ae_kernels *k;
    int64_t block, steps;              /* samples of a task, steps at a time */
    const float *h_weights;            /* w_hh for lstm_back */
    const float *x_weights;            /* w_ih in panels */
    const float *zeros;                /* (H) */
    const int64_t *by_1, *by_H, *by_F; /* offsets of 4H rows so far apart, */
    const int64_t *by_G;               /* and of the gradients of the sums */
    float *part;                       /* of each block: dw_hh, dw_ih, db */
    int64_t part_size, blocks;
    char *scratch; /* of each thread */
    size_t thread_bytes, kept_bytes, state_bytes, d_bytes, h_bytes, x_bytes, row_bytes,
        list_bytes;
} backward_task;

/* A block of samples and its memory. */
typedef struct {
    int64_t n0, n1;
    float *part;
    float *dh, *dc; /* of the state (n1 - n0, H) */
    float *total;   /* of the sums, over all steps (n1 - n0, 4H) */
    float *kept;    /* (H), scratch for a state times its mask */
    float *d;       /* of the sums of some steps: a sample's steps in order of time, */
    int64_t *at;    /* those of the i-th sample from row at[i] on */
    float *h_panels, *x_panels; /* what those steps have multiplied */
    int64_t *dx_row;
    ae_lstm_grad_row *row;
} sample_block;

static sample_block
take_block(const backward_task *t, int64_t block, int thread)
{
    ae_arena own = {t->scratch + (size_t)thread * t->thread_bytes, t->thread_bytes, 0, 0};
    sample_block b = {.n0 = block * t->block,
                      .n1 = ae_min(t->cfg->N, (block + 1) * t->block),
                      .part = t->part + block * t->part_size,
                      .dh = ae_arena_take(&own, t->state_bytes),
                      .dc = ae_arena_take(&own, t->state_bytes),
                      .total = ae_arena_take(&own, 4 * t->state_bytes),
                      .kept = ae_arena_take(&own, t->kept_bytes),
                      .d = ae_arena_take(&own, t->d_bytes),
                      .at = ae_arena_take(&own, t->row_bytes),
                      .h_panels = ae_arena_take(&own, t->h_bytes),
                      .x_panels = ae_arena_take(&own, t->x_bytes),
                      .dx_row = ae_arena_take(&own, t->list_bytes),
                      .row = ae_arena_take(&own, t->row_bytes)};
    return b;
}

static void
copy_or_zero(float *to, const float *from, int64_t n)
{
    if (from == NULL) {
        memset(to, 0, (size_t)n * sizeof(float));
    }
    else {
        memcpy(to, from, (size_t)n * sizeof(float));
    }
}

/* ---- a step --------------------------------------------------------------------------------- */

static const float *
h_before(const backward_task *t, int64_t n, int64_t s)
{
    return ae_lstm_h(t->y, t->zeros, t->in, t->cfg, n, s);
}

/* Of steps s0 to s1, how many sample n takes. */
static int64_t
steps_of(const backward_task *t, int64_t n, int64_t s0, int64_t s1)
{
    return ae_max(0, ae_min(s1, ae_lstm_length(t->in, t->cfg, n)) - s0);
}

/* What the gradient of sample n's state has beside that of the product with w_hh. */
static void
finish_step(const backward_task *t, const ae_lstm_grad_row *row, int64_t n)
{
    const int64_t H = t->cfg->H;
    if (t->in->mask != NULL) {
        ae_lstm_masked(row->dh, row->dh, t->in->mask + n * H, H);
    }
    if (t->cfg->gru) {
        t->k->add(row->dh, row->dh, row->dc, H);
    }
}

/* Step s, the steps from s0 to s1 being those in d. */
static void
step_back(const backward_task *t, const sample_block *b, int64_t s, int64_t s0, int64_t s1)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, width = 4 * t->k->vlen;
    int64_t rows = 0;
    for (int64_t n = b->n0; n < b->n1; n++) {
        const int64_t len = steps_of(t, n, s0, s1), i = n - b->n0;
        if (s < s0 + len) {
            const int64_t step = ae_lstm_at(t->in, cfg, n, s);
            const int64_t slot = ae_lstm_slot(cfg, t->block, n, s);
            const int64_t at = b->at[i] + (cfg->reverse ? s0 + len - 1 - s : s - s0);
            b->row[rows++] = (ae_lstm_grad_row){
                .d = b->d + at * 4 * H,
                .total = b->total + i * 4 * H,
                .dh = b->dh + i * H,
                .dc = b->dc + i * H,
                .dy = t->dy != NULL ? t->dy + step * cfg->stride : NULL,
                .gates = t->gates + slot * 4 * H,
                .c = cfg->gru ? h_before(t, n, s)
                              : ae_lstm_c(t->cells, t->zeros, t->in, cfg, t->block, n, s),
                .cells = cfg->gru ? NULL : t->cells + slot * H};
            if (t->dy != NULL && s > 0) {
                /* a sample's steps lie close, but samples don't: none is fetched by itself */
                const float *next = t->dy + ae_lstm_at(t->in, cfg, n, s - 1) * cfg->stride;
                for (int64_t j = 0; j < H; j += 16) {
                    __builtin_prefetch(next + j);
                }
            }
        }
    }
    if (cfg->gru) {
        t->k->gru_cell_grads(b->row, rows, H, b->n0 - b->n1);
    }
    else {
        t->k->lstm_cell_grads(b->row, rows, H, b->n0 - b->n1);
    }
    if (s == 0 && t->out->dh0 == NULL) {
        return;
    }
    for (int64_t j = 0; j < H; j += width) {
        const float *panel = t->h_weights + j * ae_lstm_gates(cfg) * H;
        t->k->lstm_back(b->row, rows, panel, H, j, cfg->gru);
    }
    for (int64_t i = 0; i < rows && (cfg->gru || t->in->mask != NULL); i++) {
        finish_step(t, b->row + i, b->n0 + (b->row[i].dh - b->dh) / H);
    }
}

/* ---- products over samples and steps ----------------------------------------------------------- */

/* Some rows of src, `stride` apart, as rows `at` and on of panels of depth K. */
static void
pack_rows(const ae_kernels *k, float *panels, int64_t K, int64_t at, const float *src,
          int64_t rows, int64_t columns, int64_t stride)
{
    for (int64_t c = 0; c < columns && rows > 0; c += k->nr) {
        int64_t nn = ae_min(k->nr, columns - c), width = ae_panel_width(k, nn);
        k->pack_panel(panels + c * K + at * width, src + c, rows, nn, stride, 1);
    }
}

/* Zeros as row `at` of panels of depth K. */
static void
clear_row(const ae_kernels *k, float *panels, int64_t K, int64_t at, int64_t columns)
{
    for (int64_t c = 0; c < columns; c += k->nr) {
        int64_t width = ae_panel_width(k, columns - c);
        memset(panels + c * K + at * width, 0, (size_t)width * sizeof(float));
    }
}

/* The states before `len` steps of sample n from s on, in order of time; kept (H) is scratch. */
static void
pack_states(const backward_task *t, float *panels, float *kept, int64_t K, int64_t at,
            int64_t n, int64_t s, int64_t len)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t first = s == 0, last = s + len - 1;
    if (t->in->mask != NULL) {
        for (int64_t i = 0; i < len; i++) {
            const float *h = h_before(t, n, cfg->reverse ? last - i : s + i);
            h = ae_lstm_masked(kept, h, t->in->mask + n * cfg->H, cfg->H);
            pack_rows(t->k, panels, K, at + i, h, 1, cfg->H, cfg->H);
        }
        return;
    }
    if (first) { /* the initial state lies elsewhere */
        int64_t place = cfg->reverse ? at + len - 1 : at;
        pack_rows(t->k, panels, K, place, h_before(t, n, 0), 1, cfg->H, cfg->H);
    }
    if (len > first) {
        const float *src = h_before(t, n, cfg->reverse ? last : s + first);
        at += cfg->reverse ? 0 : first;
        pack_rows(t->k, panels, K, at, src, len - first, cfg->H, cfg->stride);
    }
}

/* dw (m, N) += m columns of d (K, 4H), transposed, times what the panels hold (K, N). */
static void
add_product(const backward_task *t, float *dw, const int64_t *dw_row, const float *d, int64_t m,
            const float *panels, int64_t K, int64_t N)
{
    const ae_epilogue accumulate = {.accumulate = true};
    const ae_seg all = {0, K};
    ae_product p = {.a = d,
                    .a_row = t->by_1,
                    .a_stride = 4 * t->cfg->H,
                    .seg = &all,
                    .nseg = 1,
                    .panels = panels,
                    .K = K,
                    .N = N,
                    .p0 = 0,
                    .p1 = ae_ceil_div(N, t->k->nr),
                    .c = dw,
                    .c_row = dw_row,
                    .m = m,
                    .epilogue = &accumulate};
    if (K > 0 && N > 0) {
        ae_multiply(t->k, &p);
    }
}

/* dx = d (m, 4H) w_ih, where dx_row says. */
static void
input_gradient(const backward_task *t, const int64_t *dx_row, const float *d, int64_t m)
{
    const ae_epilogue plain = {0};
    const int64_t gates = ae_lstm_gates(t->cfg) * t->cfg->H;
    const ae_seg all = {0, gates};
    ae_product p = {.a = d,
                    .a_row = t->by_G,
                    .seg = &all,
                    .nseg = 1,
                    .panels = t->x_weights,
                    .K = gates,
                    .N = t->cfg->F,
                    .p0 = 0,
                    .p1 = ae_ceil_div(t->cfg->F, t->k->nr),
                    .c = t->out->dx,
                    .c_row = dx_row,
                    .m = m,
                    .epilogue = &plain};
    if (t->out->dx != NULL && t->cfg->F > 0) {
        ae_multiply(t->k, &p);
    }
}

/* Decide where in d the steps s0 to s1 go; how many there are. */
static int64_t
place_steps(const backward_task *t, const sample_block *b, int64_t s0, int64_t s1)
{
    int64_t K = 0;
    for (int64_t n = b->n0; n < b->n1; n++) {
        b->at[n - b->n0] = K;
        K += steps_of(t, n, s0, s1);
    }
    return K;
}

/* What the gradients of the sums of steps s0 to s1, K in all, give. */
static void
use_steps(const backward_task *t, const sample_block *b, int64_t K, int64_t s0, int64_t s1)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, F = cfg->repeat ? 0 : cfg->F, gates = ae_lstm_gates(cfg) * H;
    for (int64_t n = b->n0; n < b->n1; n++) {
        const int64_t len = steps_of(t, n, s0, s1), at = b->at[n - b->n0];
        const int64_t step = ae_lstm_at(t->in, cfg, n, cfg->reverse ? s0 + len - 1 : s0);
        if (len > 0 && t->out->dw_hh != NULL) {
            pack_states(t, b->h_panels, b->kept, K, at, n, s0, len);
        }
        if (len > 0 && t->out->dw_ih != NULL) {
            pack_rows(t->k, b->x_panels, K, at, t->in->x + step * F, len, F, F);
        }
        for (int64_t i = 0; i < len; i++) {
            b->dx_row[at + i] = (step + i) * F;
        }
    }
    if (t->out->dw_hh != NULL) {
        const int64_t first = cfg->gru ? 2 * H : 4 * H; /* sums, and of a GRU the last */
        add_product(t, b->part, t->by_H, b->d, first, b->h_panels, K, H);
        if (cfg->gru) {
            add_product(t, b->part, t->by_H + first, b->d + 3 * H, H, b->h_panels, K, H);
        }
    }
    if (t->out->dw_ih != NULL) {
        add_product(t, b->part + gates * H, t->by_F, b->d, gates, b->x_panels, K, F);
    }
    if (!cfg->repeat) {
        input_gradient(t, b->dx_row, b->d, K);
    }
}

/* ---- a block ------------------------------------------------------------------------------------ */

/* What the sums over all steps give; and zeros where there is no step. */
static void
finish_block(const backward_task *t, const sample_block *b)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, F = cfg->F, n0 = b->n0, rows = b->n1 - n0;
    const int64_t gates = ae_lstm_gates(cfg) * H;
    t->k->add_columns(b->part + t->part_size - 4 * H, b->total, rows, 4 * H);
    if (cfg->repeat) {
        if (t->out->dw_ih != NULL) {
            pack_rows(t->k, b->x_panels, rows, 0, t->in->x + n0 * F, rows, F, F);
            for (int64_t i = 0; i < rows; i++) {
                if (ae_lstm_length(t->in, cfg, n0 + i) == 0) { /* whatever x holds there */
                    clear_row(t->k, b->x_panels, rows, i, F);
                }
            }
            add_product(t, b->part + gates * H, t->by_F, b->total, gates, b->x_panels, rows, F);
        }
        for (int64_t i = 0; i < rows; i++) {
            b->dx_row[i] = (n0 + i) * F;
        }
        input_gradient(t, b->dx_row, b->total, rows);
        for (int64_t i = 0; i < rows && t->out->dx != NULL; i++) {
            if (ae_lstm_length(t->in, cfg, n0 + i) == 0) { /* whatever the weights are */
                copy_or_zero(t->out->dx + (n0 + i) * F, NULL, F);
            }
        }
    }
    for (int64_t n = n0; n < b->n1 && !cfg->repeat && t->out->dx != NULL; n++) {
        const int64_t length = ae_lstm_length(t->in, cfg, n);
        copy_or_zero(t->out->dx + (n * cfg->T + length) * F, NULL, (cfg->T - length) * F);
    }
    if (t->out->dh0 != NULL) {
        copy_or_zero(t->out->dh0 + n0 * H, b->dh, rows * H);
    }
    if (t->out->dc0 != NULL) {
        copy_or_zero(t->out->dc0 + n0 * H, b->dc, rows * H);
    }
}

static void
backward_block(void *arg, int64_t block, int thread)
{
    const backward_task *t = arg;
    const int64_t H = t->cfg->H;
    const sample_block b = take_block(t, block, thread);
    const int64_t rows = b.n1 - b.n0;
    copy_or_zero(b.dh, t->dh != NULL ? t->dh + b.n0 * H : NULL, rows * H);
    copy_or_zero(b.dc, t->dc != NULL ? t->dc + b.n0 * H : NULL, rows * H);
    copy_or_zero(b.total, NULL, rows * 4 * H);
    copy_or_zero(b.part, NULL, t->part_size);
    int64_t s0, s1 = ae_lstm_steps(t->in, t->cfg, b.n0, b.n1);
    for (; s1 > 0; s1 = s0) {
        s0 = ae_max(0, s1 - t->steps);
        const int64_t K = place_steps(t, &b, s0, s1);
        for (int64_t s = s1 - 1; s >= s0; s--) {
            step_back(t, &b, s, s0, s1);
        }
        use_steps(t, &b, K, s0, s1);
    }
    finish_block(t, &b);
}

/* ---- all blocks ----------------------------------------------------------------------------------- */

typedef struct {
    float *sum;
    const float *part;
    int64_t stride, blocks;
    bool adds;
    const ae_kernels *k;
} reduce_task;

static void
reduce_span(const void *arg, int64_t at, int64_t n)
{
    const reduce_task *t = arg;
    if (!t->adds) {
        copy_or_zero(t->sum + at, NULL, n);
    }
    for (int64_t i = 0; i < t->blocks; i++) {
        t->k->add(t->sum + at, t->sum + at, t->part + i * t->stride + at, n);
    }
}

static void
reduce(const backward_task *t, float *sum, bool adds, int64_t offset, int64_t n,
       const ae_ctx *ctx)
{
    if (sum != NULL) {
        reduce_task r = {sum, t->part + offset, t->part_size, t->blocks, adds, t->k};
        ae_split_span(ctx, n, (double)t->blocks, reduce_span, &r);
    }
}

static void
reduce_bias(const backward_task *t)
{
    const int64_t gates = 4 * t->cfg->H;
    const float *part = t->part + t->part_size - gates;
    float *db = t->out->db;
    for (int64_t j = 0; j < gates && db != NULL; j++) {
        double s = 0.0;
        for (int64_t i = 0; i < t->blocks; i++) {
            s += (double)part[i * t->part_size + j];
        }
        db[j] = (t->cfg->adds.b ? db[j] : 0.0f) + (float)s;
    }
}

/* w_hh (4H, H) in panels of four vectors of columns. */
static void
pack_back(const backward_task *t, float *panels)
{
    const int64_t H = t->cfg->H, width = 4 * t->k->vlen, depth = ae_lstm_gates(t->cfg) * H;
    for (int64_t j = 0; j < H; j += width) {
        const int64_t nn = ae_min(width, H - j);
        for (int64_t k = 0; k < depth; k++, panels += width) {
            copy_or_zero(panels, t->in->w_hh + k * H + j, nn);
            copy_or_zero(panels + nn, NULL, width - nn);
        }
    }
}

static void
measure_scratch(backward_task *t)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t depth = t->block * t->steps;
    t->state_bytes = ae_bytes(t->block, cfg->H, sizeof(float));
    t->d_bytes = ae_bytes(depth, 4 * cfg->H, sizeof(float));
    t->h_bytes = ae_packed_bytes(t->k, depth, cfg->H);
    t->x_bytes = ae_packed_bytes(t->k, depth, cfg->F);
    t->row_bytes = ae_bytes(t->block, 1, sizeof(ae_lstm_grad_row));
    t->list_bytes = ae_bytes(depth, 1, sizeof(int64_t));
    t->kept_bytes = ae_bytes(t->in->mask != NULL ? cfg->H : 0, 1, sizeof(float));
    size_t states = ae_bytes_add(ae_bytes((int64_t)t->state_bytes, 6, 1), t->kept_bytes);
    size_t panels = ae_bytes_add(t->h_bytes, t->x_bytes);
    size_t lists = ae_bytes_add(t->list_bytes, ae_bytes_add(t->row_bytes, t->row_bytes));
    t->thread_bytes =
        ae_bytes_add(ae_bytes_add(states, t->d_bytes), ae_bytes_add(panels, lists));
}

static int64_t *
offsets(const ae_ctx *ctx, int64_t n, int64_t apart)
{
    int64_t *list = ae_arena_take(ctx->arena, ae_bytes(n, 1, sizeof(int64_t)));
    for (int64_t i = 0; i < n; i++) {
        list[i] = i * apart;
    }
    return list;
}

/* Reserve and fill what all blocks share. */
static ae_status
prepare(backward_task *t, ae_lstm_inputs *in, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t F = t->cfg->F, H = t->cfg->H, width = 4 * ctx->k->vlen, zero = 0;
    measure_scratch(t);
    size_t h_weights = ae_bytes(ae_round_up(H, width), 4 * H, sizeof(float));
    const int64_t gates = ae_lstm_gates(t->cfg) * H;
    size_t x_weights = ae_packed_bytes(ctx->k, gates, F);
    size_t zeros = ae_bytes(H, 1, sizeof(float)), list = ae_bytes(4 * H, 3, sizeof(int64_t));
    size_t parts = ae_bytes(t->blocks, t->part_size, sizeof(float));
    size_t scratch = ae_bytes(ctx->threads, (int64_t)t->thread_bytes, 1);
    size_t shared = ae_bytes_add(ae_bytes_add(h_weights, x_weights), ae_bytes_add(zeros, list));
    shared = ae_bytes_add(shared, ae_bytes_add(t->list_bytes, 3 * 64));
    shared = ae_bytes_add(shared, ae_lstm_length_bytes(in, t->cfg));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(shared, ae_bytes_add(parts, scratch))));
    ae_lstm_hold_lengths(in, t->cfg, ctx);
    float *h_panels = ae_arena_take(ctx->arena, h_weights);
    float *x_panels = ae_arena_take(ctx->arena, x_weights);
    t->zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t->by_1 = offsets(ctx, 4 * H, 1);
    t->by_H = offsets(ctx, 4 * H, H);
    t->by_F = offsets(ctx, 4 * H, F);
    t->by_G = offsets(ctx, t->block * t->steps, 4 * H);
    t->part = ae_arena_take(ctx->arena, parts);
    t->scratch = ae_arena_take(ctx->arena, scratch);
    pack_back(t, h_panels);
    t->h_weights = h_panels;
    if (t->out->dx != NULL) {
        ae_panel_source w = {t->in->w_ih, &zero, 1, gates, F, F, 1, false};
        ae_pack(x_panels, &w, ctx);
        t->x_weights = x_panels;
    }
done:
    return status;
}

ae_status
ae_lstm_bwd(const ae_lstm_grads *out, const float *dy, const float *dh, const float *dc,
            const float *y, const float *gates, const float *cells, const ae_lstm_inputs *in,
            const ae_lstm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_lstm_inputs held = *in;
    const int64_t H = cfg->H, F = cfg->F;
    backward_task t = {.out = out,
                       .dy = dy,
                       .dh = dh,
                       .dc = dc,
                       .y = y,
                       .gates = gates,
                       .cells = cells,
                       .in = &held,
                       .cfg = cfg,
                       .k = ctx->k,
                       .block = ae_lstm_block(cfg, ctx->k),
                       .part_size = ae_lstm_gates(cfg) * H * (H + F) + 4 * H};
    if (H == 0 && out->dx != NULL) {
        copy_or_zero(out->dx, NULL, cfg->N * F * (cfg->repeat ? 1 : cfg->T));
    }
    if (H == 0) {
        return AE_OK;
    }
    t.blocks = ae_ceil_div(cfg->N, t.block);
    t.steps = ae_max(1, DEPTH / t.block);
    AE_TRY(prepare(&t, &held, ctx));
    double work = 16.0 * (double)(cfg->N * cfg->T) * (double)(H * (H + F + 10));
    ae_parallel(ctx, t.blocks, work, backward_block, &t);
    const int64_t weights = ae_lstm_gates(cfg) * H;
    reduce(&t, out->dw_hh, cfg->adds.w_hh, 0, weights * H, ctx);
    reduce(&t, out->dw_ih, cfg->adds.w_ih, weights * H, weights * F, ctx);
    reduce_bias(&t);
done:
    return status;
}

ae_status
ae_gru_bwd(const ae_lstm_grads *out, const float *dy, const float *dh, const float *y,
           const float *gates, const ae_lstm_inputs *in, const ae_lstm_cfg *cfg,
           const ae_ctx *ctx)
{
    return ae_lstm_bwd(out, dy, dh, NULL, y, gates, NULL, in, cfg, ctx);
}
