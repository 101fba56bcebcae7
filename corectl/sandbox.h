/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever takes corectl over by a hostile core, program, debug file or process should have gained
 * little. What is promised, and what is not: docs/SECURITY.md.
 */
#ifndef CORECTL_SANDBOX_H
#define CORECTL_SANDBOX_H

#include <stdbool.h>

#include "base/err.h"

/* What corectl still has to do: a sum. */
enum {
	SANDBOX_LOOKS = 1,  /* read a process */
	SANDBOX_STOPS = 2,  /* and stop it */
	SANDBOX_WRITES = 4, /* open files to write to them */
	SANDBOX_KEEPS = 8,  /* the same, and replace and remove them, in one folder */
};

/* Have we rights that a process has not? Its user, its capabilities, its namespaces and root
 * folder, its own sandbox: what is not the same counts. */
bool sandbox_differs(int pid);

/* Give up the capabilities that nothing of `needs` takes. Each thread does that for itself: before
 * there is a second one. A negative code where the kernel refuses. */
int sandbox_drop_rights(unsigned needs, struct stk_err *err);

/* Can the kernel tell a folder from others? Only then there is SANDBOX_KEEPS. */
bool sandbox_knows_folders(void);

/* From here on no program is executed, no socket made, no file changed, for all threads, but for
 * what `needs` says, which sandbox_drop_rights() was given, too. As much of it as the kernel knows;
 * a negative code where it refuses some. */
int sandbox_enter(unsigned needs, int folder, struct stk_err *err);

/* --- sandbox_filter.c --- */

/* The filter of system calls, for all threads. As sandbox_enter(). */
int sandbox_filter(unsigned needs, struct stk_err *err);

#endif
