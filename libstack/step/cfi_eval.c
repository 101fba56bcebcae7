/*
 * DWARF expressions as call frame information has them: DWARF 5 §2.5.1, §7.7.1. The operations that
 * name a place (registers, pieces) or other units do not occur there (§6.4.2).
 */
#include "step/cfi.h"

#define STACK_MAX 32
#define STEPS_MAX 512
#define BLOCK_MAX 4096

enum {
	OP_addr = 0x03,
	OP_deref = 0x06,
	OP_const1u = 0x08,
	OP_const1s = 0x09,
	OP_const2u = 0x0a,
	OP_const2s = 0x0b,
	OP_const4u = 0x0c,
	OP_const4s = 0x0d,
	OP_const8u = 0x0e,
	OP_const8s = 0x0f,
	OP_constu = 0x10,
	OP_consts = 0x11,
	OP_dup = 0x12,
	OP_drop = 0x13,
	OP_over = 0x14,
	OP_pick = 0x15,
	OP_swap = 0x16,
	OP_rot = 0x17,
	OP_abs = 0x19,
	OP_and = 0x1a,
	OP_div = 0x1b,
	OP_minus = 0x1c,
	OP_mod = 0x1d,
	OP_mul = 0x1e,
	OP_neg = 0x1f,
	OP_not = 0x20,
	OP_or = 0x21,
	OP_plus = 0x22,
	OP_plus_uconst = 0x23,
	OP_shl = 0x24,
	OP_shr = 0x25,
	OP_shra = 0x26,
	OP_xor = 0x27,
	OP_bra = 0x28,
	OP_eq = 0x29,
	OP_ge = 0x2a,
	OP_gt = 0x2b,
	OP_le = 0x2c,
	OP_lt = 0x2d,
	OP_ne = 0x2e,
	OP_skip = 0x2f,
	OP_lit0 = 0x30,
	OP_lit31 = 0x4f,
	OP_breg0 = 0x70,
	OP_breg31 = 0x8f,
	OP_bregx = 0x92,
	OP_deref_size = 0x94,
	OP_nop = 0x96,
};

struct eval {
	struct stk_win w;
	const struct stk_reader *mem;
	const struct stk_regset *regs;
	uint64_t begin; /* address of the first operation */
	unsigned depth;
	bool bad;
	uint64_t stack[STACK_MAX];
};

static void push(struct eval *m, uint64_t v)
{
	if (m->depth == STACK_MAX)
		m->bad = true;
	else
		m->stack[m->depth++] = v;
}

static uint64_t pop(struct eval *m)
{
	if (!m->depth) {
		m->bad = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static void pick(struct eval *m, unsigned i)
{
	if (i >= m->depth)
		m->bad = true;
	else
		push(m, m->stack[m->depth - 1 - i]);
}

static void reg(struct eval *m, uint64_t n)
{
	int64_t off = stk_cur_sleb(&m->w.c);

	if (!stk_reg_known(m->regs, n))
		m->bad = true;
	else
		push(m, m->regs->r[n] + (uint64_t)off);
}

static void deref(struct eval *m, unsigned size)
{
	uint64_t v = 0;

	if (size > sizeof(v) || !stk_read(m->mem, pop(m), &v, size))
		m->bad = true;
	push(m, v); /* little endian */
}

static void arith(struct eval *m, uint8_t op)
{
	uint64_t b = pop(m), a = pop(m), v = 0;
	int64_t sb = (int64_t)b, sa = (int64_t)a;

	switch (op) {
	case OP_and:
		v = a & b;
		break;
	case OP_div:
		m->bad |= !b || (sb == -1 && sa == INT64_MIN);
		v = m->bad ? 0 : (uint64_t)(sa / sb);
		break;
	case OP_minus:
		v = a - b;
		break;
	case OP_mod:
		m->bad |= !b;
		v = b ? a % b : 0;
		break;
	case OP_mul:
		v = a * b;
		break;
	case OP_or:
		v = a | b;
		break;
	case OP_plus:
		v = a + b;
		break;
	case OP_shl:
		v = b < 64 ? a << b : 0;
		break;
	case OP_shr:
		v = b < 64 ? a >> b : 0;
		break;
	case OP_shra:
		v = (uint64_t)(sa >> (b < 64 ? b : 63));
		break;
	case OP_xor:
		v = a ^ b;
		break;
	case OP_eq:
		v = a == b;
		break;
	case OP_ge:
		v = sa >= sb;
		break;
	case OP_gt:
		v = sa > sb;
		break;
	case OP_le:
		v = sa <= sb;
		break;
	case OP_lt:
		v = sa < sb;
		break;
	case OP_ne:
		v = a != b;
		break;
	default:
		m->bad = true;
	}
	push(m, v);
}

static void unary(struct eval *m, uint8_t op)
{
	uint64_t v = pop(m);

	switch (op) {
	case OP_abs:
		v = (int64_t)v < 0 ? -v : v;
		break;
	case OP_neg:
		v = -v;
		break;
	case OP_not:
		v = ~v;
		break;
	default: /* OP_plus_uconst */
		v += stk_cur_uleb(&m->w.c);
	}
	push(m, v);
}

/* The stack alone (§2.5.1.3). */
static void shuffle(struct eval *m, uint8_t op)
{
	uint64_t a, b, c;

	switch (op) {
	case OP_dup:
		pick(m, 0);
		return;
	case OP_drop:
		pop(m);
		return;
	case OP_over:
		pick(m, 1);
		return;
	case OP_pick:
		pick(m, stk_cur_u8(&m->w.c));
		return;
	}
	a = pop(m);
	b = pop(m);
	c = op == OP_rot ? pop(m) : 0;
	push(m, a);
	if (op == OP_rot)
		push(m, c);
	push(m, b);
}

/* Distances count from behind the operation. */
static void branch(struct eval *m, bool taken)
{
	int16_t off = (int16_t)stk_cur_u16(&m->w.c);
	uint64_t to = stk_win_pos(&m->w) + (uint64_t)(int64_t)off;

	if (!taken)
		return;
	if (to < m->begin || to > m->w.end)
		m->bad = true;
	else
		stk_win_open(&m->w, to, m->w.end);
}

/* Operations with a constant behind them. */
static uint64_t constant(struct stk_cur *c, uint8_t op)
{
	switch (op) {
	case OP_const1u:
		return stk_cur_u8(c);
	case OP_const1s:
		return (uint64_t)(int64_t)(int8_t)stk_cur_u8(c);
	case OP_const2u:
		return stk_cur_u16(c);
	case OP_const2s:
		return (uint64_t)(int64_t)(int16_t)stk_cur_u16(c);
	case OP_const4u:
		return stk_cur_u32(c);
	case OP_const4s:
		return (uint64_t)(int64_t)(int32_t)stk_cur_u32(c);
	case OP_constu:
		return stk_cur_uleb(c);
	case OP_consts:
		return (uint64_t)stk_cur_sleb(c);
	default: /* OP_addr (the loader has relocated it), OP_const8u, OP_const8s */
		return stk_cur_u64(c);
	}
}

static void step(struct eval *m, uint8_t op)
{
	if (op >= OP_lit0 && op <= OP_lit31)
		push(m, op - OP_lit0);
	else if (op >= OP_breg0 && op <= OP_breg31)
		reg(m, op - OP_breg0);
	else if (op == OP_bregx)
		reg(m, stk_cur_uleb(&m->w.c));
	else if (op == OP_addr || (op >= OP_const1u && op <= OP_consts))
		push(m, constant(&m->w.c, op));
	else if (op >= OP_dup && op <= OP_rot)
		shuffle(m, op);
	else if (op == OP_abs || op == OP_neg || op == OP_not || op == OP_plus_uconst)
		unary(m, op);
	else if (op == OP_deref)
		deref(m, 8);
	else if (op == OP_deref_size)
		deref(m, stk_cur_u8(&m->w.c));
	else if (op == OP_bra)
		branch(m, pop(m));
	else if (op == OP_skip)
		branch(m, true);
	else if (op != OP_nop)
		arith(m, op);
}

bool stk_cfi_eval(const struct stk_reader *from, uint64_t block, const struct stk_reader *mem,
		  const struct stk_regset *regs, const uint64_t *first, uint64_t *ret)
{
	struct eval m; /* not cleared: the stack is written before it is read */
	unsigned steps = 0;

	m.w.mem = from;
	m.mem = mem;
	m.regs = regs;
	m.depth = 0;
	m.bad = false;
	stk_win_open(&m.w, block, block + STK_WIN_RECORD > block ? block + STK_WIN_RECORD : block);
	uint64_t len = stk_cur_uleb(&m.w.c);
	m.begin = stk_win_pos(&m.w);
	if (m.w.c.bad || len > BLOCK_MAX)
		return false;
	if (first)
		push(&m, *first);
	stk_win_open(&m.w, m.begin, m.begin + len);
	for (; steps < STEPS_MAX && stk_win_more(&m.w); steps++) {
		uint8_t op = stk_cur_u8(&m.w.c);
		step(&m, op);
		if (m.bad)
			break;
	}
	if (m.bad || m.w.c.bad || steps == STEPS_MAX || !m.depth)
		return false;
	*ret = m.stack[m.depth - 1];
	return true;
}
