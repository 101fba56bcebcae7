/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the operands are: the core, the process, the program. */
#ifndef CORECTL_OPERANDS_H
#define CORECTL_OPERANDS_H

#include "options.h"

/*
 * Each fills `core`, `bin` and `pid` of the options from the operands, for one kind of verb. 0, or
 * 64: they do not fit, and the user is told.
 */

/* A process where one of them is digits alone (a file of that name is ./4242), else a core. */
int operands_any(struct options *o);
/* A core; without one ./core, else the newest ./core.*. */
int operands_core(struct options *o);
/* A process. */
int operands_process(struct options *o);
/* A process, and no program. */
int operands_only_process(struct options *o);

#endif
