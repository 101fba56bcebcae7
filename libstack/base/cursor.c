#include "base/cursor.h"

struct stk_cur stk_cur_init(const void *bytes, size_t len)
{
	/* C11 6.5.6: nothing may be added to NULL, not even 0. */
	static const uint8_t nothing[1];
	const uint8_t *p = bytes ? bytes : nothing;

	return (struct stk_cur){.p = p, .end = bytes ? p + len : p};
}

size_t stk_cur_left(const struct stk_cur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

const uint8_t *stk_cur_bytes(struct stk_cur *c, uint64_t n)
{
	const uint8_t *p = c->p;

	if (stk_cur_left(c) < n || c->bad) {
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return p;
}

struct stk_cur stk_cur_sub(const struct stk_cur *c, uint64_t off, uint64_t len)
{
	struct stk_cur s = *c;

	stk_cur_skip(&s, off);
	if (stk_cur_left(&s) < len)
		s.bad = true;
	if (!s.bad)
		s.end = s.p + len;
	return s;
}

static uint64_t little(struct stk_cur *c, unsigned n)
{
	const uint8_t *p = stk_cur_bytes(c, n);
	uint64_t v = 0;

	for (unsigned i = n; p && i--;)
		v = v << 8 | p[i];
	return v;
}

uint8_t stk_cur_u8(struct stk_cur *c)
{
	return (uint8_t)little(c, 1);
}

uint16_t stk_cur_u16(struct stk_cur *c)
{
	return (uint16_t)little(c, 2);
}

uint32_t stk_cur_u32(struct stk_cur *c)
{
	return (uint32_t)little(c, 4);
}

uint64_t stk_cur_u64(struct stk_cur *c)
{
	return little(c, 8);
}

void stk_cur_skip(struct stk_cur *c, uint64_t n)
{
	stk_cur_bytes(c, n);
}

const char *stk_cur_str(struct stk_cur *c)
{
	size_t n = stk_cur_left(c);

	for (size_t i = 0; i < n; i++)
		if (!c->p[i])
			return (const char *)stk_cur_bytes(c, i + 1);
	c->bad = true;
	return NULL;
}

uint64_t stk_cur_uleb(struct stk_cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = stk_cur_u8(c);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return c->bad ? 0 : v;
	}
	c->bad = true;
	return 0;
}

int64_t stk_cur_sleb(struct stk_cur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b = stk_cur_u8(c);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (b & 0x80)
			continue;
		if (shift + 7 < 64 && (b & 0x40))
			v |= ~0ULL << (shift + 7);
		return c->bad ? 0 : (int64_t)v;
	}
	c->bad = true;
	return 0;
}
