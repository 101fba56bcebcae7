#include "symbols/linkmap.h"

#include <string.h>

#include "symbols/headers.h"

#define LINKS_MAX      16384
#define NAMESPACES_MAX 64

/* LP64: struct r_debug { int version; link_map *map; brk; state; ldbase; }, from version 2 on
 * r_next (glibc 2.35, r_debug_extended); struct link_map { addr, name, ld, next, prev }. */
enum { R_MAP = 8, R_NEXT = 40, L_ADDR = 0, L_NAME = 8, L_LD = 16, L_NEXT = 24 };

static bool add(struct stk_target *t, struct stk_link **v, unsigned *n, const struct stk_link *l)
{
	/* Room doubles at powers of two. */
	if (!(*n & (*n - 1))) {
		struct stk_link *more =
		    stk_pool_alloc(&t->pool, (*n ? 2UL * *n : 1) * sizeof(*more));
		if (!more)
			return false;
		if (*n)
			memcpy(more, *v, *n * sizeof(*more));
		*v = more;
	}
	(*v)[(*n)++] = *l;
	return true;
}

static void read_namespace(struct stk_target *t, uint64_t at, bool first, struct stk_link **v,
			   unsigned *n)
{
	uint64_t name;

	for (bool program = first; at && *n < LINKS_MAX; program = false) {
		struct stk_link l = {.program = program};
		if (!stk_mem_word(t, at + L_ADDR, &l.bias) ||
		    !stk_mem_word(t, at + L_LD, &l.dynamic) || !stk_mem_word(t, at + L_NAME, &name))
			return;
		l.path = name ? stk_memory_string(t, name) : NULL;
		if (!l.path)
			l.path = "";
		if (!add(t, v, n, &l) || !stk_mem_word(t, at + L_NEXT, &at))
			return;
	}
}

unsigned stk_links_read(struct stk_target *t, uint64_t addr, struct stk_link **ret)
{
	unsigned n = 0;
	uint64_t version, map;

	*ret = NULL;
	for (unsigned i = 0; i < NAMESPACES_MAX && addr; i++) {
		if (!stk_mem_word(t, addr, &version) || !stk_mem_word(t, addr + R_MAP, &map))
			break;
		version &= UINT32_MAX;
		if (!version || version > 2)
			break;
		read_namespace(t, map, i == 0, ret, &n);
		if (version < 2 || !stk_mem_word(t, addr + R_NEXT, &addr))
			break;
	}
	return n;
}
