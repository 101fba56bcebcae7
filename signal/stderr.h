/*
 * Who reads descriptor 2. A report holds what the program had in its registers and words: it goes
 * to who read standard error when the program started, and to nobody who came to that number since.
 * CRASH context.
 */
#ifndef SIGNAL_STDERR_H
#define SIGNAL_STDERR_H

#include <stdbool.h>
#include <stdint.h>

/* What descriptor 2 was when the program started. */
struct stk_stderr {
	bool asked; /* once; later is not the start */
	bool known; /* it was open, and could be looked at */
	bool fit;   /* a report may go to it */
	uint64_t dev, ino, rdev;
	uint32_t type;  /* S_IFMT */
	int32_t flags;  /* of F_GETFL */
	int32_t domain; /* of a socket; -ENOTSOCK: it is none */
};

/* Note what it is now; only the first call does. */
void stk_stderr_remember(void);

/* Whether a report may be written to it. */
bool stk_stderr_is_fit(void);

#endif
