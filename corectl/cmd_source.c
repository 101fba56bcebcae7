/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Source text and instructions. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "interrupt.h"
#include "symbols/disasm.h"

#define GROUP "Source and code"

/* A text that was changed after the crash may not be the one that ran; the user is told once for a
 * file. */
static void note_stale(struct session *s, const char *path, const struct stk_source_file *f)
{
	if (!s->since || stk_source_mtime(f) <= s->since || s->stale_named == path)
		return;
	s->stale_named = path;
	session_note(s, "%s is newer than the %s: its lines may differ from what %s",
		     stk_source_path(f), s->target->ops->kind,
		     stk_live_info(s->target) ? "runs" : "ran");
}

/* Lines [from, from + listsize) of a file, `mark` with an arrow. */
static void list_lines(struct session *s, const char *path, unsigned from, unsigned mark)
{
	struct stk_source_file *f;
	struct stk_err err;
	size_t len;

	if (stk_source_open(s->sources, path, &f, &err)) {
		session_fail(s, "%s (set substitute-path FROM TO tells where the sources are)",
			     err.msg);
		return;
	}
	if (from > stk_source_lines(f)) {
		session_fail(s, "%s has %u lines", path, stk_source_lines(f));
		return;
	}
	note_stale(s, path, f);
	for (unsigned n = from; n < from + s->listsize; n++) {
		const char *line = stk_source_line(f, n, &len);
		if (!line)
			break;
		if (n == mark)
			session_color(s, SGR_MARK);
		stk_printf(&s->out, "%s%4u:\t%.*s", n == mark ? "=>" : "  ", n, (int)len, line);
		if (n == mark)
			session_color(s, SGR_OFF);
		stk_putc(&s->out, '\n');
		s->list_next = n + 1;
	}
	s->list_file = path;
	s->list_first = from;
}

static unsigned around(const struct session *s, unsigned line)
{
	return line > s->listsize / 2 ? line - s->listsize / 2 : 1;
}

static void list_frame(struct session *s)
{
	const struct stk_frame *f = session_frame(s);
	const struct stk_scope *sc = session_scope(s);

	if (!sc || !sc->file) {
		session_fail(s, "no line information for 0x%lx%s%s", (unsigned long)f->pc,
			     f->mod ? " in " : "", f->mod ? f->mod->name : "");
		return;
	}
	stk_printf(&s->out, "> %s() %s:%u (PC: 0x%lx)\n", sc->name ? sc->name : "??", sc->file,
		   sc->line, (unsigned long)f->pc);
	if (f->scopes->optimized) {
		session_color(s, SGR_WARN);
		stk_puts(&s->out, "Warning: debugging optimized function");
		session_color(s, SGR_OFF);
		stk_putc(&s->out, '\n');
	}
	list_lines(s, sc->file, around(s, sc->line), sc->line);
}

static void list_before(struct session *s)
{
	if (!s->list_file || s->list_first <= 1) {
		session_fail(s, "no lines before these");
		return;
	}
	unsigned size = s->listsize, first = s->list_first;
	unsigned from = first > size ? first - size : 1;
	s->listsize = first - from;
	list_lines(s, s->list_file, from, 0);
	s->listsize = size;
}

static bool is_line(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*ret = (unsigned)n;
	return end != text && !*end && n > 0 && n < 100000000;
}

static void list_place(struct session *s, const char *args)
{
	const char *colon = strrchr(args, ':'), *file = NULL;
	const struct stk_scope *sc = session_scope(s);
	unsigned line = 0;
	uint64_t addr;

	if (is_line(args, &line)) {
		file = s->list_file ? s->list_file : sc ? sc->file : NULL;
		if (!file)
			session_fail(s, "no current source file");
	} else if (colon && is_line(colon + 1, &line)) {
		char *name = strndup(args, (size_t)(colon - args));
		file = name ? stk_source_find(s->modules, name) : NULL;
		if (!file)
			session_fail(s, "no source file '%s' in the debug information", name);
		free(name);
	} else if (!stk_function_find(s->modules, args, &file, &line, &addr)) {
		session_fail(s, "no function '%s'", args);
	} else if (!file) {
		session_fail(s, "no line information for '%s'", args);
	}
	if (file)
		list_lines(s, file, around(s, line), 0);
}

static void cmd_list(struct session *s, const char *args)
{
	if (!strcmp(args, "-"))
		list_before(s);
	else if (*args && !s->repeated)
		list_place(s, args);
	else if (s->list_file)
		list_lines(s, s->list_file, s->list_next, 0);
	else
		list_frame(s);
}

struct printing {
	struct session *s;
	uint64_t pc;
	uint64_t start, end; /* of the function */
};

static bool print_insn(void *arg, const struct stk_insn *in)
{
	struct printing *p = arg;

	/* A call that does not return may be the last instruction: its return address is outside.
	 */
	bool here = in->addr == p->pc || (p->pc == p->end && in->addr + in->size == p->end);
	session_put_insn(p->s, in, p->start, here);
	return !interrupt_pending;
}

static void cmd_disass(struct session *s, const char *args)
{
	const struct stk_frame *f = session_frame(s);
	uint64_t addr = f ? stk_frame_lookup_pc(f) : 0;

	if (*args && !session_address(s, args, &addr))
		return;
	struct stk_module *m = stk_module_at(s->modules, addr);
	const struct stk_scopes *sc = m ? stk_scopes_at(m, addr) : NULL;
	if (!sc || !sc->start) {
		session_fail(s, "no function at 0x%lx; x/10i shows instructions",
			     (unsigned long)addr);
		return;
	}
	uint64_t len = sc->end - sc->start;
	uint8_t *bytes = len < (16U << 20) ? malloc(len + 1) : NULL;
	struct stk_err err = {0};
	/* A return address behind a call that does not return may lie in the next function. */
	uint64_t at = f ? stk_frame_lookup_pc(f) : 0;
	bool inside = f && at >= sc->start && at < sc->end;
	struct printing p = {.s = s, .pc = inside ? f->pc : 0, .start = sc->start, .end = sc->end};
	const char *name = sc->v[sc->n - 1].name;
	stk_printf(&s->out, "%s in %s:\n", name ? name : "??", m->name);
	if (!bytes || stk_mem_read(s->target, sc->start, bytes, len, &err) ||
	    stk_disasm(s->target->arch, false, sc->start, bytes, len, print_insn, &p, &err))
		session_fail(s, "%s", bytes ? err.msg : "the function is too large");
	free(bytes);
}

const struct command source_commands[] = {
    {"ls list l", GROUP, "[FUNC | FILE:LINE | LINE | -]", "List source text",
     "Lines around that of the selected frame, which is marked with =>. The next `ls` shows the "
     "lines that follow, `ls -` those before.",
     COMPLETE_FUNCTION, NEEDS_FRAME_ALONE, cmd_list},
    {"disass disassemble", GROUP, "[FUNC | ADDR]",
     "Disassemble the function of the selected frame, or another",
     "The instruction at the pc is marked with =>.", COMPLETE_FUNCTION, NEEDS_FRAME_ALONE,
     cmd_disass},
    {0}};
