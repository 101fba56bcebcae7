/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/signals.h"
#include "symbols/demangle.h"
#include "symbols/scope.h"
#include "symbols/symtab.h"
#include "unpack.h"

volatile sig_atomic_t session_interrupt;

static void on_interrupt(int sig)
{
	(void)sig;
	session_interrupt = 1;
}

void session_catch_interrupt(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt}, before;

	if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &sa, NULL);
}

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

static void write_head(struct stk_text *out, const struct stk_target *t)
{
	const struct stk_siginfo *si = &t->siginfo;
	const char *name = si->present ? stk_signal_name(si->signo) : NULL;

	if (stk_live_info(t)) {
		session_put_process(out, t);
		return;
	}
	stk_printf(out, "Core %s", t->path);
	if (t->psinfo.present && t->psinfo.args)
		stk_printf(out, " of `%s' (pid %d)", t->psinfo.args, t->psinfo.pid);
	stk_printf(out, ", %u thread%s.\n", t->nthreads, t->nthreads == 1 ? "" : "s");
	if (!name)
		return;
	stk_printf(out, "Program terminated with %s: %s", name, stk_signal_text(si->signo));
	if (stk_sigcode_has_addr(si->signo, si->code))
		stk_printf(out, ", address 0x%lx", (unsigned long)si->addr);
	if (t->nthreads) {
		stk_printf(out, ", in thread 1 (tid %d", t->threads[0].tid);
		stk_put_name(out, t->threads[0].name);
		stk_putc(out, ')');
	}
	stk_puts(out, ".\n");
}

/* What the core is. Where answers go to a program, it stands among the diagnostics. */
static void show_head(struct session *s)
{
	char buf[1024];
	struct stk_text err;

	if (s->interactive) {
		write_head(&s->out, s->target);
		return;
	}
	stk_text_init_stream(&err, buf, sizeof(buf), screen_write_error, &s->screen);
	write_head(&err, s->target);
	stk_text_flush(&err);
}

/* As it is, or what is packed in it. */
static int open_core(struct session *s, const char *path, struct stk_err *err)
{
	const char *why = NULL;
	int fd = -1;

	if (unpack_is_packed(path)) {
		fd = unpack(path, isatty(2), &why, err);
		if (fd < 0)
			return fd;
	}
	int r = stk_core_open(path, fd, &s->target, err);
	if (!r && why)
		stk_remark(s->target, true, "%s: %s", path, why);
	return r;
}

static int open_target(struct session *s, const struct options *o, struct stk_err *err)
{
	static char debug[48];
	struct stat st;

	s->symbols = (struct stk_symbol_options){.bin = o->bin,
						 .debug_dir = o->debug_dir,
						 .sysroot = o->sysroot,
						 .cache_dir = options_cache_dir(o)};
	if (!o->pid) {
		s->since = stat(o->core, &st) ? 0 : (long long)st.st_mtime;
		return open_core(s, o->core, err);
	}
	s->hold = o->hold;
	int r = session_open_process(s, o->pid, &s->target, err);
	if (r)
		return r;
	const struct stk_live_info *i = stk_live_info(s->target);
	s->since = i->started;
	if (i->other_root && !o->debug_dir) {
		snprintf(debug, sizeof(debug), "/proc/%d/root%s", i->pid, "/usr/lib/debug");
		s->symbols.debug_dir = debug;
	}
	return 0;
}

void session_replace(struct session *s, struct stk_target *t, struct stk_modules *ms)
{
	stk_stack_done(&s->stack);
	stk_modules_close(s->modules);
	stk_target_close(s->target);
	s->target = t;
	s->modules = ms;
	s->target->interrupt = &session_interrupt;
	s->remark_seen = NULL;
	s->stale_named = NULL;
	s->detached = false;
	stk_live_answer(t);
}

int session_open(struct session *s, const struct options *o)
{
	struct stk_err err;

	s->interactive = !o->batch && isatty(STDIN_FILENO);
	screen_init(&s->screen);
	screen_set_color(&s->screen, o->color, s->interactive);
	stk_text_init_stream(&s->out, s->buf, sizeof(s->buf), screen_write, &s->screen);
	s->listsize = 10;
	s->unwind = stk_unwind;
	s->sources = stk_sources_new();
	if (!s->sources || open_target(s, o, &err) ||
	    stk_modules_open(s->target, &s->symbols, &s->modules, &err)) {
		session_fail(s, "%s", s->sources ? err.msg : "out of memory");
		return 2;
	}
	s->target->interrupt = &session_interrupt;
	stk_live_answer(s->target);
	bool stack = o->verb && !strcmp(o->verb, "stack");
	if (!stack || o->pid)
		show_head(s);
	session_remarks(s);
	if (stack)
		return 0;
	session_select_tid(s, o->pid ? stk_live_info(s->target)->asked_tid : 0);
	if (s->interactive && session_need_frame(s))
		session_show_frame(s);
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
	if (s->thread >= s->target->nthreads)
		return false;
	/* What Ctrl-C left of a stack stays for the rest of that command: callers hold its frames.
	 */
	if (!s->whole && !(s->stack.n && session_interrupt)) {
		stk_stack_done(&s->stack);
		s->unwind(s->modules, &s->target->threads[s->thread], 0, &s->stack);
		s->whole = s->stack.stop != STK_STOP_INTERRUPTED;
		s->incomplete |= !stk_stack_complete(&s->stack);
	}
	return s->stack.n > 0;
}

bool session_need_thread(struct session *s)
{
	bool there = s->thread < s->target->nthreads;

	if (!there)
		session_fail(s, "the %s has no threads", s->target->ops->kind);
	return there;
}

bool session_need_frame(struct session *s)
{
	if (!session_need_thread(s) || session_stack(s))
		return s->stack.n > 0;
	session_fail(s, "thread %u has no frames: %s", s->thread + 1, s->stack.reason);
	return false;
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
	stk_frame_row(stk_rows_text(&s->out), s->modules, &s->stack, s->frame, 0);
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
	const char *name = stk_demangle(&s->target->pool, sym.name, false);
	stk_printf(&t, "<%s", name ? name : sym.name);
	if (addr != sym.addr)
		stk_printf(&t, "+0x%lx", (unsigned long)(addr - sym.addr));
	stk_putc(&t, '>');
	return true;
}

void session_put_insn(struct session *s, const struct stk_insn *in, uint64_t start, bool here)
{
	char sym[256];

	stk_printf(&s->out, "%s 0x%016lx", here ? "=>" : "  ", (unsigned long)in->addr);
	if (start)
		stk_printf(&s->out, " <+0x%lx>", (unsigned long)(in->addr - start));
	else if (session_symbol(s, in->addr, sym, sizeof(sym)))
		stk_printf(&s->out, " %s", sym);
	stk_printf(&s->out, ":\t%s", in->text);
	if (in->target) {
		char hex[24];
		struct stk_text t;
		stk_text_init(&t, hex, sizeof(hex));
		stk_printf(&t, "0x%lx", (unsigned long)in->target);
		if (!strstr(in->text, hex))
			stk_printf(&s->out, "  # %s", hex);
		if (session_symbol(s, in->target, sym, sizeof(sym)))
			stk_printf(&s->out, "  %s", sym);
	}
	stk_putc(&s->out, '\n');
}

/* `ret_unknown`: there is such a register, but not its value in this frame. */
static bool register_value(struct session *s, const char *name, size_t len, uint64_t *ret,
			   bool *ret_unknown)
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
		if (d >= 0)
			*ret = f->regs.r[d];
		bool known = d >= 0
				 ? stk_reg_known(&f->regs, (unsigned)d)
				 : !f->phys && stk_thread_reg(s->target, s->stack.thread, i, ret);
		*ret_unknown = !known;
		return known;
	}
	return false;
}

static bool base_address(struct session *s, const char *text, size_t len, uint64_t *ret,
			 bool *ret_unknown)
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
		return register_value(s, name + 1, len - 1, ret, ret_unknown);
	errno = 0;
	*ret = strtoull(name, &end, 0);
	if (!*end && !errno && name[0] != '-')
		return true;
	const char *fn = name[0] == '&' ? name + 1 : name;
	if (stk_function_find(s->modules, fn, &file, &line, ret) && *ret)
		return true;
	if (stk_symbol_find(s->modules, fn, &sym, NULL)) {
		*ret = sym.addr;
		return true;
	}
	return false;
}

static bool parse_address(struct session *s, const char *text, uint64_t *ret, bool *ret_unknown)
{
	size_t len = strlen(text);
	uint64_t off = 0;
	const char *op = NULL;
	char *end;

	while (len && text[len - 1] == ' ')
		len--;
	if (base_address(s, text, len, ret, ret_unknown))
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
	if (*end || end == op + 1 || !base_address(s, text, n, ret, ret_unknown))
		return false;
	*ret = *op == '+' ? *ret + off : *ret - off;
	return true;
}

bool session_address(struct session *s, const char *text, uint64_t *ret)
{
	bool unknown = false;

	if (parse_address(s, text, ret, &unknown))
		return true;
	if (unknown)
		session_fail(s, "%s is not known in frame %zu", text, s->frame);
	else
		session_fail(s, "'%s' is no number, $register, function or symbol", text);
	return false;
}
