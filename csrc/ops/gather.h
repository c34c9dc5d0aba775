/* gather.h: what gathers of rows and of crops share. */
#ifndef AE_GATHER_H
#define AE_GATHER_H

#include "kern/table.h"

/* n values of a source to y, scaled. */
static inline void
ae_gather_convert(const ae_gather_cfg *cfg, const ae_kernels *k, float *y, const char *x,
                  int64_t n)
{
    switch (cfg->source) {
        case AE_U8:
            k->scale_u8(y, (const uint8_t *)x, n, cfg->scale);
            break;
        case AE_F32:
            k->scale_f32(y, (const float *)x, n, cfg->scale);
            break;
        case AE_F64:
            k->scale_f64(y, (const double *)x, n, cfg->scale);
            break;
    }
}

#endif
