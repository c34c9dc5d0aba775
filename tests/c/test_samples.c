/* test_samples.c: losses, latent terms, optimiser steps and reductions against loops in double, for every
 * instruction set of this CPU and one to three threads: what Python can't test on a machine
 * it doesn't run on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ae.h"
#include "check.h"

#define MOST 20000 /* values in any array here */

typedef struct {
    const ae_ctx *ctx;
    float *x, *y, *mask, *g, *sum, *dx, *dy;
    int64_t *label;
    double *want_sum, *want_dx, *want_dy;
} buffers;

static void
fill(const buffers *b)
{
    for (int64_t i = 0; i < MOST; i++) {
        b->x[i] = 4.0f * draw();
        b->y[i] = draw();
        b->mask[i] = draw() < -0.5f ? 0.0f : 0.5f * draw();
        b->g[i] = draw();
        b->sum[i] = b->dx[i] = b->dy[i] = 99.0f;
        b->want_sum[i] = b->want_dx[i] = b->want_dy[i] = 0.0;
    }
}

static void
compare(const buffers *b, const char *what, const float *got, const double *want, int64_t n)
{
    /* nothing beyond is written */
    double worst = worst_error(got[n] == 99.0f ? 0.0 : INFINITY, got, want, n);
    if (!(worst < 5e-6)) {
        printf("FAILED %s, %s, %d threads, %lld values: error %g\n", what,
               ae_cpu_isa(b->ctx->k), b->ctx->threads, (long long)n, worst);
        failures++;
    }
}

static double
term_of(ae_loss kind, double x, double t, double delta, double *gradient)
{
    double d = x - t, p = 1.0 / (1.0 + exp(-x));
    switch (kind) {
        case AE_MSE:
            *gradient = 2.0 * d;
            return d * d;
        case AE_L1:
            *gradient = d > 0.0 ? 1.0 : -1.0;
            return fabs(d);
        case AE_HUBER:
            *gradient = fmin(fmax(d, -delta), delta);
            return fabs(d) < delta ? d * d / 2.0 : delta * (fabs(d) - delta / 2.0);
        case AE_POISSON:
            *gradient = exp(x) - t;
            return exp(x) - t * x + lgamma(t + 1.0);
        default:
            *gradient = p - t;
            return -t * log(p) - (1.0 - t) * log(1.0 - p);
    }
}

static void
test_loss(const buffers *b, ae_loss kind, int64_t N, int64_t F, bool masked)
{
    fill(b);
    for (int64_t i = 0; i < N * F; i++) {
        double w = masked ? (double)b->mask[i] : 1.0, gradient;
        b->y[i] = kind == AE_POISSON ? floorf(20.0f * fabsf(b->y[i])) : b->y[i]; /* a count */
        double term = term_of(kind, (double)b->x[i], (double)b->y[i], 0.7, &gradient);
        b->want_sum[i / F] += w * term;
        b->want_dx[i] = w * gradient * (double)b->g[i / F];
        if (w == 0.0) {
            b->x[i] = NAN;
        }
    }
    ae_loss_fwd_bwd(b->sum, b->dx, b->g, b->x, b->y, masked ? b->mask : NULL, kind, 0.7f, N, F,
                    b->ctx);
    compare(b, "loss", b->sum, b->want_sum, N);
    compare(b, "its gradient", b->dx, b->want_dx, N * F);
}

static void
test_cross_entropy(const buffers *b, int64_t N, int64_t T, int64_t E)
{
    fill(b);
    for (int64_t p = 0; p < N * T; p++) {
        const float *x = b->x + p * E;
        double total = 0.0, w = (double)b->mask[p], scale = w * (double)b->g[p / T];
        int64_t label = (p * 7 + 1) % E;
        for (int64_t e = 0; e < E; e++) {
            total += exp((double)x[e]);
        }
        for (int64_t e = 0; e < E; e++) {
            b->want_dx[p * E + e] = scale * (exp((double)x[e]) / total - (e == label));
        }
        b->want_sum[p / T] += w * (log(total) - (double)x[label]);
        b->label[p] = w == 0.0 ? -1 : label;
    }
    ae_cross_entropy_fwd_bwd(b->sum, b->dx, b->g, b->x, b->label, b->mask, N, T, E, b->ctx);
    compare(b, "cross entropy", b->sum, b->want_sum, N);
    compare(b, "its gradient", b->dx, b->want_dx, N * T * E);
}

static void
test_latent(const buffers *b, int64_t N, int64_t D)
{
    const float *mean = b->x, *logvar = b->y, *eps = b->mask;
    fill(b);
    for (int64_t i = 0; i < N * D; i++) {
        double m = (double)mean[i], v = (double)logvar[i], g = (double)b->g[i / D];
        b->want_sum[i / D] += (m * m + expm1(v) - v) / 2.0;
        b->want_dx[i] = g * m;
        b->want_dy[i] = g * expm1(v) / 2.0;
    }
    ae_gaussian_kl_fwd(b->sum, mean, logvar, N, D, b->ctx);
    ae_gaussian_kl_bwd(b->dx, b->dy, b->g, mean, logvar, N, D, b->ctx);
    compare(b, "divergence", b->sum, b->want_sum, N);
    compare(b, "its gradient of mean", b->dx, b->want_dx, N * D);
    compare(b, "its gradient of logvar", b->dy, b->want_dy, N * D);

    fill(b);
    for (int64_t i = 0; i < N * D; i++) {
        double s = exp((double)logvar[i] / 2.0), e = (double)eps[i], g = (double)b->g[i];
        b->want_sum[i] = (double)mean[i] + s * e;
        b->want_dy[i] = g * s * e / 2.0;
    }
    ae_reparameterize_fwd(b->sum, mean, logvar, eps, N * D, b->ctx);
    ae_reparameterize_bwd(b->dx, b->dy, NULL, b->g, logvar, eps, N * D, b->ctx);
    compare(b, "draw", b->sum, b->want_sum, N * D);
    compare(b, "its gradient of logvar", b->dy, b->want_dy, N * D);

    fill(b);
    for (int64_t i = 0; i < N * D; i++) {
        int64_t at = i / D * 2 * D + i % D;
        float *h = b->x + at + D;
        *h *= 5.0f;
        double over = fmax(fabs((double)*h) - 10.0, 0.0) / 5.0, t = tanh(over);
        b->want_sum[i] = (double)b->x[at];
        b->want_dx[i] = over > 0.0 ? copysign(10.0 + 5.0 * t, (double)*h) : (double)*h;
        b->want_dy[at] = (double)b->g[i];
        b->want_dy[at + D] = (double)b->mask[i] * (1.0 - t * t);
    }
    ae_split_latent_fwd(b->sum, b->dx, b->x, N, D, b->ctx);
    ae_split_latent_bwd(b->dy, b->g, b->mask, b->x, N, D, b->ctx);
    compare(b, "mean half", b->sum, b->want_sum, N * D);
    compare(b, "logvar half", b->dx, b->want_dx, N * D);
    compare(b, "gradient of both", b->dy, b->want_dy, 2 * N * D);
}

static void
test_steps(const buffers *b, int64_t n)
{
    const ae_adam_cfg adam = {0.01, 0.9, 0.99, 1e-6, 0.1, 0.5, true, 3};
    const ae_sgd_cfg sgd = {0.01f, 0.9f, 0.1f, 0.5f, true, 3};
    double total = 0.0, sum;
    fill(b);
    memcpy(b->sum, b->x, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        double g = 0.5 * (double)b->g[i], p = (double)b->x[i] * (1.0 - 0.001);
        b->dx[i] = b->y[i];
        b->dy[i] = fabsf(b->mask[i]);
        b->want_dx[i] = 0.9 * (double)b->dx[i] + 0.1 * g;
        b->want_dy[i] = 0.99 * (double)b->dy[i] + 0.01 * g * g;
        double spread = sqrt(b->want_dy[i] / (1.0 - pow(0.99, 3))) + 1e-6;
        b->want_sum[i] = p - 0.01 * b->want_dx[i] / (1.0 - pow(0.9, 3)) / spread;
        total += (double)b->g[i] * (double)b->g[i];
    }
    ae_adam_step(b->sum, b->dx, b->dy, b->g, n, &adam, b->ctx);
    compare(b, "Adam", b->sum, b->want_sum, n);
    compare(b, "its m", b->dx, b->want_dx, n);
    compare(b, "its v", b->dy, b->want_dy, n);
    if (ae_sum_squares(&sum, b->g, n, b->ctx) != AE_OK ||
        !(fabs(sum - total) <= 1e-12 * total)) {
        printf("FAILED sum of squares: %.17g, expected %.17g\n", sum, total);
        failures++;
    }

    fill(b);
    memcpy(b->sum, b->x, (size_t)n * sizeof(float));
    memcpy(b->dx, b->y, (size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        double g = 0.5 * (double)b->g[i] + 0.1 * (double)b->x[i];
        b->want_dx[i] = 0.9 * (double)b->y[i] + g;
        b->want_sum[i] = (double)b->x[i] - 0.01 * (g + 0.9 * b->want_dx[i]);
    }
    ae_sgd_step(b->sum, b->dx, b->g, n, &sgd, b->ctx);
    compare(b, "SGD", b->sum, b->want_sum, n);
    compare(b, "its m", b->dx, b->want_dx, n);
}

static void
expect(const buffers *b, const char *what, double got, double want, double bound)
{
    if (isnan(want) ? !isnan(got) : !(fabs(got - want) <= bound)) {
        printf("FAILED %s, %s, %d threads: %.17g, expected %.17g\n", what,
               ae_cpu_isa(b->ctx->k), b->ctx->threads, got, want);
        failures++;
    }
}

static void
test_reductions(const buffers *b, int64_t N, int64_t D)
{
    const int64_t n = N * D;
    uint8_t *bytes = (uint8_t *)b->label;
    double sum = 0.0, size = 0.0, found, span[2], low = INFINITY, high = -INFINITY;
    fill(b);
    for (int64_t i = 0; i < n; i++) {
        double x = b->want_dx[i] = (double)b->x[i];
        bytes[i] = (uint8_t)(100 + i % 3);
        sum += x;
        size += fabs(x);
        low = fmin(low, x);
        high = fmax(high, x);
    }
    ae_sum(&found, b->x, AE_F32, n, b->ctx);
    expect(b, "sum", found, sum, 1e-13 * size);
    ae_sum(&found, b->want_dx, AE_F64, n, b->ctx);
    expect(b, "sum of doubles", found, sum, 1e-13 * size);
    const int64_t columns = 4 * D <= MOST ? D : 0;
    ae_latent_moments(b->want_dy, b->x, b->y, N, columns, b->ctx);
    for (int64_t j = 0; j < columns; j++) {
        double want[4] = {0};
        for (int64_t i = j; i < n; i += D) {
            double x = (double)b->x[i], y = (double)b->y[i];
            want[0] += x;
            want[1] += x * x;
            want[2] += exp(y);
            want[3] += y;
        }
        for (int64_t k = 0; k < 4; k++) {
            expect(b, "moments", b->want_dy[k * D + j], want[k], 1e-6 * (double)N);
        }
    }
    if (n == 0) {
        return;
    }
    for (int nan = 0; nan < 2; nan++) {
        ae_span(span, b->x, AE_F32, n, b->ctx);
        expect(b, "least", span[0], low, 0.0);
        expect(b, "largest", span[1], high, 0.0);
        ae_span(span, b->want_dx, AE_F64, n, b->ctx);
        expect(b, "least of doubles", span[0], low, 0.0);
        expect(b, "largest of doubles", span[1], high, 0.0);
        b->x[n / 2] = NAN;
        low = high = b->want_dx[n / 2] = (double)NAN;
    }
    ae_span(span, bytes, AE_U8, n, b->ctx);
    expect(b, "least byte", span[0], 100.0, 0.0);
    expect(b, "largest byte", span[1], 100.0 + fmin(2.0, (double)(n - 1)), 0.0);
}

static const int64_t shapes[][2] = {{0, 3},    {3, 0},    {1, 1},   {7, 3},  {5, 7},
                                    {9, 8},    {4, 17},   {3, 31},  {2, 33}, {130, 40},
                                    {2, 4097}, {1, 9001}, {2000, 2}};
static const int64_t labelled[][3] = {{1, 1, 1},  {5, 2, 3},  {70, 1, 7},
                                      {2, 80, 9}, {3, 5, 33}, {2, 3, 1025}};

int
main(void)
{
    ae_arena arena = {0};
    buffers b = {.label = malloc(MOST * sizeof(int64_t))};
    float **floats[] = {&b.x, &b.y, &b.mask, &b.g, &b.sum, &b.dx, &b.dy};
    double **doubles[] = {&b.want_sum, &b.want_dx, &b.want_dy};
    for (int i = 0; i < 7; i++) {
        *floats[i] = malloc(MOST * sizeof(float));
    }
    for (int i = 0; i < 3; i++) {
        *doubles[i] = malloc(MOST * sizeof(double));
    }
    int tables = 0;
    for (; ae_cpu_table(tables) != NULL; tables++) {
        for (int threads = 1; threads <= 3; threads++) {
            ae_ctx ctx = {.arena = &arena, .threads = threads, .k = ae_cpu_table(tables)};
            b.ctx = &ctx;
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
                for (int kind = 0; kind < AE_LOSSES; kind++) {
                    test_loss(&b, (ae_loss)kind, shapes[i][0], shapes[i][1], false);
                    test_loss(&b, (ae_loss)kind, shapes[i][0], shapes[i][1], true);
                }
                test_latent(&b, shapes[i][0], shapes[i][1]);
                test_steps(&b, shapes[i][0] * shapes[i][1]);
                test_reductions(&b, shapes[i][0], shapes[i][1]);
            }
            for (size_t i = 0; i < sizeof labelled / sizeof *labelled; i++) {
                test_cross_entropy(&b, labelled[i][0], labelled[i][1], labelled[i][2]);
            }
        }
    }
    for (int i = 0; i < 7; i++) {
        free(*floats[i]);
    }
    for (int i = 0; i < 3; i++) {
        free(*doubles[i]);
    }
    free(b.label);
    ae_arena_free(&arena);
    printf("%d instruction sets, %d failed\n", tables, failures);
    return failures != 0;
}
