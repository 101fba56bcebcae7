/* Any text as a trace: parsed and written again; what was written is parsed and written to the
 * same. (The first writing escapes bytes, and puts lines where they belong.) */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (4 << 20)

/* Parse `in`, write into `out`. The number of foreign lines. */
static unsigned again(const char *in, size_t len, char *out, struct stk_text *ret)
{
	struct stk_trace_text text;

	stk_text_init(ret, out, OUT_MAX);
	return stk_trace_parse(in, len, stk_trace_text(&text, ret));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *out[3] = {malloc(OUT_MAX), malloc(OUT_MAX), malloc(OUT_MAX)};
	struct stk_text t[3];
	unsigned foreign[3];

	if (out[0] && out[1] && out[2] && size < OUT_MAX / 8) {
		foreign[0] = again((const char *)data, size, out[0], &t[0]);
		for (unsigned i = 1; i < 3; i++)
			foreign[i] = again(out[i - 1], t[i - 1].len, out[i], &t[i]);
		if (t[0].cut || foreign[2] != foreign[1] || t[1].len != t[2].len ||
		    memcmp(out[1], out[2], t[1].len) != 0)
			abort();
	}
	for (unsigned i = 0; i < 3; i++)
		free(out[i]);
	return 0;
}
