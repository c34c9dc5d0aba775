/* depthwise.h: the three products of window.h where every channel is a group of its own. */
#ifndef AE_DEPTHWISE_H
#define AE_DEPTHWISE_H

#include "ops/window.h"

static inline bool
ae_depthwise_pays(const ae_window *g)
{
    return g->groups > 1 && g->B == 1 && g->C == 1;
}

ae_status ae_depthwise_down(float *small, const float *big, const float *w, const ae_window *g,
                            const ae_epilogue *epilogue, const ae_ctx *ctx);
ae_status ae_depthwise_up(float *big, const float *small, const float *w, const ae_window *g,
                          const ae_epilogue *epilogue, const ae_ctx *ctx);
/* dw = or += */
ae_status ae_depthwise_weight(float *dw, const float *big, const float *small,
                              const ae_window *g, bool adds, const ae_ctx *ctx);

#endif
