/* A trace written again as it is parsed: the argument of the callbacks is (or begins with) the
 * writer.
 */
#ifndef TESTS_ECHO_H
#define TESTS_ECHO_H

#include "base/trace.h"

static void echo_head(void *out, const struct stk_trace_head *h)
{
	stk_trace_write_head(out, h);
}

static void echo_why(void *out, const char *why)
{
	stk_trace_write_why(out, why);
}

static void echo_thread(void *out, const struct stk_trace_thread *t)
{
	stk_trace_write_thread(out, t);
}

static void echo_frame(void *out, const struct stk_trace_frame *f)
{
	stk_trace_write_frame(out, f);
}

static void echo_elided(void *out, uint64_t frames)
{
	stk_trace_write_elided(out, frames);
}

static void echo_stopped(void *out, const char *reason)
{
	stk_trace_write_stopped(out, reason);
}

static void echo_reg(void *out, bool first, const char *name, uint64_t value)
{
	stk_trace_write_reg(out, first, name, value);
}

static void echo_module(void *out, bool first, const struct stk_trace_module *m)
{
	stk_trace_write_module(out, first, m);
}

static void echo_end(void *out, const struct stk_trace_end *e)
{
	stk_trace_write_end(out, e);
}

static void echo_other(void *out, const char *line, unsigned len)
{
	stk_putn(out, line, len);
	stk_putc(out, '\n');
}

static const struct stk_trace_events echo_events = {
    .head = echo_head,
    .why = echo_why,
    .thread = echo_thread,
    .frame = echo_frame,
    .elided = echo_elided,
    .stopped = echo_stopped,
    .reg = echo_reg,
    .module = echo_module,
    .end = echo_end,
    .other = echo_other,
};

#endif
