/* The registers of one activation, as far as they are known. */
#ifndef STK_STEP_REGS_H
#define STK_STEP_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

/* By DWARF number; `valid`: those whose value is that of this activation. */
struct stk_regset {
	uint64_t r[STK_REGS_MAX];
	struct stk_regbits valid;
};

static inline bool stk_reg_known(const struct stk_regset *s, uint64_t n)
{
	return stk_bit(&s->valid, n);
}

static inline void stk_reg_set(struct stk_regset *s, unsigned n, uint64_t v)
{
	s->r[n] = v;
	stk_bit_set(&s->valid, n);
}

/* Forget all that a call may have changed. */
static inline void stk_regs_keep(struct stk_regset *s, const struct stk_regbits *kept)
{
	s->valid = stk_bits_and(&s->valid, kept);
}

#endif
