/* lstm_bwd.c: the LSTM's gradients, by backpropagation through time.
 *
 * A task takes a block of samples back through all steps. Every so many steps, while the gradients
 * of the gates are in L2, it adds what they give to the block's own sums of weight gradients: a
 * product over the block's samples and steps. The blocks' sums are added in order. The gradients
 * of the gates take the place of the gates, and are what the gradient of x is made of.
 */
#include <string.h>

#include "ops/lstm.h"
#include "ops/split.h"

#define DEPTH 256 /* samples times steps of a product: what multiply_columns packs at a time */

typedef struct {
    const ae_lstm_grads *out;
    float *gates;
    const float *y, *cells, *dy, *dh, *dc;
    const ae_lstm_inputs *in;
    const ae_lstm_cfg *cfg;
    const ae_kernels *k;
    int64_t block, steps; /* samples of a task, steps of a product */
    const float *panels;  /* of w_hh */
    const float *zeros;   /* (H) */
    const int64_t *one;   /* offsets of 4H rows: 1 apart, */
    const int64_t *hh;    /* H apart, */
    const int64_t *ih;    /* F apart */
    float *part;          /* of each block: dw_hh, dw_ih, db */
    int64_t part_size, blocks;
    char *scratch; /* of each thread: see block_scratch */
    size_t thread_bytes, state_bytes, h_bytes, x_bytes, row_bytes, seg_bytes;
} backward_task;

/* One thread's memory for a block. */
typedef struct {
    float *dh, *dc, *total;
    float *h_panels, *x_panels;
    ae_lstm_grad_row *row;
    ae_seg *seg;
} block_scratch;

static block_scratch
thread_scratch(const backward_task *t, int thread)
{
    ae_arena own = {t->scratch + (size_t)thread * t->thread_bytes, t->thread_bytes, 0, 0};
    block_scratch b = {.dh = ae_arena_take(&own, t->state_bytes),
                       .dc = ae_arena_take(&own, t->state_bytes),
                       .total = ae_arena_take(&own, 4 * t->state_bytes),
                       .h_panels = ae_arena_take(&own, t->h_bytes),
                       .x_panels = ae_arena_take(&own, t->x_bytes),
                       .row = ae_arena_take(&own, t->row_bytes),
                       .seg = ae_arena_take(&own, t->seg_bytes)};
    return b;
}

static const float *
h_before(const backward_task *t, int64_t n, int64_t s)
{
    return ae_lstm_before(t->y, t->cfg->stride, t->in->h0, t->zeros, t->in, t->cfg, n, s);
}

static void
step_back(const backward_task *t, const block_scratch *b, int64_t n0, int64_t n1, int64_t s)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, width = 4 * t->k->vlen;
    int64_t rows = 0;
    for (int64_t n = n0; n < n1; n++) {
        if (s < ae_lstm_length(t->in, cfg, n)) {
            int64_t at = ae_lstm_at(t->in, cfg, n, s), i = n - n0;
            b->row[rows++] = (ae_lstm_grad_row){
                .gates = t->gates + at * 4 * H,
                .dh = b->dh + i * H,
                .dc = b->dc + i * H,
                .total = b->total + i * 4 * H,
                .dy = t->dy != NULL ? t->dy + at * cfg->stride : NULL,
                .c = ae_lstm_before(t->cells, H, t->in->c0, t->zeros, t->in, cfg, n, s),
                .cells = t->cells + at * H};
        }
    }
    t->k->lstm_cell_grads(b->row, rows, H);
    for (int64_t j = 0; j < H && (s > 0 || t->out->dh0 != NULL); j += width) {
        t->k->lstm_back(b->row, rows, t->panels + j * 4 * H, H, j);
    }
}

/* `rows` rows of src, `stride` apart, as rows `at` and on of panels of depth K. */
static void
pack_rows(const backward_task *t, float *panels, int64_t K, int64_t at, const float *src,
          int64_t rows, int64_t columns, int64_t stride)
{
    const int64_t nr = t->k->nr;
    for (int64_t c = 0; c < columns && rows > 0; c += nr) {
        int64_t nn = ae_min(nr, columns - c), width = nn <= t->k->vlen ? t->k->vlen : nr;
        t->k->pack_panel(panels + c * K + at * width, src + c, rows, nn, stride, 1);
    }
}

/* The states before `len` steps of sample n from s on, in the order of time. */
static void
pack_states(const backward_task *t, float *panels, int64_t K, int64_t at, int64_t n, int64_t s,
            int64_t len)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t first = s == 0, last = s + len - 1;
    if (first) { /* it lies elsewhere */
        int64_t place = cfg->reverse ? at + len - 1 : at;
        pack_rows(t, panels, K, place, h_before(t, n, 0), 1, cfg->H, cfg->H);
    }
    if (len > first) {
        const float *src = h_before(t, n, cfg->reverse ? last : s + first);
        at += cfg->reverse ? 0 : first;
        pack_rows(t, panels, K, at, src, len - first, cfg->H, cfg->stride);
    }
}

/* c (4H, N) += the gradients of the gates over the runs times what the panels hold. */
static void
multiply(const backward_task *t, const block_scratch *b, int64_t nseg, const float *panels,
         int64_t K, int64_t N, float *c, const int64_t *c_row)
{
    const ae_epilogue accumulate = {.accumulate = true};
    ae_product p = {.a = t->gates,
                    .a_row = t->one,
                    .a_stride = 4 * t->cfg->H,
                    .seg = b->seg,
                    .nseg = nseg,
                    .panels = panels,
                    .K = K,
                    .N = N,
                    .p0 = 0,
                    .p1 = ae_ceil_div(N, t->k->nr),
                    .c = c,
                    .c_row = c_row,
                    .m = 4 * t->cfg->H,
                    .epilogue = &accumulate};
    if (K > 0 && N > 0) {
        ae_multiply(t->k, &p);
    }
}

/* What steps s0 to s1 of samples n0 to n1 add to the block's weight gradients. */
static void
add_weights(const backward_task *t, const block_scratch *b, float *part, int64_t n0, int64_t n1,
            int64_t s0, int64_t s1)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t F = cfg->repeat || t->out->dw_ih == NULL ? 0 : cfg->F;
    const int64_t H = t->out->dw_hh == NULL ? 0 : cfg->H;
    int64_t nseg = 0, K = 0, at = 0;
    for (int64_t n = n0; n < n1; n++) {
        K += ae_max(0, ae_min(s1, ae_lstm_length(t->in, cfg, n)) - s0);
    }
    for (int64_t n = n0; n < n1; n++) {
        int64_t end = ae_min(s1, ae_lstm_length(t->in, cfg, n)), len = end - s0;
        if (len <= 0) {
            continue;
        }
        int64_t from = ae_lstm_at(t->in, cfg, n, cfg->reverse ? end - 1 : s0);
        b->seg[nseg++] = (ae_seg){from * 4 * cfg->H, len};
        if (H > 0) {
            pack_states(t, b->h_panels, K, at, n, s0, len);
        }
        if (F > 0) {
            pack_rows(t, b->x_panels, K, at, t->in->x + from * F, len, F, F);
        }
        at += len;
    }
    multiply(t, b, nseg, b->h_panels, K, H, part, t->hh);
    multiply(t, b, nseg, b->x_panels, K, F, part + 4 * cfg->H * cfg->H, t->ih);
}

static void
copy_or_zero(float *to, const float *from, int64_t n)
{
    if (from == NULL) {
        memset(to, 0, (size_t)n * sizeof(float));
    }
    else if (n > 0) {
        memcpy(to, from, (size_t)n * sizeof(float));
    }
}

/* What remains after the first step: the initial state's gradients, the bias's share, and what the
 * gradient of x needs: zeros for steps that don't exist; if x repeats, the sum over the steps in the
 * place of the first one. */
static void
finish_block(const backward_task *t, const block_scratch *b, float *part, int64_t n0,
             int64_t n1)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, T = cfg->T, state = (n1 - n0) * H;
    if (t->out->dh0 != NULL) {
        copy_or_zero(t->out->dh0 + n0 * H, b->dh, state);
    }
    if (t->out->dc0 != NULL) {
        copy_or_zero(t->out->dc0 + n0 * H, b->dc, state);
    }
    t->k->add_columns(part + t->part_size - 4 * H, b->total, n1 - n0, 4 * H);
    for (int64_t n = n0; n < n1 && T > 0; n++) {
        int64_t length = cfg->repeat ? T : ae_lstm_length(t->in, cfg, n);
        copy_or_zero(t->gates + (n * T + length) * 4 * H, NULL, (T - length) * 4 * H);
        if (cfg->repeat) {
            copy_or_zero(t->gates + n * T * 4 * H, b->total + (n - n0) * 4 * H, 4 * H);
        }
    }
}

static void
backward_block(void *arg, int64_t block, int thread)
{
    const backward_task *t = arg;
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t H = cfg->H, n0 = block * t->block, n1 = ae_min(cfg->N, n0 + t->block);
    float *part = t->part + block * t->part_size;
    const block_scratch b = thread_scratch(t, thread);
    copy_or_zero(b.dh, t->dh != NULL ? t->dh + n0 * H : NULL, (n1 - n0) * H);
    copy_or_zero(b.dc, t->dc != NULL ? t->dc + n0 * H : NULL, (n1 - n0) * H);
    copy_or_zero(b.total, NULL, (n1 - n0) * 4 * H);
    copy_or_zero(part, NULL, t->part_size);
    int64_t s0, s1 = ae_lstm_steps(t->in, cfg, n0, n1);
    for (; s1 > 0; s1 = s0) {
        s0 = ae_max(0, s1 - t->steps);
        for (int64_t s = s1 - 1; s >= s0; s--) {
            step_back(t, &b, n0, n1, s);
        }
        add_weights(t, &b, part, n0, n1, s0, s1);
    }
    finish_block(t, &b, part, n0, n1);
}

/* ---- across blocks ------------------------------------------------------------------------- */

typedef struct {
    float *sum;
    const float *part;
    int64_t stride, blocks;
    const ae_kernels *k;
} reduce_task;

static void
reduce_span(const void *arg, int64_t at, int64_t n)
{
    const reduce_task *t = arg;
    for (int64_t i = 0; i < t->blocks; i++) {
        t->k->add(t->sum + at, t->sum + at, t->part + i * t->stride + at, n);
    }
}

static void
reduce(const backward_task *t, float *sum, int64_t offset, int64_t n, const ae_ctx *ctx)
{
    if (sum != NULL) {
        reduce_task r = {sum, t->part + offset, t->part_size, t->blocks, t->k};
        ae_split_span(ctx, n, (double)t->blocks, reduce_span, &r);
    }
}

static void
reduce_bias(const backward_task *t)
{
    const int64_t gates = 4 * t->cfg->H;
    const float *part = t->part + t->part_size - gates;
    for (int64_t j = 0; j < gates && t->out->db != NULL; j++) {
        double s = 0.0;
        for (int64_t i = 0; i < t->blocks; i++) {
            s += (double)part[i * t->part_size + j];
        }
        t->out->db[j] += (float)s;
    }
}

/* dx, and dw_ih if x repeats, from what the blocks have left in the place of the gates. */
static ae_status
input_gradients(const backward_task *t, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t F = cfg->F, gates = 4 * cfg->H, apart = cfg->repeat ? cfg->T * gates : gates;
    if (cfg->repeat && t->out->dw_ih != NULL) {
        ae_gemm_args g = {.M = gates,
                          .N = F,
                          .K = cfg->N,
                          .a = t->gates,
                          .a_rs = 1,
                          .a_ks = apart,
                          .b = t->in->x,
                          .b_ks = F,
                          .b_ns = 1,
                          .c = t->out->dw_ih,
                          .ldc = F,
                          .epilogue = {.accumulate = true}};
        AE_TRY(ae_gemm(&g, ctx));
    }
    if (t->out->dx != NULL) {
        ae_gemm_args g = {.M = cfg->repeat ? cfg->N : cfg->N * cfg->T,
                          .N = F,
                          .K = gates,
                          .a = t->gates,
                          .a_rs = apart,
                          .a_ks = 1,
                          .b = t->in->w_ih,
                          .b_ks = F,
                          .b_ns = 1,
                          .c = t->out->dx,
                          .ldc = F};
        AE_TRY(ae_gemm(&g, ctx));
    }
done:
    return status;
}

/* w_hh (4H, H) in panels of four vectors of columns. */
static void
pack_back(const backward_task *t, float *panels)
{
    const int64_t H = t->cfg->H, width = 4 * t->k->vlen;
    for (int64_t j = 0; j < H; j += width) {
        const int64_t nn = ae_min(width, H - j);
        for (int64_t k = 0; k < 4 * H; k++) {
            float *to = panels + j * 4 * H + k * width;
            copy_or_zero(to, t->in->w_hh + k * H + j, nn);
            copy_or_zero(to + nn, NULL, width - nn);
        }
    }
}

static void
measure_scratch(backward_task *t)
{
    const ae_lstm_cfg *cfg = t->cfg;
    const int64_t depth = t->block * t->steps;
    t->state_bytes = ae_bytes(t->block, cfg->H, sizeof(float));
    t->h_bytes = ae_packed_bytes(t->k, depth, cfg->H);
    t->x_bytes = ae_packed_bytes(t->k, depth, cfg->repeat ? 0 : cfg->F);
    t->row_bytes = ae_bytes(t->block, 1, sizeof(ae_lstm_grad_row));
    t->seg_bytes = ae_bytes(t->block, 1, sizeof(ae_seg));
    size_t panels = ae_bytes_add(t->h_bytes, t->x_bytes);
    size_t lists = ae_bytes_add(t->row_bytes, t->seg_bytes);
    size_t states = ae_bytes((int64_t)t->state_bytes, 6, 1);
    t->thread_bytes = ae_bytes_add(states, ae_bytes_add(panels, lists));
}

/* Reserve and fill what all blocks share. */
static ae_status
prepare(backward_task *t, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const int64_t F = t->cfg->F, H = t->cfg->H, width = 4 * ctx->k->vlen;
    measure_scratch(t);
    size_t packed = ae_bytes(ae_ceil_div(H, width) * width, 4 * H, sizeof(float));
    size_t zeros = ae_bytes(H, 1, sizeof(float)), list = ae_bytes(3, 4 * H, sizeof(int64_t));
    size_t parts = ae_bytes(t->blocks, t->part_size, sizeof(float));
    size_t scratch = ae_bytes(ctx->threads, (int64_t)t->thread_bytes, 1);
    size_t total = ae_bytes_add(ae_bytes_add(packed, zeros), ae_bytes_add(list, parts));
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(total, scratch)));
    float *panels = ae_arena_take(ctx->arena, packed);
    int64_t *one = ae_arena_take(ctx->arena, list);
    t->zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t->part = ae_arena_take(ctx->arena, parts);
    t->scratch = ae_arena_take(ctx->arena, scratch);
    for (int64_t i = 0; i < 4 * H; i++) {
        one[i] = i;
        one[4 * H + i] = i * H;
        one[8 * H + i] = i * F;
    }
    t->one = one;
    t->hh = one + 4 * H;
    t->ih = one + 8 * H;
    pack_back(t, panels);
    t->panels = panels;
done:
    return status;
}

ae_status
ae_lstm_bwd(const ae_lstm_grads *out, float *gates, const float *y, const float *cells,
            const float *dy, const float *dh, const float *dc, const ae_lstm_inputs *in,
            const ae_lstm_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    backward_task t = {.out = out,
                       .gates = gates,
                       .y = y,
                       .cells = cells,
                       .dy = dy,
                       .dh = dh,
                       .dc = dc,
                       .in = in,
                       .cfg = cfg,
                       .k = ctx->k};
    const int64_t H = cfg->H, inputs = cfg->repeat ? 0 : cfg->F;
    t.block = ae_lstm_block(cfg, ctx->k);
    t.blocks = ae_ceil_div(cfg->N, t.block);
    t.steps = ae_max(1, DEPTH / t.block);
    t.part_size = 4 * H * (H + inputs + 1);
    if (cfg->N == 0 || H == 0 || cfg->T == 0) {
        copy_or_zero(out->dx, NULL,
                     out->dx == NULL ? 0 : cfg->N * cfg->F * (inputs ? cfg->T : 1));
    }
    if (cfg->N == 0 || H == 0) {
        return AE_OK;
    }
    AE_TRY(prepare(&t, ctx));
    double work = 16.0 * (double)(cfg->N * cfg->T) * (double)(H * (inputs + H + 10));
    ae_parallel(ctx, t.blocks, work, backward_block, &t);
    reduce(&t, out->dw_hh, 0, 4 * H * H, ctx);
    if (!cfg->repeat) {
        reduce(&t, out->dw_ih, 4 * H * H, 4 * H * inputs, ctx);
    }
    reduce_bias(&t);
    if (cfg->T > 0) {
        AE_TRY(input_gradients(&t, ctx));
    }
done:
    return status;
}
