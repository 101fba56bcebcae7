/* The end of the process by raw calls alone. CRASH context. */
#ifndef SIGNAL_END_H
#define SIGNAL_END_H

#include <stdbool.h>

/* Here and now: with the signal's own status where the kernel allows it. Does not return. */
_Noreturn void stk_end_raw(int sig);

/* The default action for a signal. false: the kernel refuses. */
bool stk_end_by_default(int sig);

#endif
