/* Any text as an argument list: what is one is written and parsed again to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stk_words words, back;
	struct stk_text out;
	char one[4096], two[4096];

	if (size > UINT32_MAX || !stk_words_parse((const char *)data, (unsigned)size, &words))
		return 0;
	stk_text_init(&out, one, sizeof(one));
	stk_words_write(&out, &words);
	if (out.cut || !stk_words_parse(one, (unsigned)out.len, &back))
		abort();
	stk_text_init(&out, two, sizeof(two));
	stk_words_write(&out, &back);
	/* Leading zeros are read but not written: never longer than what was read. */
	if (strcmp(one, two) != 0 || out.len > size || !stk_words_merge(&words, &back))
		abort();
	return 0;
}
