/* Sets of small numbers, as many as STK_REGS_MAX asks for. Freestanding. */
#ifndef STK_BASE_BITS_H
#define STK_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arch.h"

static inline bool stk_bit(const struct stk_regbits *s, uint64_t n)
{
	return n < STK_REGS_MAX && (s->w[n / 64] >> n % 64 & 1);
}

static inline void stk_bit_set(struct stk_regbits *s, unsigned n)
{
	s->w[n / 64] |= 1ULL << n % 64;
}

static inline void stk_bit_clear(struct stk_regbits *s, unsigned n)
{
	s->w[n / 64] &= ~(1ULL << n % 64);
}

static inline struct stk_regbits stk_bits_and(const struct stk_regbits *a,
					      const struct stk_regbits *b)
{
	struct stk_regbits r;

	for (unsigned i = 0; i < STK_REGBITS_WORDS; i++)
		r.w[i] = a->w[i] & b->w[i];
	return r;
}

/* Take the lowest number out of `left`. false: it is empty. */
static inline bool stk_bits_take(struct stk_regbits *left, unsigned *ret)
{
	for (unsigned i = 0; i < STK_REGBITS_WORDS; i++)
		if (left->w[i]) {
			*ret = 64 * i + (unsigned)__builtin_ctzll(left->w[i]);
			left->w[i] &= left->w[i] - 1;
			return true;
		}
	return false;
}

#endif
