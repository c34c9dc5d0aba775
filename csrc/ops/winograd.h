/* winograd.h: the three products of window.h with fewer multiplications, where the window is r = 2 or 3
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
#ifndef AE_WINOGRAD_H
#define AE_WINOGRAD_H

#include "ops/window.h"

/* Whether that takes less time, of down and weight or of `up`, and is wanted: errors are 3 to 5 times
 * as large. The number of images has no part in it. */
bool ae_winograd_pays(const ae_window *g, const ae_kernels *k, bool up);
/* down and up. */
ae_status ae_winograd(float *out, const float *in, const float *w, const ae_window *g, bool up,
                      const ae_epilogue *epilogue, const ae_ctx *ctx);
/* dw = or += */
ae_status ae_winograd_weight(float *dw, const float *big, const float *small,
                             const ae_window *g, bool adds, const ae_ctx *ctx);

#endif
