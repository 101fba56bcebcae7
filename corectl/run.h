/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `corectl run`: a program with libstack preloaded. */
#ifndef CORECTL_RUN_H
#define CORECTL_RUN_H

#include <stdbool.h>

struct run {
	char **argv; /* of the program; NULL: `run` was not asked for */
	bool no_follow;
};

/*
 * Read what stands behind the verb: options, then the program, whose arguments are its own. `argv`
 * ends with NULL. false: something else is wrong with it, which is said.
 */
bool run_parse(struct run *r, char **argv, bool *help);

/* Become the program. Returns only if that cannot be: a message on stderr and corectl's status. */
int run_program(const struct run *r);

#endif
