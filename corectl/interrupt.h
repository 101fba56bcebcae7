/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ctrl-C: a flag that everything which may take long looks at. What does not look is ended by the
 * second one. */
#ifndef CORECTL_INTERRUPT_H
#define CORECTL_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

extern volatile sig_atomic_t interrupt_pending;

/* While somebody waits for the user, at the prompt or in a pager, Ctrl-C is for that one, and ends
 * nothing however often it comes. */
extern volatile sig_atomic_t interrupt_waiting;

/* From here on Ctrl-C sets interrupt_pending, and ends corectl with status 130 where that is set
 * already; a SIGINT that is ignored, as in a shell's background job, stays so. */
void interrupt_catch(void);

/* The answers are over: the next one ends corectl. */
void interrupt_let_go(void);

/* What the end gives back to the terminal at standard input: its modes as they are now. */
void interrupt_keep_terminal(void);

#endif
