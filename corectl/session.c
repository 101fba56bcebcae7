/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/signals.h"
#include "symbols/scope.h"
#include "symbols/symtab.h"

volatile sig_atomic_t session_interrupt;

static void diagnose(struct session *s, const char *fmt, va_list ap)
{
	char buf[2048];
	struct stk_text t;

	stk_text_flush(&s->out);
	stk_text_init_stream(&t, buf, sizeof(buf), screen_write_error, &s->screen);
	stk_puts(&t, "corectl: ");
	stk_vprintf(&t, fmt, ap);
	stk_putc(&t, '\n');
	stk_text_flush(&t);
}

void session_note(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diagnose(s, fmt, ap);
	va_end(ap);
}

void session_fail(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diagnose(s, fmt, ap);
	va_end(ap);
	s->failed = true;
}

void session_color(struct session *s, const char *sgr)
{
	if (!s->screen.color)
		return;
	stk_text_flush(&s->out);
	screen_color(&s->screen, sgr);
}

void session_remarks(struct session *s)
{
	const struct stk_remark *r = s->remark_seen ? s->remark_seen->next : s->target->remarks;

	for (; r; r = r->next) {
		session_note(s, "%s", r->text);
		s->incomplete |= r->incomplete;
		s->remark_seen = r;
	}
}

static void show_head(struct session *s)
{
	const struct stk_target *t = s->target;
	const struct stk_siginfo *si = &t->siginfo;
	const char *name = si->present ? stk_signal_name(si->signo) : NULL;

	stk_printf(&s->out, "Core %s", t->path);
	if (t->psinfo.present && t->psinfo.args)
		stk_printf(&s->out, " of `%s' (pid %d)", t->psinfo.args, t->psinfo.pid);
	stk_printf(&s->out, ", %u thread%s.\n", t->nthreads, t->nthreads == 1 ? "" : "s");
	if (name) {
		stk_printf(&s->out, "Program terminated with %s: %s", name,
			   stk_signal_text(si->signo));
		if (stk_sigcode_has_addr(si->signo, si->code))
			stk_printf(&s->out, ", address 0x%lx", (unsigned long)si->addr);
		stk_puts(&s->out, ".\n");
	}
}

int session_open(struct session *s, const struct options *o)
{
	struct stk_symbol_options so = {
	    .bin = o->bin,
	    .debug_dir = o->debug_dir,
	    .sysroot = o->sysroot,
	    .cache_dir = options_cache_dir(o),
	};
	struct stk_err err;

	struct stat st;

	screen_init(&s->screen);
	screen_set_color(&s->screen, o->color, !o->batch);
	stk_text_init_stream(&s->out, s->buf, sizeof(s->buf), screen_write, &s->screen);
	s->listsize = 10;
	s->unwind = stk_unwind;
	s->core_mtime = stat(o->core, &st) ? 0 : (long long)st.st_mtime;
	s->sources = stk_sources_new();
	if (!s->sources || stk_core_open(o->core, &s->target, &err) ||
	    stk_modules_open(s->target, &so, &s->modules, &err)) {
		session_fail(s, "%s", s->sources ? err.msg : "out of memory");
		return 2;
	}
	s->target->interrupt = &session_interrupt;
	session_remarks(s);
	if (o->verb && !strcmp(o->verb, "stack"))
		return 0;
	if (!o->batch)
		show_head(s);
	if (s->target->nthreads) {
		session_select_frame(s);
		if (!o->batch && s->stack.n)
			session_show_frame(s);
	}
	return 0;
}

void session_close(struct session *s)
{
	stk_stack_done(&s->stack);
	stk_modules_close(s->modules);
	stk_target_close(s->target);
	stk_sources_free(s->sources);
	screen_done(&s->screen);
}

bool session_stack(struct session *s)
{
	if (s->thread >= s->target->nthreads) {
		session_fail(s, "the core has no threads");
		return false;
	}
	/* What Ctrl-C left of a stack stays for the rest of that command: callers hold its frames.
	 */
	if (!s->whole && !(s->stack.n && session_interrupt)) {
		stk_stack_done(&s->stack);
		s->unwind(s->modules, &s->target->threads[s->thread], 0, &s->stack);
		s->whole = s->stack.stop != STK_STOP_INTERRUPTED;
		s->incomplete |= !stk_stack_complete(&s->stack);
	}
	if (!s->stack.n)
		session_fail(s, "thread %u has no frames: %s", s->thread + 1, s->stack.reason);
	return s->stack.n > 0;
}

const struct stk_frame *session_frame(struct session *s)
{
	if (!session_stack(s))
		return NULL;
	if (s->frame >= s->stack.n)
		s->frame = 0;
	return &s->stack.v[s->frame];
}

const struct stk_scope *session_scope(struct session *s)
{
	const struct stk_frame *f = session_frame(s);

	return f && f->scopes ? &f->scopes->v[f->level] : NULL;
}

void session_select_thread(struct session *s, unsigned index)
{
	stk_stack_done(&s->stack);
	s->whole = false;
	s->thread = index;
	s->frame = 0;
	s->chosen = false;
	s->list_file = NULL;
}

void session_select_frame(struct session *s)
{
	s->frame = 0;
	if (!session_stack(s))
		return;
	for (size_t i = 0; i < s->stack.n; i++) {
		const struct stk_frame *f = &s->stack.v[i];
		struct stk_source_file *file;
		if (f->scopes && f->scopes->v[f->level].file &&
		    stk_source_open(s->sources, f->scopes->v[f->level].file, &file, NULL) == 0) {
			s->frame = i;
			return;
		}
	}
}

void session_show_frame(struct session *s)
{
	const struct stk_frame *f = session_frame(s);
	const struct stk_scope *sc = session_scope(s);
	struct stk_source_file *file;
	size_t len;

	if (!f)
		return;
	stk_bt_write_frame(&s->out, s->modules, &s->stack, s->frame, 2);
	s->list_file = NULL;
	if (sc && sc->file && !stk_source_open(s->sources, sc->file, &file, NULL)) {
		const char *line = stk_source_line(file, sc->line, &len);
		if (line)
			stk_printf(&s->out, "=>%4u:\t%.*s\n", sc->line, (int)len, line);
	}
}

bool session_symbol(struct session *s, uint64_t addr, char *buf, size_t cap)
{
	struct stk_module *m = stk_module_at(s->modules, addr);
	const struct stk_scopes *sc;
	struct stk_symbol sym;
	struct stk_text t;

	if (!m)
		return false;
	if (!stk_symbol_at(m, addr, &sym)) {
		sc = stk_scopes_at(m, addr);
		if (!sc || !sc->start || !sc->v[sc->n - 1].name)
			return false;
		sym = (struct stk_symbol){.name = sc->v[sc->n - 1].name, .addr = sc->start};
	}
	stk_text_init(&t, buf, cap);
	stk_printf(&t, "<%s", sym.name);
	if (addr != sym.addr)
		stk_printf(&t, "+0x%lx", (unsigned long)(addr - sym.addr));
	stk_putc(&t, '>');
	return true;
}

static bool register_value(struct session *s, const char *name, size_t len, uint64_t *ret)
{
	const struct stk_arch *a = s->target->arch;
	const struct stk_frame *f = session_frame(s);

	for (unsigned i = 0; f && i < a->nregs; i++) {
		const char *n = a->regs[i].name;
		int d = a->regs[i].dwarf;
		bool alias = (len == 2 && d >= 0 &&
			      ((!memcmp(name, "pc", 2) && d == a->pc) ||
			       (!memcmp(name, "sp", 2) && d == a->sp) ||
			       (!memcmp(name, "fp", 2) && d == a->fp)));
		if (!alias && (strlen(n) != len || memcmp(n, name, len) != 0))
			continue;
		if (d >= 0) {
			*ret = f->regs.r[d];
			return f->regs.valid >> d & 1;
		}
		return stk_thread_reg(s->target, s->stack.thread, i, ret);
	}
	return false;
}

static bool base_address(struct session *s, const char *text, size_t len, uint64_t *ret)
{
	char name[512], *end;
	const char *file;
	unsigned line;
	struct stk_symbol sym;

	if (!len || len >= sizeof(name))
		return false;
	memcpy(name, text, len);
	name[len] = 0;
	if (name[0] == '$')
		return register_value(s, name + 1, len - 1, ret);
	errno = 0;
	*ret = strtoull(name, &end, 0);
	if (!*end && !errno && name[0] != '-')
		return true;
	const char *fn = name[0] == '&' ? name + 1 : name;
	if (stk_function_find(s->modules, fn, &file, &line, ret))
		return true;
	if (stk_symbol_find(s->modules, fn, &sym, NULL)) {
		*ret = sym.addr;
		return true;
	}
	return false;
}

bool session_address(struct session *s, const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	uint64_t off = 0;
	const char *op = NULL;
	char *end;

	while (len && text[len - 1] == ' ')
		len--;
	if (base_address(s, text, len, ret))
		return true;
	for (const char *p = text + 1; *text && *p; p++)
		if (*p == '+' || *p == '-')
			op = p;
	if (!op)
		return false;
	off = strtoull(op + 1, &end, 0);
	size_t n = (size_t)(op - text);
	while (n && text[n - 1] == ' ')
		n--;
	if (*end || end == op + 1 || !base_address(s, text, n, ret))
		return false;
	*ret = *op == '+' ? *ret + off : *ret - off;
	return true;
}
