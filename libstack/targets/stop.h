/* Stopping the threads of a process with ptrace(2), and letting them go. */
#ifndef STK_TARGET_STOP_H
#define STK_TARGET_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arch.h"

/* In this order: up to STK_STOPPED it is one that can be looked at. */
enum stk_stop_state {
	STK_STANDS,   /* by itself, and is left alone: it waits in a signal handler */
	STK_SEIZED,   /* runs on as before */
	STK_STOPPING, /* asked to stop */
	STK_STOPPED,
	STK_GONE,    /* ended meanwhile */
	STK_REFUSED, /* `err` tells why; EBUSY: another process traces it */
};

#define STK_STOP_FPREGS 512 /* struct user_fpregs_struct */

struct stk_hash;

struct stk_stopped {
	int tid, err;
	int tracer; /* the process that traces it where `err` is EBUSY; 0: not known */
	enum stk_stop_state state;
	int signal; /* taken from it on the way in; given back when it goes on */
	bool group; /* it had been stopped by a signal (SIGSTOP, terminal), and stays so */
	bool ran;   /* it was at work when we came: it stops last and goes on first */
	bool late;  /* it was waited for, in vain */
	bool left;  /* it was let go since it stopped */
	unsigned long long turns; /* on a CPU when it was first seen */
	/* Its registers when it stopped, and their length or a negative errno: those that it goes
	 * on with may be others. */
	uint8_t gregs[8 * STK_GREGS_MAX], fpregs[STK_STOP_FPREGS];
	int len, fplen;
};

struct stk_stops {
	struct stk_stopped *v;
	unsigned n, cap;
	/* What is left to do does not concern the first `done`, after stk_stop_sleepers(); `stand`
	 * of them have stopped. */
	unsigned done, stand;
	int pid, task_fd; /* an open /proc/PID/task + 1; 0: none */
	/* Does a thread stand by itself? NULL: none does. Set before the first stop. */
	bool (*stands)(void *arg, int tid);
	void *arg;
	struct stk_hash *known;
	/* When the first that slept, and the first of the others, was asked to stop
	 * (CLOCK_MONOTONIC); 0: none yet. */
	int64_t slept_ns, since_ns;
	int64_t passed_ns; /* when signals were passed on last */
	int64_t still_ns;  /* how long the others stood, before */
	bool released;
};

/*
 * Seize every thread of `pid` but `except`, and stop those that sleep, and slept while they were
 * counted. The others run on: what is done before stk_stop_all() costs them nothing. 0, or a
 * negative errno when the threads cannot be listed.
 */
int stk_stop_sleepers(struct stk_stops *s, int pid, int except, unsigned ms);

/* Stop every thread of `pid` but `except` that does not stand, or no longer; those that appear
 * meanwhile too. Waits at most `ms` milliseconds, less for those in uninterruptible sleep. Result
 * as above. */
int stk_stop_all(struct stk_stops *s, int pid, int except, unsigned ms);

/* A thread that stands by itself, and that /proc does not list. */
void stk_stop_add_standing(struct stk_stops *s, int tid);

/* Other registers of a stopped thread by note type; the bytes read, or a negative errno. */
int stk_stop_regs(int tid, unsigned note, void *buf, size_t len);

/* Do those stand yet that stood? A program that is executed ends all threads but one before it
 * replaces the memory: where one of them stands, it has not. true: none stands. */
bool stk_stop_holds(const struct stk_stops *s);

struct stk_stood {
	/* From the first that was asked to stop to the last that went on: of the threads at work,
	 * or all where none was, and of those that slept. */
	int64_t still_ns, slept_ns;
};

/* Let those at work go on; those that slept still stand. */
void stk_stop_go_on(struct stk_stops *s);

/* Let all go on that have stopped. Those that have not are let go by the end of the tracing thread
 * (ptrace(2)). What is known of them stays. */
void stk_stop_go(struct stk_stops *s, struct stk_stood *ret);

void stk_stop_done(struct stk_stops *s);

#endif
