/* DWARF expressions: from libdw's split operations into the engine's own form. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

#define OPS_MAX 256

/* The base type that a typed operation names, by the kinds of values that the evaluator knows. */
static struct stk_op_type op_type(Dwarf_Attribute *attr, const Dwarf_Op *in)
{
	struct stk_op_type other = {.kind = STK_OP_OTHER}, t = {.kind = STK_OP_UNSIGNED};
	Dwarf_Die die;
	Dwarf_Attribute a;
	Dwarf_Word enc;
	int size;

	if (!attr || dwarf_getlocation_die(attr, in, &die) ||
	    dwarf_formudata(dwarf_attr(&die, DW_AT_encoding, &a), &enc) ||
	    (size = dwarf_bytesize(&die)) <= 0 || size > 8)
		return other;
	t.size = (uint8_t)size;
	if (enc == DW_ATE_signed || enc == DW_ATE_signed_char)
		t.kind = STK_OP_SIGNED;
	else if (enc == DW_ATE_float && (size == 4 || size == 8))
		t.kind = STK_OP_FLOAT;
	else if (enc != DW_ATE_unsigned && enc != DW_ATE_unsigned_char && enc != DW_ATE_boolean &&
		 enc != DW_ATE_address && enc != DW_ATE_UTF)
		return other;
	return t;
}

/* Operations with a base type: GNU's forms have DWARF 5's operands (§2.5.1). */
static bool convert_typed(Dwarf_Attribute *attr, const Dwarf_Op *in, struct stk_op *out)
{
	switch (in->atom) {
	case DW_OP_convert:
	case DW_OP_GNU_convert:
		out->atom = DW_OP_convert;
		break;
	case DW_OP_reinterpret:
	case DW_OP_GNU_reinterpret:
		out->atom = DW_OP_reinterpret;
		break;
	case DW_OP_regval_type:
	case DW_OP_GNU_regval_type:
		out->atom = DW_OP_regval_type;
		break;
	case DW_OP_deref_type:
	case DW_OP_GNU_deref_type:
		out->atom = DW_OP_deref_type;
		break;
	case DW_OP_const_type:
	case DW_OP_GNU_const_type:
		out->atom = DW_OP_const_type;
		break;
	default:
		return false;
	}
	/* Offset 0 means the generic type, in conversions only. */
	if (in->number || (out->atom != DW_OP_convert && out->atom != DW_OP_reinterpret))
		out->type = op_type(attr, in);
	/* libdw leaves a pointer to the size byte and the constant behind it. */
	if (out->atom == DW_OP_const_type && out->type.kind != STK_OP_OTHER) {
		const uint8_t *p = (const uint8_t *)(uintptr_t)in->number2;
		out->n1 = 0;
		if (p[0] == out->type.size)
			memcpy(&out->n1, p + 1, p[0]);
		else
			out->type.kind = STK_OP_OTHER;
	}
	return true;
}

static const struct stk_expr *from_ops(struct stk_module *m, Dwarf_Attribute *attr,
				       const Dwarf_Op *ops, size_t n, bool inner);

/* `inner`: of an entry value, which names a register; what it has inside is not wanted. */
static void convert_op(struct stk_module *m, Dwarf_Attribute *attr, const Dwarf_Op *in, bool inner,
		       struct stk_op *out)
{
	Dwarf_Attribute sub;
	Dwarf_Op *ops;
	Dwarf_Block block;
	Dwarf_Addr addr;
	size_t n;

	*out = (struct stk_op){
	    .atom = in->atom, .n1 = in->number, .n2 = in->number2, .off = (uint32_t)in->offset};
	if (convert_typed(attr, in, out))
		return;
	switch (in->atom) {
	case DW_OP_entry_value:
	case DW_OP_GNU_entry_value:
		out->atom = DW_OP_entry_value;
		if (attr && !inner && dwarf_getlocation_attr(attr, in, &sub) == 0 &&
		    dwarf_getlocation(&sub, &ops, &n) == 0)
			out->sub = from_ops(m, &sub, ops, n, true);
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

static const struct stk_expr *from_ops(struct stk_module *m, Dwarf_Attribute *attr,
				       const Dwarf_Op *ops, size_t n, bool inner)
{
	struct stk_pool *pool = &m->owner->target->pool;
	struct stk_expr *e;
	struct stk_op *v;

	/* libdw has split them all, and keeps them. */
	if (!stk_spend_bytes(stk_module_budget(m), n * sizeof(*ops)) || !n || n > OPS_MAX)
		return NULL;
	e = stk_pool_alloc(pool, sizeof(*e));
	v = stk_pool_alloc(pool, n * sizeof(*v));
	if (!e || !v)
		return NULL;
	for (size_t i = 0; i < n; i++)
		convert_op(m, attr, &ops[i], inner, &v[i]);
	*e = (struct stk_expr){.ops = v, .n = (unsigned)n, .bias = m->bias};
	return e;
}

const struct stk_expr *stk_expr_from_ops(struct stk_module *m, Dwarf_Attribute *attr,
					 const Dwarf_Op *ops, size_t n)
{
	return from_ops(m, attr, ops, n, false);
}

const struct stk_expr *stk_expr_at(struct stk_module *m, Dwarf_Attribute *attr, uint64_t addr)
{
	Dwarf_Op *ops;
	size_t n;

	if (dwarf_getlocation_addr(attr, addr, &ops, &n, 1) != 1)
		return NULL;
	return stk_expr_from_ops(m, attr, ops, n);
}

bool stk_expr_is_register(const struct stk_expr *e, unsigned *ret)
{
	const struct stk_op *op = e->ops;

	if (e->n != 1)
		return false;
	if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31)
		*ret = op->atom - DW_OP_reg0;
	else if (op->atom == DW_OP_regval_type && op->n1 < 255)
		*ret = (unsigned)op->n1;
	else
		return false;
	return true;
}

bool stk_expr_is_base(const struct stk_expr *e, unsigned *ret, uint64_t *add)
{
	const struct stk_op *op = e ? e->ops : NULL;

	if (!e || e->n != 1)
		return false;
	*add = 0;
	if (op->atom < DW_OP_breg0 || op->atom > DW_OP_breg31)
		return stk_expr_is_register(e, ret);
	*ret = op->atom - DW_OP_breg0;
	*add = op->n1;
	return true;
}
