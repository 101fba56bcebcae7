/* The one state of the library in a process. Written in NORMAL context, read in CRASH context. */
#ifndef SIGNAL_STATE_H
#define SIGNAL_STATE_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <ucontext.h>

#include "signal/crash.h"
#include "signal/state/options.h"

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

struct stk_state {
	struct stk_options o;
	bool installed;
	struct stk_stderr err;
	_Atomic int spawning;      /* threads that make a child by posix_spawn(3) and its kin */
	_Atomic unsigned starting; /* threads that are created and have no slot yet */
	int filters;               /* seccomp filters that the program was started under */
	int pid;                   /* that of the constructor, or of libstack_install() */
	struct stk_crash crash;    /* of the owner of the gate */
	/* Of the helper: its report is out, and it goes on with the core; and the word of its
	 * supervisor (tiers/launch.c), 0: it is gone. */
	_Atomic uint32_t reported, supervisor;
	int asked_by; /* the process whose crash's own signal asks its threads to stand; 0: none */
};

extern struct stk_state stk_g;

/* true: the report is out, and the helper goes on with the core, for as long as that takes. */
static inline bool stk_core_is_written(void)
{
	return atomic_load(&stk_g.reported) && atomic_load(&stk_g.supervisor);
}

/* The embedded helper; end == start: there is none. */
extern const uint8_t stk_helper_start[], stk_helper_end[];

#endif
