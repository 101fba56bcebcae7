/* DWARF expressions, decoded once (DWARF 5 §2.5, §2.6). */
#ifndef STK_SYMBOLS_EXPR_H
#define STK_SYMBOLS_EXPR_H

#include <stdbool.h>
#include <stdint.h>

struct stk_expr;

/* The type of an operation's result (DWARF 5 §2.5.1): a base type, or the generic one. */
enum stk_op_kind {
	STK_OP_GENERIC,
	STK_OP_SIGNED,
	STK_OP_UNSIGNED,
	STK_OP_FLOAT,
	STK_OP_OTHER, /* wider than a word, decimal, not found: no value has it */
};
struct stk_op_type {
	uint8_t kind, size; /* enum stk_op_kind; bytes, 0 for the generic type */
};

struct stk_op {
	uint8_t atom;            /* DW_OP_…; of GNU's forms those that DWARF 5 has too */
	struct stk_op_type type; /* of the typed operations */
	uint64_t n1, n2;         /* operands; addresses are those of the ELF file */
	uint32_t off;            /* byte offset of the operation, for branches */
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

/* Is it nothing but a register (DW_OP_reg0 … 31, DW_OP_regval_type)? Its DWARF number. */
bool stk_expr_is_register(const struct stk_expr *e, unsigned *ret);

/* Is it that, or a register's value and a constant (DW_OP_breg0 … 31)? `e` may be NULL. */
bool stk_expr_is_base(const struct stk_expr *e, unsigned *ret, uint64_t *add);

#endif
