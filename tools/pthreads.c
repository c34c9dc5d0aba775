/* pthreads.c: base/thread.c in POSIX threads, for ThreadSanitizer, which cannot see into OpenMP.
 * Tasks are handed out one at a time, as there. */
#include <pthread.h>

#include "ae.h"

#define MAX_THREADS 16

typedef struct {
    int64_t *next, n;
    ae_task fn;
    void *arg;
    int thread;
} worker;

int
ae_max_threads(void)
{
    return 4;
}

static void *
run(void *arg)
{
    worker *w = arg;
    int64_t i;
    while ((i = __atomic_fetch_add(w->next, 1, __ATOMIC_RELAXED)) < w->n) {
        w->fn(w->arg, i, w->thread);
    }
    return NULL;
}

/* Always in parallel, however little the work: races are what this is for. */
void
ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg)
{
    pthread_t threads[MAX_THREADS];
    worker workers[MAX_THREADS];
    bool started[MAX_THREADS] = {false};
    int64_t next = 0;
    int count = ctx->threads < MAX_THREADS ? ctx->threads : MAX_THREADS;
    (void)work;
    for (int t = 0; t < count; t++) {
        workers[t] = (worker){.next = &next, .n = n, .fn = fn, .arg = arg, .thread = t};
    }
    for (int t = 1; t < count; t++) {
        started[t] = pthread_create(&threads[t], NULL, run, &workers[t]) == 0;
    }
    run(&workers[0]);
    for (int t = 1; t < count; t++) {
        if (started[t]) {
            pthread_join(threads[t], NULL);
        }
    }
}
