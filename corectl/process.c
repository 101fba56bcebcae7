/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A live process as the target: how it is opened, and what the user is told about it. */
#include <string.h>

#include "interrupt.h"
#include "session.h"

int session_open_process(struct session *s, int pid, struct stk_target **ret, struct stk_err *err)
{
	struct stk_live_options o = {
	    .copy = true, .brief = !s->hold, .interrupt = &interrupt_pending};

	return stk_live_open(pid, &o, ret, err);
}

/* 0.04, 3.2, 15: two digits, and none behind the point from 10 on. */
static void put_ms(struct stk_text *out, int64_t ns)
{
	unsigned long us = (unsigned long)(ns + 500) / 1000;

	if (us < 995)
		stk_printf(out, "0.%02lu ms", (us + 5) / 10);
	else if (us < 9950)
		stk_printf(out, "%lu.%lu ms", (us + 50) / 1000, (us + 50) % 1000 / 100);
	else
		stk_printf(out, "%lu ms", (us + 500) / 1000);
}

void session_put_process(struct stk_text *out, const struct stk_target *t)
{
	const struct stk_live_info *i = stk_live_info(t);

	stk_printf(out, "Process %d", i->pid);
	if (i->inner_pid != i->pid)
		stk_printf(out, " (%d in its PID namespace)", i->inner_pid);
	if (t->psinfo.args)
		stk_printf(out, " of `%s'", t->psinfo.args);
	stk_printf(out, ", %u thread%s, ", t->nthreads, t->nthreads == 1 ? "" : "s");
	if (i->still_ns) {
		stk_puts(out, "stood still for ");
		put_ms(out, i->still_ns);
		if (i->slept_ns > i->still_ns) {
			stk_puts(out, ", sleeping threads for ");
			put_ms(out, i->slept_ns);
		}
		stk_puts(out, ".\n");
	} else {
		stk_puts(out, "held until `detach' or the end of corectl.\n");
	}
	if (i->was_stopped)
		stk_puts(out, "A signal had stopped it before, and it stays stopped.\n");
}

void session_say_age(struct session *s)
{
	const struct stk_live_info *i = s->target ? stk_live_info(s->target) : NULL;

	if (i && i->gone)
		session_note(s, "process %d %s: only memory that was copied before can be shown",
			     i->pid, i->gone);
	else if (i && i->newer)
		session_note(s, "memory shown here is newer than the registers: the process runs "
				"on (`refresh' takes a new look)");
	if (i)
		stk_live_answer(s->target); /* each answer is told once */
}
