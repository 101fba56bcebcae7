/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "cores.h"
#include "gcore.h"
#include "session.h"

/* The wait status tells a shell that Ctrl-C ended its command: it stops its loop too. */
static void die_interrupted(void)
{
	signal(SIGINT, SIG_DFL);
	raise(SIGINT);
}

/* What stdio holds goes out: a write error is never success. */
static int flush_stdout(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	if (errno == EPIPE)
		return status; /* as in command_finish() */
	fprintf(stderr, "corectl: standard output: %s\n", strerror(errno));
	return status ? status : 1;
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

/* Whatever makes the status 1 has said so; a stack says it only among the answers. */
static int status(struct session *s)
{
	bool said = s->failed;

	for (const struct stk_remark *m = s->target->remarks; m; m = m->next)
		said |= m->incomplete;
	if (s->incomplete && !said)
		fputs("corectl: a stack does not end at its base: see its `stopped' line\n",
		      stderr);
	return s->failed || s->incomplete;
}

static int run(struct session *s, const struct options *o)
{
	struct stk_report_options ro = {.system = o->all, .all_stopped = o->pid != 0};
	struct stk_trace_text text;
	int r;

	r = session_open(s, o);
	if (r && o->searched && access(o->core, F_OK))
		cores_say_where();
	if (r)
		return r;
	/* Until here Ctrl-C ends the program, as the signal does. */
	session_catch_interrupt();
	if (o->verb && !strcmp(o->verb, "stack"))
		s->incomplete |=
		    stk_report_emit(stk_trace_text(&text, &s->out), s->modules, &ro) != 0;
	else
		run_all(s, o);
	command_finish(s);
	return status(s);
}

int main(int argc, char **argv)
{
	static struct session s;
	struct options o = {0};

	if (argc > 1 && !strcmp(argv[1], "gcore"))
		return flush_stdout(gcore_main(argc - 1, argv + 1));
	int r = options_parse(&o, argc, argv);

	/* Before a signal is touched: the program inherits them. */
	if (!r && o.run.argv && !o.help) {
		r = run_program(&o.run);
		free(o.commands);
		free(o.is_file);
		return r;
	}
	signal(SIGPIPE, SIG_IGN);
	if (r) {
		if (r == 64 && argc < 2)
			options_usage(stderr);
	} else if (o.help) {
		options_usage(stdout);
	} else if (o.version) {
		puts("corectl " STK_VERSION);
	} else if (o.dump_commands) {
		char buf[65536];
		struct stk_text t;
		stk_text_init(&t, buf, sizeof(buf));
		command_dump(&t);
		fputs(buf, stdout);
	} else {
		r = run(&s, &o);
		session_close(&s);
	}
	r = flush_stdout(r);
	free(o.commands);
	free(o.is_file);
	if (s.interrupted)
		die_interrupted();
	return r;
}
