/* One look at a process: its threads stop, what is asked for is taken of them, and the target knows
 * them. Inside targets/ only. */
#ifndef STK_TARGET_LOOK_H
#define STK_TARGET_LOOK_H

#include "targets/copy.h"
#include "targets/live.h"
#include "targets/stop.h"

struct stk_look {
	struct stk_target *t; /* gets threads, segments, mappings and auxv */
	const struct stk_live_options *o;
	int pid;
	_Atomic int mm_tid; /* asked for the memory: the leader, or another where that has ended */
	int mem;            /* an open /proc/PID/mem + 1, of one program; 0: it cannot be had */

	struct stk_stops stops;
	/* Copied stacks: of the threads that slept, and of the others. */
	struct stk_copy stacks[2];
	struct stk_stood stood;
	bool was_stopped; /* a thread, by a signal */
	bool wrong_width; /* a thread runs 32-bit code */
	bool executed;    /* nothing came of it: it became another program meanwhile */
};

/* Take the look. After it the threads stand, unless o->brief. */
int stk_look(struct stk_look *l, struct stk_err *err);

/* Let them go on, if they do not yet. */
void stk_look_end(struct stk_look *l);

void stk_look_done(struct stk_look *l);

#endif
