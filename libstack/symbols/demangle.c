/*
 * libiberty's demanglers give the name piece by piece. A name of 300 bytes can have 12 GB, for what
 * it repeats it names by number: it is left at NAME_MAX_. Nothing is lost by the jump: the pieces
 * come out of arrays on the demangler's stack. Only Rust's allocates, for a name that is not ASCII,
 * and frees it behind that piece: the jump waits for one that is.
 */
#include "symbols/demangle.h"

#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

#define RAW_MAX   65536 /* longer than that is damage, and demangling may be quadratic */
#define NAME_MAX_ 65536

struct name {
	jmp_buf enough;
	struct stk_budget *budget;
	char *v;
	size_t n, cap;
	bool bad;
};

static bool is_ascii(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return true;
}

static void add(const char *s, size_t len, void *arg)
{
	struct name *n = arg;

	n->bad = n->bad || len > NAME_MAX_ - n->n || !stk_spend(n->budget, 1) ||
		 !STK_VEC_RESERVE(n, len + 1);
	if (!n->bad) {
		memcpy(n->v + n->n, s, len);
		n->n += len;
	} else if (is_ascii(s, len)) {
		longjmp(n->enough, 1);
	}
}

/* As cplus_demangle() with DMGL_AUTO. */
static bool demangle(const char *raw, int options, struct name *n)
{
	if (setjmp(n->enough))
		return false;
	if (rust_demangle_callback(raw, options, add, n) && !n->bad)
		return true;
	n->n = 0;
	return !n->bad && cplus_demangle_v3_callback(raw, options, add, n) && !n->bad;
}

const char *stk_demangle(struct stk_pool *pool, const char *raw, bool params)
{
	struct name n = {.budget = &pool->budget};
	const char *ret = raw;

	if (raw[0] != '_' || (raw[1] != 'Z' && raw[1] != 'R') || strlen(raw) > RAW_MAX)
		return raw;
	if (demangle(raw, DMGL_ANSI | (params ? DMGL_PARAMS : 0), &n))
		ret = stk_pool_strndup(pool, n.v, n.n);
	free(n.v);
	return ret;
}
