/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Modules, maps, settings, the gdb spellings of `info`. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "interrupt.h"

#define GROUP "Target and settings"

static void cmd_modules(struct session *s, const char *args)
{
	(void)args;
	for (unsigned i = 0; i < s->modules->n && !interrupt_pending; i++) {
		struct stk_module *m = s->modules->v[i];
		bool debug = stk_module_has_debug(m); /* finds its files */
		struct stk_row_module row = {
		    .m = {m->start, m->end, m->build_id, m->build_id_len, m->path, false},
		    .state = stk_module_state_name(m->state),
		    .file = m->file && strcmp(m->file, m->path) != 0 ? m->file : NULL,
		    .debug_file = m->debug_file,
		    .debug = debug};
		STK_EMIT(stk_rows_text(&s->out), module, &row);
	}
}

static void cmd_maps(struct session *s, const char *args)
{
	(void)args;
	for (unsigned i = 0; i < s->target->nsegments && !interrupt_pending; i++) {
		const struct stk_segment *g = &s->target->segments[i];
		const struct stk_mapping *m = stk_mapping_at(s->target, g->start);
		STK_EMIT(stk_rows_text(&s->out), map,
			 &(struct stk_row_map){.start = g->start,
					       .end = g->end,
					       .r = g->r,
					       .w = g->w,
					       .x = g->x,
					       .live = stk_live_info(s->target) != NULL,
					       .have = g->have,
					       .path = m ? m->path : NULL});
	}
}

/* Split off the next word. */
static char *word(char **p)
{
	*p += strspn(*p, " \t");
	char *w = *p;
	*p += strcspn(*p, " \t");
	if (**p)
		*(*p)++ = 0;
	return w;
}

static void set_substitute(struct session *s, char *rest)
{
	char *from = word(&rest), *to = word(&rest);

	if (!*from) {
		const char *t, *f;
		for (unsigned i = 0; (f = stk_sources_rule(s->sources, i, &t)); i++)
			stk_printf(&s->out, "substitute-path %s -> %s\n", f, t);
		if (!stk_sources_rule(s->sources, 0, &t))
			stk_puts(&s->out, "substitute-path has no rules\n");
		return;
	}
	if (stk_sources_substitute(s->sources, from, to))
		session_fail(s, "no rule for '%s'", from);
	s->list_file = NULL;
	/* Now other sources may be read: the frame first selected is one of those. */
	if (!s->chosen)
		session_select_frame(s);
}

static void set_listsize(struct session *s, char *rest)
{
	char *w = word(&rest), *end;
	unsigned long n = strtoul(w, &end, 10);

	if (!*w)
		stk_printf(&s->out, "listsize is %u\n", s->listsize);
	else if (*end || !n || n > 100000)
		session_fail(s, "listsize is a number of lines, at least 1");
	else
		s->listsize = (unsigned)n;
}

static void set_unwinder(struct session *s, char *rest)
{
	char *w = word(&rest);

	if (!*w) {
		stk_printf(&s->out, "unwinder is %s\n",
			   s->unwind == stk_unwind ? "own" : "libunwind");
		return;
	}
	if (strcmp(w, "own") != 0 && strcmp(w, "libunwind") != 0) {
		session_fail(s, "unwinder is own or libunwind");
		return;
	}
	s->unwind = *w == 'o' ? stk_unwind : stk_unwind_second;
	unsigned thread = s->thread;
	size_t frame = s->frame;
	session_select_thread(s, thread);
	s->frame = frame;
}

static void set_pagination(struct session *s, char *rest)
{
	char *w = word(&rest);

	if (!*w)
		stk_printf(&s->out, "pagination is %s\n", s->screen.pagination ? "on" : "off");
	else if (strcmp(w, "on") != 0 && strcmp(w, "off") != 0)
		session_fail(s, "pagination is on or off");
	else
		s->screen.pagination = !strcmp(w, "on");
}

static void set_color(struct session *s, char *rest)
{
	char *w = word(&rest);
	enum color_when when;

	if (!*w)
		stk_printf(&s->out, "color is %s\n", s->screen.color ? "on" : "off");
	else if (!screen_parse_color(w, &when))
		session_fail(s, "color is auto, always or never");
	else
		screen_set_color(&s->screen, when, s->interactive);
}

static const struct setting {
	const char *name;
	void (*set)(struct session *s, char *rest);
} settings[] = {{"substitute-path", set_substitute},
		{"listsize", set_listsize},
		{"unwinder", set_unwinder},
		{"color", set_color},
		{"pagination", set_pagination}};

const char *command_setting(unsigned i)
{
	return i < sizeof(settings) / sizeof(*settings) ? settings[i].name : NULL;
}

static void cmd_set(struct session *s, const char *args)
{
	char *copy = strdup(args), *rest = copy;
	char *name = copy ? word(&rest) : NULL;

	bool found = false;

	/* Without a name each shows its value. */
	for (unsigned i = 0; name && i < sizeof(settings) / sizeof(*settings); i++)
		if (!(found && *name) && !strncmp(settings[i].name, name, strlen(name))) {
			settings[i].set(s, rest);
			found = true;
		}
	if (!found)
		session_fail(
		    s, "set takes substitute-path FROM TO, listsize N, unwinder own|libunwind, "
		       "color auto|always|never, pagination on|off");
	free(copy);
}

/* gdb's word, our command. */
static const char *const infos[][2] = {{"threads", "threads"},       {"registers", "regs"},
				       {"sharedlibrary", "modules"}, {"args", "args"},
				       {"frame", "frame"},           {"proc mappings", "maps"},
				       {"signals", "siginfo"}};

const char *command_info(unsigned i)
{
	return i < sizeof(infos) / sizeof(*infos) ? infos[i][0] : NULL;
}

/* Do the words of `args` begin those of `name`? What follows them goes to `ret_rest`. */
static bool info_match(const char *name, const char *args, const char **ret_rest)
{
	for (;;) {
		size_t n = strcspn(args, " \t");
		if (strncmp(name, args, n) != 0)
			return false;
		args += n;
		args += strspn(args, " \t");
		name += strcspn(name, " ");
		if (!*name || !*args)
			break;
		name++;
	}
	*ret_rest = args;
	return true;
}

static void cmd_info(struct session *s, const char *args)
{
	const char *rest;

	for (unsigned i = 0; *args && i < sizeof(infos) / sizeof(*infos); i++)
		if (info_match(infos[i][0], args, &rest)) {
			command_run(s, command_find(s, infos[i][1], strlen(infos[i][1]), true),
				    rest);
			return;
		}
	session_fail(s, "info takes threads, registers, sharedlibrary, args, frame, proc mappings, "
			"signals");
}

const struct command info_commands[] = {
    {"modules", GROUP, "", "List the ELF images of the process",
     "The state tells whether the file found is the one that ran: ok, unverified (no build-id "
     "to compare), from memory, missing, wrong build.",
     COMPLETE_NONE, NEEDS_NOTHING, cmd_modules},
    {"maps", GROUP, "", "List the memory segments, and how much of each is there", NULL,
     COMPLETE_NONE, NEEDS_NOTHING, cmd_maps},
    {"set", GROUP,
     "substitute-path FROM TO | listsize N | unwinder own|libunwind | color WHEN | "
     "pagination on|off",
     "Change a setting",
     "Without a value it shows the present one, without a name all settings. WHEN is auto, always "
     "or "
     "never. While pagination is on, answers longer than the screen go to $PAGER, else to less.",
     COMPLETE_SETTING, NEEDS_NOTHING, cmd_set},
    {"info", GROUP, "threads|registers|sharedlibrary|args|frame|proc mappings|signals",
     "Show what gdb shows under these names", NULL, COMPLETE_INFO, NEEDS_NOTHING, cmd_info},
    {0}};
