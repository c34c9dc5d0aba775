/* lstm.h: what both passes of the LSTM and the GRU share: how samples are shared out, and where a sample's steps
 * lie. Samples are independent: a block of them goes through all steps in one task. */
#ifndef AE_LSTM_H
#define AE_LSTM_H

#include "base/math.h"
#include "kern/table.h"

#define AE_LSTM_BLOCKS 16               /* at most: each sums weight gradients of its own, */
#define AE_LSTM_PARTS (1 << 24)         /* of so many values together, about */
#define AE_LSTM_NEAR ((int64_t)1 << 17) /* values of weights that stay in L2 */

/* How many gates the weights have, one below the other. A GRU has four sums too: see lstm.inc. */
static inline int64_t
ae_lstm_gates(const ae_lstm_cfg *cfg)
{
    return cfg->gru ? 3 : 4;
}

/* Samples of a block: at least so many that weights are worth fetching for a step. */
static inline int64_t
ae_lstm_block(const ae_lstm_cfg *cfg, const ae_kernels *k)
{
    int64_t weights = ae_lstm_gates(cfg) * cfg->H * (cfg->F + cfg->H);
    int64_t blocks = ae_max(1, ae_min(AE_LSTM_BLOCKS, AE_LSTM_PARTS / ae_max(1, weights)));
    int64_t rows = ae_max(weights > AE_LSTM_NEAR ? 32 : 8, ae_ceil_div(cfg->N, blocks));
    return ae_round_up(rows, k->lstm_rows);
}

static inline size_t
ae_lstm_length_bytes(const ae_lstm_inputs *in, const ae_lstm_cfg *cfg)
{
    return ae_bytes(in->lengths != NULL ? cfg->N : 0, 1, sizeof(int64_t));
}

/* Lengths are read many times, and by several tasks: a copy, of what is in their range, can't change. */
static inline void
ae_lstm_hold_lengths(ae_lstm_inputs *in, const ae_lstm_cfg *cfg, const ae_ctx *ctx)
{
    int64_t *held = ae_arena_take(ctx->arena, ae_lstm_length_bytes(in, cfg));
    for (int64_t n = 0; in->lengths != NULL && n < cfg->N; n++) {
        held[n] = ae_index(&in->lengths[n], cfg->T + 1);
    }
    in->lengths = in->lengths != NULL ? held : NULL;
}

static inline int64_t
ae_lstm_length(const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, int64_t n)
{
    return in->lengths != NULL ? in->lengths[n] : cfg->T;
}

/* The place in time, counted over all samples, of the s-th step that sample n takes. */
static inline int64_t
ae_lstm_at(const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, int64_t n, int64_t s)
{
    return n * cfg->T + (cfg->reverse ? ae_lstm_length(in, cfg, n) - 1 - s : s);
}

/* Where the caches have that step: a block's samples beside one another, step after step. */
static inline int64_t
ae_lstm_slot(const ae_lstm_cfg *cfg, int64_t block, int64_t n, int64_t s)
{
    int64_t n0 = n / block * block;
    return n0 * cfg->T + s * ae_min(block, cfg->N - n0) + n - n0;
}

/* h and c before the s-th step of sample n; zeros (H) serve where there is no initial state. */
static inline const float *
ae_lstm_h(const float *y, const float *zeros, const ae_lstm_inputs *in, const ae_lstm_cfg *cfg,
          int64_t n, int64_t s)
{
    if (s > 0) {
        return y + ae_lstm_at(in, cfg, n, s - 1) * cfg->stride;
    }
    return in->h0 != NULL ? in->h0 + n * cfg->H : zeros;
}

/* h (H) times its mask. */
static inline const float *
ae_lstm_masked(float *to, const float *h, const float *mask, int64_t H)
{
    for (int64_t j = 0; j < H; j++) {
        to[j] = mask[j] != 0.0f ? h[j] * mask[j] : 0.0f;
    }
    return to;
}

static inline const float *
ae_lstm_c(const float *cells, const float *zeros, const ae_lstm_inputs *in,
          const ae_lstm_cfg *cfg, int64_t block, int64_t n, int64_t s)
{
    if (cfg->gru) {
        return zeros;
    }
    if (s > 0) {
        return cells + ae_lstm_slot(cfg, block, n, s - 1) * cfg->H;
    }
    return in->c0 != NULL ? in->c0 + n * cfg->H : zeros;
}

/* How many steps the longest of samples n0 to n1 has. */
static inline int64_t
ae_lstm_steps(const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, int64_t n0, int64_t n1)
{
    int64_t most = 0;
    for (int64_t n = n0; n < n1; n++) {
        most = ae_max(most, ae_lstm_length(in, cfg, n));
    }
    return most;
}

#endif
