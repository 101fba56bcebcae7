#include "targets/hash.h"

#include <stdlib.h>

#define FIRST 64

struct stk_hash_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

/* Where `key` is, or the free slot where it belongs. Multiplicative hashing: the upper bits mix
 * all of the key's. */
static struct stk_hash_slot *slot(const struct stk_hash *m, uint64_t key)
{
	uint64_t h = (key * 0x9e3779b97f4a7c15ULL) >> 32;

	while (m->slots[h & (m->cap - 1)].value && m->slots[h & (m->cap - 1)].key != key)
		h++;
	return &m->slots[h & (m->cap - 1)];
}

static bool grow(struct stk_hash *m)
{
	struct stk_hash old = *m;
	unsigned cap = old.cap ? 2 * old.cap : FIRST;
	struct stk_hash_slot *v = calloc(cap, sizeof(*v));

	if (!v)
		return false;
	m->slots = v;
	m->cap = cap;
	for (unsigned i = 0; i < old.cap; i++)
		if (old.slots[i].value)
			*slot(m, old.slots[i].key) = old.slots[i];
	free(old.slots);
	return true;
}

void *stk_hash_get(const struct stk_hash *m, uint64_t key)
{
	return m->cap ? slot(m, key)->value : NULL;
}

bool stk_hash_put(struct stk_hash *m, uint64_t key, void *value)
{
	if (2 * (m->n + 1) > m->cap && !grow(m))
		return false;
	struct stk_hash_slot *s = slot(m, key);
	m->n += !s->value;
	*s = (struct stk_hash_slot){key, value};
	return true;
}

void stk_hash_done(struct stk_hash *m)
{
	free(m->slots);
	*m = (struct stk_hash){0};
}
