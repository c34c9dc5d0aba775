/* test_quantize.c: vector quantisation, its gradients and statistics, and batches, against loops in
 * double, for every instruction set of this CPU and one to three threads. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ae.h"
#include "check.h"

#define MOST 40000 /* values of an array */

static void
draw_many(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = draw();
    }
}

static void
expect(bool ok, const ae_ctx *ctx, const char *what, int64_t n, int64_t d, int64_t e)
{
    if (!ok) {
        printf("FAILED %s, %s, %d threads, %ld x %ld, %ld\n", what, ae_cpu_isa(ctx->k),
               ctx->threads, (long)n, (long)d, (long)e);
        failures++;
    }
}

static bool
close_to(const float *got, const double *want, int64_t n)
{
    bool ok = true;
    for (int64_t i = 0; i < n; i++) {
        ok = ok && fabs((double)got[i] - want[i]) <= 1e-5 * (1.0 + fabs(want[i]));
    }
    return ok;
}

static int64_t
nearest(const float *z, const float *codebook, int64_t D, int64_t E)
{
    double least = INFINITY;
    int64_t index = 0;
    for (int64_t e = 0; e < E; e++) {
        double d = 0.0;
        for (int64_t j = 0; j < D; j++) {
            double x = (double)z[j] - (double)codebook[e * D + j];
            d += x * x;
        }
        if (d < least) {
            least = d;
            index = e;
        }
    }
    return index;
}

static float z[MOST], codebook[MOST], dq[MOST], quantized[MOST], dz[MOST];
static float dcodebook[MOST], sum[MOST], count[MOST];
static double want_dz[MOST], want_dcodebook[MOST], want_sum[MOST], want_count[MOST];
static int64_t chosen[MOST];

/* What the gradients and sums should be, once chosen is known to be right. */
static void
accumulate(int64_t N, int64_t D, int64_t E, double commitment, double scale)
{
    memset(want_sum, 0, sizeof want_sum);
    memset(want_count, 0, sizeof want_count);
    for (int64_t i = 0; i < E * D; i++) {
        want_dcodebook[i] = (double)dcodebook[i];
    }
    for (int64_t i = 0; i < N; i++) {
        want_count[chosen[i]] += 1.0;
        for (int64_t j = 0; j < D; j++) {
            int64_t at = i * D + j, of = chosen[i] * D + j;
            double apart = (double)z[at] - (double)codebook[of];
            want_dz[at] = (double)dq[at] + 2.0 * scale * commitment * apart;
            want_dcodebook[of] -= 2.0 * scale * apart;
            want_sum[of] += (double)z[at];
        }
    }
}

/* `far` away from the origin, rows are in doubt, and entries are equal in pairs. */
static void
test_quantize(const ae_ctx *ctx, int64_t N, int64_t D, int64_t E, float far)
{
    draw_many(z, N * D);
    draw_many(dq, N * D);
    draw_many(codebook, E * D);
    draw_many(dcodebook, E * D);
    if (far > 0.0f) {
        memcpy(codebook + (E + 1) / 2 * D, codebook, (size_t)(E / 2 * D) * sizeof(float));
        for (int64_t i = 0; i < N * D; i++) {
            z[i] += far;
        }
        for (int64_t i = 0; i < E * D; i++) {
            codebook[i] += far;
        }
    }
    ae_status status = ae_vector_quantize_fwd(quantized, chosen, z, codebook, N, D, E, ctx);
    expect(status == AE_OK, ctx, "status", N, D, E);
    for (int64_t i = 0; i < N; i++) {
        expect(chosen[i] == nearest(z + i * D, codebook, D, E), ctx, "index", N, D, E);
        expect(memcmp(quantized + i * D, codebook + chosen[i] * D, (size_t)D * sizeof(float)) ==
                   0,
               ctx, "quantized", N, D, E);
    }
    accumulate(N, D, E, 0.3, 0.7);
    ae_vector_quantize_bwd(dz, dcodebook, dq, z, codebook, chosen, 0.3f, 0.7f, N, D, E, ctx);
    expect(close_to(dz, want_dz, N * D), ctx, "dz", N, D, E);
    expect(close_to(dcodebook, want_dcodebook, E * D), ctx, "dcodebook", N, D, E);
    ae_vq_statistics(count, sum, z, chosen, N, D, E, ctx);
    expect(close_to(count, want_count, E), ctx, "count", N, D, E);
    expect(close_to(sum, want_sum, E * D), ctx, "sum", N, D, E);
}

static void
test_gather(const ae_ctx *ctx, int64_t B, int64_t F)
{
    static uint8_t bytes[MOST];
    static double doubles[MOST];
    static float noise[MOST];
    int64_t rows = MOST / F;
    for (int64_t i = 0; i < MOST; i++) {
        bytes[i] = (uint8_t)(127.5f + 127.5f * draw());
        doubles[i] = (double)draw();
    }
    for (int64_t i = 0; i < B; i++) {
        chosen[i] = (i * 7919) % rows;
    }
    ae_gather_cfg c = {AE_U8, 1.0f / 255.0f, AE_GAUSSIAN, 0.5f, -1.0f, 2.0f, {3, 4, 5}};
    for (int kind = 0; kind < 2; kind++) {
        c.source = kind == 0 ? AE_U8 : AE_F64;
        c.corruption = kind == 0 ? AE_GAUSSIAN : AE_SALT_PEPPER;
        const void *source = kind == 0 ? (const void *)bytes : (const void *)doubles;
        ae_gather(z, dz, source, chosen, rows, B, F, &c, ctx);
        (kind == 0 ? ae_random_normal : ae_random_uniform)(noise, B * F, &c.stream, ctx);
        for (int64_t i = 0; i < B * F; i++) {
            int64_t at = chosen[i / F] * F + i % F;
            double clean = (kind == 0 ? (double)bytes[at] : doubles[at]) * (double)c.scale;
            double u = (double)noise[i], noisy = clean + 0.5 * u;
            if (kind == 1) {
                noisy = u < 0.25 ? -1.0 : u < 0.5 ? 2.0 : clean;
            }
            want_dz[i] = clean;
            want_sum[i] = noisy;
        }
        expect(close_to(z, want_dz, B * F), ctx, "clean", B, F, kind);
        expect(close_to(dz, want_sum, B * F), ctx, "corrupted", B, F, kind);
    }
}

int
main(void)
{
    static const int64_t sizes[][3] = {{1, 1, 1},   {7, 3, 5},     {25, 16, 9},  {33, 17, 31},
                                       {70, 5, 65}, {300, 64, 50}, {9, 530, 40}, {2000, 8, 3}};
    static const int64_t batches[][2] = {{1, 1}, {5, 33}, {40, 784}, {2, 9001}};
    ae_arena arena = {0};
    int tables = 0;
    state = 7;
    for (; ae_cpu_table(tables) != NULL; tables++) {
        for (int threads = 1; threads <= 3; threads++) {
            ae_ctx ctx = {.arena = &arena, .threads = threads, .k = ae_cpu_table(tables)};
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                test_quantize(&ctx, sizes[i][0], sizes[i][1], sizes[i][2], 0.0f);
                test_quantize(&ctx, sizes[i][0], sizes[i][1], sizes[i][2], 100.0f);
            }
            for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
                test_gather(&ctx, batches[i][0], batches[i][1]);
            }
        }
    }
    ae_arena_free(&arena);
    printf("%d instruction sets, %d failed\n", tables, failures);
    return failures != 0;
}
