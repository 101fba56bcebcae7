/* Call frame information, compiled once per pc (DWARF 5 §6.4). */
#ifndef STK_UNWIND_ROW_H
#define STK_UNWIND_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/expr.h"
#include "symbols/module.h"

enum stk_rule_kind {
	STK_RULE_SAME,
	STK_RULE_UNDEF,
	STK_RULE_OFFSET,     /* saved at CFA + offset */
	STK_RULE_VAL_OFFSET, /* is CFA + offset */
	STK_RULE_REG,        /* in another register */
	STK_RULE_EXPR,       /* saved at the address that the expression gives */
	STK_RULE_VAL_EXPR,   /* is what the expression gives */
};

struct stk_rule {
	uint8_t kind;
	uint8_t reg;
	int64_t offset;
	const struct stk_expr *expr;
};

struct stk_row {
	bool present; /* false: there is no CFI for this pc */
	bool signal;  /* 'S' augmentation: a signal trampoline */
	uint8_t cfa_reg;
	int64_t cfa_off;
	const struct stk_expr *cfa_expr; /* or NULL */
	struct stk_rule rules[STK_REGS]; /* by DWARF number; the return address at arch->pc */
	uint32_t kept;  /* registers of rule SAME that a call preserves; a signal frame saves all */
	uint32_t found; /* registers of the other rules but UNDEF */
};

/* The row at a look-up pc; never NULL but when memory is exhausted. */
const struct stk_row *stk_row_at(struct stk_module *m, uint64_t pc);

/* Where libdw calls a register undefined: could the function at ELF address `addr` really say so?
 * false: it says nothing of it (see undefined.c). */
bool stk_may_be_undefined(const struct stk_module *m, uint64_t addr, unsigned reg);

#endif
