/* Call sites: what a caller says about the arguments that it passed (DWARF 5 §3.4). */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/symtab.h"

#define VALUES_MAX 32

static struct stk_call_site no_site; /* kept for return addresses without one */

static Dwarf_Attribute *either(Dwarf_Die *die, unsigned a, unsigned b, Dwarf_Attribute *mem)
{
	Dwarf_Attribute *r = dwarf_attr(die, a, mem);

	return r ? r : dwarf_attr(die, b, mem);
}

/* A static expression; these attributes hold no location lists. */
static const struct stk_expr *expr_of(struct stk_module *m, Dwarf_Attribute *attr)
{
	Dwarf_Op *ops;
	size_t n;

	if (!attr || dwarf_getlocation(attr, &ops, &n))
		return NULL;
	return stk_expr_from_ops(m, attr, ops, n);
}

static bool read_value(struct stk_module *m, Dwarf_Die *die, struct stk_call_value *ret)
{
	Dwarf_Attribute a;
	Dwarf_Die param;
	const struct stk_expr *loc = expr_of(m, dwarf_attr(die, DW_AT_location, &a));

	*ret = (struct stk_call_value){.reg = 255};
	if (loc && loc->n == 1 && loc->ops[0].atom >= DW_OP_reg0 && loc->ops[0].atom <= DW_OP_reg31)
		ret->reg = loc->ops[0].atom - DW_OP_reg0;
	else if (loc && loc->n == 1 && loc->ops[0].atom == DW_OP_regx && loc->ops[0].n1 < 255)
		ret->reg = (uint8_t)loc->ops[0].n1;
	if (dwarf_formref_die(either(die, DW_AT_call_parameter, DW_AT_abstract_origin, &a), &param))
		ret->param = dwarf_dieoffset(&param);
	ret->value = expr_of(m, either(die, DW_AT_call_value, DW_AT_GNU_call_site_value, &a));
	return ret->value && (ret->reg != 255 || ret->param);
}

static void read_values(struct stk_module *m, Dwarf_Die *die, struct stk_call_site *cs)
{
	struct stk_call_value v[VALUES_MAX];
	unsigned n = 0;
	Dwarf_Die child;

	if (dwarf_child(die, &child) != 0)
		return;
	do {
		int tag = dwarf_tag(&child);
		if ((tag == DW_TAG_call_site_parameter || tag == DW_TAG_GNU_call_site_parameter) &&
		    n < VALUES_MAX && read_value(m, &child, &v[n]))
			n++;
	} while (dwarf_siblingof(&child, &child) == 0);
	cs->values = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*v) + 1);
	if (cs->values && n) {
		memcpy(cs->values, v, n * sizeof(*v));
		cs->nvalues = n;
	}
}

static void read_target(struct stk_module *m, Dwarf_Die *die, struct stk_call_site *cs)
{
	Dwarf_Attribute a;
	Dwarf_Die to, next;
	Dwarf_Addr pc;

	cs->target_expr =
	    expr_of(m, either(die, DW_AT_call_target, DW_AT_GNU_call_site_target, &a));
	if (!dwarf_formref_die(either(die, DW_AT_call_origin, DW_AT_abstract_origin, &a), &to))
		return;
	if (dwarf_entrypc(&to, &pc) == 0 && pc)
		cs->target = pc + m->bias;
	cs->target_name = stk_die_linkage_name(&to);
	if (!cs->target_name)
		cs->target_name = dwarf_diename(&to);
	for (int i = 0; i < 8; i++) {
		if (!dwarf_formref_die(dwarf_attr(&to, DW_AT_abstract_origin, &a), &next) &&
		    !dwarf_formref_die(dwarf_attr(&to, DW_AT_specification, &a), &next))
			break;
		to = next;
	}
	cs->target_origin = (uint64_t)(uintptr_t)to.addr;
}

/* The call site DIE below `parent` that returns to `addr`. */
static bool find_site(Dwarf_Die *parent, uint64_t addr, Dwarf_Die *ret, int depth)
{
	Dwarf_Die die;
	Dwarf_Attribute a;
	Dwarf_Addr pc;

	if (depth > 64 || dwarf_child(parent, &die) != 0)
		return false;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_call_site:
		case DW_TAG_GNU_call_site:
			if (dwarf_formaddr(either(&die, DW_AT_call_return_pc, DW_AT_low_pc, &a),
					   &pc) == 0 &&
			    pc == addr) {
				*ret = die;
				return true;
			}
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			if (find_site(&die, addr, ret, depth + 1))
				return true;
			break;
		default:
			break;
		}
	} while (dwarf_siblingof(&die, &die) == 0);
	return false;
}

static struct stk_call_site *read_site(struct stk_module *m, struct stk_debug *d, uint64_t addr)
{
	struct stk_unit *u = stk_unit_at(d, addr - 1);
	struct stk_range range;
	Dwarf_Die func, die;
	Dwarf_Attribute a;
	bool tail = false;

	if (!u || !stk_function_die(u, addr - 1, &func, &range) || !find_site(&func, addr, &die, 0))
		return NULL;
	struct stk_call_site *cs = stk_pool_alloc(&m->owner->target->pool, sizeof(*cs));
	if (!cs)
		return NULL;
	cs->ret_pc = addr + m->bias;
	dwarf_formflag(either(&die, DW_AT_call_tail_call, DW_AT_GNU_tail_call, &a), &tail);
	cs->tail = tail;
	read_target(m, &die, cs);
	read_values(m, &die, cs);
	return cs;
}

const struct stk_call_site *stk_call_site_at(struct stk_module *m, uint64_t ret_pc)
{
	struct stk_debug *d = stk_debug_get(m);
	uint64_t addr = ret_pc - m->bias;

	if (!d || !d->dw)
		return NULL;
	struct stk_call_site *site = stk_map_get(&d->sites, addr);
	if (!site) {
		site = read_site(m, d, addr);
		stk_map_put(&d->sites, addr, site ? site : &no_site);
	}
	return site == &no_site ? NULL : site;
}
