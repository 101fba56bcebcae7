/* Giving the signal back to the kernel, so that the program ends as it would have. CRASH context.
 */
#ifndef SIGNAL_DELIVER_H
#define SIGNAL_DELIVER_H

#include <signal.h>
#include <ucontext.h>

/* Keep the interrupted context; a fault in the report may overwrite its frame. */
void stk_deliver_save(const ucontext_t *uc);

/* Put the context kept into this (nested) frame. */
void stk_deliver_restore(ucontext_t *uc);

/*
 * After the report, directly before the handler returns: the signal becomes pending with its
 * original siginfo and the default action, and is let through when the kernel restores the context.
 * SIGQUIT: what LIBSTACK_SIGQUIT says.
 */
void stk_deliver(int sig, siginfo_t *si, ucontext_t *uc);

#endif
