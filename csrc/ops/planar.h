/* planar.h: `up` of window.h to few output channels, in channel-planar layout. */
#ifndef AE_PLANAR_H
#define AE_PLANAR_H

#include "ops/window.h"

/* Whether that takes less time: to at most AE_PLANAR_CHANNELS channels, from enough of them. */
bool ae_planar_pays(const ae_window *g);
ae_status ae_planar_up(float *big, const float *small, const float *w, const ae_window *g,
                       const ae_epilogue *epilogue, const ae_ctx *ctx);

#endif
