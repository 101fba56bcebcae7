/*
 * The thread of ours that traces a process, for ptrace(2) knows threads, not processes: what stands
 * by it is its alone to look at, and goes on when it ends. Inside targets/ only.
 */
#ifndef STK_TARGET_TRACER_H
#define STK_TARGET_TRACER_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct stk_tracer {
	int pid; /* of the process that it traces */
	bool started, ending;
	pthread_t thread;
	atomic_int tid; /* 0: not known yet */
	sem_t asked, answered;
	void (*errand)(void *arg);
	void *arg;
};

/* false: no thread can be had. */
bool stk_tracer_start(struct stk_tracer *t, int pid);

enum stk_tracer_end {
	STK_TRACER_DONE,
	STK_TRACER_STUCK,       /* it slept in one system call for seconds */
	STK_TRACER_INTERRUPTED, /* by `interrupt` */
};

/* The signals that end a program, of which `limited` below takes note while they are blocked. */
void stk_tracer_signals(sigset_t *ret);

/*
 * Have it run `f(arg)`, and wait for that; one that was not started runs it in the caller's thread.
 * With `limited` the wait ends early where the thread does not get on, or when `interrupt` (may be
 * NULL) is set or a signal is pending that ends us, and it is not done soon. It is left to itself
 * then: what `f` uses, and `t`, must stay, and `t` is of no further use.
 */
enum stk_tracer_end stk_tracer_run(struct stk_tracer *t, void (*f)(void *arg), void *arg,
				   bool limited, const volatile sig_atomic_t *interrupt);

/* Why it was left: STK_EINTR, STK_ESYS. */
int stk_tracer_explain(const struct stk_tracer *t, enum stk_tracer_end end, struct stk_err *err);

/* Its end, and with it that of all its tracing. Nothing where it was not started. */
void stk_tracer_end(struct stk_tracer *t);

#endif
