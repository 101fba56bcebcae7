/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only a live process has. */
#include <string.h>

#include "command.h"

#define GROUP "Live process"

static void cmd_refresh(struct session *s, const char *args)
{
	const struct stk_live_info *i = stk_live_info(s->target);
	int tid = s->thread < s->target->nthreads ? s->target->threads[s->thread].tid : 0;
	struct stk_target *t = NULL;
	struct stk_modules *ms = NULL;
	struct stk_err err;

	(void)args;
	bool ended = !stk_live_same(s->target) && !strcmp(i->gone, STK_LIVE_ENDED);
	stk_live_answer(s->target);
	if (ended) {
		session_fail(s, "process %d has ended: the last look stays", i->pid);
		return;
	}
	/* There can be one tracer only. */
	if (s->hold)
		stk_live_resume(s->target);
	if (session_open_process(s, i->pid, &t, &err) ||
	    stk_modules_open(t, &s->symbols, &ms, &err)) {
		stk_target_close(t);
		s->detached = s->hold;
		if (err.code != STK_EINTR) /* that is said of every command */
			session_fail(s, "%s: the last look stays%s", err.msg,
				     s->hold ? ", and the process runs on" : "");
		return;
	}
	session_replace(s, t, ms);
	session_put_process(&s->out, t);
	session_select_tid(s, tid);
	if (!stk_thread_by_tid(t, tid))
		session_note(s, "thread %d has ended", tid);
	session_show_frame(s);
}

static void cmd_detach(struct session *s, const char *args)
{
	(void)args;
	if (s->detached) {
		session_fail(s, "the process has been let go already");
		return;
	}
	stk_live_resume(s->target);
	s->detached = true;
	stk_printf(&s->out, "Detached from process %d.\n", stk_live_info(s->target)->pid);
}

const struct command process_commands[] = {
    {"refresh", GROUP, "", "Stop the process again for a moment and take a new look",
     "Registers and stacks are those of the last look; with --hold the process is stopped anew. "
     "The selected thread stays selected.",
     COMPLETE_NONE, NEEDS_PROCESS, cmd_refresh},
    {"detach", GROUP, "", "Let the process go",
     "It runs on, and nothing more is read of it. Registers, stacks and what else has been copied "
     "stay. Leaving corectl does the same.",
     COMPLETE_NONE, NEEDS_PROCESS, cmd_detach},
    {0}};
