/*
 * Who reads descriptor 2. A report holds what the program had in its registers and words: it goes
 * to who read standard error when the program started, and to nobody who came to that number since.
 * CRASH context.
 */
#ifndef SIGNAL_STDERR_H
#define SIGNAL_STDERR_H

#include <stdbool.h>

/* Note what it is now; only the first call does. */
void stk_stderr_remember(void);

/* Whether a report may be written to it. */
bool stk_stderr_is_fit(void);

#endif
