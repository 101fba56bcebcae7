#include "targets/map.h"

#include <stdlib.h>

#define FIRST 64

struct stk_map_slot {
	uint64_t key;
	void *value; /* NULL: free */
};

/* Where `key` is, or the free slot where it belongs. Multiplicative hashing: the upper bits mix
 * all of the key's. */
static struct stk_map_slot *slot(const struct stk_map *m, uint64_t key)
{
	uint64_t h = (key * 0x9e3779b97f4a7c15ULL) >> 32;

	while (m->slots[h & (m->cap - 1)].value && m->slots[h & (m->cap - 1)].key != key)
		h++;
	return &m->slots[h & (m->cap - 1)];
}

static bool grow(struct stk_map *m)
{
	struct stk_map old = *m;
	unsigned cap = old.cap ? 2 * old.cap : FIRST;
	struct stk_map_slot *v = calloc(cap, sizeof(*v));

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

void *stk_map_get(const struct stk_map *m, uint64_t key)
{
	return m->cap ? slot(m, key)->value : NULL;
}

bool stk_map_put(struct stk_map *m, uint64_t key, void *value)
{
	if (2 * (m->n + 1) > m->cap && !grow(m))
		return false;
	struct stk_map_slot *s = slot(m, key);
	m->n += !s->value;
	*s = (struct stk_map_slot){key, value};
	return true;
}

void stk_map_done(struct stk_map *m)
{
	free(m->slots);
	*m = (struct stk_map){0};
}
