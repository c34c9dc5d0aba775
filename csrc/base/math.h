/* math.h: arithmetic on sizes. */
#ifndef AE_MATH_H
#define AE_MATH_H

#include <stdint.h>

static inline int64_t
ae_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The index that stands there now, or 0 if it isn't in [0, n), with n > 0. Bindings check indices, but
 * other threads may write into their array while a call runs: what is added to a pointer is read
 * once, and held in its range. */
static inline int64_t
ae_index(const int64_t *at, int64_t n)
{
    const int64_t i = __atomic_load_n(at, __ATOMIC_RELAXED);
    return (uint64_t)i < (uint64_t)n ? i : 0;
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
