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

/* A seccomp filter trapped a system call of the report: it has failed with EPERM. */
void stk_deliver_refuse(ucontext_t *uc);

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
