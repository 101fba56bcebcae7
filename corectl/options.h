/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line. */
#ifndef CORECTL_OPTIONS_H
#define CORECTL_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "run.h"
#include "screen.h"

struct options {
	const char *core, *bin;
	int pid; /* 0: a core */
	const char *debug_dir, *sysroot;
	bool searched;         /* `core` was not named */
	const char *verb;      /* "core", "stack" or NULL */
	const char **commands; /* -ex and -x in order: text, or a file where is_file */
	bool *is_file;
	unsigned ncommands;
	bool batch, help, version, dump_commands, no_cache;
	struct run run;
	bool hold; /* the process stays stopped */
	bool all;  /* stack: frames of the runtime too */
	enum color_when color;
};

int options_parse(struct options *o, int argc, char **argv);
void options_usage(FILE *out);

#endif
