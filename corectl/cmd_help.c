/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Help and the way out. */
#include <string.h>

#include "command.h"

#define GROUP "Help"

/* A paragraph in lines of at most 80 columns. */
static void put_paragraph(struct stk_text *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " ");
		if (column && column + 1 + n > 80) {
			stk_putc(out, '\n');
			column = 0;
		}
		stk_printf(out, "%s%.*s", column ? " " : "", (int)n, text);
		column += n + (column > 0);
		text += n + strspn(text + n, " ");
	}
	stk_putc(out, '\n');
}

static void help_one(struct session *s, const struct command *c)
{
	size_t first = strcspn(c->names, " ");

	stk_printf(&s->out, "%.*s%s%s\n%s.\n", (int)first, c->names, command_gap(c), c->synopsis,
		   c->brief);
	if (c->more)
		put_paragraph(&s->out, c->more);
	if (c->names[first])
		stk_printf(&s->out, "Also: %s\n", c->names + first + 1);
}

static void cmd_help(struct session *s, const char *args)
{
	const char *group = "";

	if (*args) {
		const struct command *c = command_find(s, args, strcspn(args, " "), false);
		if (c)
			help_one(s, c);
		return;
	}
	for (unsigned i = 0; s->commands[i]; i++)
		for (const struct command *c = s->commands[i]; c->names; c++) {
			if (strcmp(group, c->group) != 0)
				stk_printf(&s->out, *group ? "\n%s:\n" : "%s:\n", c->group);
			group = c->group;
			stk_printf(&s->out, "  %-10.*s %s\n", (int)strcspn(c->names, " "), c->names,
				   c->brief);
		}
	stk_puts(
	    &s->out,
	    "\nA name may be shortened while it stays unique; Enter repeats the last command.\n"
	    "`help NAME` tells more.\n");
}

static void cmd_quit(struct session *s, const char *args)
{
	(void)args;
	s->quit = true;
}

const struct command help_commands[] = {
    {"help", GROUP, "[COMMAND]", "List the commands, or explain one", NULL, COMPLETE_COMMAND,
     NEEDS_NOTHING, cmd_help},
    {"quit q exit", GROUP, "", "Leave corectl", NULL, COMPLETE_NONE, NEEDS_NOTHING, cmd_quit},
    {0}};
