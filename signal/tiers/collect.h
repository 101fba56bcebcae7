/*
 * Every other thread of the process stands still: it answers a signal with its registers and waits
 * in the handler. CRASH context.
 */
#ifndef SIGNAL_COLLECT_H
#define SIGNAL_COLLECT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "signal/tiers/threads.h"

/* The threads of this process but the caller, not asked unless they are already. */
struct stk_collection *stk_collect_list(void);

/*
 * Ask all threads of this process but the caller, and those that have begun since; wait for answers
 * at most until `deadline_ns`, not for those that cannot give any now. `for_good`: the program does
 * not go on.
 */
struct stk_collection *stk_collect(bool for_good, uint64_t deadline_ns);

/* The same for good, without /proc: of those that libc has started. */
void stk_collect_known(uint64_t deadline_ns);

/* Let them go on, and give the signal back to libc. Nothing if nothing was collected, or if it was
 * for good. */
void stk_collect_done(void);

/* A signal in a handler of ours: is it one that asks this thread? Then it has stood, and goes on if
 * that was not for good. */
bool stk_collect_takes(int sig, const siginfo_t *si, ucontext_t *uc);

#endif
