/* attention.c: y = softmax(scale q k^T) v, and its gradients, without a T x S matrix.
 *
 * Keys are taken in blocks of at most KEYS and queries in blocks of QUERIES, so that a block of scores
 * stays in the cache. The softmax is computed online (Milakov & Gimelshein 2018); the gradients
 * compute the weights once more from lse, a block at a time (Dao et al. 2022). With w the weights
 * and dw = dy v^T:
 *   ds = scale w (dw - delta),  delta = sum_D dy y,  dq = ds k,  dk = ds^T q,  dv = w^T dy.
 * A value of y or dq is summed over keys in order, one of dk or dv over queries in order, however
 * the work is shared out.
 *
 * A. Vaswani et al., "Attention is all you need", NeurIPS (2017).
 */
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "kern/table.h"

#define QUERIES 32
#define KEYS 128
#define MIN_TASKS 16 /* with fewer heads than that, queries and keys are shared out too */
#define LONG KEYS /* queries or keys in such a task: whole blocks, so that sums are the same */

typedef struct {
    const ae_attention_cfg *g;
    const ae_kernels *kern;
    float *y, *lse_out, *dq, *dk, *dv;
    const float *dy, *y_in, *lse, *q, *k, *v;
    const int64_t *lengths;
    int64_t queries;            /* of a task of the forward pass */
    int64_t pieces, key_pieces; /* tasks for the queries of a head, and for its keys */
    int64_t width;              /* keys in a block, whole vectors */
    bool half;                  /* products are of bfloat16 */
    float *scratch;             /* (threads, floats) */
    int64_t at_pairs;           /* where in a thread's scratch those of bfloat16 are */
    int64_t floats, d_floats, s_floats, t_floats; /* in all; of D x width, QUERIES x width, T */
} attention_task;

/* One head of one sample, and the steps that are there. */
typedef struct {
    int64_t q, kv, y; /* where it begins in the arrays */
    int64_t row, T, S;
} head_view;

static head_view
view_head(const attention_task *t, int64_t head)
{
    const ae_attention_cfg *g = t->g;
    int64_t n = head / g->H, h = head % g->H;
    head_view v = {.q = n * g->T * g->q_row + h * g->D,
                   .kv = n * g->S * g->kv_row + h * g->D,
                   .y = (n * g->T * g->H + h) * g->D,
                   .row = head * g->T,
                   .T = g->T,
                   .S = g->S};
    if (t->lengths != NULL) {
        v.T = v.S = ae_index(&t->lengths[n], g->S + 1);
    }
    return v;
}

static void
zero_rows(float *x, int64_t stride, int64_t from, int64_t to, int64_t D)
{
    for (int64_t i = from; x != NULL && i < to; i++) {
        memset(x + i * stride, 0, (size_t)D * sizeof(float));
    }
}

/* Queries from q0 on against keys from k0 on: `keys` of them, and rows up to q1. */
static ae_scores
block_scores(const attention_task *t, int64_t q0, int64_t q1, int64_t k0, int64_t keys)
{
    return (ae_scores){.rows = ae_min(QUERIES, q1 - q0),
                       .keys = keys,
                       .width = ae_round_up(keys, t->kern->vlen),
                       .diagonal = t->g->causal ? q0 - k0 + 1 : keys,
                       .scale = t->g->scale};
}

/* The first block of queries from q0 on that sees keys from k0 on. */
static int64_t
first_block(const attention_task *t, int64_t q0, int64_t k0)
{
    return !t->g->causal || k0 <= q0 ? q0 : q0 + (k0 - q0) / QUERIES * QUERIES;
}

/* A product, for which a thread has scratch. */
static void
multiply(const attention_task *t, ae_small_product *p, float *scratch)
{
    if (!t->half) {
        t->kern->mul_small(p);
        return;
    }
    const int64_t two = ae_ceil_div(p->k, 2);
    float *a = scratch + t->at_pairs, *b = a + p->m * two;
    if (p->a_ks == 1) {
        t->kern->pair_values(a, two, p->a, p->a_rs, p->m, p->k);
        p->a_rs = two;
    }
    else {
        t->kern->pair_rows(a, p->m, p->a, p->a_ks, p->k, p->m);
        p->a_ks = p->m;
    }
    t->kern->pair_rows(b, p->n, p->b, p->b_ks, p->k, p->n);
    p->a = a;
    p->b = b;
    p->b_ks = p->n;
    p->k = two;
    t->kern->mul_small_pairs(p);
}

/* out (rows, keys) = x (rows, D) transposed (D, keys), for scores and the gradients of weights. */
static void
score(const attention_task *t, float *out, const float *x, int64_t stride,
      const float *transposed, const ae_scores *s, float *scratch)
{
    ae_small_product p = {.m = s->rows,
                          .n = s->width,
                          .k = t->g->D,
                          .a = x,
                          .a_rs = stride,
                          .a_ks = 1,
                          .b = transposed,
                          .b_ks = s->width,
                          .c = out,
                          .c_rs = s->width};
    multiply(t, &p, scratch);
}

/* out (rows, D) [+]= w (rows, keys) x (keys, D). */
static void
sum_keys(const attention_task *t, float *out, int64_t out_rs, const float *w, const float *x,
         int64_t stride, const ae_scores *s, bool load, float *scratch)
{
    ae_small_product p = {.m = s->rows,
                          .n = t->g->D,
                          .k = s->keys,
                          .a = w,
                          .a_rs = s->width,
                          .a_ks = 1,
                          .b = x,
                          .b_ks = stride,
                          .c = out,
                          .c_rs = out_rs,
                          .load = load};
    multiply(t, &p, scratch);
}

/* out (keys, D) [+]= w (rows, keys)^T x (rows, D). */
static void
sum_queries(const attention_task *t, float *out, int64_t out_rs, const float *w, const float *x,
            int64_t stride, const ae_scores *s, bool load, float *scratch)
{
    ae_small_product p = {.m = s->keys,
                          .n = t->g->D,
                          .k = s->rows,
                          .a = w,
                          .a_rs = 1,
                          .a_ks = s->width,
                          .b = x,
                          .b_ks = stride,
                          .c = out,
                          .c_rs = out_rs,
                          .load = load};
    multiply(t, &p, scratch);
}

/* ---- forward -------------------------------------------------------------------------------- */

static void
forward_piece(void *arg, int64_t i, int thread)
{
    const attention_task *t = arg;
    const ae_attention_cfg *g = t->g;
    const int64_t y_row = g->H * g->D, q0 = i % t->pieces * t->queries;
    const head_view v = view_head(t, i / t->pieces);
    const int64_t end = ae_min(q0 + t->queries, g->T);
    const int64_t q1 = v.S > 0 ? ae_max(q0, ae_min(end, v.T)) : q0;
    float *scratch = t->scratch + thread * t->floats, *transposed = scratch;
    float *s = transposed + t->d_floats;
    float *top = s + t->s_floats, *sum = top + t->t_floats;
    float *y = t->y + v.y, *lse = t->lse_out + v.row;
    zero_rows(y, y_row, q1, end, g->D);
    for (int64_t r = q0; r < end; r++) {
        top[r - q0] = -INFINITY;
        sum[r - q0] = lse[r] = 0.0f;
    }
    for (int64_t k0 = 0; k0 < v.S; k0 += t->width) {
        const int64_t keys = ae_min(t->width, v.S - k0), at = v.kv + k0 * g->kv_row;
        const int64_t first = first_block(t, q0, k0);
        for (int64_t r = first; r < q1; r += QUERIES) {
            ae_scores b = block_scores(t, r, q1, k0, keys);
            if (r == first) {
                t->kern->transpose_rows(transposed, b.width, t->k + at, g->kv_row, keys, g->D);
            }
            score(t, s, t->q + v.q + r * g->q_row, g->q_row, transposed, &b, scratch);
            t->kern->softmax_rows(s, top + r - q0, sum + r - q0, y + r * y_row, y_row,
                                  k0 > 0 ? g->D : 0, &b);
            sum_keys(t, y + r * y_row, y_row, s, t->v + at, g->kv_row, &b, k0 > 0, scratch);
        }
    }
    if (q1 > q0) {
        t->kern->softmax_end(y + q0 * y_row, y_row, g->D, lse + q0, top, sum, q1 - q0);
    }
}

/* ---- backward ------------------------------------------------------------------------------- */

typedef struct {
    int64_t q0, q1, k0, k1; /* the queries and keys that take part */
    float *dq, *dk, *dv;    /* of the head's first step, or NULL */
} head_part;

static void
backward_part(const attention_task *t, const head_view *v, const head_part *p, int thread)
{
    const ae_attention_cfg *g = t->g;
    const int64_t y_row = g->H * g->D;
    float *scratch = t->scratch + thread * t->floats, *k_transposed = scratch;
    float *v_transposed = k_transposed + t->d_floats;
    float *s = v_transposed + t->d_floats, *d = s + t->s_floats, *delta = d + t->s_floats;
    const float *dy = t->dy + v->y, *q = t->q + v->q, *lse = t->lse + v->row;
    t->kern->row_products(delta, dy + p->q0 * y_row, t->y_in + v->y + p->q0 * y_row, y_row,
                          p->q1 - p->q0, g->D, t->half);
    for (int64_t k0 = p->k0; k0 < p->k1; k0 += t->width) {
        const int64_t keys = ae_min(t->width, p->k1 - k0), at = k0 * g->kv_row;
        const int64_t first = first_block(t, p->q0, k0);
        if (first >= p->q1) { /* nobody sees these keys */
            zero_rows(p->dk, g->kv_row, k0, k0 + keys, g->D);
            zero_rows(p->dv, g->kv_row, k0, k0 + keys, g->D);
        }
        for (int64_t r = first; r < p->q1; r += QUERIES) {
            ae_scores b = block_scores(t, r, p->q1, k0, keys);
            if (r == first) {
                const float *k = t->k + v->kv + at, *val = t->v + v->kv + at;
                t->kern->transpose_rows(k_transposed, b.width, k, g->kv_row, keys, g->D);
                t->kern->transpose_rows(v_transposed, b.width, val, g->kv_row, keys, g->D);
            }
            score(t, s, q + r * g->q_row, g->q_row, k_transposed, &b, scratch);
            score(t, d, dy + r * y_row, y_row, v_transposed, &b, scratch);
            t->kern->softmax_grad_rows(s, d, lse + r, delta + r - p->q0, &b);
            if (p->dq != NULL) {
                sum_keys(t, p->dq + r * g->q_row, g->q_row, d, t->k + v->kv + at, g->kv_row, &b,
                         k0 > p->k0, scratch);
            }
            if (p->dk != NULL) {
                sum_queries(t, p->dk + at, g->kv_row, d, q + r * g->q_row, g->q_row, &b,
                            r > first, scratch);
            }
            if (p->dv != NULL) {
                sum_queries(t, p->dv + at, g->kv_row, s, dy + r * y_row, y_row, &b, r > first,
                            scratch);
            }
        }
    }
}

static float *
offset(float *x, int64_t by)
{
    return x == NULL ? NULL : x + by;
}

/* All gradients of a head; or, where there are pieces, first those of some queries each, then those
 * of some keys. */
static void
backward_piece(void *arg, int64_t i, int thread)
{
    const attention_task *t = arg;
    const ae_attention_cfg *g = t->g;
    const int64_t tasks = t->pieces + t->key_pieces, piece = i % tasks;
    const head_view v = view_head(t, i / tasks);
    const bool queries = piece < t->pieces, all = t->pieces == 0;
    int64_t q0 = 0, q_end = g->T, k0 = 0, k_end = g->S;
    if (queries) {
        q0 = piece * LONG;
        q_end = ae_min(q0 + LONG, g->T);
    }
    else if (!all) {
        k0 = (piece - t->pieces) * LONG;
        k_end = ae_min(k0 + LONG, g->S);
    }
    head_part p = {.q0 = q0,
                   .q1 = ae_max(q0, ae_min(q_end, v.T)),
                   .k0 = k0,
                   .k1 = ae_max(k0, ae_min(k_end, v.S))};
    if (queries || all) {
        p.dq = offset(t->dq, v.q);
        zero_rows(p.dq, g->q_row, p.k1 > k0 ? p.q1 : q0, q_end, g->D);
    }
    if (!queries) {
        p.dk = offset(t->dk, v.kv);
        p.dv = offset(t->dv, v.kv);
        zero_rows(p.dk, g->kv_row, p.k1, k_end, g->D);
        zero_rows(p.dv, g->kv_row, p.k1, k_end, g->D);
    }
    backward_part(t, &v, &p, thread);
}

/* ---- drivers ---------------------------------------------------------------------------------- */

/* Memory for `blocks` transposed blocks of keys, as many blocks of scores and two values a query. */
static ae_status
reserve(attention_task *t, int64_t blocks, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    const ae_attention_cfg *g = t->g;
    t->kern = ctx->k;
    t->width = ae_min(KEYS, ae_round_up(g->S, ctx->k->vlen));
    size_t d = ae_bytes(g->D, t->width, sizeof(float));
    size_t s = ae_bytes(QUERIES, t->width, sizeof(float));
    size_t q = ae_bytes(g->T, 1, sizeof(float));
    t->d_floats = (int64_t)(d / sizeof(float));
    t->s_floats = (int64_t)(s / sizeof(float));
    t->t_floats = (int64_t)(q / sizeof(float));
    if (d == SIZE_MAX || q == SIZE_MAX) {
        return AE_ESIZE;
    }
    t->half = ctx->half;
    t->at_pairs = blocks * (t->d_floats + t->s_floats) + 2 * t->t_floats;
    t->floats = t->at_pairs;
    if (t->half) { /* those of a matrix of values of rows or keys, and of one that it is multiplied by */
        t->floats += QUERIES * (g->D + t->width) + (g->D + 1) * (t->width + 1);
    }
    size_t bytes = ae_bytes(ctx->threads, t->floats, sizeof(float));
    AE_TRY(ae_arena_reserve(ctx->arena, bytes));
    t->scratch = ae_arena_take(ctx->arena, bytes);
done:
    return status;
}

typedef struct {
    attention_task *t;
    ae_task piece;
    int64_t pieces; /* of a sample */
} sample_task;

static void
run_sample(void *arg, int64_t n, int thread)
{
    const sample_task *s = arg;
    for (int64_t i = 0; i < s->pieces; i++) {
        s->piece(s->t, n * s->pieces + i, thread);
    }
}

/* The pieces of all heads. Those of a sample are in the same cache lines: one thread takes them, where
 * there are samples enough. */
static void
run(attention_task *t, int64_t heads, int64_t pieces, double work, ae_task piece,
    const ae_ctx *ctx)
{
    if (t->g->N < MIN_TASKS) {
        ae_parallel(ctx, heads * pieces, work, piece, t);
        return;
    }
    sample_task s = {t, piece, t->g->H * pieces};
    ae_parallel(ctx, t->g->N, work, run_sample, &s);
}

static double
product_work(const ae_attention_cfg *g, double products)
{
    double scores = (double)g->N * (double)g->H * (double)g->T * (double)g->S;
    return scores * (2.0 * products * (double)g->D + 20.0);
}

ae_status
ae_attention_fwd(float *y, float *lse, const float *q, const float *k, const float *v,
                 const int64_t *lengths, const ae_attention_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    attention_task t = {
        .g = cfg, .y = y, .lse_out = lse, .q = q, .k = k, .v = v, .lengths = lengths};
    int64_t heads = cfg->N * cfg->H;
    AE_TRY(reserve(&t, 1, ctx));
    t.queries = heads < MIN_TASKS ? LONG : ae_max(1, cfg->T);
    t.pieces = ae_ceil_div(cfg->T, t.queries);
    run(&t, heads, t.pieces, product_work(cfg, 2.0), forward_piece, ctx);
done:
    return status;
}

ae_status
ae_attention_bwd(float *dq, float *dk, float *dv, const float *dy, const float *y,
                 const float *lse, const float *q, const float *k, const float *v,
                 const int64_t *lengths, const ae_attention_cfg *cfg, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    attention_task t = {.g = cfg,
                        .dq = dq,
                        .dk = dk,
                        .dv = dv,
                        .dy = dy,
                        .y_in = y,
                        .lse = lse,
                        .q = q,
                        .k = k,
                        .v = v,
                        .lengths = lengths};
    int64_t heads = cfg->N * cfg->H;
    bool shared = heads < MIN_TASKS && cfg->T > 0 && ae_max(cfg->T, cfg->S) > LONG;
    AE_TRY(reserve(&t, 2, ctx));
    t.pieces = shared ? ae_ceil_div(cfg->T, LONG) : 0;
    t.key_pieces = shared ? ae_ceil_div(cfg->S, LONG) : 1;
    run(&t, heads, t.pieces + t.key_pieces, product_work(cfg, 5.0), backward_piece, ctx);
done:
    return status;
}
