/* trace_echo < REPORT: writes it again as it is parsed; the lines that were not understood to
 * stderr. */
#include <stdio.h>

#include "base/trace.h"

static int to_stdout(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	return fwrite(bytes, 1, len, stdout) == len ? 0 : -1;
}

static const struct stk_trace_events *on;

static void on_note(void *arg, const char *line, size_t len)
{
	on->note(arg, line, len);
	fprintf(stderr, "%.*s\n", (int)len, line);
}

int main(void)
{
	static char text[16 << 20], buf[4096];
	size_t len = fread(text, 1, sizeof(text), stdin);
	struct stk_text out;
	struct stk_trace_text state;

	stk_text_init_stream(&out, buf, sizeof(buf), to_stdout, NULL);
	struct stk_trace_sink sink = stk_trace_text(&state, &out);
	on = sink.on;
	struct stk_trace_events events = *on;
	events.note = on_note;
	sink.on = &events;
	stk_trace_parse(text, len, sink);
	return stk_text_flush(&out) || len == sizeof(text);
}
