/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One session: the target, what is selected in it, the settings, and where answers go. */
#ifndef CORECTL_SESSION_H
#define CORECTL_SESSION_H

#include <stdbool.h>

#include "base/text.h"
#include "options.h"
#include "output/frame.h"
#include "own.h"
#include "screen.h"
#include "symbols/disasm.h"
#include "symbols/source.h"
#include "targets/live.h"
#include "unwind/second.h"

struct command;

struct session {
	const struct command *const *commands; /* the tables of commands (command.h) */
	struct stk_target *target;
	struct stk_modules *modules;
	struct stk_sources *sources;
	struct stk_stack stack; /* of the selected thread, whole once `whole` */
	bool whole;
	bool chosen;     /* the user has chosen the frame */
	unsigned thread; /* index into target->threads */
	size_t frame;
	stk_unwind_fn *unwind;
	unsigned listsize;
	bool interactive; /* there is a prompt */
	struct screen screen;
	struct stk_text out;
	char buf[65536];
	const struct stk_remark *remark_seen; /* the last one shown */
	long long since;         /* when the core was written or the process began; 0: not known */
	const char *stale_named; /* the user was told that this source is newer */
	struct stk_symbol_options symbols;
	struct own_names cache; /* the names of symbols.cache */
	bool hold, detached;    /* of a process */
	bool failed, incomplete, quit;
	bool interrupted; /* by Ctrl-C, where there is no prompt to go back to */

	const char *list_file; /* where `ls` goes on */
	unsigned list_next, list_first;
	uint64_t x_next; /* where `x` goes on */
	char last[4096]; /* for Enter */
	bool repeated;   /* this command comes from Enter */
};

/* --- session.c: the target comes and goes --- */

int session_open(struct session *s, const struct options *o);
void session_close(struct session *s);

/* Another look at the same process takes the place of this one. */
void session_replace(struct session *s, struct stk_target *t, struct stk_modules *ms);

/* What the core or the process is. Where answers go to a program, it stands among the diagnostics.
 */
void session_show_head(struct session *s);

/* --- process.c: a live process as the target --- */

int session_open_process(struct session *s, int pid, struct stk_target **ret, struct stk_err *err);
/* What it is, and how long it stood still. */
void session_put_process(struct stk_text *out, const struct stk_target *t);
/* After an answer: whether memory in it is newer than the registers, on stderr. */
void session_say_age(struct session *s);

/* --- select.c: the selected thread and frame --- */

/* Another answer begins: what the last one had to leave unfinished is made anew. */
void session_begin(struct session *s);
/* Unwind the selected thread. false: there is none, or it has no frame. */
bool session_stack(struct session *s);
/* The same, and one line that says what is missing. */
bool session_need_thread(struct session *s);
bool session_need_frame(struct session *s);
/* What is selected, or NULL. */
const struct stk_frame *session_frame(struct session *s);
const struct stk_scope *session_scope(struct session *s);
void session_select_thread(struct session *s, unsigned index);
/* Select the innermost frame whose source can be read, else 0. */
void session_select_frame(struct session *s);
/* Select a thread, thread 1 where it is not there, and its frame. */
void session_select_tid(struct session *s, int tid);
/* Show the selected frame and its source line. */
void session_show_frame(struct session *s);

/* --- remarks.c: what stands beside the answers --- */

/* The remarks that the target got since the last time, on stderr. */
void session_remarks(struct session *s);
/* An SGR sequence (screen.h) between answers, where there are colours. */
void session_color(struct session *s, const char *sgr);
/* Something that the user should know, no failure: one line on stderr. */
void session_note(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A command failed: one line on stderr, exit status 1. */
void session_fail(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- address.c: addresses and what stands there --- */

/* `addr` as <symbol+off>; false: no symbol. */
bool session_symbol(struct session *s, uint64_t addr, char *buf, size_t cap);
/* One line of disassembly, at an offset from `start` or, where that is 0, with its symbol. `here`:
 * it is marked. */
void session_put_insn(struct session *s, const struct stk_insn *in, uint64_t start, bool here);
/* A number, $register[+-N], function or symbol name [+-N]. false: none of these, or a register that
 * is not known in the frame; the user is told. */
bool session_address(struct session *s, const char *text, uint64_t *ret);

#endif
