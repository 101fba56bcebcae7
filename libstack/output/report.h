/* The report of a whole target. */
#ifndef STK_OUTPUT_REPORT_H
#define STK_OUTPUT_REPORT_H

#include "base/trace.h"
#include "unwind/unwind.h"

/* What stands between the parentheses of a call. */
enum stk_args_mode {
	STK_ARGS_WORDS, /* 0x1, {0x2, 0x3} */
	STK_ARGS_NAMES, /* argc=0x1, s={0x2, 0x3} */
	STK_ARGS_NONE,  /* ... */
};

struct stk_report_options {
	stk_unwind_fn *unwind; /* NULL: stk_unwind */
	bool single;           /* thread 1 alone */
	bool system;           /* frames of the runtime too, and fp= sp= pc= */
	bool all_stopped;      /* no thread was at fault: thread 1 was stopped like the others */
	bool head_done;        /* the two header lines stand already */
	bool others_only;      /* thread 1 and the registers stand already, too */
	bool secure;           /* no words, registers, addresses */
	enum stk_trace_unlisted unlisted; /* threads that the target could not list */
	enum stk_args_mode args;
	const char *why; /* the line below the header, or NULL */
	/* What is to be done and said before the last line; NULL: nothing. */
	void (*before_end)(void *arg, struct stk_trace_sink sink);
	void *arg;
	const char *interrupted; /* why it ends early if the target's interrupt flag is set */
};

/* What is known of a whole target, as events; `o` NULL: all threads. Returns 0, or 1 when something
 * was incomplete (a stack that does not end at its base, threads that are missing). */
int stk_report_emit(struct stk_trace_sink sink, struct stk_modules *ms,
		    const struct stk_report_options *o);

#endif
