/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commands for a live process: another look, and the end of it. */
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
		session_fail(
		    s,
		    "process %d has ended: registers and stacks are still those of the last look",
		    i->pid);
		return;
	}
	/* A process has one tracer at most: that of the old look lets go first. */
	if (s->hold)
		stk_live_resume(s->target);
	if (session_open_process(s, i->pid, &t, &err) ||
	    stk_modules_open(t, &s->symbols, &ms, &err)) {
		stk_target_close(t);
		s->detached = s->hold;
		if (err.code != STK_EINTR) /* command_finish() says that it was interrupted */
			session_fail(s,
				     "%s; registers and stacks are still those of the last look%s",
				     err.msg, s->hold ? ", and the process runs on" : "");
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
     "Registers and stacks are those of the last look. With --hold the process stays stopped "
     "afterwards. The selected thread stays selected.",
     COMPLETE_NONE, NEEDS_PROCESS, cmd_refresh},
    {"detach", GROUP, "", "Let the process go",
     "It runs on, and corectl reads nothing more of it. Registers, stacks and the other memory "
     "that "
     "corectl has copied can still be shown. Leaving corectl lets the process go, too.",
     COMPLETE_NONE, NEEDS_PROCESS, cmd_detach},
    {0}};
