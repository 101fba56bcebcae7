/*
 * The clones that tiers 1 and 2 are made of, and what the crashing thread shares with them
 * (launch.c). CRASH context, all of it.
 */
#ifndef SIGNAL_SUPERVISE_H
#define SIGNAL_SUPERVISE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "signal/crash.h"

struct stk_run {
	struct stk_crash *crash;
	int out_fd;
	_Atomic uint64_t deadline_ns; /* the helper's */
	uint64_t grant_ns; /* what the report had: so much again for each part of the core */
	_Atomic uint32_t collected;
	_Atomic int32_t supervisor, helper;
	int32_t status; /* of the helper, as wait4 gives it; -1: its end was not seen */
	int32_t ended;  /* that of the supervisor; -1: not seen */
	bool killed;    /* the time was over */
	bool holds;     /* the helper is done, and stays: threads stand that ptrace holds */
	bool wrote;     /* the helper wrote something; the last byte of that */
	char last;
	const char *failed; /* what could not be done, and its errno */
	long failed_errno;
	int sockets[2], memfd;
};
extern struct stk_run stk_run;

/* What stk_g.supervisor says: 0 (the kernel clears it): it is gone; it works; it asks the crashing
 * thread to collect the others; it stays until the program ends. */
enum stk_supervising { STK_WORD_WORKS = 1, STK_WORD_COLLECT = 2, STK_WORD_STAYS = 3 };

/* Start the supervisor, which starts the helper; its number, or a negative errno value. */
long stk_supervisor_start(void);

/* Is this stack pointer in one of the clones, before the helper is executed? */
bool stk_supervise_is_on(uint64_t sp);

#endif
