/* Tiers 1 and 2: the helper, a program of its own, prints the report. CRASH context. */
#ifndef SIGNAL_LAUNCH_H
#define SIGNAL_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>

#include "signal/crash.h"

struct stk_launch {
	bool done;       /* the report stands */
	bool unwritten;  /* done, but nobody could be told all of it */
	bool mid_line;   /* what the helper wrote does not end with a line */
	const char *why; /* not done, or the core was not: one line */
};

/* Start the helper and wait for its end, at most until a part of the deadline is left. */
void stk_launch(struct stk_launch *ret, struct stk_crash *c, int out_fd, uint64_t deadline_ns);

/* The thread in stk_launch() has crashed: end what it started. true: what the helper wrote does not
 * end with a line. */
bool stk_launch_abort(void);

#endif
