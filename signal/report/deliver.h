/* Giving the signal back to the kernel, so that the program ends as it would have. CRASH context.
 */
#ifndef SIGNAL_DELIVER_H
#define SIGNAL_DELIVER_H

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

/* Keep the interrupted context; a fault in the report may overwrite its frame. */
void stk_deliver_save(const ucontext_t *uc);

/* Put the context kept into this (nested) frame. */
void stk_deliver_restore(ucontext_t *uc);

/* Does the program end with this signal? (0: libstack_dump(), it does not.) */
bool stk_deliver_ends(int sig, const siginfo_t *si);

/*
 * From here on nothing of the program's runs in this thread, and no signal that somebody sends ends
 * the process: those that we can handle are ours, whoever handled them, and the rest is ignored.
 */
void stk_deliver_shut(void);

/* The crash's own signal is ours in all threads, which may be asked by it to stand. */
void stk_deliver_ask(void);
/*
 * abort(3) in the init of a PID namespace: SIGABRT has been reported and the kernel has dropped it,
 * and the instruction that abort() ends with faults. It is the same end.
 */
bool stk_deliver_is_abort_again(int sig, const siginfo_t *si, const ucontext_t *uc);

/* A signal that came while this thread reports: pending and blocked until the report's handler
 * returns. Dropped where the program ends by then. */
void stk_deliver_later(int sig, siginfo_t *si, ucontext_t *uc);

/*
 * After the report, directly before the handler returns: the signal becomes pending with its
 * original siginfo and the default action, and is let through when the kernel restores the context.
 * SIGQUIT: what LIBSTACK_SIGQUIT says. true: the program goes on.
 */
bool stk_deliver(int sig, siginfo_t *si, ucontext_t *uc);

#endif
