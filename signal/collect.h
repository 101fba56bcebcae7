/*
 * Tier 2 and 3: every other thread answers a signal with its registers and stands still until it is
 * let go. CRASH context.
 */
#ifndef SIGNAL_COLLECT_H
#define SIGNAL_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"

struct stk_collection {
	struct stk_other v[STK_OTHERS_MAX];
	uint32_t n; /* threads asked */
	uint32_t answered;
	uint32_t gone;    /* those that have ended since: their tid is 0 */
	uint32_t dropped; /* threads beyond the table */
	bool listed;      /* false: /proc/self/task could not be read */
};

/* The threads of this process but the caller, not asked. */
struct stk_collection *stk_collect_list(void);

/* Ask all threads of this process but the caller; waits at most until `deadline_ns`. */
struct stk_collection *stk_collect(uint64_t deadline_ns);

/* Let them go on, and give the signal back to libc. Nothing if nothing was collected. */
void stk_collect_done(void);

#endif
