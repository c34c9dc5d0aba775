/* planar.c: `up` of window.h to at most AE_PLANAR_CHANNELS output channels, as the last layer of a
 * decoder has.
 *
 * A product whose columns are those channels would leave most lanes of a vector empty. Here the
 * lanes are pixels: the small image is transposed into channel-planar layout, a plane for each
 * channel, in which the neighbours of a run of pixels are runs too, and a tap is a shift. Rows
 * share the zeros between them, and so do images.
 */
#include <assert.h>
#include <string.h>

#include "base/math.h"
#include "ops/planar.h"

#define CHUNK_BYTES (160 * 1024)
#define MIN_CHANNELS 8
#define MAX_TILE (AE_PLANAR_CHANNELS * 128)

typedef struct {
    ae_axis_phase y, x;
    int64_t *tap;   /* as offsets in a plane */
    const float *w; /* (C, taps, B) */
} planar_phase;

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    const float *small;
    float *big;
    const ae_epilogue *epilogue;
    planar_phase *phases;
    int64_t nphase;
    ae_chunks cut;         /* in rows of a phase */
    int64_t pad_y, pad_x;  /* zeros between images and between rows */
    int64_t pitch, images; /* pixels from row to row, rows from image to image */
    int64_t gap;           /* floats from plane to plane */
    char *scratch;
    size_t thread_bytes;
} planar_task;

/* A chunk's images and rows. */
typedef struct {
    int64_t n0, n1, t0, t1;
} planar_part;

/* Where row t of image n begins in a plane. */
static int64_t
plane_row(const planar_task *t, const planar_part *part, int64_t n, int64_t row)
{
    return ((n - part->n0) * t->images + t->pad_y + row - part->t0) * t->pitch + t->pad_x;
}

static void
make_planes(float *planes, const planar_task *t, const planar_part *part)
{
    const ae_window *g = t->g;
    memset(planes, 0, (size_t)(g->C * t->gap) * sizeof(float));
    for (int64_t n = part->n0; n < part->n1; n++) {
        int64_t last = ae_min(g->P, part->t1 + t->pad_y);
        for (int64_t p = ae_max(0, part->t0 - t->pad_y); p < last; p++) {
            t->k->transpose_pixels(planes + plane_row(t, part, n, p), t->gap,
                                   t->small + (n * g->P + p) * g->Q * g->C, g->Q, g->C);
        }
    }
}

/* The pixels of a tile that are some of phase f, to their places in the big image. */
static void
store_pixels(const planar_task *t, const planar_part *part, const planar_phase *f,
             int64_t phase, const float *tile, int64_t begin)
{
    const ae_window *g = t->g;
    int64_t wide = ae_phases(g->W, g->sw);
    int64_t a = phase / wide, b = phase % wide, block = t->k->planar_block;
    for (int64_t i = 0; i < block;) {
        int64_t at = begin + i - t->pad_x, row = at / t->pitch, u = at % t->pitch;
        int64_t n = part->n0 + row / t->images, y = part->t0 + row % t->images - t->pad_y;
        int64_t run = ae_min(block - i, t->pitch - u);
        if (n < part->n1 && y >= part->t0 && y < ae_min(part->t1, f->y.size)) {
            float *to = t->big + (((n * g->H + y * g->sh + a) * g->W) + u * g->sw + b) * g->B;
            int64_t count = ae_min(run, f->x.size - u);
            for (int64_t j = 0; j < count; j++, to += g->sw * g->B) {
                for (int64_t c = 0; c < g->B; c++) {
                    to[c] = tile[c * block + i + j];
                }
            }
        }
        i += run;
    }
}

/* The rest of the epilogue, on rows that are whole. */
static void
finish_rows(const planar_task *t, const planar_part *part)
{
    const ae_window *g = t->g;
    const ae_epilogue *e = t->epilogue;
    int64_t h0 = part->t0 * g->sh, h1 = ae_min(g->H, part->t1 * g->sh);
    for (int64_t n = part->n0; n < part->n1; n++) {
        int64_t at = (n * g->H + h0) * g->W * g->B, values = (h1 - h0) * g->W * g->B;
        if (e->act != AE_LINEAR) {
            t->k->act_fwd(t->big + at, t->big + at, values, e->act);
        }
        if (e->act_out != NULL) {
            t->k->act_bwd(t->big + at, t->big + at, e->act_out + at, values, e->act_grad);
        }
        if (e->add != NULL) {
            t->k->add(t->big + at, t->big + at, e->add + at, values);
        }
    }
}

static void
planar_chunk(void *arg, int64_t i, int thread)
{
    const planar_task *t = arg;
    const ae_window *g = t->g;
    float *planes = (float *)(t->scratch + (size_t)thread * t->thread_bytes);
    float tile[MAX_TILE] __attribute__((aligned(64)));
    int64_t n0 = i / t->cut.strips * t->cut.images, t0 = i % t->cut.strips * t->cut.rows;
    planar_part part = {n0, ae_min(g->N, n0 + t->cut.images), t0,
                        ae_min(ae_ceil_div(g->H, g->sh), t0 + t->cut.rows)};
    assert(t->k->planar_block * AE_PLANAR_CHANNELS <= MAX_TILE);
    make_planes(planes, t, &part);
    int64_t end = plane_row(t, &part, part.n1 - 1, part.t1);
    for (int64_t at = plane_row(t, &part, n0, t0); at < end; at += t->k->planar_block) {
        for (int64_t f = 0; f < t->nphase; f++) {
            const planar_phase *phase = &t->phases[f];
            t->k->mul_planar(tile, planes + at, t->gap, phase->tap,
                             phase->y.count * phase->x.count, g->C, phase->w, t->epilogue->bias,
                             (int)g->B);
            store_pixels(t, &part, phase, f, tile, at);
        }
    }
    finish_rows(t, &part);
}

/* Taps as offsets in a plane, and their weights in the order in which they are used. */
static void
make_phase(planar_phase *f, int64_t *tap, float *to, const float *w, const planar_task *t)
{
    const ae_window *g = t->g;
    int64_t taps = f->y.count * f->x.count;
    f->tap = tap;
    f->w = to;
    for (int64_t i = 0; i < taps; i++) {
        int64_t y = i / f->x.count, x = i % f->x.count;
        int64_t r = f->y.first - y * g->sh, s = f->x.first - x * g->sw;
        tap[i] = (f->y.low + y) * t->pitch + f->x.low + x;
        const float *from = w + (r * g->S + s) * g->w_tap;
        for (int64_t c = 0; c < g->C; c++) {
            for (int64_t b = 0; b < g->B; b++) {
                to[(c * taps + i) * g->B + b] = from[c * g->w_small + b * g->w_big];
            }
        }
    }
}

bool
ae_planar_pays(const ae_window *g)
{
    return ae_is_plain(g) && g->B <= AE_PLANAR_CHANNELS && g->C >= MIN_CHANNELS &&
           g->P <= ae_ceil_div(g->H, g->sh) && g->Q <= ae_ceil_div(g->W, g->sw);
}

static ae_status
plan(planar_task *t, const ae_ctx *ctx)
{
    const ae_window *g = t->g;
    int64_t y_low = 0, y_high = 0, x_low = 0, x_high = 0;
    int64_t rows = ae_ceil_div(g->H, g->sh), cols = ae_ceil_div(g->W, g->sw);
    ae_axis_range(&y_low, &y_high, g->H, g->R, g->sh, g->ph, 1);
    ae_axis_range(&x_low, &x_high, g->W, g->S, g->sw, g->pw, 1);
    t->pad_y = ae_max(-y_low, y_high - 1);
    t->pad_x = ae_max(-x_low, x_high - 1);
    t->pitch = cols + t->pad_x;
    int64_t row_bytes = t->pitch * g->C * (int64_t)sizeof(float);
    t->cut = ae_cut(g->N, rows, cols, INT64_MAX, row_bytes, CHUNK_BYTES);
    t->images = t->cut.rows + t->pad_y;
    /* behind the last row: what its taps reach, the rest of a block and of a vector of pixels */
    int64_t height = t->cut.images * t->images + 2 * t->pad_y + 1;
    size_t plane = ae_bytes_add(ae_bytes(height, t->pitch, sizeof(float)),
                                ae_bytes(ctx->k->planar_block + 2 * t->pad_x + 32, 1, 4));
    t->gap = (int64_t)(plane / 64 | 1) * 16;
    t->thread_bytes = ae_bytes(g->C, t->gap, sizeof(float));
    return plane == SIZE_MAX || t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_planar_up(float *big, const float *small, const float *w, const ae_window *g,
             const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    planar_task t = {.g = g, .k = ctx->k, .big = big, .small = small, .epilogue = epilogue};
    int64_t taps = g->R * g->S, wide = ae_phases(g->W, g->sw);
    t.nphase = ae_phases(g->H, g->sh) * wide;
    AE_TRY(plan(&t, ctx));
    size_t phase_bytes = ae_bytes(t.nphase, 1, sizeof(planar_phase));
    size_t tap_bytes = ae_bytes(taps, 1, sizeof(int64_t));
    size_t w_bytes = ae_bytes(taps * g->C, g->B, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(ae_bytes_add(phase_bytes, tap_bytes),
                                                     ae_bytes_add(w_bytes, scratch))));
    t.phases = ae_arena_take(ctx->arena, phase_bytes);
    int64_t *tap = ae_arena_take(ctx->arena, tap_bytes);
    float *weight = ae_arena_take(ctx->arena, w_bytes);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    for (int64_t i = 0; i < t.nphase; i++) {
        planar_phase *f = &t.phases[i];
        f->y = ae_make_axis_phase(i / wide, g->H, g->R, g->sh, g->ph, 1);
        f->x = ae_make_axis_phase(i % wide, g->W, g->S, g->sw, g->pw, 1);
        make_phase(f, tap, weight, w, &t);
        tap += f->y.count * f->x.count;
        weight += f->y.count * f->x.count * g->C * g->B;
    }
    double work = 2.0 * (double)(g->N * g->P * g->Q) * (double)(taps * g->C) * (double)g->B;
    ae_parallel(ctx, t.cut.groups * t.cut.strips, work, planar_chunk, &t);
done:
    return status;
}
