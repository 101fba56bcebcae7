/* Part of the helper: threads that stand in the library's handler are put back to where they were,
 * and held there, for the core. NORMAL context. */
#ifndef SIGNAL_HELPER_HOLD_H
#define SIGNAL_HELPER_HOLD_H

#include "signal/crash.h"
#include "signal/helper/helper.h"

/*
 * Stop the threads of `pid` but `own` that `stood` knows, and give them the registers and the mask
 * that they were interrupted with. They stand as long as the caller lives. The number of those.
 */
unsigned helper_hold(int pid, int own, helper_read_fn *program,
		     bool (*stood)(int tid, struct stk_answer *ret));

#endif
