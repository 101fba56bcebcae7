/*
 * Expressions. An even first byte: the rest is a block of call frame information, over registers
 * and a memory that are made of it. An odd one: operations as symbols/expr.c gives them to
 * unwind/eval.c, OP_SIZE bytes each.
 */
#include <stdint.h>
#include <string.h>

#include "step/cfi.h"
#include "unwind/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX 64
#define OP_SIZE 20
#define BASE    0x10000UL

struct input {
	const uint8_t *data;
	size_t size;
};

static bool read_input(void *arg, uint64_t addr, void *buf, size_t len)
{
	const struct input *in = arg;

	if (addr < BASE || addr - BASE > in->size || len > in->size - (addr - BASE))
		return false;
	memcpy(buf, in->data + (addr - BASE), len);
	return true;
}

static void call_frame(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct stk_reader mem = {.read = read_input, .arg = &in};
	struct stk_regset regs = {0};
	uint64_t first = BASE + 8, one = 1, two = 2;

	for (unsigned i = 0; i < STK_REGS_MAX; i++)
		if (i != 4)
			stk_reg_set(&regs, i, BASE + i);
	bool a = stk_cfi_eval(&mem, BASE, &mem, &regs, &first, &one);
	bool b = stk_cfi_eval(&mem, BASE, &mem, &regs, &first, &two);
	if (a != b || (a && one != two))
		__builtin_trap();
}

static bool get_reg(void *arg, unsigned n, uint64_t *ret)
{
	(void)arg;
	*ret = n * 3;
	return n < 20 && n != 5;
}

static bool get_word(void *arg, uint64_t *ret)
{
	(void)arg;
	*ret = BASE;
	return true;
}

static bool get_entry(void *arg, const struct stk_expr *e, uint64_t *ret, bool *guess)
{
	(void)arg;
	*ret = e->n;
	*guess = e->n > 2;
	return true;
}

/* Of the kinds and sizes that op_type() of symbols/expr.c gives. */
static struct stk_op_type type_of(uint8_t kind, uint8_t size)
{
	struct stk_op_type t = {(uint8_t)(kind % (STK_OP_OTHER + 1)), (uint8_t)(1 + size % 8)};

	if (t.kind == STK_OP_FLOAT)
		t.size = size % 2 ? 4 : 8;
	else if (t.kind == STK_OP_GENERIC || t.kind == STK_OP_OTHER)
		t.size = 0;
	return t;
}

static unsigned take_ops(const uint8_t *data, size_t size, struct stk_op *ops,
			 const struct stk_expr *sub)
{
	unsigned n = 0;

	for (uint32_t off = 0; n < OPS_MAX && size >= OP_SIZE; data += OP_SIZE, size -= OP_SIZE) {
		struct stk_op *op = &ops[n++];
		*op =
		    (struct stk_op){.atom = data[0], .type = type_of(data[1], data[2]), .off = off};
		memcpy(&op->n1, data + 3, 8);
		memcpy(&op->n2, data + 11, 8);
		if (op->atom == 0xa3) /* DW_OP_entry_value */
			op->sub = data[19] & 1 ? sub : NULL;
		else if (op->atom == 0x9e && op->n1 <= size) /* DW_OP_implicit_value */
			op->block = data;
		off += 1 + data[19] % 8;
	}
	return n;
}

static void location(const uint8_t *data, size_t size)
{
	static const struct stk_target no_memory;
	struct stk_budget budget = {0};
	struct stk_op ops[OPS_MAX], inner[1] = {{.atom = 0x55}}; /* DW_OP_reg5 */
	struct stk_expr sub = {.ops = inner, .n = 1};
	struct stk_expr e = {.ops = ops, .bias = BASE};
	struct stk_eval ev = {.target = &no_memory,
			      .budget = &budget,
			      .reg = get_reg,
			      .cfa = get_word,
			      .frame_base = get_word,
			      .entry = get_entry};
	struct stk_place place;
	uint64_t v;
	bool guess = false;

	e.n = take_ops(data, size, ops, &sub);
	if (stk_eval_place(&ev, &e, &place) && (!place.n || place.n > STK_PIECES_MAX))
		__builtin_trap();
	stk_eval_value(&ev, &e, &v, &guess);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (*data & 1)
		location(data + 1, size - 1);
	else
		call_frame(data + 1, size - 1);
	return 0;
}
