/* winograd_plan.h: how images, phases and taps are cut into tiles, for the products of winograd.h. */
#ifndef AE_WINOGRAD_PLAN_H
#define AE_WINOGRAD_PLAN_H

#include "ops/window.h"

#define AE_WINO_OUT 4     /* outputs of a tile along an axis */
#define AE_WINO_POINTS 36 /* at most */
#define AE_WINO_PHASES 16 /* at most */

typedef struct {
    const ae_window *g;
    const ae_kernels *k;
    bool up; /* the weight gradient reads what down does: false */
    int r, n, stride;
    int64_t points, phases; /* n * n, stride * stride */
    int64_t ty, tx, tiles;  /* of an image, of all */
    int64_t inner, outer;   /* channels of w: the contiguous ones, the others */
    const float *zeros;     /* a pixel outside the image */
} ae_wino_plan;

/* How a phase meets the images, along one axis: it reads source pixels at step * t + first, and
 * element j of its filter is tap `tap` + j * tap_step. */
typedef struct {
    int64_t step, first, tap, tap_step;
} ae_wino_axis;

typedef struct {
    ae_wino_axis y, x;
} ae_wino_phase;

/* Where a tile is. */
typedef struct {
    int64_t n, y, x; /* image, and tiles from its top left */
} ae_wino_place;

/* False if the window isn't one that this is for. */
bool ae_wino_make_plan(ae_wino_plan *p, const ae_window *g, const ae_kernels *k, bool up);
double ae_wino_direct_work(const ae_window *g);
ae_wino_phase ae_wino_find_phase(const ae_wino_plan *p, int64_t phase);
/* The taps of a phase, as offsets into one `outer` row of w. */
void ae_wino_find_taps(int64_t *tap, const ae_wino_plan *p, ae_wino_phase f);
ae_wino_place ae_wino_find_tile(const ae_wino_plan *p, int64_t tile);
/* `count` x `count` pixels of image n of x (N, H, W, C), `step` apart from (h, w) on. */
void ae_wino_find_pixels(const float **pixel, const ae_wino_plan *p, const float *x, int64_t H,
                         int64_t W, int64_t C, int64_t h, int64_t w, int64_t step, int count);
/* The transformed values that tile `tile` reads in one phase. */
void ae_wino_input(float *v, int64_t gap, const ae_wino_plan *p, const float *x, int64_t tile,
                   ae_wino_phase f);
/* Points lie an odd number of cache lines apart, so that a tile's don't share a set of L1. */
int64_t ae_wino_gap(int64_t floats);

#endif
