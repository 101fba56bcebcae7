/* Type by type; what is wider than the object is cut off. */
#include "values/cover.h"

#include <string.h>

#define DEPTH_MAX 64

struct cover {
	uint8_t *mask, *known;
	size_t size;
	struct stk_budget *b; /* a step for each member of members, element of elements */
	bool cut;             /* not all of it was visited */
};

static bool may_visit(struct cover *c)
{
	c->cut |= !stk_spend(c->b, 1);
	return !c->cut;
}

static void cover_bits(struct cover *c, uint64_t bit, uint64_t bits)
{
	if (bit >= 8 * c->size)
		return;
	if (bits > 8 * c->size - bit)
		bits = 8 * c->size - bit;
	uint64_t end = bit + bits;
	for (; bit < end && bit % 8; bit++)
		c->mask[bit / 8] |= (uint8_t)(1U << bit % 8);
	memset(c->mask + bit / 8, 0xff, (end - bit) / 8);
	for (bit += (end - bit) / 8 * 8; bit < end; bit++)
		c->mask[bit / 8] |= (uint8_t)(1U << bit % 8);
}

/* Something lies there, nobody knows what. */
static void cover_unknown(struct cover *c, uint64_t bit, uint64_t bits)
{
	cover_bits(c, bit, bits);
	for (uint64_t at = bit / 8; at < c->size && 8 * at < bit + bits; at++)
		c->known[at] = 0;
}

/* What no member covers may be a part of which it is not known where it stands. */
static void cover_rest(struct cover *c, uint64_t bit, uint64_t bits)
{
	for (uint64_t at = bit / 8; at < c->size && 8 * at < bit + bits; at++) {
		c->known[at] &= c->mask[at];
		c->mask[at] = 0xff;
	}
}

static void cover(struct cover *c, const struct stk_type *t, uint64_t bit, uint64_t bits,
		  unsigned depth);

static void cover_members(struct cover *c, const struct stk_type *t, uint64_t bit, unsigned depth)
{
	for (unsigned i = 0; i < t->nmembers && may_visit(c); i++) {
		const struct stk_member *m = &t->members[i];
		uint64_t end = 8 * t->size;
		if (m->type->kind != STK_TYPE_UNKNOWN || m->bit_size) {
			cover(c, m->type, bit + m->bit_off, m->bit_size, depth + 1);
			continue;
		}
		/* It may reach as far as the next one. */
		if (i + 1 < t->nmembers && m[1].bit_off > m->bit_off)
			end = m[1].bit_off;
		cover_unknown(c, bit + m->bit_off, end - m->bit_off);
	}
	if (t->hidden)
		cover_rest(c, bit, 8 * t->size);
}

static void cover_elements(struct cover *c, const struct stk_type *t, uint64_t bit, unsigned depth)
{
	uint64_t bits = 8 * t->elem->size;

	for (uint64_t i = 0; i < t->count && bits && bit < 8 * c->size && may_visit(c); i++) {
		cover(c, t->elem, bit, bits, depth + 1);
		bit += bits;
	}
}

static void cover(struct cover *c, const struct stk_type *t, uint64_t bit, uint64_t bits,
		  unsigned depth)
{
	if (depth > DEPTH_MAX) {
		c->cut = true;
	} else if (t->kind == STK_TYPE_STRUCT || t->kind == STK_TYPE_UNION) {
		cover_members(c, t, bit, depth);
	} else if (t->kind == STK_TYPE_ARRAY) {
		cover_elements(c, t, bit, depth);
	} else if (t->value_bits && bits == 8 * t->size) {
		for (uint64_t i = 0; i < t->size && bit + 8 * i < 8 * c->size; i += 16)
			cover_bits(c, bit + 8 * i, t->value_bits);
		if (t->hidden)
			cover_rest(c, bit, bits);
	} else {
		cover_bits(c, bit, bits);
	}
}

void stk_cover(const struct stk_type *t, uint8_t *mask, uint8_t *known, size_t size,
	       struct stk_budget *b)
{
	struct cover c = {.mask = mask, .known = known, .size = size, .b = b};

	memset(mask, 0, size);
	cover(&c, t, 0, 8 * t->size, 0);
	if (c.cut)
		cover_unknown(&c, 0, 8 * size);
}
