/* Values of the DWARF stack with their types (DWARF 5 §2.5.1). */
#ifndef STK_UNWIND_TYPED_H
#define STK_UNWIND_TYPED_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/expr.h"

/* Integers are kept extended to 64 bits by their signedness, floats as their bits. */
struct stk_typed {
	uint64_t v;
	struct stk_op_type type;
};

/* The bits `v` as a value of a type: what is above its size is cut off. false: no such values. */
bool stk_typed_make(uint64_t v, struct stk_op_type type, struct stk_typed *ret);

/* DW_OP_convert and DW_OP_reinterpret (§2.5.1.6). false: not possible, or not exact. */
bool stk_typed_convert(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret);
bool stk_typed_reinterpret(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret);

/* A binary operation of §2.5.1.4, or a comparison. false: not possible, or not exact. */
bool stk_typed_binary(unsigned atom, struct stk_typed a, struct stk_typed b, struct stk_typed *ret);

/* DW_OP_abs, DW_OP_neg, DW_OP_not. */
bool stk_typed_unary(unsigned atom, struct stk_typed a, struct stk_typed *ret);

#endif
