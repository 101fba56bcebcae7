/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs that open a core or a process and answer. */
#ifndef CORECTL_ANSWER_H
#define CORECTL_ANSWER_H

#include "command.h"
#include "options.h"

/* The tables of commands, in the order in which help shows them; ends with NULL. */
extern const struct command *const answer_commands[];

/* Each returns the exit status. */
int answer_any(struct options *o);     /* no verb */
int answer_core(struct options *o);    /* core */
int answer_process(struct options *o); /* attach */
int answer_stack(struct options *o);   /* stack */

/* Shows what is held of the answer and ends the program. */
void answer_out_of_memory(void);

#endif
