/* The registers of one activation, as far as they are known. */
#ifndef STK_STEP_REGS_H
#define STK_STEP_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arch.h"

/* By DWARF number; a bit of `valid` for each whose value is that of this activation. */
struct stk_regset {
	uint64_t r[STK_REGS];
	uint32_t valid;
};

static inline bool stk_reg_known(const struct stk_regset *s, uint64_t n)
{
	return n < STK_REGS && (s->valid >> n & 1);
}

static inline void stk_reg_set(struct stk_regset *s, unsigned n, uint64_t v)
{
	s->r[n] = v;
	s->valid |= 1U << n;
}

#endif
