/* A count of words, the words, and any text as their types. */
#include <stdint.h>
#include <string.h>

#include "values/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int swallow(void *arg, const char *bytes, size_t len)
{
	(void)bytes;
	*(size_t *)arg += len;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t words[80] = {0};
	struct stk_text out;
	struct stk_err err;
	char spec[4096], buf[4096];
	size_t total = 0;

	if (size < 1)
		return 0;
	unsigned n = *data++ % 80;
	size_t have = --size < 8 * n ? size : 8 * n;
	memcpy(words, data, have);
	data += have;
	size -= have;
	if (size >= sizeof(spec))
		return 0;
	memcpy(spec, data, size);
	spec[size] = 0;
	stk_text_init_stream(&out, buf, sizeof(buf), swallow, &total);
	int r = stk_decode(&out, words, n, spec, NULL, &err);
	stk_text_flush(&out);
	/* An error leaves nothing behind but its text, an answer has its heading. */
	if ((r != 0) != (total == 0) || (r && !memchr(err.msg, 0, sizeof(err.msg))))
		__builtin_trap();
	return 0;
}
