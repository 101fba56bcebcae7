/* trace_echo < REPORT: writes it again as it is parsed; the lines that were not understood to
 * stderr. */
#include <stdio.h>

#include "echo.h"

static int to_stdout(void *arg, const char *bytes, size_t len)
{
	(void)arg;
	return fwrite(bytes, 1, len, stdout) == len ? 0 : -1;
}

static void on_other(void *arg, const char *line, unsigned len)
{
	echo_other(arg, line, len);
	fprintf(stderr, "%.*s\n", (int)len, line);
}

int main(void)
{
	static char text[16 << 20], buf[4096];
	struct stk_trace_events events = echo_events;
	size_t len = fread(text, 1, sizeof(text), stdin);
	struct stk_text out;

	events.other = on_other;
	stk_text_init_stream(&out, buf, sizeof(buf), to_stdout, NULL);
	stk_trace_parse(text, len, &events, &out);
	return stk_text_flush(&out) || len == sizeof(text);
}
