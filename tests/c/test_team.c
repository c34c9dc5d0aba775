/* test_team.c: every task is run once, by one of so many threads at a time, for callers that come and
 * go and ask for teams of other sizes. Where the system gives no threads, as WebAssembly mostly doesn't,
 * there is one caller after the other, and each does all tasks alone. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "ae.h"
#include "check.h"

#define TASKS 300
#define CALLERS 6
#define JOBS 400

typedef struct {
    int runs[TASKS]; /* by one thread each, unless a task is run twice */
    _Atomic int inside[8];
    int threads;
    _Atomic int wrong;
} job;

static void
run_once(void *arg, int64_t i, int thread)
{
    job *j = arg;
    if (thread < 0 || thread >= j->threads || atomic_fetch_add(&j->inside[thread], 1) != 0) {
        atomic_fetch_add(&j->wrong, 1);
    }
    j->runs[i] += 1;
    atomic_fetch_sub(&j->inside[thread], 1);
}

static void *
call(void *arg)
{
    _Atomic int *wrong = arg;
    for (int n = 0; n < JOBS; n++) {
        ae_ctx ctx = {.threads = 1 + n % 5};
        job j = {.threads = ctx.threads};
        int64_t tasks = n * 7 % TASKS;
        ae_parallel(&ctx, tasks, 1e9, run_once, &j);
        for (int64_t i = 0; i < TASKS; i++) {
            atomic_fetch_add(wrong, j.runs[i] != (i < tasks));
        }
        atomic_fetch_add(wrong, j.wrong);
    }
    return NULL;
}

int
main(void)
{
    static _Atomic int wrong;
#if defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__)
    for (int i = 0; i < CALLERS; i++) {
        call(&wrong);
    }
#else
    pthread_t callers[CALLERS];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CALLERS; i++) {
            if (pthread_create(&callers[i], NULL, call, &wrong) != 0) {
                return 1;
            }
        }
        for (int i = 0; i < CALLERS; i++) {
            pthread_join(callers[i], NULL);
        }
    }
#endif
    printf("%s\n", wrong == 0 ? "passed" : "FAILED: tasks were not run once each");
    return wrong != 0 || failures != 0;
}
