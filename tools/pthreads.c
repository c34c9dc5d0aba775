/* pthreads.c: base/thread.c in POSIX threads, for ThreadSanitizer, which cannot see into OpenMP.
 *
 * Tasks go to the threads in turns and however little the work, so that each thread gets some:
 * the first one, starting early, would take them all, and no race would show.
 */
#include <pthread.h>

#include "ae.h"

#define MAX_THREADS 16

typedef struct {
    ae_task fn;
    void *arg;
    int64_t n;
    int thread, step;
} worker;

int
ae_max_threads(void)
{
    return 4;
}

static void *
run(void *arg)
{
    const worker *w = arg;
    for (int64_t i = w->thread; i < w->n; i += w->step) {
        w->fn(w->arg, i, w->thread);
    }
    return NULL;
}

void
ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg)
{
    pthread_t threads[MAX_THREADS];
    worker workers[MAX_THREADS];
    bool started[MAX_THREADS] = {false};
    int step = ctx->threads < MAX_THREADS ? ctx->threads : MAX_THREADS;
    (void)work;
    for (int t = step - 1; t >= 0; t--) {
        workers[t] = (worker){.fn = fn, .arg = arg, .n = n, .thread = t, .step = step};
        started[t] = t > 0 && pthread_create(&threads[t], NULL, run, &workers[t]) == 0;
        if (!started[t]) {
            run(&workers[t]);
        }
    }
    for (int t = 1; t < step; t++) {
        if (started[t]) {
            pthread_join(threads[t], NULL);
        }
    }
}
