/* Stopping the threads of a process with ptrace(2), and letting them go. Inside target/ only. */
#ifndef STK_TARGET_STOP_H
#define STK_TARGET_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stk_stop_state {
	STK_STOPPING, /* seized, not yet stopped */
	STK_STOPPED,
	STK_GONE,    /* ended meanwhile */
	STK_REFUSED, /* `err` tells why */
};

#define STK_GREGS 216 /* struct user_regs_struct */

struct stk_stopped {
	int tid, err;
	enum stk_stop_state state;
	int signal; /* taken from it on the way in; given back when it goes on */
	bool group; /* it had been stopped by a signal (SIGSTOP, terminal), and stays so */
	bool anew;  /* its system call begins anew when it goes on, unless a signal comes */
	/* Its general registers when it stopped, and their length or a negative errno: those that
	 * it goes on with may be others. */
	uint8_t gregs[STK_GREGS];
	int len;
};

struct stk_stops {
	struct stk_stopped *v;
	unsigned n, cap;
	int pid;
	int64_t since_ns; /* when the first was asked to stop (CLOCK_MONOTONIC); 0: none */
};

/* Stop every thread of `pid` but `except`; those that appear meanwhile too. Waits at most `ms`
 * milliseconds, less for those in uninterruptible sleep. 0, or a negative errno when the threads
 * cannot be listed. */
int stk_stop_all(struct stk_stops *s, int pid, int except, unsigned ms);

/* Other registers of a stopped thread by note type (NT_PRFPREG); the bytes read, or a negative
 * errno. The general ones are those of struct stk_stopped. */
int stk_stop_regs(int tid, unsigned note, void *buf, size_t len);

/* Let all go on that have stopped. Those that have not are let go by the end of the tracing thread
 * (ptrace(2)). */
void stk_stop_done(struct stk_stops *s);

int64_t stk_now_ns(void);

#endif
