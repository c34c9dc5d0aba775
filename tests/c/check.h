/* check.h: what the tests in C share: drawn numbers, and the largest error beside loops in double. */
#include <math.h>
#include <stdint.h>

static int failures;
static uint32_t state = 1;

/* From -1 to 1 */
static inline float
draw(void)
{
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (float)(1 << 23) - 1.0f;
}

/* The largest of n errors, absolute for small values and relative for large ones, and of `worst`. */
static inline double
worst_error(double worst, const float *got, const double *want, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double error = fabs((double)got[i] - want[i]) / (1.0 + fabs(want[i]));
        worst = error > worst || isnan(error) ? error : worst;
    }
    return worst;
}
