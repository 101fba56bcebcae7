/* Any text as a trace: parsed and written again, a second time nothing changes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *one = malloc(OUT_MAX), *two = malloc(OUT_MAX);
	struct stk_text first, second;
	struct stk_trace_text text;

	if (one && two && size < OUT_MAX / 4) {
		stk_text_init(&first, one, OUT_MAX);
		unsigned foreign =
		    stk_trace_parse((const char *)data, size, stk_trace_text(&text, &first));
		stk_text_init(&second, two, OUT_MAX);
		unsigned again = stk_trace_parse(one, first.len, stk_trace_text(&text, &second));
		if (first.cut || foreign != again || first.len != second.len ||
		    memcmp(one, two, first.len) != 0)
			abort();
	}
	free(one);
	free(two);
	return 0;
}
