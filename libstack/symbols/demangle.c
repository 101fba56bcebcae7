#include "symbols/demangle.h"

#include <libiberty/demangle.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_ 65536 /* longer than that is damage, and demangling may be quadratic */

const char *stk_demangle(struct stk_pool *pool, const char *raw, bool params)
{
	char *name;
	const char *ret;

	if (raw[0] != '_' || (raw[1] != 'Z' && raw[1] != 'R') || strlen(raw) > NAME_MAX_)
		return raw;
	name = cplus_demangle(raw, DMGL_AUTO | DMGL_ANSI | (params ? DMGL_PARAMS : 0));
	if (!name)
		return raw;
	ret = stk_pool_strdup(pool, name);
	free(name);
	return ret;
}
