/* winograd_plan.c: see winograd_plan.h; and whether winograd.h pays. */
#include "ops/winograd_plan.h"

#include "base/math.h"
#include "ops/winograd.h"

#define MAX_WEIGHTS (16 << 20) /* transformed: they are 2 to 4 times what they were */

bool
ae_wino_make_plan(ae_wino_plan *p, const ae_window *g, const ae_kernels *k, bool up)
{
    *p = (ae_wino_plan){.g = g, .k = k, .stride = (int)g->sh, .up = up};
    if (g->R != g->S || g->sh != g->sw || g->R % g->sh != 0 || g->sh * g->sw > AE_WINO_PHASES) {
        return false;
    }
    p->r = (int)(g->R / g->sh);
    p->n = p->r + AE_WINO_OUT - 1;
    p->points = (int64_t)p->n * p->n;
    p->phases = g->sh * g->sw;
    p->ty = ae_ceil_div(up ? ae_ceil_div(g->H, g->sh) : g->P, AE_WINO_OUT);
    p->tx = ae_ceil_div(up ? ae_ceil_div(g->W, g->sw) : g->Q, AE_WINO_OUT);
    p->tiles = g->N * p->ty * p->tx;
    p->inner = g->w_big == 1 ? g->B : g->C;
    p->outer = g->w_big == 1 ? g->C : g->B;
    return p->r == 2 || p->r == 3;
}

/* Whether that pays: operations of both ways, where a transformed value costs about `each`, for
 * some images: how many there are has no influence, so that one has the same bits in any batch. */
static bool
pays(const ae_wino_plan *p)
{
    const ae_window *g = p->g;
    const double each = 8.0, margin = 1.2, images = 32.0;
    double big = (double)p->phases * (double)g->B, small = (double)g->C;
    double tiles = images * (double)(p->ty * p->tx);
    double product = tiles * big * small;
    double transforms = each * (tiles * (big + small) + big * small);
    double direct = images * (double)(g->P * g->Q * g->R * g->S) * (double)g->B * small;
    return g->B >= 16 && g->C >= 16 && (double)p->points * big * small <= MAX_WEIGHTS &&
           margin * (double)p->points * (product + transforms) < direct;
}

double
ae_wino_direct_work(const ae_window *g)
{
    return (double)(g->N * g->P * g->Q) * (double)(g->R * g->S) * (double)g->B * (double)g->C;
}

bool
ae_winograd_pays(const ae_window *g, const ae_kernels *k, bool up)
{
    ae_wino_plan p;
    return g->winograd && ae_is_plain(g) && ae_wino_make_plan(&p, g, k, up) && pays(&p);
}

static ae_wino_axis
down_axis(int64_t phase, int64_t stride, int64_t pad)
{
    return (ae_wino_axis){stride, phase - pad, phase, stride};
}

/* Big pixels stride * t + phase: as any `up`, with r taps in every phase. */
static ae_wino_axis
up_axis(int64_t phase, int64_t size, int64_t kernel, int64_t stride, int64_t pad)
{
    ae_axis_phase p = ae_make_axis_phase(phase, size, kernel, stride, pad, 1);
    return (ae_wino_axis){1, p.low, p.first, -stride};
}

ae_wino_phase
ae_wino_find_phase(const ae_wino_plan *p, int64_t phase)
{
    const ae_window *g = p->g;
    int64_t a = phase / p->stride, b = phase % p->stride;
    if (p->up) {
        return (ae_wino_phase){up_axis(a, g->H, g->R, g->sh, g->ph),
                               up_axis(b, g->W, g->S, g->sw, g->pw)};
    }
    return (ae_wino_phase){down_axis(a, g->sh, g->ph), down_axis(b, g->sw, g->pw)};
}

void
ae_wino_find_taps(int64_t *tap, const ae_wino_plan *p, ae_wino_phase f)
{
    for (int64_t i = 0; i < p->r; i++) {
        for (int64_t j = 0; j < p->r; j++) {
            int64_t r = f.y.tap + i * f.y.tap_step, s = f.x.tap + j * f.x.tap_step;
            *tap++ = (r * p->g->S + s) * p->inner;
        }
    }
}

ae_wino_place
ae_wino_find_tile(const ae_wino_plan *p, int64_t tile)
{
    int64_t image = p->ty * p->tx;
    return (ae_wino_place){tile / image, tile % image / p->tx, tile % p->tx};
}

void
ae_wino_find_pixels(const float **pixel, const ae_wino_plan *p, const float *x, int64_t H,
                    int64_t W, int64_t C, int64_t h, int64_t w, int64_t step, int count)
{
    for (int i = 0; i < count; i++, h += step) {
        for (int j = 0; j < count; j++) {
            int64_t v = w + j * step;
            bool inside = h >= 0 && h < H && v >= 0 && v < W;
            *pixel++ = inside ? x + (h * W + v) * C : p->zeros;
        }
    }
}

void
ae_wino_input(float *v, int64_t gap, const ae_wino_plan *p, const float *x, int64_t tile,
              ae_wino_phase f)
{
    const ae_window *g = p->g;
    const float *pixel[AE_WINO_POINTS];
    int64_t H = p->up ? g->P : g->H, W = p->up ? g->Q : g->W, C = p->up ? g->C : g->B;
    ae_wino_place at = ae_wino_find_tile(p, tile);
    ae_wino_find_pixels(pixel, p, x + at.n * H * W * C, H, W, C,
                        f.y.step * AE_WINO_OUT * at.y + f.y.first,
                        f.x.step * AE_WINO_OUT * at.x + f.x.first, f.y.step, p->n);
    p->k->winograd_input(v, gap, pixel, C, p->r);
}

int64_t
ae_wino_gap(int64_t floats)
{
    return (ae_ceil_div(floats, 16) | 1) * 16;
}
