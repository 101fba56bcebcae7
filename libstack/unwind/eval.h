/* Evaluation of DWARF expressions (DWARF 5 §2.5) against one frame. */
#ifndef STK_UNWIND_EVAL_H
#define STK_UNWIND_EVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/expr.h"
#include "targets/target.h"

#define STK_PIECES_MAX 24

enum stk_place_kind {
	STK_PLACE_NONE,   /* optimized out, or not recoverable */
	STK_PLACE_MEMORY, /* value: address */
	STK_PLACE_REG,    /* value: DWARF register number */
	STK_PLACE_VALUE,  /* value: the value itself */
	STK_PLACE_BYTES,  /* bytes, len: the value itself */
};

struct stk_piece {
	enum stk_place_kind kind;
	bool guess; /* likely, not proven */
	uint64_t value;
	const uint8_t *bytes;
	uint64_t len;
	uint64_t bits;    /* size of the piece; 0: the whole object */
	uint64_t bit_off; /* inside the place */
};

/* Where an object is: one piece or several in memory order. */
struct stk_place {
	struct stk_piece v[STK_PIECES_MAX];
	unsigned n;
};

/* What an expression may ask of the frame. Callbacks return false where the answer is not known. */
struct stk_eval {
	const struct stk_target *target; /* NULL: no memory is to be read */
	struct stk_budget *budget;       /* of which each operation takes a step */
	/* What lies on the frame's stack below this address is not the frame's any more; 0: all is.
	 */
	uint64_t stack;
	bool (*reg)(void *arg, unsigned dwarf, uint64_t *ret);
	bool (*cfa)(void *arg, uint64_t *ret);        /* or NULL */
	bool (*frame_base)(void *arg, uint64_t *ret); /* or NULL */
	bool (*entry)(void *arg, const struct stk_expr *e, uint64_t *ret,
		      bool *guess);                                             /* or NULL */
	bool (*param_ref)(void *arg, uint64_t die, uint64_t *ret, bool *guess); /* or NULL */
	void *arg;
};

/* Evaluate to a place. false: some operation is not known or asks for what is not there. */
bool stk_eval_place(const struct stk_eval *ev, const struct stk_expr *e, struct stk_place *ret);

/* Evaluate to a value: the top of the stack, whatever place it would describe. */
bool stk_eval_value(const struct stk_eval *ev, const struct stk_expr *e, uint64_t *ret,
		    bool *guess);

#endif
