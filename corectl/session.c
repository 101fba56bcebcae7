/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening a target: a compressed core is unpacked first, a process is stopped and copied; then its
 * modules are found. Where the process has another root folder, its own debug files are searched
 * there. Nothing is unwound before somebody asks.
 */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/signals.h"
#include "confine.h"
#include "errand.h"
#include "interrupt.h"
#include "unpack.h"

static void write_head(struct stk_text *out, const struct stk_target *t)
{
	const struct stk_siginfo *si = &t->siginfo;
	const char *name = si->present ? stk_signal_name(si->signo) : NULL;

	if (stk_live_info(t)) {
		session_put_process(out, t);
		return;
	}
	stk_printf(out, "Core %s", t->path);
	const struct stk_psinfo *ps = &t->psinfo;
	const char *called = ps->args && *ps->args ? ps->args : ps->fname;
	if (called && *called)
		stk_printf(out, " of `%s'", called);
	if (ps->pid)
		stk_printf(out, " (pid %d)", ps->pid);
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

void session_show_head(struct session *s)
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

/* A compressed core is unpacked into a file that has no name, and that is opened. */
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

	s->symbols = (struct stk_symbol_options){
	    .bin = o->bin, .debug_dir = o->debug_dir, .sysroot = o->sysroot};
	if (!o->no_cache)
		s->symbols.cache = own_place(OWN_CACHE, &s->cache);
	confine_prepare(s, o);
	if (!o->pid) {
		s->since = stat(o->core, &st) ? 0 : (long long)st.st_mtime;
		confine(s, o);
		return open_core(s, o->core, err);
	}
	s->hold = o->hold;
	int r = session_open_process(s, o->pid, &s->target, err);
	if (r)
		return r;
	confine(s, o); /* what the process was copied from is the kernel's own */
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
	s->target->pool.budget.interrupt = &interrupt_pending;
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
	s->target->pool.budget.interrupt = &interrupt_pending;
	stk_live_answer(s->target);
	return 0;
}

void session_close(struct session *s)
{
	stk_stack_done(&s->stack);
	stk_modules_close(s->modules);
	stk_target_close(s->target);
	stk_sources_free(s->sources);
	screen_done(&s->screen);
	errand_end();
}
