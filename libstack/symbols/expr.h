/* DWARF expressions, decoded once (DWARF 5 §2.5, §2.6). */
#ifndef STK_SYMBOLS_EXPR_H
#define STK_SYMBOLS_EXPR_H

#include <stdint.h>

struct stk_expr;

struct stk_op {
	uint8_t atom;    /* DW_OP_… */
	uint64_t n1, n2; /* operands; addresses are those of the ELF file */
	uint32_t off;    /* byte offset of the operation, for branches */
	union {
		const struct stk_expr *sub; /* DW_OP_entry_value, DW_OP_call*, parameter_ref */
		const uint8_t *block;       /* DW_OP_implicit_value: n1 bytes */
	};
};

struct stk_expr {
	const struct stk_op *ops;
	unsigned n;
	uint64_t bias; /* of the module: added to DW_OP_addr */
	uint32_t len;  /* bytes, for branches to the end */
};

#endif
