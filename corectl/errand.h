/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the sandbox forbids is done by a small process that was started before it. */
#ifndef CORECTL_ERRAND_H
#define CORECTL_ERRAND_H

#include <stdbool.h>

/* Their numbers in the table of errand_start(). */
enum { ERRAND_PAGER, ERRAND_CACHE, ERRAND_HISTORY };

/* One thing that it does: with `fd`, which was sent to it, in a process that ends afterwards. The
 * result is that of errand_wait(). */
typedef int errand_fn(int fd);

/* Start the process; it can do those of `fns`, which ends with NULL, and nothing else. */
bool errand_start(errand_fn *const *fns);

/* Have fns[which] done; errand_wait() needs what this returns. -1: it is not begun. */
int errand_ask(unsigned which, int fd);

/* Wait until it is done. -1: it was not. */
int errand_wait(int asked);

/* The process ends, and what is begun goes on. */
void errand_end(void);

#endif
