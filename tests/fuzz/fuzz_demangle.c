/* Names of symbols: whatever they are, demangling ends soon, and its result is bounded. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const starts[] = {"_Z", "_R"};
	struct stk_pool pool = {0};
	char *raw = malloc(size + 3);

	if (!raw)
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		memcpy(raw, starts[i / 2], 2);
		memcpy(raw + 2, data, size);
		raw[2 + size] = 0;
		const char *name = stk_demangle(&pool, raw, i % 2);
		if (name && name != raw && strlen(name) > 65536)
			__builtin_trap();
	}
	free(raw);
	stk_pool_done(&pool);
	return 0;
}
