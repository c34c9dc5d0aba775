/* thread.c: the only place that knows of OpenMP.
 *
 * Tasks are handed out one at a time, so that a thread on a busy core takes fewer of them. What
 * a task computes must not depend on the thread that runs it, nor on how many there are.
 *
 * OpenMP's libraries end the process where the system refuses a thread, by a limit of processes or of
 * address space. So a thread that wants a larger team than it has tries first whether that many threads
 * can be made, and makes do with those that can. It keeps its team: smaller ones would let threads go.
 */
#include "ae.h"
#include "base/aligned.h"
#include "base/math.h"

#ifdef _OPENMP
#include <omp.h>
#ifndef _WIN32
#include <pthread.h>
#endif
#ifdef __linux__
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

/* Below this many operations, waking threads costs more than it saves (measured: about 2 us). */
#define SERIAL_WORK 2e5

int
ae_max_threads(void)
{
#ifdef _OPENMP
    return (int)ae_min(omp_get_max_threads(), AE_MOST_THREADS);
#else
    return 1;
#endif
}

#if defined(_OPENMP) && !defined(_WIN32)

#define ROOM ((size_t)1 << 20) /* bytes that have to be left beside all threads */
#define PATIENCE 10000         /* how often to look whether the system has let a thread go */

typedef struct {
    pthread_mutex_t *gate;
    pthread_t thread;
    long id;
} trial;

static void *
wait_at_gate(void *arg)
{
    trial *t = arg;
#ifdef __linux__
    t->id = syscall(SYS_gettid);
#endif
    pthread_mutex_lock(t->gate);
    pthread_mutex_unlock(t->gate);
    return NULL;
}

/* A thread counts until some time after it was joined. */
static void
await_end(const trial *t)
{
    pthread_join(t->thread, NULL);
#ifdef __linux__
    for (int i = 0; i < PATIENCE && syscall(SYS_tgkill, getpid(), t->id, 0) == 0; i++) {
        sched_yield();
    }
#else
    (void)t;
#endif
}

/* How many of so many threads the system gives. Where it doesn't give all, half of what it does: others
 * need some too. */
static int
try_threads(int wanted)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    trial *trials = ae_aligned_alloc((size_t)wanted * sizeof(trial));
    int made = 0;
    if (trials == NULL) {
        return 0;
    }
    pthread_mutex_lock(&gate);
    for (; made < wanted; made++) {
        trials[made] = (trial){.gate = &gate};
        if (pthread_create(&trials[made].thread, NULL, wait_at_gate, &trials[made]) != 0) {
            break;
        }
    }
    void *room = ae_aligned_alloc(ROOM);
    const bool enough = made == wanted && room != NULL;
    ae_aligned_free(room);
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < made; i++) {
        await_end(&trials[i]);
    }
    ae_aligned_free(trials);
    return enough ? wanted : made / 2;
}

/* How many threads take part in n tasks, where `threads` may. */
static int
find_team(int64_t n, int threads)
{
    /* of the calling thread, as OpenMP's teams are: how large its last one was, and may be */
    static _Thread_local int team = 1, most = AE_MOST_THREADS;
    int wanted = (int)ae_min(n, ae_min(threads, most));
    if (wanted > team) {
        const int more = try_threads(wanted - team);
        most = team + more < wanted ? team + more : most;
        wanted = team + more;
    }
    else {
        wanted = (int)ae_min(team, threads);
    }
    team = wanted;
    return team;
}

#elif defined(_OPENMP)

static int
find_team(int64_t n, int threads)
{
    return (int)ae_min(n, threads);
}

#endif

void
ae_parallel(const ae_ctx *ctx, int64_t n, double work, ae_task fn, void *arg)
{
#ifdef _OPENMP
    if (ctx->threads > 1 && n > 1 && work >= SERIAL_WORK) {
        const int threads = find_team(n, ctx->threads);
        if (threads > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
            for (int64_t i = 0; i < n; i++) {
                fn(arg, i, omp_get_thread_num());
            }
            return;
        }
    }
#else
    (void)ctx;
    (void)work;
#endif
    for (int64_t i = 0; i < n; i++) {
        fn(arg, i, 0);
    }
}
