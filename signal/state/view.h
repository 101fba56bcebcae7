/*
 * What the program sees of each signal's action, where the kernel's own is another one: our handler
 * stands in the place of the default action, and the six signals that a fault raises are taken out
 * of the masks of handlers. ANY context, all of it.
 */
#ifndef SIGNAL_VIEW_H
#define SIGNAL_VIEW_H

#include <stdbool.h>
#include <stdint.h>

/* `hidden`: what was taken out of sa_mask. `flags`, `mask`: what the program gave. */
struct stk_view {
	uint64_t hidden, mask;
	int flags;
};

/* Of a signal from 1 to STK_SIGNALS − 1. */
struct stk_view stk_view_get(int sig);
void stk_view_put(int sig, struct stk_view v);

/* Our handler stands for this signal, or no longer. */
void stk_view_ours(int sig, bool ours);
uint64_t stk_view_all_ours(void);

/* In a copy of a child that shared its parent's memory: these are ours, and nothing is hidden. */
void stk_view_anew(uint64_t ours);

#endif
