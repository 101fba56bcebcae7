/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One line becomes one command: its name is looked up in the tables, what it needs is checked, and
 * its function writes the answer, for which it has a budget. Afterwards, in this order: the
 * engine's remarks, whether the budget was enough, whether our memory was short, whether the
 * target's was newer than the registers, the rest of the answer, the end of the pager.
 */
#include "command.h"
#include "cut.h"
#include "interrupt.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "memory.h"

/* Does `name` stand among the blank-separated `names`: 2 exactly, 1 as a prefix, 0 not at all. */
static int name_match(const char *names, const char *name, size_t len)
{
	int best = 0;

	for (const char *p = names; *p;) {
		size_t n = strcspn(p, " ");
		if (n >= len && !memcmp(p, name, len)) {
			if (n == len)
				return 2;
			best = 1;
		}
		p += n;
		p += *p == ' ';
	}
	return best;
}

static void say_ambiguous(struct session *s, const char *name, size_t len)
{
	char buf[512];
	struct stk_text t;

	stk_text_init(&t, buf, sizeof(buf));
	for (unsigned i = 0; s->commands[i]; i++)
		for (const struct command *c = s->commands[i]; c->names; c++)
			if (name_match(c->names, name, len))
				stk_printf(&t, " %.*s", (int)strcspn(c->names, " "), c->names);
	session_fail(s, "ambiguous command '%.*s':%s", (int)len, name, buf);
}

const struct command *command_find(struct session *s, const char *name, size_t len, bool quiet)
{
	const struct command *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; s->commands[i]; i++)
		for (const struct command *c = s->commands[i]; c->names; c++) {
			int m = name_match(c->names, name, len);
			if (m == 2)
				return c;
			if (m) {
				found = c;
				n++;
			}
		}
	if (n == 1)
		return found;
	if (!quiet && n)
		say_ambiguous(s, name, len);
	else if (!quiet)
		session_fail(s, "unknown command '%.*s'; `help' lists them", (int)len, name);
	return NULL;
}

static bool needs_met(struct session *s, enum needs needs, bool alone)
{
	switch (needs) {
	case NEEDS_THREAD:
		return session_need_thread(s);
	case NEEDS_FRAME:
		return session_need_frame(s);
	case NEEDS_FRAME_ALONE:
		return !alone || session_need_frame(s);
	case NEEDS_SIGNAL:
		if (!s->target->siginfo.present)
			session_fail(s, "the %s holds no signal information%s",
				     s->target->ops->kind,
				     stk_live_info(s->target) ? ": it has not crashed" : "");
		return s->target->siginfo.present;
	case NEEDS_PROCESS:
		if (!stk_live_info(s->target))
			session_fail(
			    s, "this command needs a live process (-p PID), and this is a core");
		return stk_live_info(s->target);
	case NEEDS_NOTHING:
		break;
	}
	return true;
}

void command_run(struct session *s, const struct command *c, const char *args)
{
	if (needs_met(s, c->needs, !*args))
		c->run(s, args);
}

static bool one_line(struct session *s, const char *line, size_t len)
{
	char copy[4096];

	if (len >= sizeof(copy)) {
		session_fail(s, "a command of %zu characters is too long", len);
		return false;
	}
	memcpy(copy, line, len);
	copy[len] = 0;
	size_t n = 0;
	while (isalnum((unsigned char)copy[n]) || copy[n] == '-' || copy[n] == '_')
		n++;
	const struct command *c = command_find(s, copy, n ? n : 1, false);
	if (!c)
		return false;
	const char *args = copy + n;
	command_run(s, c, args + strspn(args, " \t"));
	return true;
}

void command_finish(struct session *s)
{
	if (interrupt_pending && !cut_file()) {
		interrupt_pending = 0;
		session_fail(s, "interrupted");
		s->interrupted = s->quit |= !s->interactive;
	}
	stk_target_check(s->target);
	session_remarks(s);
	const char *cut = stk_budget_text(stk_budget_of(s->target));
	if (cut)
		session_fail(s, "%s", cut);
	stk_budget_of(s->target)->cut = false; /* it has been said */
	if (memory_was_short())
		session_fail(s, "not enough memory: something may be missing above");
	session_say_age(s);
	stk_text_flush(&s->out);
	screen_end(&s->screen);
	interrupt_pending = 0; /* what was pressed in the pager was meant for it */
	s->quit |= cut_file() != NULL;
	if (!s->screen.error)
		return;
	/* A reader that has left, as in `| head`, is no failure. */
	if (s->screen.error != EPIPE)
		session_fail(s, "standard output: %s", strerror(s->screen.error));
	s->quit = true;
}

void command_line(struct session *s, const char *line)
{
	size_t len;

	line += strspn(line, " \t\r\n");
	len = strlen(line);
	while (len && isspace((unsigned char)line[len - 1]))
		len--;
	if (*line == '#' || (!len && !s->interactive))
		return;
	interrupt_pending = 0;
	s->repeated = !len;
	s->out.cut = false;
	screen_begin(&s->screen, s->interactive);
	stk_live_answer(s->target);
	session_begin(s);
	if (len) {
		one_line(s, line, len);
		if (len < sizeof(s->last)) {
			memcpy(s->last, line, len);
			s->last[len] = 0;
		}
	} else if (s->last[0]) {
		one_line(s, s->last, strlen(s->last));
	}
	command_finish(s);
}

const char *command_gap(const struct command *c)
{
	return *c->synopsis && *c->synopsis != '/' ? " " : "";
}

static void dump_one(struct stk_text *out, const struct command *c)
{
	size_t first = strcspn(c->names, " ");

	stk_printf(out, "### `%.*s%s%s`\n\n%s.", (int)first, c->names, command_gap(c), c->synopsis,
		   c->brief);
	if (c->more) {
		stk_putc(out, '\n');
		stk_puts(out, c->more);
	}
	if (c->names[first])
		stk_printf(out, "\n\nAlso: `%s`.", c->names + first + 1);
	stk_puts(out, "\n\n");
}

void command_dump(struct stk_text *out, const struct command *const *tables)
{
	const char *group = "";

	stk_puts(
	    out,
	    "# Commands of corectl\n\nMade by `corectl --dump-commands` from the command "
	    "table. "
	    "A name may be shortened while it stays unique; Enter repeats the last command.\n\n");
	for (unsigned i = 0; tables[i]; i++)
		for (const struct command *c = tables[i]; c->names; c++) {
			if (strcmp(group, c->group) != 0)
				stk_printf(out, "## %s\n\n", c->group);
			group = c->group;
			dump_one(out, c);
		}
}
