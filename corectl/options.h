/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: one table of options (options.c), one of verbs (main.c). Options may stand
 * before and behind the verb and its operands; after `run PROG` none are read.
 */
#ifndef CORECTL_OPTIONS_H
#define CORECTL_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "screen.h"

/* For which verbs an option is: a sum of these. */
enum {
	FOR_CORE = 1, /* no verb, and `core` */
	FOR_ATTACH = 2,
	FOR_STACK = 4,
	FOR_GCORE = 8,
	FOR_RUN = 16,
	FOR_LOOKS = FOR_CORE | FOR_ATTACH | FOR_STACK,
	FOR_ALL = FOR_LOOKS | FOR_GCORE | FOR_RUN,
	FOR_OTHERS = 32, /* the other verbs take it, too: it changes nothing there */
};

struct options;

struct verb {
	const char *name;     /* NULL: what is done without a verb; the first row of the table */
	const char *synopsis; /* of the operands */
	const char *help;
	unsigned bit;                  /* one of FOR_… */
	bool program;                  /* its operands are a program and that one's arguments */
	int (*run)(struct options *o); /* the exit status */
};

struct options {
	const struct verb *verb;
	const char **operands; /* what is left without verb and options; ends with NULL */
	unsigned noperands;

	/* What the operands are, once operands.c has looked at them. */
	const char *core, *bin;
	int pid;       /* 0: a core */
	bool searched; /* `core` was not named */

	const char **commands; /* -ex and -x in order: text, or a file where is_file */
	bool *is_file;
	unsigned ncommands;
	const char *debug_dir, *sysroot;
	enum color_when color;
	bool batch, no_cache;
	bool no_sandbox; /* see sandbox.h */
	bool hold;       /* the process stays stopped */
	bool all;        /* stack: frames of the runtime too */

	const char *out; /* gcore: the file */
	bool full, stacks_only, short_pause;

	bool no_follow; /* run: the program's children run without the library */

	bool help, version, dump_commands;
	unsigned given; /* a bit for each row of the table of options */
};

/* `verbs` ends with a row that has no function. 0, or 64: something is wrong, and the user is told.
 */
int options_parse(struct options *o, const struct verb *verbs, int argc, char **argv);
void options_done(struct options *o);

/* How it is used: all of it, or what concerns the verb that was given. */
void options_usage(FILE *out, const struct options *o, const struct verb *verbs);

/* Say what is wrong with the command line. Returns the exit status, 64. */
int options_wrong(const struct options *o, const char *what, const char *arg);

/* The number of a process: digits alone. 0: something else. */
int options_pid(const char *text);

#endif
