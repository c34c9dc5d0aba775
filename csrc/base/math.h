/* math.h: arithmetic on sizes. */
#ifndef AE_MATH_H
#define AE_MATH_H

#include <stdint.h>

static inline int64_t
ae_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t
ae_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a / b rounded up, for a >= 0 and b > 0. */
static inline int64_t
ae_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* The next multiple of b, or a itself if it is one. */
static inline int64_t
ae_round_up(int64_t a, int64_t b)
{
    return ae_ceil_div(a, b) * b;
}

#endif
