/*
 * What the program sees of its signals' actions: as if the library were not there. ANY context.
 *
 * Our handler stands where the program has the default action, and of the six signals that a fault
 * raises those are never really blocked (a blocked one kills without a word). Both are hidden from
 * what sigaction() and the mask functions report. A signal that the program handles or ignores is
 * its own affair: it is blocked when the program says so.
 */
#ifndef SIGNAL_SIGACTION_H
#define SIGNAL_SIGACTION_H

#include <signal.h>

/* sigaction(2) in the program's view. */
int stk_view_action(int sig, const struct sigaction *act, struct sigaction *old);

/* NORMAL context: handlers of the program's that were there before us get an entry (entry.h). */
void stk_view_adopt(void);

#endif
