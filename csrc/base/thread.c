/* thread.c: how many threads there are, and how tasks are handed out.
 *
 * One at a time, so that a thread on a busy core takes fewer of them. What a task computes must not
 * depend on the thread that runs it, nor on how many there are. OpenMP says how many threads a call may
 * use; they are those of team.c, or OpenMP's own where there are no POSIX threads.
 */
#include "ae.h"
#include "base/math.h"
#include "base/team.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#ifdef AE_ALL_TAKE_PART /* in tests */
#define SERIAL_WORK 0
#define WAKING_WORK 0
#else
#define SERIAL_WORK \
    2e5 /* operations below which sharing costs more than it saves: about 2 us */
#define WAKING_WORK \
    4e6 /* operations from which on it pays to wake a thread that sleeps: about 50 us */
#endif

int
ae_max_threads(void)
{
#ifdef _OPENMP
    return (int)ae_min(omp_get_max_threads(), AE_MOST_THREADS);
#else
    return 1;
#endif
}

void
ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg)
{
    if (ctx->threads > 1 && n > 1 && work >= SERIAL_WORK) {
#ifndef AE_OPENMP_TEAMS
        ae_team_run(ctx->threads, n, work >= WAKING_WORK, fn, arg);
        return;
#elif defined(_OPENMP)
#pragma omp parallel for num_threads((int)ae_min(n, ctx->threads)) schedule(dynamic, 1)
        for (int64_t i = 0; i < n; i++) {
            fn(arg, i, omp_get_thread_num());
        }
        return;
#endif
    }
    for (int64_t i = 0; i < n; i++) {
        fn(arg, i, 0);
    }
}
