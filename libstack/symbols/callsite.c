/* Call sites: what a caller says about the arguments that it passed (DWARF 5 §3.4). */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "symbols/debug.h"
#include "symbols/symtab.h"

#define VALUES_MAX 32
#define DEPTH_MAX  64
#define TAILS_MAX  65536 /* a power of two */

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
	struct stk_budget *b = stk_module_budget(m);

	if (!stk_die_child(b, die, &child))
		return;
	do {
		int tag = dwarf_tag(&child);
		if ((tag == DW_TAG_call_site_parameter || tag == DW_TAG_GNU_call_site_parameter) &&
		    n < VALUES_MAX && read_value(m, &child, &v[n]))
			n++;
	} while (stk_die_next(b, &child));
	cs->values = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*v) + 1);
	if (cs->values && n) {
		memcpy(cs->values, v, n * sizeof(*v));
		cs->nvalues = n;
	}
}

static void read_target(struct stk_module *m, Dwarf_Die *die, struct stk_call_site *cs)
{
	Dwarf_Attribute a;
	Dwarf_Die to;
	Dwarf_Addr pc;

	cs->target_expr =
	    expr_of(m, either(die, DW_AT_call_target, DW_AT_GNU_call_site_target, &a));
	if (!dwarf_formref_die(either(die, DW_AT_call_origin, DW_AT_abstract_origin, &a), &to))
		return;
	if (stk_function_entry(&to, &pc) && pc)
		cs->target = pc + m->bias;
	cs->target_name = stk_die_linkage_name(&to);
	if (!cs->target_name)
		cs->target_name = dwarf_diename(&to);
	cs->target_origin = stk_die_identity(&to);
}

/* The call sites below `parent`, until `fn` returns false. false: it did. */
static bool each_site(struct stk_walk *w, Dwarf_Die *parent, bool (*fn)(void *arg, Dwarf_Die *site),
		      void *arg, int depth)
{
	Dwarf_Die die;

	w->broken |= depth > DEPTH_MAX;
	if (depth > DEPTH_MAX || !stk_walk_child(w, parent, &die))
		return true;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_call_site:
		case DW_TAG_GNU_call_site:
			if (!fn(arg, &die))
				return false;
			break;
		case DW_TAG_lexical_block:
		case DW_TAG_inlined_subroutine:
			if (!each_site(w, &die, fn, arg, depth + 1))
				return false;
			break;
		default:
			break;
		}
	} while (stk_walk_next(w, &die));
	return true;
}

/* The address that a call site is known by. clang gives a tail call's jump (DW_AT_call_pc). */
static bool site_pc(Dwarf_Die *die, Dwarf_Addr *ret, bool *at_jump)
{
	Dwarf_Attribute a;

	*at_jump = false;
	if (dwarf_formaddr(either(die, DW_AT_call_return_pc, DW_AT_low_pc, &a), ret) == 0)
		return true;
	*at_jump = dwarf_formaddr(dwarf_attr(die, DW_AT_call_pc, &a), ret) == 0;
	return *at_jump;
}

struct wanted {
	uint64_t addr;
	Dwarf_Die die;
};

static bool is_other_site(void *arg, Dwarf_Die *die)
{
	struct wanted *w = arg;
	Dwarf_Addr pc;
	bool at_jump;

	if (!site_pc(die, &pc, &at_jump) || at_jump || pc != w->addr)
		return true;
	w->die = *die;
	return false;
}

static bool is_tail(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	bool tail = false;

	dwarf_formflag(either(die, DW_AT_call_tail_call, DW_AT_GNU_tail_call, &a), &tail);
	return tail;
}

static struct stk_call_site *read_site(struct stk_module *m, struct stk_debug *d, uint64_t addr)
{
	struct stk_unit *u = stk_unit_at(d, addr - 1);
	struct stk_range range;
	struct wanted w = {.addr = addr};
	struct stk_walk walk = {.budget = stk_module_budget(m)};
	Dwarf_Die func;

	if (!u || !stk_function_die(u, addr - 1, &func, &range) ||
	    each_site(&walk, &func, is_other_site, &w, 0))
		return NULL;
	struct stk_call_site *cs = stk_pool_alloc(&m->owner->target->pool, sizeof(*cs));
	if (!cs)
		return NULL;
	cs->ret_pc = addr + m->bias;
	cs->tail = is_tail(&w.die);
	read_target(m, &w.die, cs);
	read_values(m, &w.die, cs);
	return cs;
}

/* The entry of the one function made from the declaration `origin` in its unit; 0: none, several.
 */
static uint64_t entry_of_origin(struct stk_module *m, struct stk_debug *d, uint64_t origin)
{
	uint64_t found = 0;
	Dwarf_Die die, cu;

	if (!dwarf_die_addr_die(d->dw, (void *)(uintptr_t)origin, &die) ||
	    !dwarf_diecu(&die, &cu, NULL, NULL))
		return 0;
	for (unsigned i = 0; i < d->units.n; i++) {
		struct stk_unit *u = &d->units.v[i];
		if (u->die.addr != cu.addr)
			continue;
		stk_unit_index(u);
		for (unsigned k = 0; k < u->funcs.n && stk_spend(u->budget, 1); k++) {
			Dwarf_Addr pc;
			if (stk_die_identity(&u->funcs.v[k]) != origin ||
			    !stk_function_entry(&u->funcs.v[k], &pc))
				continue;
			if (found)
				return 0;
			found = pc + m->bias;
		}
	}
	return found;
}

struct tails {
	struct stk_module *m;
	struct stk_call_site *v;
	unsigned n, cap;
	bool full;
};

static bool add_tail(void *arg, Dwarf_Die *die)
{
	struct tails *t = arg;
	struct stk_symbol sym;
	Dwarf_Addr pc;
	bool at_jump;

	if (!is_tail(die))
		return true;
	if (t->n == TAILS_MAX || !stk_spend_bytes(stk_module_budget(t->m), sizeof(*t->v)) ||
	    !STK_VEC_RESERVE(t, 1) || !site_pc(die, &pc, &at_jump)) {
		t->full = true;
		return false;
	}
	struct stk_call_site *cs = &t->v[t->n];
	*cs = (struct stk_call_site){.tail = true, .at_jump = at_jump};
	cs->ret_pc = pc + t->m->bias;
	read_target(t->m, die, cs);
	read_values(t->m, die, cs);
	if (!cs->target && cs->target_origin)
		cs->target = entry_of_origin(t->m, t->m->debug, cs->target_origin);
	if (!cs->target && cs->target_name && stk_symbol_linked(t->m, cs->target_name, &sym) &&
	    sym.func)
		cs->target = sym.addr;
	t->n++;
	return true;
}

/* Does the debug information describe every tail call of a function (DWARF 5 §3.3.1.3)? */
static bool all_tails(const struct stk_unit *u, Dwarf_Die *func)
{
	return dwarf_hasattr_integrate(func, DW_AT_call_all_calls) ||
	       dwarf_hasattr_integrate(func, DW_AT_call_all_tail_calls) ||
	       dwarf_hasattr_integrate(func, DW_AT_GNU_all_call_sites) ||
	       dwarf_hasattr_integrate(func, DW_AT_GNU_all_tail_call_sites) ||
	       (!u->optimized && !u->clang); /* gcc makes none then */
}

static struct stk_tail_calls *read_tails(struct stk_module *m, struct stk_unit *u, Dwarf_Die *func)
{
	struct stk_pool *pool = &m->owner->target->pool;
	struct stk_tail_calls *ret = stk_pool_alloc(pool, sizeof(*ret));
	struct tails t = {.m = m};
	struct stk_walk w = {.budget = stk_module_budget(m)};

	if (!ret)
		return NULL;
	each_site(&w, func, add_tail, &t, 0);
	ret->v = stk_pool_alloc(pool, t.n * sizeof(*t.v) + 1);
	if (ret->v) {
		if (t.n)
			memcpy(ret->v, t.v, t.n * sizeof(*t.v));
		ret->n = t.n;
		ret->complete = !t.full && !w.broken && all_tails(u, func);
	}
	free(t.v);
	return ret;
}

struct stk_tail_calls *stk_tail_calls_of(struct stk_module *m, uint64_t entry)
{
	struct stk_debug *d = stk_debug_get(m);
	struct stk_unit *u = d ? stk_unit_at(d, entry - m->bias) : NULL;
	struct stk_range range;
	Dwarf_Die func;
	Dwarf_Addr pc;

	if (!u || !stk_function_die(u, entry - m->bias, &func, &range) ||
	    !stk_function_entry(&func, &pc) || pc + m->bias != entry)
		return NULL;
	if (!u->tails && !(u->tails = calloc(u->funcs.n, sizeof(struct stk_tail_calls *))))
		return NULL;
	if (!u->tails[range.index])
		u->tails[range.index] = read_tails(m, u, &func);
	return u->tails[range.index];
}

const struct stk_call_site *stk_call_site_at(struct stk_module *m, uint64_t ret_pc)
{
	struct stk_debug *d = stk_debug_get(m);
	uint64_t addr = ret_pc - m->bias;

	if (!d || !d->dw)
		return NULL;
	struct stk_call_site *site = stk_hash_get(&d->sites, addr);
	if (!site) {
		site = read_site(m, d, addr);
		stk_hash_put(&d->sites, addr, site ? site : &no_site);
	}
	return site == &no_site ? NULL : site;
}
