/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What only a live process has. */
#include "command.h"

#define GROUP "Live process"

static void cmd_refresh(struct session *s, const char *args)
{
	(void)args;
	session_refresh(s);
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
