/* ae.h: the C API of aecore on a page.
 *
 * Dimension letters, used as variable names everywhere:
 *   N batch        C, K channels in and out     H, W large image side    P, Q small image side
 *   R, S kernel    I, O features in and out     D code dimension         E codebook entries
 *   T, S steps of queries and keys, H heads (attention, where D is the width of a head)
 *   F features of a sample                      M, N, K rows, columns, depth in gemm.c alone
 *   T steps of a sequence                       H units of an LSTM
 * Layouts: images (N, H, W, C), sequences (N, T, F), tables (N, F); linear weights (O, I); convolution weights
 * (out, R, S, in) for both directions. Everything is float32 and C-contiguous.
 *
 * Conventions:
 *   - ae_<op>_fwd and ae_<op>_bwd are drivers: they plan, partition and call the kernel table.
 *     Order of arguments: outputs, caches, inputs, parameters (nullable last), cfg, ctx.
 *   - Input gradients overwrite. Parameter gradients do too, but for those that go on from what
 *     they hold, as a cfg's adds says. A NULL gradient is skipped.
 *   - Drivers never allocate but from ctx->arena and, for weights that stay packed, ctx->packed;
 *     they never print, and report an ae_status.
 *   - Indices, labels and lengths are checked by the caller. One that isn't in its range by the time
 *     it is used, as another thread may write it, gives any numbers, but touches no other memory.
 *   - Every output element has one writer and a fixed order of summation, so that results do
 *     not depend on the number of threads.
 */
#ifndef AE_H
#define AE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- status ------------------------------------------------------------------------- */

typedef enum { AE_OK = 0, AE_ENOMEM, AE_ESIZE, AE_EVALUE } ae_status;

const char *ae_status_text(ae_status status);

#define AE_TRY(expr)           \
    do {                       \
        status = (expr);       \
        if (status != AE_OK) { \
            goto done;         \
        }                      \
    } while (0)

/* ---- arena: one growing 64-byte aligned workspace, emptied by every driver ---------- */

typedef struct {
    char *base;
    size_t capacity, used;
    int64_t grown; /* how often it had to allocate, for tests of steady state */
} ae_arena;

/* Empty the arena and make room for `bytes`; but for packed weights the only place where the
 * core allocates. */
ae_status ae_arena_reserve(ae_arena *arena, size_t bytes);
/* The next block of `bytes` (rounded up to 64) of what was reserved. */
void *ae_arena_take(ae_arena *arena, size_t bytes);
void ae_arena_free(ae_arena *arena);
/* a * b * c in bytes rounded up to 64, or SIZE_MAX on overflow; sums saturate too. */
size_t ae_bytes(int64_t a, int64_t b, int64_t c);
size_t ae_bytes_add(size_t a, size_t b);

/* ---- kernels and context ------------------------------------------------------------- */

typedef struct ae_kernels ae_kernels; /* kern/table.h */

/* Weights in the form that a product wants, kept from call to call while they don't change. */
typedef struct {
    float *data;
    size_t bytes;
    const float *of; /* the weights, NULL while there is nothing; and how they were packed: */
    int form;
    const ae_kernels *k;
    bool fixed; /* many threads read it: calls that want another form pack for themselves */
    bool half;  /* linear weights are kept as bfloat16 */
} ae_packed;

typedef struct {
    ae_arena *arena;
    int threads;
    const ae_kernels *k;
    ae_packed *packed; /* of the call's weights; NULL: they are packed in every call */
    bool half;         /* linear layers multiply bfloat16; sums are float32 */
} ae_ctx;

typedef enum {
    AE_PACKED_LINEAR,
    AE_PACKED_HALF, /* the same as bfloat16 */
    AE_PACKED_DOWN,
    AE_PACKED_WINO_DOWN,
    AE_PACKED_WINO_UP
} ae_form;

/* What the arena has to hold of `bytes` of packed weights. */
size_t ae_packed_in_arena(const ae_ctx *ctx, const float *w, ae_form form, size_t bytes);
/* Their place, there or where they are kept; *ready if they are there already. */
ae_status ae_packed_take(float **data, bool *ready, const float *w, ae_form form, size_t bytes,
                         const ae_ctx *ctx);
void ae_packed_free(ae_packed *packed);

/* The best table this CPU runs, or the one named (NULL if it is not compiled in or not
 * supported here). */
const ae_kernels *ae_cpu_select(const char *name);
const ae_kernels *ae_cpu_table(int i); /* the i-th table this CPU runs, worst first, or NULL */
const char *ae_cpu_isa(const ae_kernels *k);
bool ae_cpu_has_pairs(const ae_kernels *k); /* whether they have instructions for bfloat16 */
const char *ae_cpu_kernel(int i); /* the name of the i-th kernel of a table, or NULL */

/* Run fn(arg, i, thread) for i in [0, n), handed out one at a time. `work` is the total in
 * floating point operations: small work runs serially. */
typedef void (*ae_task)(void *arg, int64_t i, int thread);
void ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg);
int ae_max_threads(void); /* what OpenMP says; 1 without OpenMP */
#define AE_MOST_THREADS 4096

/* ---- activations ------------------------------------------------------------------------ */

/* AE_LINEAR, which is 0, AE_RELU and so on: the lines of act.def. */
typedef enum {
#define AE_ACT(id, name, from_output, operations) AE_##id,
#include "kern/act.def"
#undef AE_ACT
    AE_ACTIVATIONS
} ae_act;

const char *ae_act_name(ae_act act);
bool ae_act_from_output(ae_act act); /* whether the output determines the gradient */

/* y = act(x), n values; y may be x. */
ae_status ae_activation_fwd(float *y, const float *x, int64_t n, ae_act act, const ae_ctx *ctx);
/* dx = dy * act'(.), from the output y if that determines it, else from the input; dx may be
 * dy or y. */
ae_status ae_activation_bwd(float *dx, const float *dy, const float *y, int64_t n, ae_act act,
                            const ae_ctx *ctx);

/* ---- the gated unit of PixelCNN ---------------------------------------------------------- */

/* y (N, T, C) = tanh(a) sigmoid(b), where x (N, T, 2C) holds a in the first half of each row and b in
 * the second. bias (N, 2C) or NULL is added to all T rows of a sample first. */
ae_status ae_gated_tanh_fwd(float *y, const float *x, const float *bias, int64_t N, int64_t T,
                            int64_t C, const ae_ctx *ctx);
/* dbias (N, 2C) is overwritten too: it is a gradient of each sample. */
ae_status ae_gated_tanh_bwd(float *dx, float *dbias, const float *dy, const float *x,
                            const float *bias, int64_t N, int64_t T, int64_t C,
                            const ae_ctx *ctx);

/* ---- parameters ----------------------------------------------------------------------------- */

/* Backward: which gradients, of a weight and a bias, go on from what they hold. */
typedef struct {
    bool w, b;
} ae_adds;

/* ---- linear: y (N, O) = act(x (N, I) w^T + b) ----------------------------------------------- */

typedef struct {
    int64_t N, I, O;
    ae_act act;      /* fused into the forward pass */
    ae_act x_act;    /* backward: dx is multiplied by x_act'(x), x being that act's output */
    bool transposed; /* w is (I, O): y = x w, as the tied decoder needs */
    ae_adds adds;
} ae_linear_cfg;

/* If r (N, O) isn't NULL, it is added at the end. */
ae_status ae_linear_fwd(float *y, const float *x, const float *w, const float *b,
                        const float *r, const ae_linear_cfg *cfg, const ae_ctx *ctx);
ae_status ae_linear_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                        const float *w, const ae_linear_cfg *cfg, const ae_ctx *ctx);

/* ---- conv2d and conv_transpose2d -------------------------------------------------------------- */

typedef struct {
    int64_t N;
    int64_t H, W, C; /* input  of the layer */
    int64_t P, Q, K; /* output of the layer */
    int64_t R, S;    /* kernel */
    int64_t stride_h, stride_w;
    int64_t pad_h, pad_w; /* at the start of an axis; P and Q say what there is at its end */
    int64_t dilation_h, dilation_w; /* pixels from tap to tap */
    int64_t groups;    /* of channels, each with kernels of its own: it divides C and K */
    ae_act act, x_act; /* as in ae_linear_cfg */
    bool winograd;     /* where it is faster; rounding errors are 3 to 5 times as large */
    ae_adds adds;
} ae_conv_cfg;

/* w (K, R, S, C / groups): y (N, P, Q, K) = act(conv(x (N, H, W, C), w) + b) + r (N, P, Q, K) if
 * that isn't NULL */
ae_status ae_conv2d_fwd(float *y, const float *x, const float *w, const float *b,
                        const float *r, const ae_conv_cfg *cfg, const ae_ctx *ctx);
ae_status ae_conv2d_bwd(float *dx, float *dw, float *db, const float *dy, const float *x,
                        const float *w, const ae_conv_cfg *cfg, const ae_ctx *ctx);
/* Likewise with the stride on the output side; output_padding shows in P and Q alone. */
ae_status ae_conv_transpose2d_fwd(float *y, const float *x, const float *w, const float *b,
                                  const float *r, const ae_conv_cfg *cfg, const ae_ctx *ctx);
ae_status ae_conv_transpose2d_bwd(float *dx, float *dw, float *db, const float *dy,
                                  const float *x, const float *w, const ae_conv_cfg *cfg,
                                  const ae_ctx *ctx);

/* ---- pooling and upsampling: images (N, H, W, C), window and factor R x S --------------------- */

typedef struct {
    int64_t N, H, W, C;
    int64_t P, Q; /* output */
    int64_t R, S, stride_h, stride_w, pad_h, pad_w;
    bool bilinear; /* upsampling: between the four nearest pixels, in place of the nearest */
} ae_pool_cfg;

/* index holds, for each output, h * W + w of its maximum: the first in case of a tie. */
ae_status ae_max_pool2d_fwd(float *y, int32_t *index, const float *x, const ae_pool_cfg *cfg,
                            const ae_ctx *ctx);
ae_status ae_max_pool2d_bwd(float *dx, const float *dy, const int32_t *index,
                            const ae_pool_cfg *cfg, const ae_ctx *ctx);
/* By whole factors, P = H * R and Q = W * S: blocks of equal pixels, or bilinear between the pixels'
 * centres, where those of the border go on outwards. */
ae_status ae_upsample2d_fwd(float *y, const float *x, const ae_pool_cfg *cfg,
                            const ae_ctx *ctx);
ae_status ae_upsample2d_bwd(float *dx, const float *dy, const ae_pool_cfg *cfg,
                            const ae_ctx *ctx);

/* ---- normalisation -------------------------------------------------------------------------- */

/* x is (N, T, C): N samples of T positions of C channels. layer_norm is over C (T = 1),
 * group_norm over T and C / G channels, batch_norm over N and T. mean and rstd are caches of
 * (N, G) or (C). Statistics are summed in double. */
typedef struct {
    int64_t N, T, C, G;
    float eps;
    ae_adds adds; /* of gamma and of beta */
} ae_norm_cfg;

ae_status ae_group_norm_fwd(float *y, float *mean, float *rstd, const float *x,
                            const float *gamma, const float *beta, const ae_norm_cfg *cfg,
                            const ae_ctx *ctx);
ae_status ae_group_norm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy,
                            const float *x, const float *mean, const float *rstd,
                            const float *gamma, const ae_norm_cfg *cfg, const ae_ctx *ctx);
/* training: mean and the biased var (C) of this batch are written; otherwise they are read. */
ae_status ae_batch_norm_fwd(float *y, float *mean, float *var, const float *x,
                            const float *gamma, const float *beta, bool training,
                            const ae_norm_cfg *cfg, const ae_ctx *ctx);
ae_status ae_batch_norm_bwd(float *dx, float *dgamma, float *dbeta, const float *dy,
                            const float *x, const float *mean, const float *var,
                            const float *gamma, bool training, const ae_norm_cfg *cfg,
                            const ae_ctx *ctx);

/* ---- attention ------------------------------------------------------------------------------ */

/* y (N, T, H, D) = softmax(scale q k^T) v for each head: q (N, T, H, D), k and v (N, S, H, D). Steps
 * of q are q_row floats apart and those of k and v kv_row: H D, or 3 H D where the three lie side
 * by side in one array (N, T, 3, H, D). Steps of y and its gradient are H D apart. */
typedef struct {
    int64_t N, T, S, H, D;
    int64_t q_row, kv_row;
    float scale;
    bool causal; /* query t sees the keys up to t */
} ae_attention_cfg;

/* lengths (N) or NULL: steps from there on aren't there, neither as keys nor as queries (T = S);
 * their y and their gradients are 0. Without any key y is 0. lse (N, H, T) is the logarithm of the
 * sum of a query's exponentials, a cache. */
ae_status ae_attention_fwd(float *y, float *lse, const float *q, const float *k, const float *v,
                           const int64_t *lengths, const ae_attention_cfg *cfg,
                           const ae_ctx *ctx);
/* dq is laid out as q, dk and dv as k and v. */
ae_status ae_attention_bwd(float *dq, float *dk, float *dv, const float *dy, const float *y,
                           const float *lse, const float *q, const float *k, const float *v,
                           const int64_t *lengths, const ae_attention_cfg *cfg,
                           const ae_ctx *ctx);

/* ---- what surrounds attention: rows x (N, C) ---------------------------------------------------- */

/* Backward: which gradients go on from what they hold. */
typedef struct {
    bool gamma, beta, w1, b1, w2, b2;
} ae_norm_mlp_adds;

/* z = layer norm of x by gamma and beta (C), h (N, F) = z w1 (F, C)^T + b1 (F); and, unless w2 is
 * NULL, y (N, C) = x + gelu(h) w2 (C, F)^T + b2 (C). mean and rstd (N) and h are caches. */
typedef struct {
    int64_t N, C, F;
    float eps;
    ae_norm_mlp_adds adds;
} ae_norm_mlp_cfg;

typedef struct {
    const float *gamma, *beta, *w1, *b1, *w2, *b2;
} ae_norm_mlp;

typedef struct {
    float *gamma, *beta, *w1, *b1, *w2, *b2;
} ae_norm_mlp_grads;

ae_status ae_norm_mlp_fwd(float *y, float *h, float *mean, float *rstd, const float *x,
                          const ae_norm_mlp *p, const ae_norm_mlp_cfg *cfg, const ae_ctx *ctx);
/* dx (N, C) is that by way of h, + dy. Without w2, dh is the gradient of h, and h NULL; otherwise
 * dh is NULL. All gradients are wanted. */
ae_status ae_norm_mlp_bwd(float *dx, const ae_norm_mlp_grads *grads, const float *dy,
                          const float *dh, const float *h, const float *x, const float *mean,
                          const float *rstd, const ae_norm_mlp *p, const ae_norm_mlp_cfg *cfg,
                          const ae_ctx *ctx);

/* ---- steps: sequences (N, T, C) --------------------------------------------------------------- */

/* y (N, T, C) = x + p (T, C), where x is (N, T, C), or (N, C) if repeated: the same at each step. */
ae_status ae_positions_fwd(float *y, const float *x, const float *p, int64_t N, int64_t T,
                           int64_t C, bool repeated, const ae_ctx *ctx);
/* dx (N, C) or NULL: that of a repeated x. Otherwise it is dy itself. dp goes on from what it holds
 * if it adds. */
ae_status ae_positions_bwd(float *dx, float *dp, const float *dy, int64_t N, int64_t T,
                           int64_t C, bool adds, const ae_ctx *ctx);
/* y (N, C) = the mean of x (N, T, C) over its steps, or over the first lengths (N); 0 without any. */
ae_status ae_mean_steps_fwd(float *y, const float *x, const int64_t *lengths, int64_t N,
                            int64_t T, int64_t C, const ae_ctx *ctx);
ae_status ae_mean_steps_bwd(float *dx, const float *dy, const int64_t *lengths, int64_t N,
                            int64_t T, int64_t C, const ae_ctx *ctx);

/* ---- the latent terms ------------------------------------------------------------------------- */

/* z = mean + exp(logvar / 2) * eps, n values. */
ae_status ae_reparameterize_fwd(float *z, const float *mean, const float *logvar,
                                const float *eps, int64_t n, const ae_ctx *ctx);
ae_status ae_reparameterize_bwd(float *dmean, float *dlogvar, float *deps, const float *dz,
                                const float *logvar, const float *eps, int64_t n,
                                const ae_ctx *ctx);
/* kl (N) = -1/2 sum_D (1 + logvar - mean^2 - exp(logvar)), in nats. */
ae_status ae_gaussian_kl_fwd(float *kl, const float *mean, const float *logvar, int64_t N,
                             int64_t D, const ae_ctx *ctx);
ae_status ae_gaussian_kl_bwd(float *dmean, float *dlogvar, const float *dkl, const float *mean,
                             const float *logvar, int64_t N, int64_t D, const ae_ctx *ctx);
/* mean (N, D) = h[:, :D]; logvar (N, D) = h[:, D:] within +-10, and +-(10 + 5 tanh((|h| - 10) / 5))
 * beyond, so that a variance stays finite whatever an encoder says. */
ae_status ae_split_latent_fwd(float *mean, float *logvar, const float *h, int64_t N, int64_t D,
                              const ae_ctx *ctx);
ae_status ae_split_latent_bwd(float *dh, const float *dmean, const float *dlogvar,
                              const float *h, int64_t N, int64_t D, const ae_ctx *ctx);

/* ---- vector quantisation: z (N, D), codebook (E, D) ------------------------------------------- */

/* index (N): the nearest entry by distances in float64, the lower one in case of a tie; always in
 * [0, E), whatever isn't finite. quantized (N, D): those entries, or NULL. */
ae_status ae_vector_quantize_fwd(float *quantized, int64_t *index, const float *z,
                                 const float *codebook, int64_t N, int64_t D, int64_t E,
                                 const ae_ctx *ctx);
/* dz = dq + 2 scale commitment (z - e);  dcodebook[index] += 2 scale (e - z). */
ae_status ae_vector_quantize_bwd(float *dz, float *dcodebook, const float *dq, const float *z,
                                 const float *codebook, const int64_t *index, float commitment,
                                 float scale, int64_t N, int64_t D, int64_t E,
                                 const ae_ctx *ctx);
/* count (E) = how often each entry is used, sum (E, D) = sum of the z assigned to it. */
ae_status ae_vq_statistics(float *count, float *sum, const float *z, const int64_t *index,
                           int64_t N, int64_t D, int64_t E, const ae_ctx *ctx);

/* ---- lstm and gru: x (N, T, F), state h and c (N, H) -------------------------------------------- */

/* Backward: which gradients go on from what they hold. */
typedef struct {
    bool w_ih, w_hh, b;
} ae_lstm_adds;

/* Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000. At each step
 *   i, f, o = sigmoid(.), g = tanh(.) of x w_ih^T + h w_hh^T + b;  c = f c + i g;  h = o tanh(c). */
typedef struct {
    int64_t N, T, F, H;
    int64_t stride; /* from one step of y and dy to the next: H or more */
    bool repeat;    /* x is (N, F), the same at every step */
    bool reverse;   /* from each sample's last step to its first */
    bool gru;       /* a GRU: see ae_gru_fwd */
    ae_lstm_adds adds;
} ae_lstm_cfg;

typedef struct {
    const float *x;
    const float *h0, *c0;         /* (N, H), each NULL for zeros */
    const float *mask;            /* (N, H) or NULL: what h is multiplied by before w_hh is */
    const int64_t *lengths;       /* (N), 0 to T, or NULL for T: later steps don't exist */
    const float *w_ih, *w_hh, *b; /* (4H, F), (4H, H), (4H) or NULL; gates i, f, g, o */
} ae_lstm_inputs;

typedef struct {
    float *dx, *dh0, *dc0, *dw_ih, *dw_hh, *db;
} ae_lstm_grads;

/* y (N, T, H) = h after each step, 0 where there is none; h and c (N, H) = the last ones. Caches:
 * gates (N, T, 4H) and cells (N, T, H), the gates and c of each step in an order of their own,
 * which the kernels that made them know. */
ae_status ae_lstm_fwd(float *y, float *h, float *c, float *gates, float *cells,
                      const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, const ae_ctx *ctx);
/* dy (N, T, H), dh and dc (N, H), of the outputs, may each be NULL. */
ae_status ae_lstm_bwd(const ae_lstm_grads *out, const float *dy, const float *dh,
                      const float *dc, const float *y, const float *gates, const float *cells,
                      const ae_lstm_inputs *in, const ae_lstm_cfg *cfg, const ae_ctx *ctx);

/* A GRU (Cho et al. 2014), with the reset gate behind the product, as in cuDNN. With the gates r, z
 * and n one below the other in w_ih (3H, F) and w_hh (3H, H), and b (4H) of r, z, n and n's part u,
 *   r, z = sigmoid(.) of x w_ih^T + h w_hh^T + b;  u = h w_hh_n^T + b_u;
 *   n = tanh(x w_ih_n^T + b_n + r u);  h = (1 - z) n + z h.
 * gates (N, T, 4H) is the only cache; c0, dc0 and what is about c are NULL. cfg->gru is true. */
ae_status ae_gru_fwd(float *y, float *h, float *gates, const ae_lstm_inputs *in,
                     const ae_lstm_cfg *cfg, const ae_ctx *ctx);
ae_status ae_gru_bwd(const ae_lstm_grads *out, const float *dy, const float *dh, const float *y,
                     const float *gates, const ae_lstm_inputs *in, const ae_lstm_cfg *cfg,
                     const ae_ctx *ctx);

/* ---- losses: per-sample sums over F features, loss (N), and dx = dloss[n] * dloss/dx ------------ */

typedef enum { AE_MSE = 0, AE_L1, AE_HUBER, AE_BCE_WITH_LOGITS, AE_POISSON, AE_LOSSES } ae_loss;

/* mask (N, F) or NULL: weights, where 0 drops a value whatever it is, and its gradient. Either of
 * loss and dx may be NULL. dloss (N) or NULL for ones. delta is huber's. */
ae_status ae_loss_fwd_bwd(float *loss, float *dx, const float *dloss, const float *x,
                          const float *target, const float *mask, ae_loss kind, float delta,
                          int64_t N, int64_t F, const ae_ctx *ctx);
/* logits (N, T, E), labels (N, T), mask (N, T) or NULL; loss (N) sums over T. A label is in
 * [0, E), or anything where the mask is 0. */
ae_status ae_cross_entropy_fwd_bwd(float *loss, float *dx, const float *dloss,
                                   const float *logits, const int64_t *labels,
                                   const float *mask, int64_t N, int64_t T, int64_t E,
                                   const ae_ctx *ctx);
/* Counts target (N, F) >= 0 of means e^x and inverse dispersions e^log_theta, (F), or (N, F) where
 * `per_row`. dtheta (N, F), or NULL, = dloss[n] times the gradient of log_theta. */
ae_status ae_negative_binomial_fwd_bwd(float *loss, float *dx, float *dtheta,
                                       const float *dloss, const float *x, const float *target,
                                       const float *mask, const float *log_theta, bool per_row,
                                       int64_t N, int64_t F, const ae_ctx *ctx);
/* Counts (N, T, E) >= 0 of outcomes with probabilities softmax(logits); mask (N, T, E) or NULL:
 * where it is 0, an outcome can't be. loss (N) sums over T. */
ae_status ae_multinomial_fwd_bwd(float *loss, float *dx, const float *dloss,
                                 const float *logits, const float *counts, const float *mask,
                                 int64_t N, int64_t T, int64_t E, const ae_ctx *ctx);

/* ---- optimisers over one flat buffer ----------------------------------------------------------- */

/* The sum of squares in double, by fixed blocks. */
ae_status ae_sum_squares(double *sum, const float *x, int64_t n, const ae_ctx *ctx);

typedef struct {
    double lr, beta1, beta2, eps, weight_decay; /* 1 - 0.999 is 1.3e-5 off in float */
    double grad_scale;                          /* of clipping: multiplies the gradient first */
    bool decoupled;                             /* AdamW */
    int64_t step;                               /* counts from 1 */
} ae_adam_cfg;

ae_status ae_adam_step(float *p, float *m, float *v, const float *g, int64_t n,
                       const ae_adam_cfg *cfg, const ae_ctx *ctx);

typedef struct {
    float lr, momentum, weight_decay, grad_scale;
    bool nesterov;
    int64_t step; /* counts from 1: the first momentum is the gradient itself */
} ae_sgd_cfg;

/* m is NULL where momentum is 0. */
ae_status ae_sgd_step(float *p, float *m, const float *g, int64_t n, const ae_sgd_cfg *cfg,
                      const ae_ctx *ctx);

/* ---- random numbers: Philox4x32-10, element i of stream (seed, purpose) ------------------------- */

typedef struct {
    uint64_t seed;
    uint32_t purpose;
    uint64_t offset; /* of the first element */
} ae_stream;

/* The generator's constants: two multipliers and the steps of the two halves of the key. */
#define AE_PHILOX_M0 0xD2511F53u
#define AE_PHILOX_M1 0xCD9E8D57u
#define AE_PHILOX_W0 0x9E3779B9u
#define AE_PHILOX_W1 0xBB67AE85u

/* One block of four words; the scalar reference of the kernels. */
void ae_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
ae_status ae_random_normal(float *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx);
ae_status ae_random_uniform(float *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx);
ae_status ae_random_bits(uint32_t *x, int64_t n, const ae_stream *stream, const ae_ctx *ctx);
/* y = x / (1 - rate) where u >= rate, else 0; backward is the same on dy. y may be x. */
ae_status ae_dropout(float *y, const float *x, float rate, int64_t n, const ae_stream *stream,
                     const ae_ctx *ctx);

/* ---- batches -------------------------------------------------------------------------------------- */

typedef enum { AE_U8 = 0, AE_F32, AE_F64 } ae_source;
typedef enum {
    AE_CLEAN = 0,
    AE_GAUSSIAN,
    AE_MASKING,
    AE_SALT_PEPPER,
    AE_CORRUPTIONS
} ae_corruption;

typedef struct {
    ae_source source;
    float scale;              /* x = scale * source */
    ae_corruption corruption; /* of the second output */
    float amount;             /* sigma of the noise, or the share of values changed */
    float low, high;          /* what salt and pepper are */
    ae_stream stream;         /* value i of the batch, in row-major order, has its element i */
} ae_gather_cfg;

/* clean (B, F) = scale * source (N, F)[index (B)]; corrupted (B, F) or NULL likewise, with noise: the
 * same if there is no corruption. */
ae_status ae_gather(float *clean, float *corrupted, const void *source, const int64_t *index,
                    int64_t N, int64_t B, int64_t F, const ae_gather_cfg *cfg,
                    const ae_ctx *ctx);
/* clean (N, P, Q, C) = scale * crops of images, and corrupted as in ae_gather. The images (M, 3) are
 * where each begins in pixels (total), its height and width; its channels are C. A crop (N, 4) is of the
 * image with a number, from a row and a column on, which may lie outside, where the image is mirrored;
 * bits of its kind: 1 from right to left, 2 upside down, 4 with rows for columns, after the others. */
ae_status ae_gather_crops(float *clean, float *corrupted, const void *pixels,
                          const int64_t *images, const int64_t *places, int64_t total,
                          int64_t M, int64_t N, int64_t P, int64_t Q, int64_t C,
                          const ae_gather_cfg *cfg, const ae_ctx *ctx);
/* y (M, D) = table (E, D)[rows (M)], as float32. */
ae_status ae_take_rows(float *y, const void *table, const int64_t *rows, ae_source source,
                       int64_t M, int64_t D, int64_t E, const ae_ctx *ctx);
/* y (N, T, C + D) = x (N, T, C) beside cond (N, D), and the gradient of x back. */
ae_status ae_concat_fwd(float *y, const float *x, const float *cond, int64_t N, int64_t T,
                        int64_t C, int64_t D, const ae_ctx *ctx);
ae_status ae_concat_bwd(float *dx, const float *dy, int64_t N, int64_t T, int64_t C, int64_t D,
                        const ae_ctx *ctx);
/* y = a + b, n values; y may be either. */
ae_status ae_add(float *y, const float *a, const float *b, int64_t n, const ae_ctx *ctx);

/* ---- reductions ------------------------------------------------------------------------------------ */

/* The sum of n values of float32 or float64 in double, by fixed blocks. */
ae_status ae_sum(double *sum, const void *x, ae_source source, int64_t n, const ae_ctx *ctx);
/* The least and the largest of n >= 1 values; both are NaN if one value is. */
ae_status ae_span(double span[2], const void *x, ae_source source, int64_t n,
                  const ae_ctx *ctx);
/* sum (4, D) = the sums of mean, mean^2, exp(logvar) and logvar (N, D) over N, in double. */
ae_status ae_latent_moments(double *sum, const float *mean, const float *logvar, int64_t N,
                            int64_t D, const ae_ctx *ctx);

/* ---- entropy coding ------------------------------------------------------------------------------ */

/* Symbols (C, M) as bytes, *used of them: a range coder that learns the frequencies of each row as it
 * goes. Row c has values in [0, sizes[c]); what is learned is how often each value of their highest
 * `learned` bits occurs, those below are taken as equally frequent. out has room for ae_range_room
 * bytes: totals of counts are below 2^40, so that a step takes six. */
ae_status ae_range_encode(uint8_t *out, int64_t *used, const int64_t *symbols,
                          const int64_t *sizes, int64_t C, int64_t M, int learned,
                          const ae_ctx *ctx);
static inline int64_t
ae_range_room(int64_t C, int64_t M)
{
    return 12 * C * M + 8;
}
/* And back from all `size` bytes; AE_EVALUE if they aren't what the encoder gives. */
ae_status ae_range_decode(int64_t *symbols, const uint8_t *data, const int64_t *sizes,
                          int64_t C, int64_t M, int learned, int64_t size, const ae_ctx *ctx);

/* ---- benchmarks ---------------------------------------------------------------------------------- */

/* Multiply-adds in registers on every thread; returns how many operations that was. */
double ae_fma_peak(int64_t steps, const ae_ctx *ctx);

#endif
