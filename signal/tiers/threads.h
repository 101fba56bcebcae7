/*
 * The threads of the process but the one that reports: a table that grows by listing them again,
 * from /proc or, where that is not there, from what libc started through us. CRASH context, all of
 * it.
 */
#ifndef SIGNAL_THREADS_H
#define SIGNAL_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "signal/crash.h"

struct stk_collection {
	struct stk_other v[STK_OTHERS_MAX];
	uint32_t n; /* threads asked */
	uint32_t answered;
	uint32_t gone;    /* those that have ended since: their tid is 0 */
	uint32_t dropped; /* threads beyond the table: they are asked, and not known */
	bool listed;      /* false: /proc/self/task could not be read */
};

extern struct stk_collection stk_threads;

/* Those that are not in the table yet; false: there are none. Where /proc does not list them they
 * are those that were started through us. */
bool stk_threads_list(void);

/* Those that were started through us alone. */
bool stk_threads_list_known(void);

/* The place of a thread in the table, from 1; 0: it is not there. */
uint32_t stk_threads_place(int tid);

/* Empty the table. */
void stk_threads_forget(void);

/* "/proc/self/task/TID/status" */
void stk_threads_status(char *path, size_t cap, int tid);

#endif
