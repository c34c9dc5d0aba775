/* test_products.c: linear and convolution layers against loops in double, for every instruction set of
 * this CPU and one to three threads: what Python can't test on a machine it doesn't run on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ae.h"
#include "check.h"

static float *
draw_many(int64_t n)
{
    float *x = malloc((size_t)(n > 0 ? n : 1) * sizeof(float));
    for (int64_t i = 0; i < n; i++) {
        x[i] = draw();
    }
    return x;
}

static void
compare(const char *what, const char *isa, int threads, const float *got, const double *want,
        int64_t n)
{
    double worst = worst_error(0.0, got, want, n);
    if (!(worst < 2e-5)) {
        printf("FAILED %s, %s, %d threads: error %g\n", what, isa, threads, worst);
        failures++;
    }
}

/* y, dx, dw and db of a convolution, transposed or not, tap by tap. */
static void
convolve(double *y, double *dx, double *dw, double *db, const float *dy, const float *x,
         const float *w, const float *b, const ae_conv_cfg *c, bool transposed)
{
    for (int64_t i = 0; i < c->N * c->P * c->Q * c->K; i++) {
        y[i] = (double)b[i % c->K];
        db[i % c->K] += (double)dy[i];
    }
    int64_t rows = transposed ? c->H : c->P, cols = transposed ? c->W : c->Q;
    int64_t big_h = transposed ? c->P : c->H, big_w = transposed ? c->Q : c->W;
    for (int64_t n = 0; n < c->N; n++) {
        for (int64_t at = 0; at < rows * cols * c->R * c->S; at++) {
            int64_t s = at % c->S, r = at / c->S % c->R;
            int64_t q = at / (c->S * c->R) % cols, p = at / (c->S * c->R * cols);
            int64_t h = p * c->stride_h - c->pad_h + r * c->dilation_h;
            int64_t v = q * c->stride_w - c->pad_w + s * c->dilation_w;
            if (h < 0 || h >= big_h || v < 0 || v >= big_w) {
                continue;
            }
            int64_t big = (n * big_h + h) * big_w + v, small = (n * rows + p) * cols + q;
            int64_t in = (transposed ? small : big) * c->C,
                    out = (transposed ? big : small) * c->K;
            for (int64_t k = 0; k < c->K; k++) {
                int64_t size = c->C / c->groups, first = k / (c->K / c->groups) * size;
                for (int64_t i = first; i < first + size; i++) {
                    int64_t tap = ((k * c->R + r) * c->S + s) * size + i - first;
                    y[out + k] += (double)x[in + i] * (double)w[tap];
                    dx[in + i] += (double)dy[out + k] * (double)w[tap];
                    dw[tap] += (double)dy[out + k] * (double)x[in + i];
                }
            }
        }
    }
}

static void
test_conv(const ae_ctx *ctx, const char *isa, const ae_conv_cfg *c, bool transposed)
{
    int64_t nx = c->N * c->H * c->W * c->C, ny = c->N * c->P * c->Q * c->K;
    int64_t nw = c->K * c->R * c->S * c->C / c->groups;
    float *x = draw_many(nx), *w = draw_many(nw), *b = draw_many(c->K), *dy = draw_many(ny);
    float *y = draw_many(ny), *dx = draw_many(nx);
    float *dw = draw_many(nw), *db = draw_many(c->K);
    double *want = calloc((size_t)(nx + ny + nw + c->K), sizeof(double));
    convolve(want, want + ny, want + ny + nx, want + ny + nx + nw, dy, x, w, b, c, transposed);
    ae_status status = transposed ? ae_conv_transpose2d_fwd(y, x, w, b, NULL, c, ctx)
                                  : ae_conv2d_fwd(y, x, w, b, NULL, c, ctx);
    ae_status back = transposed ? ae_conv_transpose2d_bwd(dx, dw, db, dy, x, w, c, ctx)
                                : ae_conv2d_bwd(dx, dw, db, dy, x, w, c, ctx);
    if (status != AE_OK || back != AE_OK) {
        printf("FAILED convolution: %s\n", ae_status_text(status != AE_OK ? status : back));
        failures++;
    }
    compare("convolution", isa, ctx->threads, y, want, ny);
    compare("its input gradient", isa, ctx->threads, dx, want + ny, nx);
    compare("its weight gradient", isa, ctx->threads, dw, want + ny + nx, nw);
    compare("its bias gradient", isa, ctx->threads, db, want + ny + nx + nw, c->K);
    free(x), free(w), free(b), free(dy), free(y), free(dx), free(dw), free(db), free(want);
}

/* A linear layer is a convolution of one pixel. */
static void
test_linear(const ae_ctx *ctx, const char *isa, int64_t N, int64_t I, int64_t O)
{
    ae_linear_cfg cfg = {.N = N, .I = I, .O = O};
    ae_conv_cfg as_conv = {.N = N,
                           .H = 1,
                           .W = 1,
                           .C = I,
                           .P = 1,
                           .Q = 1,
                           .K = O,
                           .R = 1,
                           .S = 1,
                           .stride_h = 1,
                           .stride_w = 1,
                           .dilation_h = 1,
                           .dilation_w = 1,
                           .groups = 1};
    float *x = draw_many(N * I), *w = draw_many(O * I), *b = draw_many(O),
          *dy = draw_many(N * O);
    float *y = draw_many(N * O), *dx = draw_many(N * I);
    float *dw = draw_many(O * I), *db = draw_many(O);
    double *want = calloc((size_t)(N * O + N * I + O * I + O), sizeof(double));
    double *want_dx = want + N * O, *want_dw = want_dx + N * I, *want_db = want_dw + O * I;
    convolve(want, want_dx, want_dw, want_db, dy, x, w, b, &as_conv, false);
    if (ae_linear_fwd(y, x, w, b, NULL, &cfg, ctx) != AE_OK ||
        ae_linear_bwd(dx, dw, db, dy, x, w, &cfg, ctx) != AE_OK) {
        printf("FAILED linear: an error status\n");
        failures++;
    }
    compare("linear", isa, ctx->threads, y, want, N * O);
    compare("its input gradient", isa, ctx->threads, dx, want_dx, N * I);
    compare("its weight gradient", isa, ctx->threads, dw, want_dw, O * I);
    compare("its bias gradient", isa, ctx->threads, db, want_db, O);
    free(x), free(w), free(b), free(dy), free(y), free(dx), free(dw), free(db), free(want);
}

static const int64_t linears[][3] = {
    {1, 1, 1}, {5, 7, 3}, {6, 16, 16}, {13, 33, 25}, {97, 70, 65}, {7, 600, 24}, {40, 3, 130},
};

/* N H W C, K, R S, stride, padding, output padding of the transposed one, dilation, groups */
static const int64_t convs[][13] = {
    {2, 9, 11, 3, 5, 3, 3, 2, 2, 1, 1, 1, 1},   {3, 8, 8, 4, 8, 4, 4, 2, 2, 1, 0, 1, 1},
    {1, 7, 7, 1, 1, 2, 3, 3, 1, 1, 0, 1, 1},    {2, 5, 5, 3, 2, 2, 2, 3, 3, 0, 2, 1, 1},
    {5, 4, 4, 16, 33, 4, 4, 2, 2, 1, 0, 1, 1},  {17, 8, 8, 9, 20, 1, 1, 1, 1, 0, 0, 1, 1},
    {2, 33, 31, 3, 4, 4, 4, 2, 2, 1, 1, 1, 1},  {3, 6, 6, 20, 40, 3, 3, 1, 1, 1, 0, 1, 1},
    {2, 9, 11, 3, 5, 3, 3, 2, 2, 2, 1, 2, 1},   {2, 9, 11, 3, 5, 3, 2, 2, 1, 3, 0, 3, 1},
    {3, 8, 7, 6, 9, 3, 3, 1, 1, 1, 0, 1, 3},    {2, 8, 9, 4, 40, 2, 3, 2, 3, 2, 1, 2, 2},
    {3, 8, 7, 37, 37, 3, 3, 2, 1, 1, 1, 1, 37}, {2, 9, 7, 70, 70, 3, 2, 3, 2, 2, 1, 2, 70},
};

static void
test_all(const ae_ctx *ctx, const char *isa)
{
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++) {
        test_linear(ctx, isa, linears[i][0], linears[i][1], linears[i][2]);
    }
    for (size_t i = 0; i < sizeof convs / sizeof *convs; i++) {
        const int64_t *g = convs[i];
        ae_conv_cfg c = {.N = g[0],
                         .H = g[1],
                         .W = g[2],
                         .C = g[3],
                         .K = g[4],
                         .R = g[5],
                         .S = g[6],
                         .stride_h = g[7],
                         .stride_w = g[8],
                         .pad_h = g[9],
                         .pad_w = g[9],
                         .dilation_h = g[11],
                         .dilation_w = g[11],
                         .groups = g[12]};
        int64_t R = (c.R - 1) * g[11] + 1, S = (c.S - 1) * g[11] + 1;
        c.P = (c.H + 2 * c.pad_h - R) / c.stride_h + 1;
        c.Q = (c.W + 2 * c.pad_w - S) / c.stride_w + 1;
        test_conv(ctx, isa, &c, false);
        c.P = (c.H - 1) * c.stride_h - 2 * c.pad_h + R + (c.stride_h > 1 ? g[10] : 0);
        c.Q = (c.W - 1) * c.stride_w - 2 * c.pad_w + S + (c.stride_w > 1 ? g[10] : 0);
        test_conv(ctx, isa, &c, true);
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
            test_all(&ctx, ae_cpu_isa(ctx.k));
        }
    }
    ae_arena_free(&arena);
    printf("%d instruction sets, %d failed\n", tables, failures);
    return failures != 0;
}
