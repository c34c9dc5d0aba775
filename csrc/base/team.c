/* team.c: see team.h.
 *
 * Each thread that calls the core has a team of its own. A job is open from when its caller says so
 * until no task is left; the caller takes tasks like everybody else, so that it never waits for a
 * helper which sleeps, or whose CPU is taken, but for the end of the tasks that helpers have begun. That is
 * what OpenMP's teams can't do: all of their threads have to come to the end of a region.
 *
 * A helper without a job spins for some time, which spans the gap between two operations, and then
 * sleeps until it is woken. One that the system has put on its caller's CPU, as it does in virtual machines
 * that take CPUs at rest for busy ones, moves away: there it would but keep its caller from making jobs.
 *
 * Where other programs want its CPU, the system takes that from a helper when it has had its share, most
 * likely in the middle of a task, which the caller then waits for. So for some time from when that has
 * happened a helper doesn't spin, and works in short shifts, between which it rests without a task.
 */
#ifndef AE_OPENMP_TEAMS
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* CPU_COUNT */
#endif
#include "base/team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <time.h>
#include <unistd.h>

#include "base/aligned.h"
#include "base/math.h"

#define SPIN 200000      /* ns that a helper spins for */
#define RECENT 200000    /* ns after which a caller doesn't seem to come often */
#define PATIENCE 20000   /* ns after which a caller that waits goes to sleep */
#define CROWDED 50000000 /* ns that a CPU counts as shared for, once others have taken it */
#define AGAIN 20000000   /* ns within which a CPU has to be taken twice for that */
#define SHIFT 1000000    /* ns that a helper works for on such a CPU */
#define REST 1200000     /* and rests */
#define LOOKS 32         /* looks at the job between two at the clock */
#define STACK (1 << 20)  /* bytes; kernels keep a few tiles there */

/* A job's word: its number, whether it is open, and how many helpers are inside. */
#define INSIDE ((uint64_t)0xffff)
#define OPEN ((uint64_t)0x10000)
#define NUMBER ((uint64_t)0x20000)

typedef struct {
    _Alignas(64) _Atomic uint64_t job;
    ae_task fn;
    void *arg;
    int64_t n;
    int threads;
    _Atomic int cpu;                   /* that the caller was on */
    _Alignas(64) _Atomic int64_t next; /* the task that nobody has taken */
    _Atomic int entered;               /* helpers that have come to this job */
    _Alignas(64) _Atomic int asleep;
    _Atomic bool awaiting; /* whether the caller sleeps until no helper is inside */
    _Atomic int users;     /* the caller and its helpers: the last one frees the team */
    _Atomic bool over;
    pthread_mutex_t mutex;
    pthread_cond_t woken, left;
    int size, most; /* helpers that there are, and that the system gives */
    pid_t caller;
    int64_t ended; /* when the last job did */
} team;

static _Thread_local team *mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int64_t spin = SPIN;
static int cpus = 1;
static _Atomic int awake; /* helpers of all teams */

static int64_t
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- the CPUs of a helper and its caller ------------------------------------------------------ */

#ifdef __linux__

static pid_t
this_thread(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static int
this_cpu(void)
{
    return sched_getcpu();
}

/* Leave the caller's CPU, if there is another one that it may use. */
static void
move_away(const team *t, int cpu)
{
    cpu_set_t set;
    if (sched_getaffinity(t->caller, sizeof set, &set) == 0 && cpu < CPU_SETSIZE) {
        CPU_CLR((size_t)cpu, &set);
        if (CPU_COUNT(&set) > 0) {
            sched_setaffinity(0, sizeof set, &set);
        }
    }
}

static int
count_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
                                                       : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#else

static pid_t
this_thread(void)
{
    return 0;
}

static int
this_cpu(void)
{
    return -1;
}

static void
move_away(const team *t, int cpu)
{
    (void)t;
    (void)cpu;
}

static int
count_cpus(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#endif

/* ---- a helper -------------------------------------------------------------------------------- */

static void
take_tasks(team *t, int thread)
{
    int64_t i;
    while ((i = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < t->n) {
        t->fn(t->arg, i, thread);
    }
}

static bool
is_new(uint64_t job, uint64_t seen)
{
    return (job & OPEN) != 0 && job / NUMBER != seen;
}

/* A helper's own time. */
typedef struct {
    int64_t shared; /* until when its CPU counts as shared */
    int64_t lost;   /* when the system was last seen to have taken its CPU */
    int64_t began;  /* when its shift did */
    long taken;     /* how often the system has taken its CPU */
} shift;

/* Find out whether others have had the CPU since the last time. */
static void
look_around(shift *s, int64_t time)
{
#ifdef RUSAGE_THREAD
    struct rusage use;
    if (spin == SPIN && getrusage(RUSAGE_THREAD, &use) == 0 && use.ru_nivcsw != s->taken) {
        s->taken = use.ru_nivcsw;
        /* once alone is nothing: the system has work to do, too */
        if (time - s->lost < AGAIN) {
            s->shared = time + CROWDED;
        }
        s->lost = time;
    }
#else
    (void)s;
    (void)time;
#endif
}

/* Spin until there is a job after the one seen; false if there was none for some time. */
static bool
spin_for_job(team *t, uint64_t seen, shift *s)
{
    const int64_t start = now();
    int64_t time = start;
    look_around(s, time);
    do {
        const int cpu = this_cpu();
        if (cpu >= 0 && cpu == atomic_load_explicit(&t->cpu, memory_order_relaxed)) {
            move_away(t, cpu);
        }
        for (int i = 0; i < LOOKS; i++) {
            if (is_new(atomic_load_explicit(&t->job, memory_order_acquire), seen)) {
                return true;
            }
            relax();
        }
        time = now();
    } while (time - start < (time < s->shared ? 0 : spin) && !atomic_load(&t->over) &&
             atomic_load_explicit(&awake, memory_order_relaxed) < cpus);
    return false;
}

static void
sleep_for_job(team *t, uint64_t seen)
{
    atomic_fetch_sub(&awake, 1);
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->asleep, 1);
    if (!is_new(atomic_load(&t->job), seen) && !atomic_load(&t->over)) {
        pthread_cond_wait(&t->woken, &t->mutex);
    }
    atomic_fetch_sub(&t->asleep, 1);
    pthread_mutex_unlock(&t->mutex);
    atomic_fetch_add(&awake, 1);
}

/* Rest, if this shift on a shared CPU has been long enough. */
static void
rest(shift *s)
{
    const int64_t time = now();
    if (time - s->began < SHIFT) {
        return;
    }
    look_around(s, time);
    s->began = time;
    if (time < s->shared) {
        const struct timespec pause = {.tv_nsec = REST};
        nanosleep(&pause, NULL);
        s->began = now();
    }
}

static void
leave(team *t)
{
    if (atomic_fetch_sub(&t->users, 1) == 1) {
        pthread_cond_destroy(&t->woken);
        pthread_cond_destroy(&t->left);
        pthread_mutex_destroy(&t->mutex);
        ae_aligned_free(t);
    }
}

static void *
help(void *arg)
{
    team *t = arg;
    uint64_t seen = 0;
    shift s = {.began = now()};
    atomic_fetch_add(&awake, 1);
    while (!atomic_load(&t->over)) {
        uint64_t job = atomic_load_explicit(&t->job, memory_order_acquire);
        if (!is_new(job, seen)) {
            if (!spin_for_job(t, seen, &s)) {
                sleep_for_job(t, seen);
                s.began = now();
            }
            continue;
        }
        if (!atomic_compare_exchange_weak(&t->job, &job, job + 1)) {
            continue;
        }
        seen = job / NUMBER;
        const int thread = 1 + atomic_fetch_add(&t->entered, 1);
        if (thread < t->threads) {
            take_tasks(t, thread);
        }
        if ((atomic_fetch_sub(&t->job, 1) & INSIDE) == 1 && atomic_load(&t->awaiting)) {
            pthread_mutex_lock(&t->mutex);
            pthread_cond_signal(&t->left);
            pthread_mutex_unlock(&t->mutex);
        }
        rest(&s);
    }
    atomic_fetch_sub(&awake, 1);
    leave(t);
    return NULL;
}

/* ---- the caller ------------------------------------------------------------------------------ */

static void
dismiss(void *arg)
{
    team *t = arg;
    mine = NULL;
    atomic_store(&t->over, true);
    pthread_mutex_lock(&t->mutex);
    pthread_cond_broadcast(&t->woken);
    pthread_mutex_unlock(&t->mutex);
    leave(t);
}

/* The child of a fork has its caller's memory, and none of the helpers. */
static void
forget_team(void)
{
    mine = NULL;
    pthread_setspecific(key, NULL);
    atomic_store(&awake, 0);
}

static void
initialize(void)
{
    const char *policy = getenv("OMP_WAIT_POLICY");
    pthread_key_create(&key, dismiss);
    pthread_atfork(NULL, NULL, forget_team);
    cpus = (int)ae_max(1, count_cpus());
    if (policy != NULL && strcasecmp(policy, "passive") == 0) {
        spin = 0;
    }
    else if (policy != NULL && strcasecmp(policy, "active") == 0) {
        spin = INT64_MAX / 2;
    }
}

static team *
make_team(void)
{
    pthread_once(&once, initialize);
    team *t = ae_aligned_alloc(sizeof(team));
    if (t == NULL) {
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->most = AE_MOST_THREADS;
    t->caller = this_thread();
    atomic_init(&t->users, 1);
    if (pthread_mutex_init(&t->mutex, NULL) != 0 || pthread_cond_init(&t->woken, NULL) != 0 ||
        pthread_cond_init(&t->left, NULL) != 0 || pthread_setspecific(key, t) != 0) {
        ae_aligned_free(t);
        return NULL;
    }
    return t;
}

/* Have so many helpers, or as many as the system gives. */
static void
grow(team *t, int helpers)
{
    pthread_attr_t attr;
    sigset_t all, before;
    if (helpers <= t->size || t->size >= t->most || pthread_attr_init(&attr) != 0) {
        return;
    }
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all); /* signals are for the threads of the program */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->size < helpers && t->size < t->most) {
        pthread_t thread;
        atomic_fetch_add(&t->users, 1);
        if (pthread_create(&thread, &attr, help, t) == 0) {
            t->size += 1;
        }
        else {
            atomic_fetch_sub(&t->users, 1);
            t->most = t->size;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

static void
wake(team *t, int64_t helpers)
{
    pthread_mutex_lock(&t->mutex);
    for (int64_t i = ae_min(helpers, atomic_load(&t->asleep)); i > 0; i--) {
        pthread_cond_signal(&t->woken);
    }
    pthread_mutex_unlock(&t->mutex);
}

static bool
is_anybody_inside(team *t)
{
    return (atomic_load(&t->job) & INSIDE) != 0;
}

/* Wait until no helper is inside. */
static void
await_helpers(team *t)
{
    int64_t start = 0;
    for (int i = 1; is_anybody_inside(t); i++) {
        relax();
        if (i % LOOKS != 0) {
            continue;
        }
        start = start == 0 ? now() : start;
        if (now() - start > PATIENCE) {
            pthread_mutex_lock(&t->mutex);
            atomic_store(&t->awaiting, true);
            while (is_anybody_inside(t)) {
                pthread_cond_wait(&t->left, &t->mutex);
            }
            atomic_store(&t->awaiting, false);
            pthread_mutex_unlock(&t->mutex);
        }
    }
}

void
ae_team_run(int threads, int64_t n, bool wakes, ae_task fn, void *arg)
{
    team *t = mine != NULL ? mine : make_team();
    mine = t;
    const int64_t helpers = ae_min(n, threads) - 1;
    if (t == NULL) {
        for (int64_t i = 0; i < n; i++) {
            fn(arg, i, 0);
        }
        return;
    }
    grow(t, (int)helpers);
    t->fn = fn;
    t->arg = arg;
    t->n = n;
    t->threads = threads;
    atomic_store_explicit(&t->cpu, this_cpu(), memory_order_relaxed);
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    atomic_store_explicit(&t->entered, 0, memory_order_relaxed);
    const uint64_t job = atomic_load_explicit(&t->job, memory_order_relaxed);
    atomic_store(&t->job, (job / NUMBER + 1) * NUMBER + OPEN);
    if (atomic_load(&t->asleep) > 0 && (wakes || now() - t->ended < RECENT)) {
        wake(t, helpers);
    }
#ifdef AE_ALL_TAKE_PART
    while (atomic_load(&t->entered) < ae_min(helpers, t->size)) {
        relax();
    }
#endif
    take_tasks(t, 0);
    atomic_fetch_and(&t->job, ~OPEN);
    await_helpers(t);
    t->ended = now();
}

#endif
