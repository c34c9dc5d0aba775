/* winograd.c: down and up of winograd.h. */
#include "ops/winograd.h"

#include <string.h>

#include "base/math.h"
#include "ops/gemm.h"
#include "ops/winograd_plan.h"

#define CHUNK_TILES 96
#define CHUNK_BYTES (256 * 1024)
#define MIN_CHUNKS 8

/* ---- weights: U as panels ------------------------------------------------------------------ */

typedef struct {
    const ae_wino_plan *p;
    const float *w;
    float *u;             /* (point, phase, outer, inner) */
    ae_panel_source b;    /* of a product: all phases of a point downward, one upward */
    int64_t products;     /* points, or points * phases */
    float *panels;        /* of all products */
    int64_t panel_floats; /* of one */
    size_t u_bytes, bytes;
} weight_task;

static void
transform_weight(void *arg, int64_t i, int thread)
{
    const weight_task *t = arg;
    const ae_wino_plan *p = t->p;
    int64_t phase = i / p->outer, row = i % p->outer, offset[9];
    const float *tap[9];
    (void)thread;
    ae_wino_find_taps(offset, p, ae_wino_find_phase(p, phase));
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

static void
plan_weight(weight_task *t, const int64_t *tap)
{
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    int64_t big = g->w_big == 1 ? 1 : p->inner, small = g->w_big == 1 ? p->inner : 1;
    if (p->up) {
        t->b = (ae_panel_source){NULL, tap, 1, g->C, g->B, small, big, false};
        t->products = p->points * p->phases;
    }
    else {
        t->b = (ae_panel_source){NULL, tap, p->phases, g->B, g->C, big, small, false};
        t->products = p->points;
    }
    size_t bytes = ae_packed_bytes(p->k, t->b.ntap * t->b.nk, t->b.N);
    t->panel_floats = (int64_t)(bytes / sizeof(float));
    t->u_bytes = ae_bytes(p->points * p->phases, p->outer * p->inner, sizeof(float));
    t->bytes = ae_bytes(t->products, t->panel_floats, sizeof(float));
}

static void
make_weight(weight_task *t, const ae_ctx *ctx)
{
    const ae_wino_plan *p = t->p;
    int64_t filters = p->phases * p->outer;
    double values = (double)(filters * p->points) * (double)p->inner;
    t->b.src = t->u = ae_arena_take(ctx->arena, t->u_bytes);
    ae_parallel(ctx, filters, 4.0 * values, transform_weight, t);
    ae_parallel(ctx, t->products * ae_ceil_div(t->b.N, p->k->nr), 4.0 * values, pack_product,
                t);
}

/* ---- tiles --------------------------------------------------------------------------------- */

typedef struct {
    const ae_wino_plan *p;
    const weight_task *weight;
    const float *in;
    float *out;
    const ae_epilogue *epilogue;
    int64_t chunk;  /* tiles */
    int64_t rounds; /* products of a chunk: one downward, one for each phase upward */
    int64_t parts,
        groups;           /* tasks of a chunk: of rounds, and of panels, where chunks are few */
    int64_t depth, cols;  /* of the products */
    int64_t v_gap, m_gap; /* between points: an odd number of cache lines */
    char *scratch;
    size_t thread_bytes;
} chunk_task;

/* Panels p0 to p1 of round `round`, at all points. */
static void
multiply_points(const chunk_task *t, float *m, const float *v, int64_t round, int64_t p0,
                int64_t p1, int64_t tiles)
{
    const weight_task *w = t->weight;
    static const ae_epilogue none = {0};
    int64_t a_row[CHUNK_TILES], c_row[CHUNK_TILES];
    ae_seg all = {0, t->depth};
    ae_product x =
        ae_product_rows(a_row, c_row, &all, tiles, t->cols, t->depth, t->cols, t->p->k);
    x.p0 = p0;
    x.p1 = p1;
    x.epilogue = &none;
    for (int64_t point = 0; point < t->p->points; point++) {
        x.a = v + point * t->v_gap;
        x.panels = w->panels + (point * t->rounds + round) * w->panel_floats;
        x.c = m + point * t->m_gap;
        ae_multiply(t->p->k, &x);
    }
}

/* A tile's outputs of one phase, columns n0 to n1: pixels that are `step` apart. */
static void
transform_output(const chunk_task *t, const float *m, int64_t tile, int64_t round, int64_t n0,
                 int64_t n1)
{
    int64_t step = t->p->up ? t->p->stride : 1, a = round / step, b = round % step;
    ae_epilogue e = *t->epilogue;
    if (e.bias != NULL) {
        e.bias += n0;
    }
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    int64_t H = p->up ? g->H : g->P, W = p->up ? g->W : g->Q, at[AE_WINO_OUT * AE_WINO_OUT];
    ae_wino_place place = ae_wino_find_tile(p, tile);
    for (int64_t i = 0; i < AE_WINO_OUT; i++) {
        for (int64_t j = 0; j < AE_WINO_OUT; j++) {
            int64_t h = (place.y * AE_WINO_OUT + i) * step + a,
                    w = (place.x * AE_WINO_OUT + j) * step + b;
            at[i * AE_WINO_OUT + j] =
                h < H && w < W ? ((place.n * H + h) * W + w) * t->cols + n0 : -1;
        }
    }
    p->k->winograd_output(t->out, at, m + n0, t->m_gap, n1 - n0, &e, p->r);
}

static void
run_chunk(void *arg, int64_t i, int thread)
{
    const chunk_task *t = arg;
    const ae_wino_plan *p = t->p;
    float *v = (float *)(t->scratch + (size_t)thread * t->thread_bytes);
    float *m = v + p->points * t->v_gap;
    int64_t group = i % t->groups, part = i / t->groups % t->parts;
    int64_t t0 = i / t->groups / t->parts * t->chunk, tiles = ae_min(t->chunk, p->tiles - t0);
    int64_t npanel = ae_ceil_div(t->cols, p->k->nr);
    int64_t p0 = group * npanel / t->groups, p1 = (group + 1) * npanel / t->groups;
    int64_t n0 = p0 * p->k->nr, n1 = ae_min(t->cols, p1 * p->k->nr);
    int64_t phases = p->phases / t->rounds, C = t->depth / phases;
    int64_t end = (part + 1) * t->rounds / t->parts;
    for (int64_t round = part * t->rounds / t->parts; round < end; round++) {
        for (int64_t j = 0; j < tiles; j++) {
            for (int64_t f = 0; f < phases; f++) {
                ae_wino_input(v + j * t->depth + f * C, t->v_gap, p, t->in, t0 + j,
                              ae_wino_find_phase(p, round + f));
            }
        }
        multiply_points(t, m, v, round, p0, p1, tiles);
        for (int64_t j = 0; j < tiles; j++) {
            transform_output(t, m + j * t->cols, t0 + j, round, n0, n1);
        }
    }
}

static ae_status
plan_chunks(chunk_task *t)
{
    const ae_wino_plan *p = t->p;
    const ae_window *g = p->g;
    t->depth = p->up ? g->C : p->phases * g->B;
    t->cols = p->up ? g->B : g->C;
    int64_t mr = p->k->mr, tile = p->points * (t->depth + t->cols) * (int64_t)sizeof(float);
    t->chunk = ae_max(1, ae_min(CHUNK_BYTES / tile, CHUNK_TILES) / mr) * mr;
    int64_t chunks = ae_ceil_div(p->tiles, t->chunk), npanel = ae_ceil_div(t->cols, p->k->nr);
    t->rounds = p->up ? p->phases : 1;
    t->parts = ae_max(1, ae_min(t->rounds, MIN_CHUNKS / ae_max(1, chunks)));
    t->groups = ae_max(1, ae_min(npanel, MIN_CHUNKS / (t->parts * ae_max(1, chunks))));
    t->v_gap = ae_wino_gap(t->chunk * t->depth);
    t->m_gap = ae_wino_gap(t->chunk * t->cols);
    t->thread_bytes = ae_bytes(p->points, t->v_gap + t->m_gap, sizeof(float));
    return t->thread_bytes == SIZE_MAX ? AE_ESIZE : AE_OK;
}

/* down and up: see the head of the file. */
ae_status
ae_winograd(float *out, const float *in, const float *w, const ae_window *g, bool up,
            const ae_epilogue *epilogue, const ae_ctx *ctx)
{
    ae_status status = AE_OK;
    ae_wino_plan p;
    int64_t tap[AE_WINO_PHASES];
    ae_wino_make_plan(&p, g, ctx->k, up);
    weight_task weight = {.p = &p, .w = w};
    chunk_task t = {.p = &p, .weight = &weight, .in = in, .out = out, .epilogue = epilogue};
    for (int64_t f = 0; f < p.phases; f++) {
        tap[f] = f * p.outer * p.inner;
    }
    plan_weight(&weight, tap);
    AE_TRY(plan_chunks(&t));
    int64_t channels = up ? g->C : g->B;
    size_t zeros = ae_bytes(channels, 1, sizeof(float));
    size_t scratch = ae_bytes((int64_t)t.thread_bytes, ctx->threads, 1);
    ae_form form = up ? AE_PACKED_WINO_UP : AE_PACKED_WINO_DOWN;
    size_t kept = ae_packed_in_arena(ctx, w, form, weight.bytes);
    size_t weights = ae_bytes_add(weight.u_bytes, kept);
    bool ready;
    AE_TRY(ae_arena_reserve(ctx->arena, ae_bytes_add(ae_bytes_add(zeros, scratch), weights)));
    AE_TRY(ae_packed_take(&weight.panels, &ready, w, form, weight.bytes, ctx));
    p.zeros = memset(ae_arena_take(ctx->arena, zeros), 0, zeros);
    t.scratch = ae_arena_take(ctx->arena, scratch);
    if (!ready) {
        make_weight(&weight, ctx);
    }
    int64_t chunks = ae_ceil_div(p.tiles, t.chunk);
    ae_parallel(ctx, chunks * t.parts * t.groups, 2.0 * ae_wino_direct_work(g), run_chunk, &t);
done:
    return status;
}
