/* Call frame instructions (DWARF 5 §6.4.2, §6.4.3, figure 7.24; LSB Core 5 for the GNU ones). */
#include "step/cfi.h"
#include "step/pointer.h"

#define OPS_MAX   65536
#define SAVED_MAX 8 /* nested DW_CFA_remember_state; compilers nest once or twice */

enum {
	CFA_advance_loc = 0x40, /* in the two high bits, the operand below */
	CFA_offset = 0x80,
	CFA_restore = 0xc0,
	CFA_nop = 0x00,
	CFA_set_loc = 0x01,
	CFA_advance_loc1 = 0x02,
	CFA_advance_loc2 = 0x03,
	CFA_advance_loc4 = 0x04,
	CFA_offset_extended = 0x05,
	CFA_restore_extended = 0x06,
	CFA_undefined = 0x07,
	CFA_same_value = 0x08,
	CFA_register = 0x09,
	CFA_remember_state = 0x0a,
	CFA_restore_state = 0x0b,
	CFA_def_cfa = 0x0c,
	CFA_def_cfa_register = 0x0d,
	CFA_def_cfa_offset = 0x0e,
	CFA_def_cfa_expression = 0x0f,
	CFA_expression = 0x10,
	CFA_offset_extended_sf = 0x11,
	CFA_def_cfa_sf = 0x12,
	CFA_def_cfa_offset_sf = 0x13,
	CFA_val_offset = 0x14,
	CFA_val_offset_sf = 0x15,
	CFA_val_expression = 0x16,
	CFA_MIPS_advance_loc8 = 0x1d,
	CFA_GNU_args_size = 0x2e,
	CFA_GNU_negative_offset_extended = 0x2f,
};

struct run {
	struct stk_win *w;
	const struct stk_cfi_cie *cie;
	const struct stk_arch *arch;
	struct stk_cfi_row *row;
	struct stk_cfi_row initial;
	struct stk_cfi_row saved[SAVED_MAX];
	uint64_t loc, pc;
	unsigned depth;
	bool in_cie, bad;
};

static uint64_t uleb(struct run *m)
{
	return stk_cur_uleb(&m->w->c);
}

/* An offset in units of the data alignment; arithmetic on damaged numbers wraps. */
static int64_t scaled(struct run *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->cie->data_align);
}

static int64_t scaled_sf(struct run *m)
{
	return scaled(m, (uint64_t)stk_cur_sleb(&m->w->c));
}

static int64_t scaled_uf(struct run *m)
{
	return scaled(m, uleb(m));
}

/* Where the rule of a column is kept; STK_REGS_MAX: nowhere, unwinding does not track it. */
static unsigned slot(struct run *m, uint64_t column)
{
	if (column == m->cie->ra)
		return m->arch->pc;
	return column < STK_REGS_MAX && column != m->arch->pc ? (unsigned)column : STK_REGS_MAX;
}

static void rule(struct run *m, uint64_t column, enum stk_cfi_kind kind, int64_t v)
{
	unsigned n = slot(m, column);

	if (n == STK_REGS_MAX)
		return;
	m->row->kind[n] = (uint8_t)kind;
	m->row->v[n] = v;
}

static void restore(struct run *m, uint64_t column)
{
	unsigned n = slot(m, column);

	if (m->in_cie)
		m->bad = true;
	else if (n < STK_REGS_MAX)
		rule(m, column, m->initial.kind[n], m->initial.v[n]);
}

/* Locations only increase (§6.4.2.1). */
static void advance_to(struct run *m, uint64_t loc)
{
	m->bad |= loc < m->loc;
	m->loc = loc;
}

static void advance(struct run *m, uint64_t units)
{
	advance_to(m, m->loc + units * m->cie->code_align);
}

static void cfa(struct run *m, uint64_t reg, int64_t off)
{
	if (reg >= STK_REGS_MAX)
		m->bad = true;
	m->row->cfa_kind = STK_CFI_VAL_OFFSET;
	m->row->cfa_reg = (uint8_t)reg;
	m->row->cfa = off;
}

/* The address of a block, which is stepped over. */
static int64_t block(struct run *m)
{
	uint64_t at = stk_win_pos(m->w);

	stk_win_skip(m->w, uleb(m));
	return (int64_t)at;
}

static void remember(struct run *m)
{
	if (m->depth == SAVED_MAX)
		m->bad = true;
	else
		m->saved[m->depth++] = *m->row;
}

static void recall(struct run *m)
{
	if (!m->depth)
		m->bad = true;
	else
		*m->row = m->saved[--m->depth];
}

static void cfa_op(struct run *m, uint8_t op)
{
	bool by_reg = m->row->cfa_kind == STK_CFI_VAL_OFFSET;
	uint64_t n;

	switch (op) {
	case CFA_def_cfa:
		n = uleb(m);
		cfa(m, n, (int64_t)uleb(m));
		break;
	case CFA_def_cfa_sf:
		n = uleb(m);
		cfa(m, n, scaled_sf(m));
		break;
	case CFA_def_cfa_register:
		cfa(m, uleb(m), m->row->cfa);
		m->bad |= !by_reg;
		break;
	case CFA_def_cfa_offset:
		cfa(m, m->row->cfa_reg, (int64_t)uleb(m));
		m->bad |= !by_reg;
		break;
	case CFA_def_cfa_offset_sf:
		cfa(m, m->row->cfa_reg, scaled_sf(m));
		m->bad |= !by_reg;
		break;
	default: /* CFA_def_cfa_expression */
		m->row->cfa_kind = STK_CFI_VAL_EXPR;
		m->row->cfa = block(m);
		break;
	}
}

/* Rules of registers: a column, then an operand. */
static void rule_op(struct run *m, uint8_t op)
{
	uint64_t n = uleb(m);

	switch (op) {
	case CFA_offset_extended:
		rule(m, n, STK_CFI_OFFSET, scaled_uf(m));
		break;
	case CFA_offset_extended_sf:
		rule(m, n, STK_CFI_OFFSET, scaled_sf(m));
		break;
	case CFA_GNU_negative_offset_extended:
		rule(m, n, STK_CFI_OFFSET, scaled(m, -uleb(m)));
		break;
	case CFA_val_offset:
		rule(m, n, STK_CFI_VAL_OFFSET, scaled_uf(m));
		break;
	case CFA_val_offset_sf:
		rule(m, n, STK_CFI_VAL_OFFSET, scaled_sf(m));
		break;
	case CFA_restore_extended:
		restore(m, n);
		break;
	case CFA_undefined:
		rule(m, n, STK_CFI_UNDEF, 0);
		break;
	case CFA_same_value:
		rule(m, n, STK_CFI_SAME, 0);
		break;
	case CFA_register:
		rule(m, n, STK_CFI_REG, (int64_t)uleb(m));
		break;
	case CFA_expression:
		rule(m, n, STK_CFI_EXPR, block(m));
		break;
	case CFA_val_expression:
		rule(m, n, STK_CFI_VAL_EXPR, block(m));
		break;
	default:
		m->bad = true;
	}
}

static void step(struct run *m, uint8_t op)
{
	struct stk_cur *c = &m->w->c;

	switch (op & 0xc0) {
	case CFA_advance_loc:
		advance(m, op & 0x3f);
		return;
	case CFA_offset:
		rule(m, op & 0x3f, STK_CFI_OFFSET, scaled_uf(m));
		return;
	case CFA_restore:
		restore(m, op & 0x3f);
		return;
	}
	switch (op) {
	case CFA_nop:
		break;
	case CFA_set_loc:
		advance_to(m, stk_cfi_pointer(m->w, m->cie->pointer_enc, 0));
		break;
	case CFA_advance_loc1:
		advance(m, stk_cur_u8(c));
		break;
	case CFA_advance_loc2:
		advance(m, stk_cur_u16(c));
		break;
	case CFA_advance_loc4:
		advance(m, stk_cur_u32(c));
		break;
	case CFA_MIPS_advance_loc8:
		advance(m, stk_cur_u64(c));
		break;
	case CFA_remember_state:
		remember(m);
		break;
	case CFA_restore_state:
		recall(m);
		break;
	case CFA_GNU_args_size: /* what was pushed for calls; for exceptions only */
		uleb(m);
		break;
	case CFA_def_cfa:
	case CFA_def_cfa_sf:
	case CFA_def_cfa_register:
	case CFA_def_cfa_offset:
	case CFA_def_cfa_offset_sf:
	case CFA_def_cfa_expression:
		cfa_op(m, op);
		break;
	default:
		rule_op(m, op);
	}
}

/* Up to the row of m->pc. false: damaged, or more than any function has. */
static bool run(struct run *m, uint64_t insn, uint64_t end)
{
	unsigned ops = 0;

	for (stk_win_open(m->w, insn, end); ops < OPS_MAX && stk_win_more(m->w); ops++) {
		uint8_t op = stk_cur_u8(&m->w->c);
		step(m, op);
		if (m->bad || m->w->c.bad)
			return false;
		if (m->loc > m->pc)
			return true;
	}
	return ops < OPS_MAX && !m->w->c.bad;
}

/* Which registers a step has to do with. Only what the ABI preserves is still the caller's where
 * there is no rule; a signal frame saves all. The stack pointer follows from the CFA. */
static void sum_up(struct stk_cfi_row *row, const struct stk_arch *arch)
{
	for (unsigned n = 0; n < arch->tracked; n++)
		if (row->kind[n] == STK_CFI_SAME)
			stk_bit_set(&row->kept, n);
		else if (row->kind[n] != STK_CFI_UNDEF)
			stk_bit_set(&row->found, n);
	if (row->signal) {
		stk_bit_clear(&row->kept, arch->pc);
		stk_bit_clear(&row->kept, arch->sp);
	} else {
		row->kept = stk_bits_and(&row->kept, &arch->callee_saved);
	}
}

bool stk_cfi_run(struct stk_win *w, const struct stk_cfi_cie *cie, const struct stk_arch *arch,
		 uint64_t insn, uint64_t end, uint64_t start, uint64_t pc, struct stk_cfi_row *ret)
{
	struct run m; /* not cleared: `saved` is written before it is read */

	m.w = w;
	m.cie = cie;
	m.arch = arch;
	m.row = ret;
	m.loc = start;
	m.pc = pc;
	m.depth = 0;
	m.in_cie = true;
	m.bad = false;
	*ret = (struct stk_cfi_row){
	    .from = w->mem, .off = pc - start, .cfa_kind = STK_CFI_UNDEF, .signal = cie->signal};
	if (!run(&m, cie->insn, cie->end))
		return false;
	m.initial = *ret;
	m.in_cie = false;
	if (!run(&m, insn, end) || ret->cfa_kind == STK_CFI_UNDEF)
		return false;
	sum_up(ret, arch);
	return true;
}
