/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stacks, threads, frames. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "interrupt.h"
#include "output/report.h"

#define GROUP "Stacks"
/* Frames that are unwound and not shown: what the last shown one was called with is known from its
 * callers. */
#define BEHIND 32

/* A whole number alone; false: something else, and the user is told. */
static bool number(struct session *s, const char *args, long *ret)
{
	char *end;

	*ret = strtol(args, &end, 10);
	if (end == args || *end) {
		session_fail(s, "'%s' is not a number", args);
		return false;
	}
	/* Far above any count of frames, and sums of two cannot overflow. */
	if (*ret > LONG_MAX / 4)
		*ret = LONG_MAX / 4;
	if (*ret < -(LONG_MAX / 4))
		*ret = -(LONG_MAX / 4);
	return true;
}

static void cmd_bt(struct session *s, const char *args)
{
	long n = 0;

	if (*args && !number(s, args, &n))
		return;
	if (n > 0) {
		struct stk_stack part;
		s->unwind(s->modules, &s->target->threads[s->thread], (size_t)n + BEHIND, &part);
		size_t shown = part.n < (size_t)n ? part.n : (size_t)n;
		stk_frame_rows(stk_rows_text(&s->out), s->modules, &part, 0, shown);
		s->incomplete |= shown == part.n && !stk_stack_complete(&part);
		stk_stack_done(&part);
		return;
	}
	if (!session_need_thread(s))
		return;
	bool kernel = !session_stack(s) && s->stack.end == STK_END_KERNEL;
	if (!kernel && !session_need_frame(s))
		return;
	size_t from = n && (size_t)-n < s->stack.n ? s->stack.n - (size_t)-n : 0;
	stk_frame_rows(stk_rows_text(&s->out), s->modules, &s->stack, from, s->stack.n);
}

/* `of`: the greatest number of the list. */
static void list_thread(struct session *s, unsigned i, unsigned of)
{
	const struct stk_thread *t = &s->target->threads[i];
	struct stk_stack st;
	struct stk_trace_frame f;

	s->unwind(s->modules, t, 1, &st);
	if (st.n)
		f = stk_trace_frame_of(s->modules, &st, 0, NULL);
	STK_EMIT(stk_rows_text(&s->out), thread,
		 &(struct stk_row_thread){.number = i + 1,
					  .of = of,
					  .selected = i == s->thread,
					  .tid = t->tid,
					  .name = t->name,
					  .frame = st.n ? &f : NULL,
					  .reason = st.reason});
	stk_stack_done(&st);
}

static void cmd_threads(struct session *s, const char *args)
{
	(void)args;
	for (unsigned i = 0; i < s->target->nthreads && !interrupt_pending; i++)
		list_thread(s, i, s->target->nthreads);
}

/* "1-3 7" or "all": is thread number n in the list? */
static bool in_list(const char *list, size_t len, unsigned n)
{
	const char *end = list + len;

	if (len == 3 && !memcmp(list, "all", 3))
		return true;
	while (list < end) {
		char *p;
		unsigned long a = strtoul(list, &p, 10), b = a;
		if (p == list)
			return false;
		if (*p == '-') {
			list = p + 1;
			b = strtoul(list, &p, 10);
		}
		if (n >= a && n <= b)
			return true;
		list = p + (p < end && (*p == ',' || *p == ' '));
	}
	return false;
}

static void cmd_thread(struct session *s, const char *args);

static bool stopped(const struct session *s)
{
	return interrupt_pending || s->quit || s->out.cut;
}

static void put_heading(struct session *s, unsigned i, bool blank)
{
	if (blank)
		stk_putc(&s->out, '\n');
	session_color(s, SGR_MARK);
	stk_printf(&s->out, "Thread %u (tid %d", i + 1, s->target->threads[i].tid);
	stk_put_name(&s->out, s->target->threads[i].name);
	stk_puts(&s->out, "):");
	session_color(s, SGR_OFF);
	stk_putc(&s->out, '\n');
}

static void thread_apply(struct session *s, const char *args)
{
	size_t len = strspn(args, "0123456789-, ");
	unsigned was = s->thread, done = 0;
	size_t frame = s->frame;
	bool chosen = s->chosen;

	if (!strncmp(args, "all", 3))
		len = 3;
	const char *cmd = args + len;
	while (len && args[len - 1] == ' ')
		len--;
	cmd += strspn(cmd, " \t");
	if (!len || !*cmd) {
		session_fail(s, "usage: thread apply all|LIST COMMAND");
		return;
	}
	size_t n = strcspn(cmd, " \t");
	const struct command *c = command_find(s, cmd, n, false);
	if (c && c->run == cmd_thread) {
		session_fail(s, "thread apply does not run `thread'");
		return;
	}
	for (unsigned i = 0; c && i < s->target->nthreads && !stopped(s); i++) {
		if (!in_list(args, len, i + 1))
			continue;
		session_select_thread(s, i);
		put_heading(s, i, done++ > 0);
		command_run(s, c, cmd + n + strspn(cmd + n, " \t"));
	}
	if (c && !done)
		session_fail(s, "no thread of '%.*s' in the %s", (int)len, args,
			     s->target->ops->kind);
	session_select_thread(s, was);
	s->frame = frame;
	s->chosen = chosen;
}

static void cmd_thread(struct session *s, const char *args)
{
	long n;

	if (!strncmp(args, "apply", 5) && (args[5] == ' ' || !args[5])) {
		thread_apply(s, args + 5 + strspn(args + 5, " \t"));
		return;
	}
	if (!*args) {
		list_thread(s, s->thread, 1);
		return;
	}
	bool by_tid = !strncmp(args, "tid ", 4);
	if (!number(s, by_tid ? args + 4 : args, &n))
		return;
	for (unsigned i = 0; i < s->target->nthreads; i++)
		if (by_tid ? s->target->threads[i].tid == n : (long)i + 1 == n) {
			session_select_thread(s, i);
			session_select_frame(s);
			list_thread(s, i, 1);
			session_show_frame(s);
			return;
		}
	session_fail(s, by_tid ? "no thread with tid %ld" : "no thread %ld; `threads` lists them",
		     n);
}

static void select_frame(struct session *s, long n)
{
	if (n < 0 || (size_t)n >= s->stack.n) {
		session_fail(s, "no frame %ld: the stack has frames 0 to %zu", n, s->stack.n - 1);
		return;
	}
	s->frame = (size_t)n;
	s->chosen = true;
	session_show_frame(s);
}

static void cmd_frame(struct session *s, const char *args)
{
	long n = (long)s->frame;

	if (!*args || number(s, args, &n))
		select_frame(s, n);
}

static void move(struct session *s, const char *args, int sign)
{
	long n = 1;

	if (*args && !number(s, args, &n))
		return;
	long to = (long)s->frame + sign * n;
	if (to < 0 && s->frame)
		to = 0;
	else if (to >= (long)s->stack.n && s->frame + 1 < s->stack.n)
		to = (long)s->stack.n - 1;
	if (to < 0 || to >= (long)s->stack.n)
		session_fail(s, to < 0 ? "this is the innermost frame"
				       : "this is the outermost frame");
	else
		select_frame(s, to);
}

static void cmd_up(struct session *s, const char *args)
{
	move(s, args, 1);
}

static void cmd_down(struct session *s, const char *args)
{
	move(s, args, -1);
}

const struct command stack_commands[] = {
    {"bt backtrace where", GROUP, "[N|-N]", "Show the stack of the selected thread",
     "With N the innermost N frames, with -N the outermost N, else every frame from 0 to the start "
     "of the thread.",
     COMPLETE_NONE, NEEDS_THREAD, cmd_bt},
    {"threads", GROUP, "", "List the threads",
     "Thread 1 is the one that crashed or, in a live process, the main thread.", COMPLETE_NONE,
     NEEDS_THREAD, cmd_threads},
    {"thread t", GROUP, "[N | tid T | apply all|LIST COMMAND]",
     "Show or select a thread, or run a command for several", NULL, COMPLETE_COMMAND, NEEDS_THREAD,
     cmd_thread},
    {"frame f", GROUP, "[N]", "Show or select a frame", NULL, COMPLETE_NONE, NEEDS_FRAME,
     cmd_frame},
    {"up", GROUP, "[N]", "Select the caller", NULL, COMPLETE_NONE, NEEDS_FRAME, cmd_up},
    {"down", GROUP, "[N]", "Select the callee", NULL, COMPLETE_NONE, NEEDS_FRAME, cmd_down},
    {0}};
