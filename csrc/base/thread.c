/* thread.c: the only place that knows of OpenMP.
 *
 * Tasks are handed out one at a time, so that a thread on a busy core takes fewer of them. What
 * a task computes must not depend on the thread that runs it, nor on how many there are.
 */
#include "ae.h"

#ifdef _OPENMP
#include <omp.h>
#endif

/* Below this many operations, waking threads costs more than it saves (measured: about 2 us). */
#define SERIAL_WORK 2e5

int
ae_max_threads(void)
{
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

void
ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg)
{
    if (ctx->threads <= 1 || n <= 1 || work < SERIAL_WORK) {
        for (int64_t i = 0; i < n; i++) {
            fn(arg, i, 0);
        }
        return;
    }
#ifdef _OPENMP
    int threads = n < ctx->threads ? (int)n : ctx->threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t i = 0; i < n; i++) {
        fn(arg, i, omp_get_thread_num());
    }
#else
    for (int64_t i = 0; i < n; i++) {
        fn(arg, i, 0);
    }
#endif
}
