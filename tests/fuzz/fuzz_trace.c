/* Any text as a trace: parsed and written again, a second time nothing changes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (4 << 20)

static void on_head(void *out, const struct stk_trace_head *h)
{
	stk_trace_write_head(out, h);
}

static void on_why(void *out, const char *why)
{
	stk_trace_write_why(out, why);
}

static void on_thread(void *out, const struct stk_trace_thread *t)
{
	stk_trace_write_thread(out, t);
}

static void on_frame(void *out, const struct stk_trace_frame *f)
{
	stk_trace_write_frame(out, f);
}

static void on_elided(void *out, uint64_t frames)
{
	stk_trace_write_elided(out, frames);
}

static void on_stopped(void *out, const char *reason)
{
	stk_trace_write_stopped(out, reason);
}

static void on_reg(void *out, bool first, const char *name, uint64_t value)
{
	stk_trace_write_reg(out, first, name, value);
}

static void on_module(void *out, bool first, const struct stk_trace_module *m)
{
	stk_trace_write_module(out, first, m);
}

static void on_end(void *out, const struct stk_trace_end *e)
{
	stk_trace_write_end(out, e);
}

static void on_other(void *out, const char *line, unsigned len)
{
	stk_putn(out, line, len);
	stk_putc(out, '\n');
}

static const struct stk_trace_events events = {
    .head = on_head,
    .why = on_why,
    .thread = on_thread,
    .frame = on_frame,
    .elided = on_elided,
    .stopped = on_stopped,
    .reg = on_reg,
    .module = on_module,
    .end = on_end,
    .other = on_other,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *one = malloc(OUT_MAX), *two = malloc(OUT_MAX);
	struct stk_text first, second;

	if (one && two && size < OUT_MAX / 4) {
		stk_text_init(&first, one, OUT_MAX);
		unsigned foreign = stk_trace_parse((const char *)data, size, &events, &first);
		stk_text_init(&second, two, OUT_MAX);
		unsigned again = stk_trace_parse(one, first.len, &events, &second);
		if (first.cut || foreign != again || first.len != second.len ||
		    memcmp(one, two, first.len) != 0)
			abort();
	}
	free(one);
	free(two);
	return 0;
}
