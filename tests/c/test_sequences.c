/* test_sequences.c: the LSTM, attention, what surrounds it, and steps against loops in double, for
 * every instruction set of this CPU and one to three threads: what Python can't test on a machine it
 * doesn't run on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ae.h"
#include "check.h"

#define GUARD 99.0f

/* An array, what it should hold, and how many values; a guard follows them. */
typedef struct {
    float *got;
    double *want;
    int64_t n;
} values;

static values
make(int64_t n, bool drawn)
{
    size_t room = (size_t)n + 1;
    values v = {malloc(room * sizeof(float)), calloc(room, sizeof(double)), n};
    if (v.got == NULL || v.want == NULL) {
        exit(2);
    }
    for (int64_t i = 0; i < n; i++) {
        v.got[i] = drawn ? draw() : GUARD;
    }
    v.got[n] = GUARD;
    return v;
}

/* What is written, what is added to (or is 0), and what is given. */
static values
output(int64_t n)
{
    return make(n, false);
}

static values
zeros(int64_t n)
{
    values v = make(n, false);
    for (int64_t i = 0; i < n; i++) {
        v.got[i] = 0.0f;
    }
    return v;
}

static values
input(int64_t n)
{
    return make(n, true);
}

static void
drop(values *all, int count)
{
    for (int i = 0; i < count; i++) {
        free(all[i].got);
        free(all[i].want);
    }
}

static void
compare(const ae_ctx *ctx, const char *what, values v)
{
    /* nothing beyond is written */
    double worst = worst_error(v.got[v.n] == GUARD ? 0.0 : INFINITY, v.got, v.want, v.n);
    if (!(worst < 2e-5)) {
        printf("FAILED %s, %s, %d threads: error %g\n", what, ae_cpu_isa(ctx->k), ctx->threads,
               worst);
        failures++;
    }
}

static void
check(const char *what, ae_status status)
{
    if (status != AE_OK) {
        printf("FAILED %s: %s\n", what, ae_status_text(status));
        failures++;
    }
}

/* 0 to T, both among them where there is room. */
static int64_t *
draw_lengths(int64_t N, int64_t T)
{
    int64_t *lengths = malloc(((size_t)N + 1) * sizeof(int64_t));
    if (lengths == NULL) {
        exit(2);
    }
    for (int64_t n = 0; n < N; n++) {
        lengths[n] = (n * 5 + T) % (T + 1);
    }
    return lengths;
}

/* ---- the LSTM --------------------------------------------------------------------------------- */

enum { LENGTHS = 1, REVERSE = 2, REPEAT = 4, STATE = 8 };
enum {
    X,
    H0,
    C0,
    W_IH,
    W_HH,
    B,
    Y,
    LAST_H,
    LAST_C,
    DY,
    DH,
    DC,
    DX,
    DH0,
    DC0,
    DW_IH,
    DW_HH,
    DB
};
enum { LSTM_ARRAYS = DB + 1 };

static double
sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* What happens to one sample; z is (T, 6H): the gates i, f, g, o, then c and h after each step. */
static void
lstm_sample(values *v, double *z, int64_t n, int64_t length, const ae_lstm_cfg *c)
{
    const int64_t H = c->H, F = c->F, width = 6 * H;
    double *first = z + c->T * width, *dh = first + 2 * H, *dc = dh + H, *d = dc + H;
    for (int64_t u = 0; u < H; u++) {
        first[u] = (double)v[C0].got[n * H + u];
        first[H + u] = (double)v[H0].got[n * H + u];
    }
    const double *before = first;
    for (int64_t s = 0; s < length; s++) {
        int64_t t = c->reverse ? length - 1 - s : s;
        const float *x = v[X].got + (c->repeat ? n : n * c->T + t) * F;
        double *now = z + s * width;
        for (int64_t g = 0; g < 4 * H; g++) {
            double total = (double)v[B].got[g];
            for (int64_t f = 0; f < F; f++) {
                total += (double)x[f] * (double)v[W_IH].got[g * F + f];
            }
            for (int64_t u = 0; u < H; u++) {
                total += before[H + u] * (double)v[W_HH].got[g * H + u];
            }
            now[g] = g / H == 2 ? tanh(total) : sigmoid(total);
        }
        for (int64_t u = 0; u < H; u++) {
            now[4 * H + u] = now[H + u] * before[u] + now[u] * now[2 * H + u];
            now[5 * H + u] = now[3 * H + u] * tanh(now[4 * H + u]);
            v[Y].want[(n * c->T + t) * c->stride + u] = now[5 * H + u];
        }
        before = now + 4 * H;
    }
    for (int64_t u = 0; u < H; u++) {
        v[LAST_C].want[n * H + u] = before[u];
        v[LAST_H].want[n * H + u] = before[H + u];
        dh[u] = (double)v[DH].got[n * H + u];
        dc[u] = (double)v[DC].got[n * H + u];
    }
    for (int64_t s = length - 1; s >= 0; s--) {
        int64_t t = c->reverse ? length - 1 - s : s, row = c->repeat ? n : n * c->T + t;
        const double *now = z + s * width, *old = s > 0 ? now - 2 * H : first;
        for (int64_t u = 0; u < H; u++) {
            double i = now[u], f = now[H + u], g = now[2 * H + u], o = now[3 * H + u];
            double top = tanh(now[4 * H + u]);
            dh[u] += (double)v[DY].got[(n * c->T + t) * c->stride + u];
            dc[u] += dh[u] * o * (1.0 - top * top);
            d[u] = dc[u] * g * i * (1.0 - i);
            d[H + u] = dc[u] * old[u] * f * (1.0 - f);
            d[2 * H + u] = dc[u] * i * (1.0 - g * g);
            d[3 * H + u] = dh[u] * top * o * (1.0 - o);
            dc[u] *= f;
            dh[u] = 0.0;
        }
        for (int64_t g = 0; g < 4 * H; g++) {
            v[DB].want[g] += d[g];
            for (int64_t f = 0; f < F; f++) {
                v[DW_IH].want[g * F + f] += d[g] * (double)v[X].got[row * F + f];
                v[DX].want[row * F + f] += d[g] * (double)v[W_IH].got[g * F + f];
            }
            for (int64_t u = 0; u < H; u++) {
                v[DW_HH].want[g * H + u] += d[g] * old[H + u];
                dh[u] += d[g] * (double)v[W_HH].got[g * H + u];
            }
        }
    }
    for (int64_t u = 0; u < H; u++) {
        v[DH0].want[n * H + u] = dh[u];
        v[DC0].want[n * H + u] = dc[u];
    }
}

static void
test_lstm(const ae_ctx *ctx, const int64_t *shape, int options)
{
    ae_lstm_cfg c = {.N = shape[0],
                     .T = shape[1],
                     .F = shape[2],
                     .H = shape[3],
                     .stride = shape[3] + 3,
                     .repeat = (options & REPEAT) != 0,
                     .reverse = (options & REVERSE) != 0};
    const int64_t xs = c.N * c.F * (c.repeat ? 1 : c.T), ys = c.N * c.T * c.stride;
    const int64_t states = c.N * c.H, ih = 4 * c.H * c.F, hh = 4 * c.H * c.H;
    const bool given = (options & STATE) != 0;
    int64_t *lengths = draw_lengths(c.N, c.T);
    values gates = output(c.N * c.T * 4 * c.H), cells = output(c.N * c.T * c.H);
    values v[LSTM_ARRAYS] = {[X] = input(xs),           [H0] = (given ? input : zeros)(states),
                             [W_IH] = input(ih),        [C0] = (given ? input : zeros)(states),
                             [W_HH] = input(hh),        [DH] = (given ? input : zeros)(states),
                             [B] = input(4 * c.H),      [DC] = (given ? input : zeros)(states),
                             [Y] = output(ys),          [DY] = input(ys),
                             [LAST_H] = output(states), [LAST_C] = output(states),
                             [DX] = output(xs),         [DH0] = output(states),
                             [DC0] = output(states),    [DW_IH] = output(ih),
                             [DW_HH] = output(hh),      [DB] = output(4 * c.H)};
    for (int64_t i = 0; i < ys; i++) { /* columns that aren't this layer's stay as they are */
        v[Y].want[i] = i % c.stride < c.H ? 0.0 : (double)GUARD;
    }
    double *z = calloc((size_t)(c.T * 6 * c.H + 8 * c.H + 1), sizeof(double));
    if (z == NULL) {
        exit(2);
    }
    for (int64_t n = 0; n < c.N; n++) {
        lstm_sample(v, z, n, options & LENGTHS ? lengths[n] : c.T, &c);
    }
    ae_lstm_inputs in = {.x = v[X].got,
                         .h0 = given ? v[H0].got : NULL,
                         .c0 = given ? v[C0].got : NULL,
                         .lengths = options & LENGTHS ? lengths : NULL,
                         .w_ih = v[W_IH].got,
                         .w_hh = v[W_HH].got,
                         .b = v[B].got};
    ae_lstm_grads out = {v[DX].got,    v[DH0].got,   v[DC0].got,
                         v[DW_IH].got, v[DW_HH].got, v[DB].got};
    check("LSTM", ae_lstm_fwd(v[Y].got, v[LAST_H].got, v[LAST_C].got, gates.got, cells.got, &in,
                              &c, ctx));
    check("LSTM, backwards",
          ae_lstm_bwd(&out, v[DY].got, given ? v[DH].got : NULL, given ? v[DC].got : NULL,
                      v[Y].got, gates.got, cells.got, &in, &c, ctx));
    compare(ctx, "LSTM", v[Y]);
    compare(ctx, "its last h", v[LAST_H]);
    compare(ctx, "its last c", v[LAST_C]);
    compare(ctx, "its input gradient", v[DX]);
    compare(ctx, "its gradient of h0", v[DH0]);
    compare(ctx, "its gradient of c0", v[DC0]);
    compare(ctx, "its gradient of w_ih", v[DW_IH]);
    compare(ctx, "its gradient of w_hh", v[DW_HH]);
    compare(ctx, "its bias gradient", v[DB]);
    drop(v, LSTM_ARRAYS), drop(&gates, 1), drop(&cells, 1), free(lengths), free(z);
}

/* ---- attention --------------------------------------------------------------------------------- */

enum { CAUSAL = 2, PACKED = 4 };
enum { Q, K, V, DQ, DK, DV, OUT, LSE, DOUT, ATTENTION_ARRAYS };

/* Query t of head h of sample n, which sees some keys; w is (keys). */
static void
attend(values *v, double *w, int64_t n, int64_t h, int64_t t, int64_t keys,
       const ae_attention_cfg *c)
{
    const int64_t q = (n * c->T + t) * c->q_row + h * c->D,
                  kv = n * c->S * c->kv_row + h * c->D;
    const int64_t y = ((n * c->T + t) * c->H + h) * c->D;
    double total = 0.0, delta = 0.0;
    for (int64_t s = 0; s < keys; s++) {
        double score = 0.0;
        for (int64_t i = 0; i < c->D; i++) {
            score += (double)v[Q].got[q + i] * (double)v[K].got[kv + s * c->kv_row + i];
        }
        total += w[s] = exp((double)c->scale * score);
    }
    v[LSE].want[(n * c->H + h) * c->T + t] = log(total);
    for (int64_t s = 0; s < keys; s++) {
        w[s] /= total;
        for (int64_t i = 0; i < c->D; i++) {
            double value = (double)v[V].got[kv + s * c->kv_row + i];
            v[OUT].want[y + i] += w[s] * value;
            delta += w[s] * value * (double)v[DOUT].got[y + i];
        }
    }
    for (int64_t s = 0; s < keys; s++) {
        const int64_t at = kv + s * c->kv_row;
        double d = -delta;
        for (int64_t i = 0; i < c->D; i++) {
            d += (double)v[DOUT].got[y + i] * (double)v[V].got[at + i];
        }
        d *= w[s] * (double)c->scale;
        for (int64_t i = 0; i < c->D; i++) {
            v[DQ].want[q + i] += d * (double)v[K].got[at + i];
            v[DK].want[at + i] += d * (double)v[Q].got[q + i];
            v[DV].want[at + i] += w[s] * (double)v[DOUT].got[y + i];
        }
    }
}

/* Arrays of q, k and v beside one another, as views of one. */
static void
share(values *v, values all, int64_t width)
{
    for (int i = 0; i < 3; i++) {
        v[i] = (values){all.got + i * width, all.want + i * width, all.n - i * width};
    }
}

static void
test_attention(const ae_ctx *ctx, const int64_t *shape, int options)
{
    const bool packed = (options & PACKED) != 0;
    const int64_t width = shape[3] * shape[4], row = packed ? 3 * width : width;
    ae_attention_cfg c = {.N = shape[0],
                          .T = shape[1],
                          .S = shape[2],
                          .H = shape[3],
                          .D = shape[4],
                          .q_row = row,
                          .kv_row = row,
                          .scale = 0.6f,
                          .causal = (options & CAUSAL) != 0};
    const int64_t qs = c.N * c.T * width, kvs = c.N * c.S * width;
    int64_t *lengths = draw_lengths(c.N, c.T);
    double *w = calloc((size_t)c.S + 1, sizeof(double));
    values v[ATTENTION_ARRAYS] = {[OUT] = output(qs), [DOUT] = input(qs)};
    values joint[2] = {input(packed ? 3 * qs : 0), output(packed ? 3 * qs : 0)};
    v[LSE] = output(c.N * c.H * c.T);
    if (w == NULL) {
        exit(2);
    }
    if (packed) {
        share(v + Q, joint[0], width);
        share(v + DQ, joint[1], width);
    }
    else {
        v[Q] = input(qs), v[K] = input(kvs), v[V] = input(kvs);
        v[DQ] = output(qs), v[DK] = output(kvs), v[DV] = output(kvs);
    }
    const bool cut = (options & LENGTHS) != 0;
    for (int64_t i = 0; i < c.N * c.H * c.T; i++) {
        int64_t t = i % c.T, h = i / c.T % c.H, n = i / (c.T * c.H);
        int64_t there = cut ? lengths[n] : c.S,
                keys = c.causal && t + 1 < there ? t + 1 : there;
        if (keys > 0 && !(cut && t >= there)) {
            attend(v, w, n, h, t, keys, &c);
        }
    }
    check("attention", ae_attention_fwd(v[OUT].got, v[LSE].got, v[Q].got, v[K].got, v[V].got,
                                        cut ? lengths : NULL, &c, ctx));
    check("attention, backwards",
          ae_attention_bwd(v[DQ].got, v[DK].got, v[DV].got, v[DOUT].got, v[OUT].got, v[LSE].got,
                           v[Q].got, v[K].got, v[V].got, cut ? lengths : NULL, &c, ctx));
    compare(ctx, "attention", v[OUT]);
    compare(ctx, "its gradient of q", v[DQ]); /* of all three, if they are packed */
    compare(ctx, "its gradient of k", v[DK]);
    compare(ctx, "its gradient of v", v[DV]);
    if (!cut && c.S > 0) {
        compare(ctx, "its logarithms", v[LSE]);
    }
    drop(packed ? v + OUT : v, packed ? ATTENTION_ARRAYS - OUT : ATTENTION_ARRAYS);
    drop(joint, 2), free(lengths), free(w);
}

/* ---- what surrounds attention --------------------------------------------------------------------- */

enum { IN, GAMMA, BETA, W1, B1, W2, B2, GRAD, DHIDDEN, HIDDEN, MEAN, RSTD, RESULT, DIN };
enum { DGAMMA = DIN + 1, DBETA, DW1, DB1, DW2, DB2, MLP_ARRAYS };

static double
gelu(double x, double *slope)
{
    double below = 0.5 * (1.0 + erf(x * sqrt(0.5)));
    *slope = below + x * exp(-x * x / 2.0) / sqrt(2.0 * acos(-1.0));
    return x * below;
}

/* A row; z is (2C): the norm of x, and its gradient. */
static void
mlp_row(values *v, double *z, int64_t n, const ae_norm_mlp_cfg *c, bool both)
{
    const float *x = v[IN].got + n * c->C, *dy = v[GRAD].got + n * c->C;
    double *dz = z + c->C, mean = 0.0, var = 0.0, sum_d = 0.0, sum_dz = 0.0;
    for (int64_t i = 0; i < c->C; i++) {
        mean += (double)x[i] / (double)c->C;
    }
    for (int64_t i = 0; i < c->C; i++) {
        var += pow((double)x[i] - mean, 2.0) / (double)c->C;
    }
    double rstd = 1.0 / sqrt(var + (double)c->eps);
    for (int64_t i = 0; i < c->C; i++) {
        z[i] = ((double)x[i] - mean) * rstd;
        dz[i] = 0.0;
        v[RESULT].want[n * c->C + i] = (double)x[i] + (double)v[B2].got[i];
        v[DB2].want[i] += both ? (double)dy[i] : 0.0;
    }
    v[MEAN].want[n] = mean, v[RSTD].want[n] = rstd;
    for (int64_t f = 0; f < c->F; f++) {
        double h = (double)v[B1].got[f], dh = 0.0, slope;
        for (int64_t i = 0; i < c->C; i++) {
            double normed = z[i] * (double)v[GAMMA].got[i] + (double)v[BETA].got[i];
            h += normed * (double)v[W1].got[f * c->C + i];
        }
        v[HIDDEN].want[n * c->F + f] = h;
        double g = gelu(h, &slope);
        for (int64_t i = 0; i < c->C && both; i++) {
            v[RESULT].want[n * c->C + i] += g * (double)v[W2].got[i * c->F + f];
            v[DW2].want[i * c->F + f] += g * (double)dy[i];
            dh += (double)dy[i] * (double)v[W2].got[i * c->F + f];
        }
        dh = both ? dh * slope : (double)v[DHIDDEN].got[n * c->F + f];
        v[DB1].want[f] += dh;
        for (int64_t i = 0; i < c->C; i++) {
            double normed = z[i] * (double)v[GAMMA].got[i] + (double)v[BETA].got[i];
            v[DW1].want[f * c->C + i] += dh * normed;
            dz[i] += dh * (double)v[W1].got[f * c->C + i];
        }
    }
    for (int64_t i = 0; i < c->C; i++) {
        v[DGAMMA].want[i] += dz[i] * z[i];
        v[DBETA].want[i] += dz[i];
        dz[i] *= (double)v[GAMMA].got[i];
        sum_d += dz[i] / (double)c->C;
        sum_dz += dz[i] * z[i] / (double)c->C;
    }
    for (int64_t i = 0; i < c->C; i++) {
        v[DIN].want[n * c->C + i] = (double)dy[i] + rstd * (dz[i] - sum_d - z[i] * sum_dz);
    }
}

static void
test_norm_mlp(const ae_ctx *ctx, const int64_t *shape, bool both)
{
    ae_norm_mlp_cfg c = {.N = shape[0], .C = shape[1], .F = shape[2], .eps = 1e-3f};
    const int64_t xs = c.N * c.C, hs = c.N * c.F, ws = c.C * c.F;
    values v[MLP_ARRAYS] = {[IN] = input(xs),      [GAMMA] = input(c.C), [BETA] = input(c.C),
                            [W1] = input(ws),      [B1] = input(c.F),    [W2] = input(ws),
                            [B2] = input(c.C),     [GRAD] = input(xs),   [DHIDDEN] = input(hs),
                            [HIDDEN] = output(hs), [MEAN] = output(c.N), [RSTD] = output(c.N),
                            [RESULT] = output(xs), [DIN] = output(xs),   [DGAMMA] = output(c.C),
                            [DBETA] = output(c.C), [DW1] = output(ws),   [DB1] = output(c.F),
                            [DW2] = output(ws),    [DB2] = output(c.C)};
    double *z = calloc((size_t)(2 * c.C), sizeof(double));
    if (z == NULL) {
        exit(2);
    }
    for (int64_t n = 0; n < c.N; n++) {
        mlp_row(v, z, n, &c, both);
    }
    ae_norm_mlp p = {
        v[GAMMA].got,           v[BETA].got, v[W1].got, v[B1].got, both ? v[W2].got : NULL,
        both ? v[B2].got : NULL};
    ae_norm_mlp_grads grads = {
        v[DGAMMA].got,           v[DBETA].got, v[DW1].got, v[DB1].got, both ? v[DW2].got : NULL,
        both ? v[DB2].got : NULL};
    check("norm and layers", ae_norm_mlp_fwd(both ? v[RESULT].got : NULL, v[HIDDEN].got,
                                             v[MEAN].got, v[RSTD].got, v[IN].got, &p, &c, ctx));
    check("norm and layers, backwards",
          ae_norm_mlp_bwd(v[DIN].got, &grads, v[GRAD].got, both ? NULL : v[DHIDDEN].got,
                          both ? v[HIDDEN].got : NULL, v[IN].got, v[MEAN].got, v[RSTD].got, &p,
                          &c, ctx));
    if (both) {
        compare(ctx, "norm and layers", v[RESULT]);
        compare(ctx, "their gradient of w2", v[DW2]);
        compare(ctx, "their gradient of b2", v[DB2]);
    }
    compare(ctx, "their hidden values", v[HIDDEN]);
    compare(ctx, "their means", v[MEAN]);
    compare(ctx, "their deviations", v[RSTD]);
    compare(ctx, "their input gradient", v[DIN]);
    compare(ctx, "their gradient of gamma", v[DGAMMA]);
    compare(ctx, "their gradient of beta", v[DBETA]);
    compare(ctx, "their gradient of w1", v[DW1]);
    compare(ctx, "their gradient of b1", v[DB1]);
    drop(v, MLP_ARRAYS), free(z);
}

/* ---- steps ------------------------------------------------------------------------------------- */

enum { ONE, MANY, PLACES, MEANS, DMANY, PLACED, DONE, DPLACES, STEP_ARRAYS };

static void
test_steps(const ae_ctx *ctx, int64_t N, int64_t T, int64_t C, bool cut)
{
    int64_t *lengths = draw_lengths(N, T);
    values v[STEP_ARRAYS] = {
        [ONE] = input(N * C),         [MANY] = input(N * T * C),   [PLACES] = input(T * C),
        [MEANS] = output(N * C),      [DMANY] = output(N * T * C), [DONE] = output(N * C),
        [PLACED] = output(N * T * C), [DPLACES] = output(T * C)};
    for (int64_t i = 0; i < N * T * C; i++) {
        int64_t c = i % C, t = i / C % T, n = i / (C * T), steps = cut ? lengths[n] : T;
        double x = (double)v[MANY].got[i], one = (double)v[ONE].got[n * C + c];
        v[MEANS].want[n * C + c] += t < steps ? x / (double)steps : 0.0;
        v[DMANY].want[i] = t < steps ? one / (double)steps : 0.0;
        v[PLACED].want[i] = (cut ? one : x) + (double)v[PLACES].got[t * C + c];
        v[DONE].want[n * C + c] += x;
        v[DPLACES].want[t * C + c] += x;
    }
    const int64_t *given = cut ? lengths : NULL;
    check("mean", ae_mean_steps_fwd(v[MEANS].got, v[MANY].got, given, N, T, C, ctx));
    check("mean, backwards", ae_mean_steps_bwd(v[DMANY].got, v[ONE].got, given, N, T, C, ctx));
    check("positions", ae_positions_fwd(v[PLACED].got, v[cut ? ONE : MANY].got, v[PLACES].got,
                                        N, T, C, cut, ctx));
    check("positions, backwards",
          ae_positions_bwd(v[DONE].got, v[DPLACES].got, v[MANY].got, N, T, C, false, ctx));
    compare(ctx, "mean", v[MEANS]);
    compare(ctx, "its gradient", v[DMANY]);
    compare(ctx, "positions", v[PLACED]);
    compare(ctx, "gradient of what is repeated", v[DONE]);
    compare(ctx, "gradient of positions", v[DPLACES]);
    drop(v, STEP_ARRAYS), free(lengths);
}

/* ---- all ---------------------------------------------------------------------------------------- */

/* N T F H */
static const int64_t lstms[][4] = {
    {1, 1, 1, 1}, {3, 0, 2, 4}, {5, 4, 3, 7}, {9, 6, 2, 18}, {37, 5, 4, 33}, {70, 7, 1, 16},
};

/* N T S H D */
static const int64_t attentions[][5] = {
    {1, 1, 1, 1, 1}, {2, 4, 0, 2, 3},    {2, 5, 7, 2, 3},     {3, 40, 33, 1, 9},
    {5, 9, 9, 2, 5}, {20, 33, 33, 1, 4}, {2, 140, 140, 2, 8},
};

/* N C F */
static const int64_t mlps[][3] = {{1, 1, 1}, {5, 7, 3}, {97, 16, 40}, {200, 33, 17}};

static void
test_all(const ae_ctx *ctx)
{
    for (size_t i = 0; i < sizeof lstms / sizeof *lstms; i++) {
        /* of the largest each option once with and once without the next but one */
        for (int options = 0; options<16; options += lstms[i][0]> 20 ? 5 : 1) {
            test_lstm(ctx, lstms[i], options);
        }
    }
    for (size_t i = 0; i < sizeof attentions / sizeof *attentions; i++) {
        bool square = attentions[i][1] == attentions[i][2];
        for (int options = 0; options < 8; options++) {
            if (square || !(options & (LENGTHS | PACKED))) {
                test_attention(ctx, attentions[i], options);
            }
        }
    }
    for (size_t i = 0; i < sizeof mlps / sizeof *mlps; i++) {
        test_norm_mlp(ctx, mlps[i], true);
        test_norm_mlp(ctx, mlps[i], false);
    }
    for (int cut = 0; cut < 2; cut++) {
        test_steps(ctx, 1, 1, 1, cut);
        test_steps(ctx, 40, 31, 37, cut);
    }
}

int
main(void)
{
    ae_arena arena = {0};
    int tables = 0;
    for (; ae_cpu_table(tables) != NULL; tables++) {
        for (int threads = 1; threads <= 3; threads++) {
            ae_ctx ctx = {.arena = &arena, .threads = threads, .k = ae_cpu_table(tables)};
            test_all(&ctx);
        }
    }
    ae_arena_free(&arena);
    printf("%d instruction sets, %d failed\n", tables, failures);
    return failures != 0;
}
