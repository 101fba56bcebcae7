#include "targets/pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define BLOCK 65536

struct stk_pool_block {
	struct stk_pool_block *next;
	size_t cap;
	alignas(16) char bytes[];
};

void *stk_pool_alloc(struct stk_pool *p, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if (!p->head || p->head->cap - p->used < size) {
		size_t cap = size > BLOCK / 4 ? size : BLOCK;
		struct stk_pool_block *b =
		    stk_spend_bytes(&p->budget, cap) ? calloc(1, sizeof(*b) + cap) : NULL;
		if (!b)
			return NULL;
		b->cap = cap;
		if (cap != BLOCK && p->head) {
			/* A large piece gets a block of its own behind the one in use. */
			b->next = p->head->next;
			p->head->next = b;
			return b->bytes;
		}
		b->next = p->head;
		p->head = b;
		p->used = 0;
	}
	void *r = p->head->bytes + p->used;
	p->used += size;
	return r;
}

char *stk_pool_strndup(struct stk_pool *p, const char *s, size_t n)
{
	char *r = stk_pool_alloc(p, n + 1);

	if (r)
		memcpy(r, s, n);
	return r;
}

char *stk_pool_strdup(struct stk_pool *p, const char *s)
{
	return stk_pool_strndup(p, s, strlen(s));
}

char *stk_pool_printf(struct stk_pool *p, const char *fmt, ...)
{
	char buf[4096];
	struct stk_text t;
	va_list ap;

	stk_text_init(&t, buf, sizeof(buf));
	va_start(ap, fmt);
	stk_vprintf(&t, fmt, ap);
	va_end(ap);
	return stk_pool_strndup(p, buf, t.len);
}

void stk_pool_done(struct stk_pool *p)
{
	while (p->head) {
		struct stk_pool_block *b = p->head;
		p->head = b->next;
		free(b);
	}
}
