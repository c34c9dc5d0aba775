/* team.h: the threads that help the calling one, where there are POSIX threads. */
#ifndef AE_TEAM_H
#define AE_TEAM_H

#include "ae.h"

/* Run fn(arg, i, thread) for i in [0, n) on the calling thread, which is number 0, and on as many
 * helpers as come in time, threads - 1 at most. `wakes` says that there is enough to do for those
 * that sleep to be woken, too. */
void ae_team_run(int threads, int64_t n, bool wakes, ae_task fn, void *arg);

#endif
