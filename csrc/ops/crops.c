/* crops.c: clean (N, P, Q, C) and corrupted ones, cut out of images of different sizes.
 *
 * A crop is one of an image's windows, in one of eight positions: as it is, from right to left, upside
 * down, or with rows for columns. Beyond an image's end stands its mirror image, so that a small image
 * has crops too. A run of pixels that lie side by side is read where it is; others are picked into a
 * buffer first. Work is cut into blocks of a crop's rows.
 */
#include <string.h>

#include "base/math.h"
#include "ops/gather.h"

#define PIECE 8192  /* values in a task, about */
#define BUFFER 2048 /* bytes of pixels that are picked before they are converted */

typedef struct {
    const char *pixels;
    int64_t H, W;
} image;

typedef struct {
    float *clean, *corrupted;
    const char *pixels;
    const int64_t *images, *places; /* (M, 3) and (N, 4) */
    int64_t M, total, P, Q, C, item;
    int64_t rows, blocks; /* of a crop: in a task, and how many tasks */
    const ae_gather_cfg *cfg;
    const ae_kernels *k;
} crops_task;

/* Place i of a line of n that goes on as its mirror image in both directions, again and again. */
static int64_t
mirror(int64_t i, int64_t n)
{
    if ((uint64_t)i < (uint64_t)n) {
        return i;
    }
    i %= 2 * n;
    i = i < 0 ? i + 2 * n : i;
    return i < n ? i : 2 * n - 1 - i;
}

/* The image with this number; one that has changed meanwhile, so that it would lie outside the pixels,
 * is the first pixel. */
static image
image_at(const crops_task *t, int64_t number)
{
    const int64_t *entry = t->images + 3 * ae_index(&number, t->M);
    int64_t at = ae_index(entry, t->total), H = ae_index(entry + 1, INT32_MAX),
            W = ae_index(entry + 2, INT32_MAX), size;
    if (H < 1 || W < 1 || __builtin_mul_overflow(H * W, t->C, &size) || size > t->total - at) {
        return (image){t->pixels, 1, 1};
    }
    return (image){t->pixels + at * t->item, H, W};
}

/* Row p of a crop (P, Q) whose window begins at (y, x). */
static void
crop_row(const crops_task *t, float *out, const image *im, int64_t y, int64_t x, int64_t kind,
         int64_t p)
{
    const bool sideways = kind & 1, over = kind & 2, turned = kind & 4;
    const int64_t size = t->C * t->item, Q = t->Q;
    const int64_t tall = turned ? Q : t->P, wide = turned ? t->P : Q; /* of the window */
    if (!turned && !sideways && x >= 0 && x + Q <= im->W) {
        int64_t row = mirror(y + (over ? tall - 1 - p : p), im->H);
        ae_gather_convert(t->cfg, t->k, out, im->pixels + (row * im->W + x) * size, Q * t->C);
        return;
    }
    char buffer[BUFFER + 16];
    char *picked = buffer + (-(uintptr_t)buffer & 15);
    const int64_t most = ae_max(1, BUFFER / size);
    for (int64_t q0 = 0; q0 < Q; q0 += most) {
        const int64_t n = ae_min(most, Q - q0);
        for (int64_t j = 0; j < n; j++) {
            int64_t a = turned ? q0 + j : p, b = turned ? p : q0 + j;
            a = mirror(y + (over ? tall - 1 - a : a), im->H);
            b = mirror(x + (sideways ? wide - 1 - b : b), im->W);
            const char *pixel = im->pixels + (a * im->W + b) * size;
            if (size > BUFFER) {
                ae_gather_convert(t->cfg, t->k, out + q0 * t->C, pixel, t->C);
            }
            else {
                memcpy(picked + j * size, pixel, (size_t)size);
            }
        }
        if (size <= BUFFER) {
            ae_gather_convert(t->cfg, t->k, out + q0 * t->C, picked, n * t->C);
        }
    }
}

static void
crop_block(void *arg, int64_t i, int thread)
{
    const crops_task *t = arg;
    const int64_t n = i / t->blocks, p0 = i % t->blocks * t->rows;
    const int64_t p1 = ae_min(p0 + t->rows, t->P), width = t->Q * t->C;
    const int64_t *place = t->places + 4 * n;
    const image im = image_at(t, place[0]);
    (void)thread;
    for (int64_t p = p0; p < p1; p++) {
        crop_row(t, t->clean + (n * t->P + p) * width, &im, place[1], place[2], place[3], p);
    }
    if (t->corrupted != NULL) {
        const int64_t at = (n * t->P + p0) * width;
        t->k->corrupt(t->corrupted + at, t->clean + at, (p1 - p0) * width, t->cfg, at);
    }
}

ae_status
ae_gather_crops(float *clean, float *corrupted, const void *pixels, const int64_t *images,
                const int64_t *places, int64_t total, int64_t M, int64_t N, int64_t P,
                int64_t Q, int64_t C, const ae_gather_cfg *cfg, const ae_ctx *ctx)
{
    static const int64_t item[] = {[AE_U8] = 1, [AE_F32] = 4, [AE_F64] = 8};
    if (M == 0 || N * P * Q * C == 0) {
        return AE_OK;
    }
    crops_task t = {.clean = clean,
                    .corrupted = corrupted,
                    .pixels = pixels,
                    .images = images,
                    .places = places,
                    .M = M,
                    .total = total,
                    .P = P,
                    .Q = Q,
                    .C = C,
                    .item = item[cfg->source],
                    .rows = ae_min(P, ae_max(1, PIECE / (Q * C))),
                    .cfg = cfg,
                    .k = ctx->k};
    t.blocks = ae_ceil_div(P, t.rows);
    double cost = corrupted == NULL ? 4.0 : 22.0;
    ae_parallel(ctx, N * t.blocks, cost * (double)(N * P) * (double)(Q * C), crop_block, &t);
    return AE_OK;
}
