/* What the supervisor does for a helper that may not use ptrace (tier 2). CRASH context. */
#ifndef SIGNAL_SERVE_H
#define SIGNAL_SERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "signal/crash.h"

struct stk_serve {
	int fd;  /* the supervisor's end of the socket; negative: there is none */
	int pid; /* of the program, whose memory is also ours */
	void (*collect)(void);
	void (*writes)(char last); /* the helper writes a piece of its report that ends so */
	uint64_t (*extend)(void);  /* the report is out, more time is wanted: the new deadline */
	/* The helper is done with this exit status, and stays if it holds threads. */
	void (*done)(int status, bool holds);
	struct stk_crash *crash;
	uint64_t deadline_ns;
};

/* Answer requests until the helper closes its end or the deadline is over. */
void stk_serve(struct stk_serve *s);

#endif
