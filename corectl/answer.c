/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the operands to the exit status: the target is opened and its head is shown; then the
 * answers are given, those of -ex and -x first, then those of the prompt or of what comes through a
 * pipe (or the report of `stack', alone); at the end stderr and the status tell whether anything
 * was missing.
 */
#include "answer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cores.h"
#include "cut.h"
#include "edit.h"
#include "interrupt.h"
#include "operands.h"
#include "output/report.h"
#include "say.h"

const struct command *const answer_commands[] = {
    stack_commands,   source_commands, data_commands, info_commands,
    process_commands, help_commands,   NULL};

static struct session session = {.commands = answer_commands};

void answer_out_of_memory(void)
{
	stk_text_flush(&session.out);
	say("out of memory");
	exit(1);
}

static void run_stream(struct session *s, FILE *f, const char *name)
{
	char *line = NULL;
	size_t cap = 0;

	while (!s->quit && getline(&line, &cap, f) >= 0)
		command_line(s, line);
	if (ferror(f) && errno != EINTR)
		session_fail(s, "%s: %s", name, strerror(errno));
	free(line);
}

static void run_file(struct session *s, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f) {
		session_fail(s, "%s: %s", path, strerror(errno));
		return;
	}
	run_stream(s, f, path);
	fclose(f);
}

static void run_all(struct session *s, const struct options *o)
{
	for (unsigned i = 0; i < o->ncommands && !s->quit; i++) {
		if (o->is_file[i])
			run_file(s, o->commands[i]);
		else
			command_line(s, o->commands[i]);
	}
	if (o->batch || s->quit)
		return;
	if (s->interactive)
		edit_loop(s);
	else
		run_stream(s, stdin, "standard input");
}

/* Whatever makes the status 1 told it on stderr, except a stack, which tells it in its answer. */
static int status(struct session *s)
{
	bool said = s->failed;

	for (const struct stk_remark *m = s->target->remarks; m; m = m->next)
		said |= m->incomplete;
	if (s->incomplete && !said && !cut_file())
		say("a stack does not end at its base: see its `stopped' line");
	return s->failed || s->incomplete;
}

static void give_commands(struct session *s, const struct options *o)
{
	session_show_head(s);
	session_remarks(s);
	session_select_tid(s, o->pid ? stk_live_info(s->target)->asked_tid : 0);
	if (s->interactive && session_need_frame(s))
		session_show_frame(s);
	interrupt_catch();
	run_all(s, o);
}

static void give_report(struct session *s, const struct options *o)
{
	struct stk_report_options ro = {.system = o->all, .all_stopped = o->pid != 0};
	struct stk_trace_text text;

	if (o->pid)
		session_show_head(s);
	session_remarks(s);
	interrupt_catch();
	s->incomplete |= stk_report_emit(stk_trace_text(&text, &s->out), s->modules, &ro) != 0;
}

/* The wait status tells a shell that Ctrl-C ended its command: it stops its loop too. */
static void die_interrupted(void)
{
	fflush(stdout);
	signal(SIGINT, SIG_DFL);
	raise(SIGINT);
}

/* Until `give` catches it, Ctrl-C ends the program as the signal does. */
static int answer(const struct options *o, void (*give)(struct session *s, const struct options *o))
{
	struct session *s = &session;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a core is unpacked into a file: what is too large is said */
	cut_watch();
	int r = session_open(s, o);
	if (r && o->searched && access(o->core, F_OK))
		cores_say_where();
	if (!r) {
		give(s, o);
		command_finish(s);
		r = status(s);
	}
	interrupt_let_go();
	session_close(s);
	if (s->interrupted)
		die_interrupted();
	if (!cut_file())
		return r;
	say("%s was cut while it was open: what was asked for last is not shown", cut_file());
	return r ? r : 1;
}

int answer_any(struct options *o)
{
	int r = operands_any(o);

	return r ? r : answer(o, give_commands);
}

int answer_core(struct options *o)
{
	int r = operands_core(o);

	return r ? r : answer(o, give_commands);
}

int answer_process(struct options *o)
{
	int r = operands_process(o);

	return r ? r : answer(o, give_commands);
}

int answer_stack(struct options *o)
{
	int r = operands_any(o);

	return r ? r : answer(o, give_report);
}
