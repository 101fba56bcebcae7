/* Tiers 1 and 2: the helper, a program of its own, prints the report. CRASH context. */
#ifndef SIGNAL_LAUNCH_H
#define SIGNAL_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"

struct stk_launch {
	bool done;       /* the report stands */
	const char *why; /* not done, or the core was not: one line */
};

/* Start the helper and wait for its end, at most until a part of the deadline is left. */
void stk_launch(struct stk_launch *ret, struct stk_crash *c, int out_fd, uint64_t deadline_ns);

#endif
