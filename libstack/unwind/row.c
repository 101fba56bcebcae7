#include "unwind/row.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdlib.h>

#include "symbols/debug.h"
#include "target/map.h"

struct stk_rows {
	Dwarf_CFI *eh;    /* .eh_frame, owned */
	Dwarf_CFI *debug; /* .debug_frame, owned by the Dwarf */
	bool debug_tried;
	struct stk_map rows; /* by pc */
};

static void rows_free(struct stk_rows *r)
{
	if (r->eh)
		dwarf_cfi_end(r->eh);
	stk_map_done(&r->rows);
	free(r);
}

static struct stk_rows *rows_get(struct stk_module *m)
{
	if (m->rows)
		return m->rows;
	m->rows = calloc(1, sizeof(*m->rows));
	if (!m->rows)
		return NULL;
	m->owner->rows_free = rows_free;
	if (m->image)
		m->rows->eh = dwarf_getcfi_elf(m->image->elf);
	return m->rows;
}

/* CFA-relative forms that libdw builds from DW_CFA_offset and its kin. */
static struct stk_rule compile_ops(struct stk_module *m, const Dwarf_Op *ops, size_t n)
{
	struct stk_rule r = {.kind = STK_RULE_EXPR};
	bool value = ops[n - 1].atom == DW_OP_stack_value;
	size_t k = value ? n - 1 : n;

	if (k && ops[0].atom == DW_OP_call_frame_cfa &&
	    (k == 1 || (k == 2 && ops[1].atom == DW_OP_plus_uconst))) {
		r.kind = value ? STK_RULE_VAL_OFFSET : STK_RULE_OFFSET;
		r.offset = k == 2 ? (int64_t)ops[1].number : 0;
		return r;
	}
	if (n == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31) {
		r.kind = STK_RULE_REG;
		r.reg = ops[0].atom - DW_OP_reg0;
		return r;
	}
	r.kind = value ? STK_RULE_VAL_EXPR : STK_RULE_EXPR;
	r.expr = stk_expr_from_ops(m, NULL, ops, k);
	if (!r.expr)
		r.kind = STK_RULE_UNDEF;
	return r;
}

static struct stk_rule compile_reg(struct stk_module *m, Dwarf_Frame *f, int regno, uint64_t addr)
{
	const struct stk_arch *a = m->owner->target->arch;
	Dwarf_Op mem[3], *ops;
	size_t n;

	if (dwarf_frame_register(f, regno, mem, &ops, &n) != 0)
		return (struct stk_rule){.kind = STK_RULE_UNDEF};
	if (n)
		return compile_ops(m, ops, n);
	/* libdw.h: ops NULL means same value, mem means undefined */
	bool same = !ops || (regno != a->pc && (a->callee_saved >> regno & 1) &&
			     !stk_may_be_undefined(m, addr, (unsigned)regno));
	return (struct stk_rule){.kind = same ? STK_RULE_SAME : STK_RULE_UNDEF};
}

static bool compile(struct stk_module *m, Dwarf_Frame *f, uint64_t addr, struct stk_row *row)
{
	const struct stk_arch *a = m->owner->target->arch;
	Dwarf_Addr start, end;
	Dwarf_Op *ops;
	size_t n;
	bool signal = false;
	int ra = dwarf_frame_info(f, &start, &end, &signal);

	if (ra < 0 || dwarf_frame_cfa(f, &ops, &n) != 0 || !n)
		return false;
	row->signal = signal;
	if (n == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
		row->cfa_reg = ops[0].atom - DW_OP_breg0;
		row->cfa_off = (int64_t)ops[0].number;
	} else if (n == 1 && ops[0].atom == DW_OP_bregx && ops[0].number < STK_REGS) {
		row->cfa_reg = (uint8_t)ops[0].number;
		row->cfa_off = (int64_t)ops[0].number2;
	} else if (!(row->cfa_expr = stk_expr_from_ops(m, NULL, ops, n))) {
		return false;
	}
	for (int i = 0; i < STK_REGS; i++) {
		row->rules[i] = compile_reg(m, f, i == a->pc ? ra : i, addr);
		if (row->rules[i].kind == STK_RULE_SAME)
			row->kept |= 1U << i;
		else if (row->rules[i].kind != STK_RULE_UNDEF)
			row->found |= 1U << i;
	}
	if (!signal)
		row->kept &= a->callee_saved;
	row->present = true;
	return true;
}

static struct stk_row *read_row(struct stk_module *m, struct stk_rows *rs, uint64_t pc)
{
	struct stk_row *row = stk_pool_alloc(&m->owner->target->pool, sizeof(*row));
	Dwarf_Frame *f = NULL;

	if (!row)
		return NULL;
	if (rs->eh && dwarf_cfi_addrframe(rs->eh, pc - m->bias, &f) != 0)
		f = NULL;
	if (!f && !rs->debug_tried) {
		struct stk_debug *d = stk_debug_get(m);
		rs->debug_tried = true;
		rs->debug = d && d->dw ? dwarf_getcfi(d->dw) : NULL;
	}
	if (!f && rs->debug && dwarf_cfi_addrframe(rs->debug, pc - m->bias, &f) != 0)
		f = NULL;
	if (f)
		compile(m, f, pc - m->bias, row);
	free(f);
	return row;
}

const struct stk_row *stk_row_at(struct stk_module *m, uint64_t pc)
{
	struct stk_rows *rs = rows_get(m);
	struct stk_row *row = rs ? stk_map_get(&rs->rows, pc) : NULL;

	if (!rs || row)
		return row;
	row = read_row(m, rs, pc);
	if (row)
		stk_map_put(&rs->rows, pc, row);
	return row;
}
