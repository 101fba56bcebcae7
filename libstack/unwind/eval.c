#include "unwind/eval.h"

#include <dwarf.h>
#include <string.h>

#include "unwind/typed.h"

#define STACK_MAX 64

struct machine {
	const struct stk_eval *ev;
	const struct stk_expr *e;
	unsigned depth, pc;
	bool bad, guess;
	bool framed;             /* what is on the stack is an address in the frame */
	bool placed;             /* `now` was set by a register or value operation */
	struct stk_piece now;    /* what the next piece or the end describes */
	struct stk_typed *stack; /* apart, so that it is not cleared for each evaluation */
};

static void push_typed(struct machine *m, struct stk_typed v)
{
	if (m->depth == STACK_MAX)
		m->bad = true;
	else
		m->stack[m->depth++] = v;
}

static void push(struct machine *m, uint64_t v)
{
	push_typed(m, (struct stk_typed){.v = v});
}

/* The bits `v` as a value of the operation's type. */
static void push_as(struct machine *m, const struct stk_op *op, uint64_t v)
{
	struct stk_typed t = {0};

	m->bad |= !stk_typed_make(v, op->type, &t);
	push_typed(m, t);
}

static struct stk_typed pop_typed(struct machine *m)
{
	if (!m->depth) {
		m->bad = true;
		return (struct stk_typed){0};
	}
	return m->stack[--m->depth];
}

static uint64_t pop(struct machine *m)
{
	return pop_typed(m).v;
}

static uint64_t reg(struct machine *m, unsigned n)
{
	uint64_t v = 0;

	if (!m->ev->reg || !m->ev->reg(m->ev->arg, n, &v))
		m->bad = true;
	m->framed |= m->ev->stack && m->ev->target && n == m->ev->target->arch->sp;
	return v;
}

/* Has the frame left the memory at an address of its own? */
static bool is_left(const struct machine *m, uint64_t addr)
{
	return m->framed && addr < m->ev->stack;
}

static uint64_t deref(struct machine *m, uint64_t addr, uint64_t size)
{
	uint64_t v = 0;

	if (size > 8 || is_left(m, addr) || !m->ev->target ||
	    stk_mem_read(m->ev->target, addr, &v, size, NULL))
		m->bad = true;
	m->framed = false;
	return v;
}

static void ask(struct machine *m, bool (*fn)(void *, uint64_t *), uint64_t add)
{
	uint64_t v = 0;

	if (!fn || !fn(m->ev->arg, &v))
		m->bad = true;
	m->framed = true;
	push(m, v + add);
}

static void ask_entry(struct machine *m, const struct stk_op *op)
{
	uint64_t v = 0;
	bool guess = false;

	if (!op->sub || !m->ev->entry || !m->ev->entry(m->ev->arg, op->sub, &v, &guess))
		m->bad = true;
	m->guess |= guess;
	if (op->sub && op->sub->n && op->sub->ops[0].atom == DW_OP_regval_type)
		push_as(m, &op->sub->ops[0], v);
	else
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
		push_typed(m, m->stack[m->depth - 1 - i]);
}

static void binary(struct machine *m, unsigned atom)
{
	struct stk_typed b = pop_typed(m), a = pop_typed(m), r = {0};

	m->bad |= !stk_typed_binary(atom, a, b, &r);
	push_typed(m, r);
}

static void unary(struct machine *m, const struct stk_op *op)
{
	struct stk_typed a = pop_typed(m), r = {0};

	switch (op->atom) {
	case DW_OP_plus_uconst:
		m->bad |= !stk_typed_binary(DW_OP_plus, a, (struct stk_typed){op->n1, a.type}, &r);
		break;
	case DW_OP_deref:
		r.v = deref(m, a.v, 8);
		break;
	case DW_OP_deref_size:
		r.v = deref(m, a.v, op->n1);
		break;
	case DW_OP_deref_type:
		m->bad |=
		    op->n1 != op->type.size || !stk_typed_make(deref(m, a.v, op->n1), op->type, &r);
		break;
	case DW_OP_convert:
		m->bad |= !stk_typed_convert(a, op->type, &r);
		break;
	case DW_OP_reinterpret:
		m->bad |= !stk_typed_reinterpret(a, op->type, &r);
		break;
	default:
		m->bad |= !stk_typed_unary(op->atom, a, &r);
		break;
	}
	push_typed(m, r);
}

/* Stack manipulation (DWARF 5 §2.5.1.3). */
static void shuffle(struct machine *m, const struct stk_op *op)
{
	struct stk_typed a, b, c;

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
		a = pop_typed(m);
		b = pop_typed(m);
		push_typed(m, a);
		push_typed(m, b);
		break;
	default: /* DW_OP_rot */
		a = pop_typed(m);
		b = pop_typed(m);
		c = pop_typed(m);
		push_typed(m, a);
		push_typed(m, c);
		push_typed(m, b);
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
	case DW_OP_deref_type:
	case DW_OP_convert:
	case DW_OP_reinterpret:
		unary(m, op);
		break;
	case DW_OP_const_type:
		push_as(m, op, op->n1);
		break;
	case DW_OP_regval_type:
		push_as(m, op, reg(m, (unsigned)op->n1));
		break;
	case DW_OP_skip:
	case DW_OP_bra:
		branch(m, op);
		break;
	case DW_OP_nop:
		break;
	default:
		/* The others: TLS, images of other units. */
		if ((a >= DW_OP_and && a <= DW_OP_shra) || (a >= DW_OP_eq && a <= DW_OP_ne))
			binary(m, a);
		else
			m->bad = true;
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
		if (is_left(m, p.value))
			p.kind = STK_PLACE_NONE;
	}
	p.bits = bits;
	p.bit_off = bit_off;
	p.guess = m->guess;
	ret->v[ret->n++] = p;
	m->now = (struct stk_piece){0};
	m->placed = m->bad = m->guess = m->framed = false;
	m->depth = 0;
}

/* Of so many bytes; no object has as many as 64 bits cannot count. */
static uint64_t bits_of(uint64_t bytes)
{
	return bytes <= UINT64_MAX / 8 ? 8 * bytes : UINT64_MAX & ~7UL;
}

static bool is_piece(unsigned atom)
{
	return atom == DW_OP_piece || atom == DW_OP_bit_piece;
}

static void run(struct machine *m, struct stk_place *ret)
{
	bool fresh = true;
	uint64_t saved = stk_share_begin(m->ev->budget, STK_VALUE_STEPS);

	while (m->pc < m->e->n) {
		const struct stk_op *op = &m->e->ops[m->pc++];
		/* An expression may branch back. What it has described so far is not its end. */
		if (!stk_spend(m->ev->budget, 1)) {
			m->bad = true;
			ret->n = 0;
			break;
		}
		if (is_piece(op->atom)) {
			uint64_t bits = op->atom == DW_OP_piece ? bits_of(op->n1) : op->n1;
			end_piece(m, ret, bits, op->atom == DW_OP_piece ? 0 : op->n2, fresh);
			fresh = true;
			continue;
		}
		fresh = false;
		if (!m->bad)
			step(m, op);
	}
	stk_share_end(m->ev->budget, saved);
}

bool stk_eval_place(const struct stk_eval *ev, const struct stk_expr *e, struct stk_place *ret)
{
	struct stk_typed stack[STACK_MAX];
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
	struct stk_typed stack[STACK_MAX];
	uint64_t v;
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
