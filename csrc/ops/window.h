/* window.h: the three products behind convolution and transposed convolution.
 *
 * Both layers relate a big image (N, H, W, B) to a small one (N, P, Q, C) through a window of R x S:
 * the big pixel (p * sh - ph + r * dh, q * sw - pw + s * dw) meets the small one (p, q) in tap (r, s).
 *   down    small = patches of big x w      conv2d forward, conv_transpose2d input gradient
 *   up      big = gathered small x w        conv_transpose2d forward, conv2d input gradient
 *   weight  dw = patches of big^T x small   both weight gradients
 * so that conv2d and conv_transpose2d differ in nothing but the strides of w. Channels may be in
 * groups that have nothing to do with one another: each is a product of its own, or all are one
 * where a group is a single channel (depthwise.h).
 *
 * There are further ways: in channel-planar layout (planar.h), and with fewer multiplications
 * (winograd.h). conv.c chooses: none of them knows of the others, and none is called where there
 * is nothing to compute.
 */
#ifndef AE_WINDOW_H
#define AE_WINDOW_H

#include "base/math.h"
#include "kern/table.h"

typedef struct {
    int64_t N;
    int64_t H, W, B; /* big image and its channels, of a group */
    int64_t P, Q, C; /* small image and its channels, of a group */
    int64_t big_step, small_step,
        groups; /* values from pixel to pixel: the channels of all groups */
    int64_t R, S, sh, sw, ph, pw, dh, dw;
    int64_t w_big, w_small, w_tap; /* strides of w over the two channels and the taps */
    bool winograd;                 /* whether winograd.h may be taken */
} ae_window;

ae_status ae_window_down(float *small, const float *big, const float *w, const ae_window *g,
                         const ae_epilogue *epilogue, const ae_ctx *ctx);
ae_status ae_window_up(float *big, const float *small, const float *w, const ae_window *g,
                       const ae_epilogue *epilogue, const ae_ctx *ctx);
/* dw = or += */
ae_status ae_window_weight(float *dw, const float *big, const float *small, const ae_window *g,
                           bool adds, const ae_ctx *ctx);

/* ---- what all ways share -------------------------------------------------------------------- */

/* How many pixels `kernel` taps reach over, so far apart. */
static inline int64_t
ae_reach(int64_t kernel, int64_t dilation)
{
    return (kernel - 1) * dilation + 1;
}

/* Whether there is neither dilation nor groups. */
static inline bool
ae_is_plain(const ae_window *g)
{
    return g->dh == 1 && g->dw == 1 && g->groups == 1;
}

/* Taps of one phase of `up` along one axis, in the order of the small pixels that they read: the big
 * rows stride * t + phase read the small rows t + low, t + low + gap, ... */
typedef struct {
    int64_t count;
    int64_t first; /* the tap that reads the lowest small row; the next is `first` - `step` */
    int64_t step;
    int64_t low;  /* that row, relative to t */
    int64_t gap;  /* 1 without dilation */
    int64_t size; /* how many big rows the phase has */
} ae_axis_phase;

/* How many phases have any pixel of an axis. */
static inline int64_t
ae_phases(int64_t size, int64_t stride)
{
    return ae_min(size, stride);
}

ae_axis_phase ae_make_axis_phase(int64_t phase, int64_t size, int64_t kernel, int64_t stride,
                                 int64_t pad, int64_t dilation);
/* Widen [*low, *high) to what the phases of one axis read, relative to their t. */
void ae_axis_range(int64_t *low, int64_t *high, int64_t size, int64_t kernel, int64_t stride,
                   int64_t pad, int64_t dilation);

/* How images are cut into chunks: groups of whole images, or strips of rows of one. */
typedef struct {
    int64_t images, rows;   /* of a chunk */
    int64_t groups, strips; /* of all */
} ae_chunks;

/* About `pixels` of the `rows` x `cols` pixels of each of N images in a chunk, which also costs
 * at most about `bytes`, where one row of an image costs row_bytes. */
ae_chunks ae_cut(int64_t N, int64_t rows, int64_t cols, int64_t pixels, int64_t row_bytes,
                 int64_t bytes);

/* dst (rows, cols, C) = the part of src (H, W, C), pixels `step` apart, whose first pixel is
 * (y0, x0), zeros outside. */
void ae_copy_part(float *dst, const float *src, int64_t H, int64_t W, int64_t C, int64_t step,
                  int64_t y0, int64_t x0, int64_t rows, int64_t cols);

#endif
