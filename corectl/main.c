/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs, and the way from the command line to one of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "gcore.h"
#include "memory.h"
#include "run.h"
#include "say.h"

/* A file that is named like a verb is opened as ./NAME. */
static const struct verb verbs[] = {
    {NULL, "CORE [BIN]", "open a core (either order)", FOR_CORE, false, answer_any},
    {"core", "[BIN] [CORE]", "open a core, ./core by default", FOR_CORE, false, answer_core},
    {"attach", "PID [BIN]", "look at a process; also -p PID", FOR_ATTACH, false, answer_process},
    {"stack", "CORE|PID [BIN]", "print every thread and leave", FOR_STACK, false, answer_stack},
    {"gcore", "PID", "write the core of a process", FOR_GCORE, false, gcore_main},
    {"run", "PROG [ARG]...", "run PROG with libstack preloaded", FOR_RUN, true, run_main},
    {0}};

/* What stdio holds goes out: a write error is never success. */
static int flush_stdout(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status; /* as in command_finish() */
	say("standard output: %s", strerror(errno));
	return status ? status : 1;
}

static void tell(const struct options *o)
{
	signal(SIGPIPE, SIG_IGN);
	if (o->help) {
		options_usage(stdout, o, verbs);
	} else if (o->version) {
		puts("corectl " STK_VERSION);
	} else {
		char buf[65536];
		struct stk_text t;
		stk_text_init(&t, buf, sizeof(buf));
		command_dump(&t, answer_commands);
		fputs(buf, stdout);
	}
}

int main(int argc, char **argv)
{
	struct options o = {0};

	memory_watch(answer_out_of_memory);
	int r = options_parse(&o, verbs, argc, argv);

	if (!r && (o.help || o.version || o.dump_commands))
		tell(&o);
	else if (!r) /* no signal was touched yet: a program that is run inherits them */
		r = o.verb->run(&o);
	if (r == 64 && argc < 2)
		options_usage(stderr, &o, verbs);
	r = flush_stdout(r);
	options_done(&o);
	return r;
}
