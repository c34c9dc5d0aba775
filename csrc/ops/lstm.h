/* lstm.h: what both passes of the LSTM share: how samples are shared out, and where a sample's steps
 * lie. Samples are independent: a block of them goes through all steps in one task. */
#ifndef AE_LSTM_H
#define AE_LSTM_H

#include "ops/gemm.h"

#define AE_LSTM_BLOCKS 16               /* at most: each sums weight gradients of its own, */
#define AE_LSTM_PARTS (1 << 24)         /* of so many values together, about */
#define AE_LSTM_NEAR ((int64_t)1 << 17) /* values of weights that stay in L2 */

/* Samples of a block: at least so many that weights are worth fetching for a step. */
static inline int64_t
ae_lstm_block(const ae_lstm_cfg *cfg, const ae_kernels *k)
{
    int64_t weights = 4 * cfg->H * (cfg->F + cfg->H);
    int64_t blocks = ae_max(1, ae_min(AE_LSTM_BLOCKS, AE_LSTM_PARTS / ae_max(1, weights)));
    int64_t rows = ae_max(weights > AE_LSTM_NEAR ? 32 : 8, ae_ceil_div(cfg->N, blocks));
    return ae_ceil_div(rows, k->lstm_rows) * k->lstm_rows;
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

/* The state before the s-th step of sample n: of `states`, `stride` apart, or the first one, which
 * is zeros where there is none. */
static inline const float *
ae_lstm_before(const float *states, int64_t stride, const float *first, const float *zeros,
               const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, int64_t n, int64_t s)
{
    if (s > 0) {
        return states + ae_lstm_at(in, cfg, n, s - 1) * stride;
    }
    return first != NULL ? first + n * cfg->H : zeros;
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
