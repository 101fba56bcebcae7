/*
 * clang names a register as the frame base (DWARF 5 §3.3.5): rbp or rsp. Locations relative to it
 * mean its value in the body of the function. In the prologue, in the epilogue and while arguments
 * are being pushed it has another; the CFA has the same everywhere. So: how far below the CFA the
 * register points in the body, by the row of call frame information there; that far below the
 * frame's own CFA.
 */
#include "values/base.h"

#include "unwind/row.h"

static bool is_from(const struct stk_cfi_row *row, unsigned reg)
{
	return row && row->cfa_kind == STK_CFI_VAL_OFFSET && row->cfa_reg == reg;
}

/* The distance in the body. false: not known. */
static bool find_distance(struct stk_modules *ms, const struct stk_frame *f, unsigned reg,
			  int64_t *ret)
{
	const struct stk_scopes *sc = f->scopes;
	const struct stk_arch *a = ms->target->arch;
	const struct stk_cfi_row *row;

	for (unsigned i = 0; i < sc->nbody; i++) {
		if (!is_from(row = stk_row_at(f->mod, sc->body[i]), reg)) {
			/* It is set only for a part of the body: the stack pointer never is. */
			if (reg == a->sp)
				return false;
			continue;
		}
		if (i && row->cfa != *ret)
			return false;
		*ret = row->cfa;
		/* With nothing but the return address on the stack, the frame may be set up later,
		 * only where it is needed. */
		if (reg != a->sp || row->cfa != a->word)
			return true;
	}
	return reg == a->sp && sc->nbody;
}

/* The frame base; false: it is not a register's value. */
static bool base_register(const struct stk_frame *f, unsigned *reg, uint64_t *add)
{
	return f->scopes && stk_expr_is_base(f->scopes->v[f->level].frame_base, reg, add);
}

bool stk_base_allows(struct stk_modules *ms, const struct stk_frame *f, unsigned reg)
{
	const struct stk_arch *a = ms->target->arch;
	uint64_t add, body;
	unsigned base;

	if ((reg != a->sp && reg != a->fp) || !base_register(f, &base, &add))
		return true;
	if (reg == base)
		return stk_base_of_body(ms, f, reg, &body) && body == f->regs.r[reg];
	/* Of a frame that is realigned. */
	return reg != a->sp || !f->exact;
}

bool stk_base_of_body(struct stk_modules *ms, const struct stk_frame *f, unsigned reg,
		      uint64_t *ret)
{
	const struct stk_arch *a = ms->target->arch;
	int64_t distance = 0;

	if (f->cfa && find_distance(ms, f, reg, &distance)) {
		*ret = f->cfa - (uint64_t)distance;
		return true;
	}
	/* Without call frame information a frame that has called stands in its body. */
	if (f->exact || reg == a->sp || !f->mod || stk_row_at(f->mod, stk_frame_lookup_pc(f)) ||
	    !stk_reg_known(&f->regs, reg))
		return false;
	*ret = f->regs.r[reg];
	return true;
}
