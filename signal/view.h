/*
 * What the program sees of its signals: as if the library were not there. ANY context.
 *
 * Our handler stands where the program has the default action, and the six signals that a fault
 * raises are never really blocked (a blocked one kills without a word). Both are hidden from what
 * sigaction() and the mask functions report.
 */
#ifndef SIGNAL_VIEW_H
#define SIGNAL_VIEW_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

/*
 * CRASH context: a signal that somebody sent while the program believes that it blocks it. Block it
 * truly, make it pending again and return true: the handler returns.
 */
bool stk_view_holds_back(int sig, const siginfo_t *si, ucontext_t *uc);

/* What a new thread inherits of the creator's belief. */
uint64_t stk_view_mask(void);
void stk_view_set_mask(uint64_t mask);

#endif
