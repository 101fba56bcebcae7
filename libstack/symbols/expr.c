/* DWARF expressions: from libdw's split operations into the engine's own form. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

#define OPS_MAX 256

static void convert_op(struct stk_module *m, Dwarf_Attribute *attr, const Dwarf_Op *in,
		       struct stk_op *out)
{
	Dwarf_Attribute sub;
	Dwarf_Op *ops;
	Dwarf_Block block;
	Dwarf_Addr addr;
	size_t n;

	*out = (struct stk_op){
	    .atom = in->atom, .n1 = in->number, .n2 = in->number2, .off = (uint32_t)in->offset};
	switch (in->atom) {
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		out->atom = DW_OP_entry_value;
		if (attr && dwarf_getlocation_attr(attr, in, &sub) == 0 &&
		    dwarf_getlocation(&sub, &ops, &n) == 0)
			out->sub = stk_expr_from_ops(m, &sub, ops, n);
		break;
	case DW_OP_implicit_value:
		if (attr && dwarf_getlocation_implicit_value(attr, in, &block) == 0) {
			out->n1 = block.length;
			out->block = block.data;
		}
		break;
	case DW_OP_addrx:
	case DW_OP_GNU_addr_index:
		if (attr && dwarf_getlocation_attr(attr, in, &sub) == 0 &&
		    dwarf_formaddr(&sub, &addr) == 0) {
			out->atom = DW_OP_addr;
			out->n1 = addr;
		}
		break;
	case DW_OP_GNU_parameter_ref: {
		/* The parameter's DIE, by its offset, is what the call site names. */
		Dwarf_Die die;
		if (attr && dwarf_getlocation_die(attr, in, &die) == 0)
			out->n1 = dwarf_dieoffset(&die);
		break;
	}
	default:
		break;
	}
}

const struct stk_expr *stk_expr_from_ops(struct stk_module *m, Dwarf_Attribute *attr,
					 const Dwarf_Op *ops, size_t n)
{
	struct stk_pool *pool = &m->owner->target->pool;
	struct stk_expr *e;
	struct stk_op *v;

	if (!n || n > OPS_MAX)
		return NULL;
	e = stk_pool_alloc(pool, sizeof(*e));
	v = stk_pool_alloc(pool, n * sizeof(*v));
	if (!e || !v)
		return NULL;
	for (size_t i = 0; i < n; i++)
		convert_op(m, attr, &ops[i], &v[i]);
	*e = (struct stk_expr){.ops = v, .n = (unsigned)n, .bias = m->bias};
	return e;
}

const struct stk_expr *stk_expr_at(struct stk_module *m, Dwarf_Attribute *attr, uint64_t addr)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_getlocation_addr(attr, addr, &ops, &n, 1) != 1)
		return NULL;
	return stk_expr_from_ops(m, attr, ops, n);
}
