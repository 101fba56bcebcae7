#include "unwind/eval.h"

#include <dwarf.h>
#include <string.h>

#define STACK_MAX 64
#define STEPS_MAX 4096

struct machine {
	const struct stk_eval *ev;
	const struct stk_expr *e;
	unsigned depth, pc;
	bool bad, guess;
	bool placed;          /* `now` was set by a register or value operation */
	struct stk_piece now; /* what the next piece or the end describes */
	uint64_t *stack;      /* apart, so that it is not cleared for each evaluation */
};

static void push(struct machine *m, uint64_t v)
{
	if (m->depth == STACK_MAX)
		m->bad = true;
	else
		m->stack[m->depth++] = v;
}

static uint64_t pop(struct machine *m)
{
	if (!m->depth) {
		m->bad = true;
		return 0;
	}
	return m->stack[--m->depth];
}

static uint64_t reg(struct machine *m, unsigned n)
{
	uint64_t v = 0;

	if (!m->ev->reg || !m->ev->reg(m->ev->arg, n, &v))
		m->bad = true;
	return v;
}

static uint64_t deref(struct machine *m, uint64_t addr, uint64_t size)
{
	uint64_t v = 0;

	if (size > 8 || !m->ev->target || stk_mem_read(m->ev->target, addr, &v, size, NULL))
		m->bad = true;
	return v;
}

static void ask(struct machine *m, bool (*fn)(void *, uint64_t *), uint64_t add)
{
	uint64_t v = 0;

	if (!fn || !fn(m->ev->arg, &v))
		m->bad = true;
	push(m, v + add);
}

static void ask_entry(struct machine *m, const struct stk_op *op)
{
	uint64_t v = 0;
	bool guess = false;

	if (!op->sub || !m->ev->entry || !m->ev->entry(m->ev->arg, op->sub, &v, &guess))
		m->bad = true;
	m->guess |= guess;
	push(m, v);
}

static void ask_param(struct machine *m, const struct stk_op *op)
{
	uint64_t v = 0;
	bool guess = false;

	if (!m->ev->param_ref || !m->ev->param_ref(m->ev->arg, op->n1, &v, &guess))
		m->bad = true;
	m->guess |= guess;
	push(m, v);
}

static void pick(struct machine *m, uint64_t i)
{
	if (i >= m->depth)
		m->bad = true;
	else
		push(m, m->stack[m->depth - 1 - i]);
}

static uint64_t arith(struct machine *m, unsigned atom, uint64_t a, uint64_t b)
{
	int64_t sa = (int64_t)a, sb = (int64_t)b;

	switch (atom) {
	case DW_OP_and:
		return a & b;
	case DW_OP_or:
		return a | b;
	case DW_OP_xor:
		return a ^ b;
	case DW_OP_plus:
		return a + b;
	case DW_OP_minus:
		return a - b;
	case DW_OP_mul:
		return a * b;
	case DW_OP_div:
		if (!b || (b == UINT64_MAX && sa == INT64_MIN)) {
			m->bad = true;
			return 0;
		}
		return (uint64_t)(sa / sb);
	case DW_OP_mod:
		if (!b)
			m->bad = true;
		return b ? a % b : 0;
	case DW_OP_shl:
		return b < 64 ? a << b : 0;
	case DW_OP_shr:
		return b < 64 ? a >> b : 0;
	case DW_OP_shra:
		return b < 64 ? (uint64_t)(sa >> b) : sa < 0 ? UINT64_MAX : 0;
	case DW_OP_eq:
		return a == b;
	case DW_OP_ne:
		return a != b;
	case DW_OP_lt:
		return sa < sb;
	case DW_OP_le:
		return sa <= sb;
	case DW_OP_gt:
		return sa > sb;
	case DW_OP_ge:
		return sa >= sb;
	default:
		m->bad = true;
		return 0;
	}
}

static void unary(struct machine *m, const struct stk_op *op)
{
	uint64_t v = pop(m);

	switch (op->atom) {
	case DW_OP_abs:
		push(m, (int64_t)v < 0 ? -v : v);
		break;
	case DW_OP_neg:
		push(m, -v);
		break;
	case DW_OP_not:
		push(m, ~v);
		break;
	case DW_OP_plus_uconst:
		push(m, v + op->n1);
		break;
	case DW_OP_deref:
		push(m, deref(m, v, 8));
		break;
	default:
		push(m, deref(m, v, op->n1));
		break;
	}
}

/* Stack manipulation (DWARF 5 §2.5.1.3). */
static void shuffle(struct machine *m, const struct stk_op *op)
{
	uint64_t a, b, c;

	switch (op->atom) {
	case DW_OP_dup:
		pick(m, 0);
		break;
	case DW_OP_drop:
		pop(m);
		break;
	case DW_OP_over:
		pick(m, 1);
		break;
	case DW_OP_pick:
		pick(m, op->n1);
		break;
	case DW_OP_swap:
		a = pop(m);
		b = pop(m);
		push(m, a);
		push(m, b);
		break;
	default: /* DW_OP_rot */
		a = pop(m);
		b = pop(m);
		c = pop(m);
		push(m, a);
		push(m, c);
		push(m, b);
		break;
	}
}

/* Branches name byte offsets from behind the operation; libdw gives them as operation offsets:
 * n1 is the distance from the end of the three-byte operation. */
static void branch(struct machine *m, const struct stk_op *op)
{
	if (op->atom == DW_OP_bra && !pop(m))
		return;
	uint64_t to = (uint64_t)((int64_t)op->off + 3 + (int16_t)op->n1);
	for (unsigned i = 0; i < m->e->n; i++)
		if (m->e->ops[i].off == to) {
			m->pc = i;
			return;
		}
	if (to > m->e->ops[m->e->n - 1].off)
		m->pc = m->e->n;
	else
		m->bad = true;
}

static void place(struct machine *m, enum stk_place_kind kind, uint64_t value)
{
	m->now.kind = kind;
	m->now.value = value;
	m->placed = true;
}

static void step(struct machine *m, const struct stk_op *op)
{
	unsigned a = op->atom;

	if (a >= DW_OP_lit0 && a <= DW_OP_lit31) {
		push(m, a - DW_OP_lit0);
		return;
	}
	if (a >= DW_OP_breg0 && a <= DW_OP_breg31) {
		push(m, reg(m, a - DW_OP_breg0) + op->n1);
		return;
	}
	if (a >= DW_OP_reg0 && a <= DW_OP_reg31) {
		place(m, STK_PLACE_REG, a - DW_OP_reg0);
		return;
	}
	switch (a) {
	case DW_OP_addr:
		push(m, op->n1 + m->e->bias);
		break;
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
	case DW_OP_constu:
	case DW_OP_consts:
		push(m, op->n1);
		break;
	case DW_OP_bregx:
		push(m, reg(m, (unsigned)op->n1) + op->n2);
		break;
	case DW_OP_regx:
		place(m, STK_PLACE_REG, op->n1);
		break;
	case DW_OP_fbreg:
		ask(m, m->ev->frame_base, op->n1);
		break;
	case DW_OP_call_frame_cfa:
		ask(m, m->ev->cfa, 0);
		break;
	case DW_OP_entry_value:
		ask_entry(m, op);
		break;
	case DW_OP_GNU_parameter_ref:
		ask_param(m, op);
		break;
	case DW_OP_stack_value:
		place(m, STK_PLACE_VALUE, pop(m));
		break;
	case DW_OP_implicit_value:
		place(m, STK_PLACE_BYTES, 0);
		m->now.bytes = op->block;
		m->now.len = op->block ? op->n1 : 0;
		break;
	case DW_OP_dup:
	case DW_OP_drop:
	case DW_OP_over:
	case DW_OP_pick:
	case DW_OP_swap:
	case DW_OP_rot:
		shuffle(m, op);
		break;
	case DW_OP_abs:
	case DW_OP_neg:
	case DW_OP_not:
	case DW_OP_plus_uconst:
	case DW_OP_deref:
	case DW_OP_deref_size:
		unary(m, op);
		break;
	case DW_OP_skip:
	case DW_OP_bra:
		branch(m, op);
		break;
	case DW_OP_nop:
		break;
	default:
		if ((a >= DW_OP_and && a <= DW_OP_shra) || (a >= DW_OP_eq && a <= DW_OP_ne) ||
		    a == DW_OP_ge || a == DW_OP_gt || a == DW_OP_le || a == DW_OP_lt) {
			uint64_t b = pop(m), x = pop(m);
			push(m, arith(m, a, x, b));
		} else {
			m->bad = true; /* typed stack, TLS, images of other units */
		}
		break;
	}
}

/* What has been described so far becomes a piece; a part that failed becomes an unknown piece. */
static void end_piece(struct machine *m, struct stk_place *ret, uint64_t bits, uint64_t bit_off,
		      bool empty)
{
	struct stk_piece p = m->now;

	if (ret->n == STK_PIECES_MAX) {
		m->bad = true;
		return;
	}
	if (m->bad || empty) {
		p = (struct stk_piece){.kind = STK_PLACE_NONE};
	} else if (!m->placed) {
		p = (struct stk_piece){.kind = STK_PLACE_MEMORY};
		p.value = pop(m);
	}
	p.bits = bits;
	p.bit_off = bit_off;
	p.guess = m->guess;
	ret->v[ret->n++] = p;
	m->now = (struct stk_piece){0};
	m->placed = m->bad = m->guess = false;
	m->depth = 0;
}

static bool is_piece(unsigned atom)
{
	return atom == DW_OP_piece || atom == DW_OP_bit_piece;
}

static void run(struct machine *m, struct stk_place *ret)
{
	bool fresh = true;

	for (unsigned steps = 0; m->pc < m->e->n; steps++) {
		const struct stk_op *op = &m->e->ops[m->pc++];
		if (is_piece(op->atom)) {
			uint64_t bits = op->atom == DW_OP_piece ? 8 * op->n1 : op->n1;
			end_piece(m, ret, bits, op->atom == DW_OP_piece ? 0 : op->n2, fresh);
			fresh = true;
			continue;
		}
		if (steps == STEPS_MAX)
			m->bad = true;
		fresh = false;
		if (!m->bad)
			step(m, op);
		if (m->bad && steps >= STEPS_MAX)
			break;
	}
}

bool stk_eval_place(const struct stk_eval *ev, const struct stk_expr *e, struct stk_place *ret)
{
	uint64_t stack[STACK_MAX];
	struct machine m = {.ev = ev, .e = e, .stack = stack};

	ret->n = 0;
	if (!e || !e->n)
		return false;
	run(&m, ret);
	if (!ret->n) {
		if (m.bad || (!m.placed && !m.depth))
			return false;
		end_piece(&m, ret, 0, 0, false);
	}
	return true;
}

bool stk_eval_value(const struct stk_eval *ev, const struct stk_expr *e, uint64_t *ret, bool *guess)
{
	uint64_t stack[STACK_MAX], v;
	struct machine m = {.ev = ev, .e = e, .stack = stack};
	struct stk_place pieces;

	pieces.n = 0;
	if (!e || !e->n)
		return false;
	run(&m, &pieces);
	if (m.bad || pieces.n)
		return false;
	if (m.placed && m.now.kind == STK_PLACE_REG)
		v = reg(&m, (unsigned)m.now.value);
	else if (m.placed && m.now.kind == STK_PLACE_VALUE)
		v = m.now.value;
	else
		v = pop(&m);
	if (m.bad)
		return false;
	*ret = v;
	if (guess)
		*guess |= m.guess;
	return true;
}
