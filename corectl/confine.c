/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In this order: the process for errands starts (pager, cache, history); the file that a core is
 * unpacked into is made; rights go; a process is looked at (session.c); the sandbox is
 * closed; then cores, programs and debug files are parsed.
 */
#include "confine.h"

#include <unistd.h>

#include "errand.h"
#include "history.h"
#include "pager.h"
#include "sandbox.h"
#include "symbols/cache.h"
#include "unpack.h"

static struct stk_folder cache; /* as that of the session */

static int keep(int fd)
{
	return stk_cache_put(&cache, fd);
}

static void send_to_cache(int fd)
{
	int asked = errand_ask(ERRAND_CACHE, fd);

	if (asked >= 0)
		errand_wait(asked);
}

/* `stack' looks at a process once. */
static unsigned needs(const struct options *o)
{
	if (!o->pid)
		return 0;
	return o->verb->bit == FOR_STACK && !o->hold ? SANDBOX_LOOKS
						     : SANDBOX_LOOKS | SANDBOX_STOPS;
}

static void tell(struct session *s, const struct stk_err *err)
{
	session_note(s, "the sandbox is not whole (--no-sandbox does without): %s", err->msg);
}

static bool sandboxed; /* what is parsed has fewer rights than we, or they are not known */
static int keeps = -1; /* the cache's folder, where we write there ourselves */

/* Another process takes a while to start, which the user sees at a command, not at a prompt: it is
 * done without where there is no pager, and the cache can be written from here. */
static bool need_errands(const struct session *s, const struct options *o)
{
	if (s->interactive)
		return true;
	if (sandboxed && cache.base && !o->pid && sandbox_knows_folders())
		keeps = stk_folder_open(&cache, false);
	return sandboxed && cache.base && keeps < 0;
}

void confine_prepare(struct session *s, const struct options *o)
{
	static errand_fn *const errands[] = {[ERRAND_PAGER] = pager_run,
					     [ERRAND_CACHE] = keep,
					     [ERRAND_HISTORY] = history_put,
					     NULL};
	struct stk_err err;

	cache = s->symbols.cache;
	sandboxed = !o->no_sandbox && (!o->pid || sandbox_differs(o->pid));
	if (need_errands(s, o)) {
		if (errand_start(errands))
			stk_cache_send_by(send_to_cache);
		else
			session_note(s, "no second process can be started: there is no pager");
	}
	if (!o->pid)
		unpack_prepare(o->core);
	if (sandboxed && sandbox_drop_rights(needs(o), &err))
		tell(s, &err);
}

void confine(struct session *s, const struct options *o)
{
	struct stk_err err;

	/* It may have executed another program before we stopped it. */
	if (!sandboxed && !o->no_sandbox && o->pid && sandbox_differs(o->pid)) {
		sandboxed = true;
		if (sandbox_drop_rights(needs(o), &err))
			tell(s, &err);
	}
	if (sandboxed && sandbox_enter(needs(o) | (keeps < 0 ? 0 : SANDBOX_KEEPS), keeps, &err))
		tell(s, &err);
	if (keeps >= 0)
		close(keeps);
	keeps = -1;
}
