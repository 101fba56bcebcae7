/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the user is told beside the answers: notes, failures and the engine's remarks, one line each
 * on stderr. The answer so far goes out first, so that the two stand in the order in which they
 * were made where both go to one terminal.
 */
#include <stdarg.h>

#include "session.h"

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
