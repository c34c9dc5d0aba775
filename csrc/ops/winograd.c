/* winograd.c: the three products of conv.h with fewer multiplications, where the window is r = 2 or 3
 * taps in every phase of the stride: kernels of 3 at stride 1, of 4 at stride 2, and so on.
 *
 * Images are cut into tiles of 4 x 4 pixels of each phase. The n x n values that a tile depends on,
 * n = r + 3, are transformed (kern/winograd.inc); each of the n * n points is then a matrix product
 * of its own, of tiles x channels; and the products are transformed back. 3 x 3 takes a quarter of
 * the multiplications of a direct sum, 4 x 4 at stride 2 takes 0.39.
 *
 *   down    V (point, tile, phase * B)  U (point, phase * B, C)  ->  M (point, tile, C)
 *   up      for each phase: V (point, tile, C)  U (point, C, B)  ->  M (point, tile, B)
 *   weight  dU (point) = V^T (A dy A^T), summed over tiles in order
 *
 * Chunks of tiles go all the way through while they are in L2, but for the weight gradient, whose
 * products are deep in tiles.
 */
#include <string.h>

#include "ops/conv.h"

#define OUT 4     /* outputs of a tile along an axis */
#define POINTS 36 /* at most */
#define MAX_PHASES 16
#define CHUNK_TILES 96
#define CHUNK_BYTES (256 * 1024)
#define BATCH_BYTES (3 << 20) /* of the weight gradient's transformed values */
#define PANELS 4              /* of a task of its products */

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    int r, n, stride;
    int64_t points, phases; /* n * n, stride * stride */
    int64_t ty, tx, tiles;  /* of an image, of all */
    int64_t inner, outer;   /* channels of w: the contiguous ones, the others */
    const float *zeros;     /* a pixel outside the image */
} plan;

static bool
make_plan(plan *p, const ae_window *g, const ae_kernels *k, bool up)
{
    *p = (plan){.g = g, .k = k, .stride = (int)g->sh};
    if (g->R != g->S || g->sh != g->sw || g->R % g->sh != 0 || g->sh * g->sw > MAX_PHASES) {
        return false;
    }
    p->r = (int)(g->R / g->sh);
    p->n = p->r + OUT - 1;
    p->points = (int64_t)p->n * p->n;
    p->phases = g->sh * g->sw;
    p->ty = ae_ceil_div(up ? ae_ceil_div(g->H, g->sh) : g->P, OUT);
    p->tx = ae_ceil_div(up ? ae_ceil_div(g->W, g->sw) : g->Q, OUT);
    p->tiles = g->N * p->ty * p->tx;
    p->inner = g->w_big == 1 ? g->B : g->C;
    p->outer = g->w_big == 1 ? g->C : g->B;
    return p->r == 2 || p->r == 3;
}

/* Whether that pays: operations of both ways, where a transformed value costs about `each`. */
static bool
pays(const plan *p, double directly)
{
    const ae_window *g = p->g;
    const double each = 8.0, margin = 1.2;
    double big = (double)p->phases * (double)g->B, small = (double)g->C;
    double product = (double)p->tiles * big * small;
    double transforms = each * ((double)p->tiles * (big + small) + big * small);
    return g->B >= 16 && g->C >= 16 &&
           margin * (double)p->points * (product + transforms) < directly;
}

static double
direct_work(const ae_window *g)
{
    return (double)(g->N * g->P * g->Q) * (double)(g->R * g->S) * (double)g->B * (double)g->C;
}

bool
ae_winograd_pays(const ae_window *g, const ae_kernels *k, bool up)
{
    plan p;
    return g->winograd && make_plan(&p, g, k, up) && pays(&p, direct_work(g));
}

/* ---- weights: U as panels ------------------------------------------------------------------ */

/* How a phase meets the images, along one axis: it reads source pixels at step * t + first, and
 * element j of its filter is tap `tap` + j * tap_step. */
typedef struct {
    int64_t step, first, tap, tap_step;
} axis;

static axis
down_axis(int64_t phase, int64_t stride, int64_t pad)
{
    return (axis){stride, phase - pad, phase, stride};
}

/* Big pixels stride * t + phase: the taps that meet them, in the order of the small pixels. */
static axis
up_axis(int64_t phase, int64_t stride, int64_t pad, int r)
{
    int64_t tap = (phase + pad) % stride;
    return (axis){1, (phase + pad - tap) / stride - (r - 1), tap + stride * (r - 1), -stride};
}

typedef struct {
    axis y, x;
} phase_axes;

static phase_axes
find_phase(const plan *p, int64_t phase, bool up)
{
    const ae_window *g = p->g;
    int64_t a = phase / p->stride, b = phase % p->stride;
    if (up) {
        return (phase_axes){up_axis(a, g->sh, g->ph, p->r), up_axis(b, g->sw, g->pw, p->r)};
    }
    return (phase_axes){down_axis(a, g->sh, g->ph), down_axis(b, g->sw, g->pw)};
}

/* The taps of a phase, as offsets into one `outer` row of w. */
static void
find_taps(int64_t *tap, const plan *p, phase_axes f)
{
    for (int64_t i = 0; i < p->r; i++) {
        for (int64_t j = 0; j < p->r; j++) {
            int64_t r = f.y.tap + i * f.y.tap_step, s = f.x.tap + j * f.x.tap_step;
            *tap++ = (r * p->g->S + s) * p->inner;
        }
    }
}

typedef struct {
    const plan *p;
    const float *w;
    bool up;
    float *u;             /* (point, phase, outer, inner) */
    ae_panel_source b;    /* of a product: all phases of a point downward, one upward */
    int64_t products;     /* points, or points * phases */
    float *panels;        /* of all products */
    int64_t panel_floats; /* of one */
} weight_task;

static void
transform_weight(void *arg, int64_t i, int thread)
{
    const weight_task *t = arg;
    const plan *p = t->p;
    int64_t phase = i / p->outer, row = i % p->outer, offset[9];
    const float *tap[9];
    (void)thread;
    find_taps(offset, p, find_phase(p, phase, t->up));
    for (int j = 0; j < p->r * p->r; j++) {
        tap[j] = t->w + row * p->g->R * p->g->S * p->inner + offset[j];
    }
    p->k->winograd_weight(t->u + (phase * p->outer + row) * p->inner,
                          p->phases * p->outer * p->inner, tap, p->inner, p->r);
}

static void
pack_product(void *arg, int64_t i, int thread)
{
    const weight_task *t = arg;
    int64_t npanel = ae_ceil_div(t->b.N, t->p->k->nr), product = i / npanel;
    ae_panel_source b = t->b;
    (void)thread;
    int64_t panel = i % npanel;
    b.src += product * b.ntap * t->p->outer * t->p->inner;
    ae_pack_panel(t->panels + product * t->panel_floats + panel * t->p->k->nr * b.ntap * b.nk,
                  &b, panel, t->p->k);
}

static size_t
weight_bytes(const weight_task *t)
{
    const plan *p = t->p;
    size_t u = ae_bytes(p->points * p->phases, p->outer * p->inner, sizeof(float));
    return ae_bytes_add(u, ae_bytes(t->products, t->panel_floats, sizeof(float)));
}

static void
plan_weight(weight_task *t, const int64_t *tap)
{
    const plan *p = t->p;
    const ae_window *g = p->g;
    int64_t big = g->w_big == 1 ? 1 : p->inner, small = g->w_big == 1 ? p->inner : 1;
    if (t->up) {
        t->b = (ae_panel_source){NULL, tap, 1, g->C, g->B, small, big};
        t->products = p->points * p->phases;
    }
    else {
        t->b = (ae_panel_source){NULL, tap, p->phases, g->B, g->C, big, small};
        t->products = p->points;
    }
    size_t bytes = ae_packed_bytes(p->k, t->b.ntap * t->b.nk, t->b.N);
    t->panel_floats = (int64_t)(bytes / sizeof(float));
}

static void
make_weight(weight_task *t, const ae_ctx *ctx)
{
    const plan *p = t->p;
    int64_t filters = p->phases * p->outer;
    double values = (double)(filters * p->points) * (double)p->inner;
    t->u = ae_arena_take(ctx->arena,
                         ae_bytes(p->points * p->phases, p->outer * p->inner, sizeof(float)));
    t->panels =
        ae_arena_take(ctx->arena, ae_bytes(t->products, t->panel_floats, sizeof(float)));
    t->b.src = t->u;
    ae_parallel(ctx, filters, 4.0 * values, transform_weight, t);
    ae_parallel(ctx, t->products * ae_ceil_div(t->b.N, p->k->nr), 4.0 * values, pack_product,
                t);
}

/* ---- tiles --------------------------------------------------------------------------------- */

typedef struct {
    int64_t n, y, x; /* its image and place */
} tile_place;

static tile_place
find_tile(const plan *p, int64_t tile)
{
    int64_t image = p->ty * p->tx;
    return (tile_place){tile / image, tile % image / p->tx, tile % p->tx};
}

/* `count` x `count` pixels of image n of x (N, H, W, C), `step` apart from (h, w) on. */
static void
find_pixels(const float **pixel, const plan *p, const float *x, int64_t H, int64_t W, int64_t C,
            int64_t h, int64_t w, int64_t step, int count)
{
    for (int i = 0; i < count; i++, h += step) {
        for (int j = 0; j < count; j++) {
            int64_t v = w + j * step;
            bool inside = h >= 0 && h < H && v >= 0 && v < W;
            *pixel++ = inside ? x + (h * W + v) * C : p->zeros;
        }
    }
}

/* The transformed values that tile `tile` reads in one phase. */
static void
transform_input(float *v, int64_t gap, const plan *p, const float *x, bool up, int64_t tile,
                phase_axes f)
{
    const ae_window *g = p->g;
    const float *pixel[POINTS];
    int64_t H = up ? g->P : g->H, W = up ? g->Q : g->W, C = up ? g->C : g->B;
    tile_place at = find_tile(p, tile);
    find_pixels(pixel, p, x + at.n * H * W * C, H, W, C, f.y.step * OUT * at.y + f.y.first,
                f.x.step * OUT * at.x + f.x.first, f.y.step, p->n);
    p->k->winograd_input(v, gap, pixel, C, p->r);
}

typedef struct {
    const plan *p;
    const weight_task *weight;
    const float *in;
    float *out;
    const ae_epilogue *epilogue;
    bool up;
    int64_t chunk;        /* tiles */
    int64_t depth, cols;  /* of the products */
    int64_t v_gap, m_gap; /* between points: an odd number of cache lines */
    char *scratch;
    size_t thread_bytes;
} chunk_task;

static void
multiply_points(const chunk_task *t, float *m, const float *v, const float *panels,
                int64_t panel_step, int64_t tiles)
{
    static const ae_epilogue none = {0};
    int64_t a_row[CHUNK_TILES], c_row[CHUNK_TILES];
    ae_seg all = {0, t->depth};
    for (int64_t i = 0; i < tiles; i++) {
        a_row[i] = i * t->depth;
        c_row[i] = i * t->cols;
    }
    for (int64_t point = 0; point < t->p->points; point++) {
        ae_product x = {.a = v + point * t->v_gap,
                        .a_row = a_row,
                        .seg = &all,
                        .nseg = 1,
                        .panels = panels + point * panel_step,
                        .K = t->depth,
                        .N = t->cols,
                        .p1 = ae_ceil_div(t->cols, t->p->k->nr),
                        .c = m + point * t->m_gap,
                        .c_row = c_row,
                        .m = tiles,
                        .epilogue = &none};
        ae_multiply(t->p->k, &x);
    }
}

/* A tile's outputs of one phase: pixels that are `step` apart. */
static void
transform_output(const chunk_task *t, const float *m, int64_t tile, int64_t a, int64_t b,
                 int64_t step)
{
    const plan *p = t->p;
    const ae_window *g = p->g;
    int64_t H = t->up ? g->H : g->P, W = t->up ? g->W : g->Q, at[OUT * OUT];
    tile_place place = find_tile(p, tile);
    for (int64_t i = 0; i < OUT; i++) {
        for (int64_t j = 0; j < OUT; j++) {
            int64_t h = (place.y * OUT + i) * step + a, w = (place.x * OUT + j) * step + b;
            at[i * OUT + j] = h < H && w < W ? ((place.n * H + h) * W + w) * t->cols : -1;
        }
    }
    p->k->winograd_output(t->out, at, m, t->m_gap, t->cols, t->epilogue, p->r);
}

static void
run_chunk(void *arg, int64_t i, int thread)
{
    const chunk_task *t = arg;
    const plan *p = t->p;
    float *v = (float *)(t->scratch + (size_t)thread * t->thread_bytes);
    float *m = v + p->points * t->v_gap;
    int64_t t0 = i * t->chunk, tiles = ae_min(t->chunk, p->tiles - t0);
    int64_t rounds = t->up ? p->phases : 1, phases = t->up ? 1 : p->phases;
    int64_t C = t->depth / phases, step = t->up ? p->stride : 1;
    for (int64_t round = 0; round < rounds; round++) {
        for (int64_t j = 0; j < tiles; j++) {
            for (int64_t f = 0; f < phases; f++) {
                transform_input(v + j * t->depth + f * C, t->v_gap, p, t->in, t->up, t0 + j,
                                find_phase(p, round + f, t->up));
            }
        }
        multiply_points(t, m, v, t->weight->panels + round * t->weight->panel_floats,
                        rounds * t->weight->panel_floats, tiles);
        for (int64_t j = 0; j < tiles; j++) {
            transform_output(t, m + j * t->cols, t0 + j, round / step, round % step, step);
        }
    }
}

/* Points lie an odd number of cache lines apart, so that a tile's don't share a set of L1. */
static int64_t
spread(int64_t floats)
{
    return (ae_ceil_div(floats, 16) | 1) * 16;
}

static ae_status
plan_chunks(chunk_task *t)
{
    const plan *p = t->p;
    const ae_window *g = p->g;
    t->depth = t->up ? g->C : p->phases * g->B;
    t->cols = t->up ? g->B : g->C;
    int64_t mr = p->k->mr, tile = p->points * (t->depth + t->cols) * (int64_t)sizeof(float);
    t->chunk = ae_max(1, ae_min(CHUNK_BYTES / tile, CHUNK_TILES) / mr) * mr;
    t->v_gap = spread(t->chunk * t->depth);
    t->m_gap = spread(t->chunk * t->cols);
    t->thread_bytes = ae_bytes(p->points, t->v_gap + t->m_gap, sizeof(float));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

/* down and up: see the head of the file. */
ae_status
ae_winograd(float *out, const float *in, const float *w, const ae_window *g, bool up,
            const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    plan p;
    int64_t tap[MAX_PHASES];
    make_plan(&p, g, ctx->k, up);
    weight_task weight = {.p = &p, .w = w, .up = up};
    chunk_task t = {
        .p = &p, .weight = &weight, .in = in, .out = out, .epilogue = epilogue, .up = up};
    for (int64_t f = 0; f < p.phases; f++) {
        tap[f] = f * p.outer * p.inner;
    }
    plan_weight(&weight, tap);
    AE_TRY(plan_chunks(&t));
    int64_t channels = up ? g->C : g->B;
    size_t zeros = ae_bytes(channels, 1, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(ae_arena_reserve(ctx->arena,
                            ae_bytes_add(ae_bytes_add(zeros, scratch), weight_bytes(&weight))));
    p.zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    make_weight(&weight, ctx);
    ae_parallel(ctx, ae_ceil_div(p.tiles, t.chunk), 2.0 * direct_work(g), run_chunk, &t);
done:
    return status;
}

/* ---- the weight gradient ------------------------------------------------------------------- */

typedef struct {
    const plan *p;
    const float *big, *small;
    float *dw;
    float *v, *d; /* (point, tile, phase * B) and (point, tile, C) of a batch of tiles */
    float *du;    /* (point, outer..., inner...) */
    int64_t t0, tiles, batch;
    int64_t v_gap, d_gap, du_gap;
    int64_t rows, cols; /* of du */
    char *scratch;
    size_t thread_bytes;
} grad_task;

#define TRANSFORM_TILES 8

static void
transform_both(void *arg, int64_t i, int thread)
{
    const grad_task *t = arg;
    const plan *p = t->p;
    const ae_window *g = p->g;
    const float *pixel[OUT * OUT];
    (void)thread;
    for (int64_t j = i * TRANSFORM_TILES; j < ae_min(t->tiles, (i + 1) * TRANSFORM_TILES);
         j++) {
        tile_place at = find_tile(p, t->t0 + j);
        for (int64_t f = 0; f < p->phases; f++) {
            transform_input(t->v + (j * p->phases + f) * g->B, t->v_gap, p, t->big, false,
                            t->t0 + j, find_phase(p, f, false));
        }
        find_pixels(pixel, p, t->small + at.n * g->P * g->Q * g->C, g->P, g->Q, g->C,
                    at.y * OUT, at.x * OUT, 1, OUT);
        p->k->winograd_output_grad(t->d + j * g->C, t->d_gap, pixel, g->C, p->r);
    }
}

/* du of some columns of one point += the product over this batch of tiles. */
static void
multiply_batch(void *arg, int64_t i, int thread)
{
    static const ae_epilogue accumulate = {.accumulate = true};
    const grad_task *t = arg;
    const plan *p = t->p;
    bool big_first = t->p->g->w_big != 1; /* du is (phase * B, C), or (C, phase * B) */
    int64_t groups = ae_ceil_div(t->cols, PANELS * p->k->nr), point = i / groups;
    int64_t first = i % groups * PANELS * p->k->nr;
    char *scratch = t->scratch + (size_t)thread * t->thread_bytes;
    int64_t *a_row = (int64_t *)scratch, *c_row = a_row + t->rows, zero = 0;
    float *panels = (float *)(scratch + ae_bytes(2, t->rows, sizeof(int64_t)));
    const float *v = t->v + point * t->v_gap, *d = t->d + point * t->d_gap;
    ae_panel_source b = {.src = (big_first ? d : v) + first,
                         .tap = &zero,
                         .ntap = 1,
                         .nk = t->tiles,
                         .N = ae_min(PANELS * p->k->nr, t->cols - first),
                         .ks = t->cols,
                         .ns = 1};
    ae_seg all = {0, t->tiles};
    ae_product x = {.a = big_first ? v : d,
                    .a_row = a_row,
                    .a_stride = t->rows,
                    .seg = &all,
                    .nseg = 1,
                    .panels = panels,
                    .K = t->tiles,
                    .N = b.N,
                    .p1 = ae_ceil_div(b.N, p->k->nr),
                    .c = t->du + point * t->du_gap + first,
                    .c_row = c_row,
                    .m = t->rows,
                    .epilogue = &accumulate};
    for (int64_t panel = 0; panel < x.p1; panel++) {
        ae_pack_panel(panels + panel * p->k->nr * t->tiles, &b, panel, p->k);
    }
    for (int64_t j = 0; j < t->rows; j++) {
        a_row[j] = j;
        c_row[j] = j * t->cols;
    }
    ae_multiply(p->k, &x);
}

static void
transform_gradient(void *arg, int64_t i, int thread)
{
    const grad_task *t = arg;
    const plan *p = t->p;
    const ae_window *g = p->g;
    int64_t phase = i / p->outer, row = i % p->outer, offset[9];
    float *tap[9];
    (void)thread;
    find_taps(offset, p, find_phase(p, phase, false));
    for (int j = 0; j < p->r * p->r; j++) {
        tap[j] = t->dw + row * g->R * g->S * p->inner + offset[j];
    }
    int64_t at = g->w_big == 1 ? (row * p->phases + phase) * g->B : (phase * g->B + row) * g->C;
    p->k->winograd_weight_grad(tap, t->du + at, t->du_gap, p->inner, p->r);
}

static ae_status
plan_gradient(grad_task *t)
{
    const plan *p = t->p;
    const ae_window *g = p->g;
    int64_t big = p->phases * g->B, most;
    t->rows = g->w_big == 1 ? g->C : big;
    t->cols = g->w_big == 1 ? big : g->C;
    most = ae_max(1, BATCH_BYTES / (p->points * (big + g->C) * (int64_t)sizeof(float)));
    t->batch = ae_ceil_div(p->tiles, ae_ceil_div(p->tiles, most));
    t->v_gap = spread(t->batch * big);
    t->d_gap = spread(t->batch * g->C);
    t->du_gap = spread(big * g->C);
    t->thread_bytes =
        ae_bytes_add(ae_bytes(2, t->rows, sizeof(int64_t)),
                     ae_packed_bytes(p->k, t->batch, ae_min(t->cols, PANELS * p->k->nr)));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

ae_status
ae_winograd_weight(float *dw, const float *big, const float *small, const ae_window *g,
                   const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    plan p;
    make_plan(&p, g, ctx->k, false);
    grad_task t = {.p = &p, .big = big, .small = small, .dw = dw};
    AE_TRY(plan_gradient(&t));
    size_t zeros = ae_bytes(ae_max(g->B, g->C), 1, sizeof(float));
    size_t v = ae_bytes(p.points, t.v_gap, sizeof(float));
    size_t d = ae_bytes(p.points, t.d_gap, sizeof(float));
    size_t du = ae_bytes(p.points, t.du_gap, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    AE_TRY(
        ae_arena_reserve(ctx->arena, ae_bytes_add(ae_bytes_add(zeros, v),
                                                  ae_bytes_add(ae_bytes_add(d, du), scratch))));
    p.zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t.v = ae_arena_take(ctx->arena, v);
    t.d = ae_arena_take(ctx->arena, d);
    t.du = memset(ae_arena_take(ctx->arena, du), 0, du);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    int64_t tasks = p.points * ae_ceil_div(t.cols, PANELS * ctx->k->nr);
    double work = 2.0 * (double)t.batch * (double)t.rows * (double)t.cols;
    for (t.t0 = 0; t.t0 < p.tiles; t.t0 += t.batch) {
        t.tiles = ae_min(t.batch, p.tiles - t.t0);
        ae_parallel(ctx, ae_ceil_div(t.tiles, TRANSFORM_TILES), work, transform_both, &t);
        ae_parallel(ctx, tasks, work * (double)p.points, multiply_batch, &t);
    }
    ae_parallel(ctx, p.phases * p.outer, work, transform_gradient, &t);
done:
    return status;
}
