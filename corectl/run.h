/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `corectl run`: a program with libstack preloaded. */
#ifndef CORECTL_RUN_H
#define CORECTL_RUN_H

#include "options.h"

/* Become the program that the operands are. Returns only if that cannot be: a message on stderr and
 * corectl's status. */
int run_main(struct options *o);

#endif
