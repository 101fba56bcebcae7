/*
 * Units by pc, and the functions of a unit by pc. All units are listed when the debug information
 * is opened; the functions of one when a pc in it is first asked for.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/vec.h"
#include "symbols/beside.h"
#include "symbols/debug.h"
#include "symbols/lines.h"
#include "symbols/split.h"

static bool ranges_add(struct stk_budget *b, struct stk_ranges *r, uint64_t start, uint64_t end,
		       uint32_t index)
{
	return stk_spend_bytes(b, sizeof(*r->v)) &&
	       STK_VEC_PUSH(r, (struct stk_range){start, end, index});
}

static int range_cmp(const void *a, const void *b)
{
	const struct stk_range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->end < y->end) - (x->end > y->end); /* the wider one first */
}

static void ranges_sort(struct stk_ranges *r)
{
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), range_cmp);
}

/* Ranges hardly ever nest: a few steps back are enough. */
#define STEPS_BACK 16

/* How many ranges begin at or below `addr`. */
static unsigned ranges_upto(const struct stk_ranges *r, uint64_t addr)
{
	return STK_PARTITION_POINT(r->n, i, r->v[i].start <= addr);
}

static const struct stk_range *ranges_find(const struct stk_ranges *r, uint64_t addr)
{
	for (unsigned i = ranges_upto(r, addr), steps = 0; i-- > 0 && steps < STEPS_BACK; steps++)
		if (addr < r->v[i].end)
			return &r->v[i];
	return NULL;
}

/* `skeleton` has the ranges: libdw does not find gcc's (DW_FORM_sec_offset) from the split unit. */
static void add_unit(struct stk_budget *b, struct stk_debug *d, Dwarf_Die *die, Dwarf_Die *skeleton)
{
	struct stk_die_ranges r = {0};
	Dwarf_Attribute a;

	if (!STK_VEC_RESERVE(&d->units, 1))
		return;
	d->units.v[d->units.n] =
	    (struct stk_unit){.die = *die,
			      .budget = b,
			      .dir = dwarf_formstring(dwarf_attr(skeleton, DW_AT_comp_dir, &a))};
	while (stk_die_range(b, skeleton, &r))
		if (!r.start || r.start >= r.end)
			d->dead = d->units.v[d->units.n].dead = true;
		else
			ranges_add(b, &d->ranges, r.start, r.end, d->units.n);
	d->units.n++;
}

static struct stk_unit *unit_by_offset(struct stk_debug *d, Dwarf_Off off)
{
	struct stk_unit *v = d->units.v;
	unsigned k = STK_PARTITION_POINT(d->units.n, i, dwarf_dieoffset(&v[i].die) <= off);

	return k && dwarf_dieoffset(&v[k - 1].die) == off ? &v[k - 1] : NULL;
}

/* DWARF 2 knows no DW_AT_ranges: of a unit in several parts .debug_aranges has them all. */
static void add_aranges(struct stk_budget *b, struct stk_debug *d)
{
	Dwarf_Aranges *all;
	Dwarf_Addr start;
	Dwarf_Word len;
	Dwarf_Off off;
	size_t n;

	if (dwarf_getaranges(d->dw, &all, &n))
		return;
	for (size_t i = 0; i < n && stk_spend(b, 1); i++) {
		Dwarf_Arange *one = dwarf_onearange(all, i);
		if (!one || dwarf_getarangeinfo(one, &start, &len, &off))
			continue;
		struct stk_unit *u = unit_by_offset(d, off);
		if (u && u->dwarf2 && start && start + len > start)
			ranges_add(b, &d->ranges, start, start + len, (uint32_t)(u - d->units.v));
	}
}

void stk_units_find(struct stk_module *m, struct stk_debug *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die, sub;
	Dwarf_Attribute a;
	Dwarf_Half version;
	uint8_t type;
	unsigned n = 0, lost = 0;
	const char *first = NULL;
	bool aranges = false;
	struct stk_budget *b = stk_module_budget(m);

	while (stk_spend(b, 1) &&
	       dwarf_get_units(d->dw, cu, &cu, &version, &type, &die, NULL) == 0) {
		bool split = type == DW_UT_skeleton;
		if (!split && type != DW_UT_compile)
			continue;
		n++;
		bool found = split && stk_beside_split(m, d, cu, &die, &sub);
		add_unit(b, d, found ? &sub : &die, &die);
		if (version < 3 && d->units.n == n)
			aranges = d->units.v[n - 1].dwarf2 = true;
		if (!split || found)
			continue;
		if (!lost++ && !(first = dwarf_formstring(dwarf_attr(&die, DW_AT_dwo_name, &a))))
			first = dwarf_formstring(dwarf_attr(&die, DW_AT_GNU_dwo_name, &a));
	}
	if (aranges)
		add_aranges(b, d);
	if (lost)
		stk_split_remark(m, d, lost, n, first);
	ranges_sort(&d->ranges);
}

void stk_units_done(struct stk_debug *d)
{
	for (unsigned i = 0; i < d->units.n; i++) {
		free(d->units.v[i].funcs.v);
		free(d->units.v[i].tails);
		if (d->units.v[i].lines)
			stk_lines_done(d->units.v[i].lines);
		free(d->units.v[i].lines);
		free(d->units.v[i].franges.v);
	}
	free(d->units.v);
	free(d->ranges.v);
	memset(&d->units, 0, sizeof(d->units));
	d->ranges = (struct stk_ranges){0};
}

/* How a unit was compiled, from its producer string (the last -O counts). */
static void unit_producer(struct stk_unit *u)
{
	Dwarf_Attribute a;
	const char *p = dwarf_formstring(dwarf_attr(&u->die, DW_AT_producer, &a));

	u->clang = p && strstr(p, "clang");
	for (; p && (p = strstr(p, " -O")); p += 3)
		u->optimized = p[3] != '0';
}

struct stk_unit *stk_unit_at(struct stk_debug *d, uint64_t addr)
{
	const struct stk_range *r = d->dw ? ranges_find(&d->ranges, addr) : NULL;

	return r ? &d->units.v[r->index] : NULL;
}

/* In DWARF 2 gcc describes a function's cold part as another one, which has no parameters
 * (gcc/dwarf2out.cc, gen_subprogram_die()). The symbol says more. */
static bool is_cold_part(Dwarf_Die *die)
{
	static const char start[] = "__second_sect_of_";
	const char *name = dwarf_diename(die);

	return name && !strncmp(name, start, sizeof(start) - 1);
}

static void add_function(struct stk_unit *u, Dwarf_Die *die)
{
	struct stk_die_ranges r = {0};
	unsigned before = u->franges.n;

	if (u->dwarf2 && is_cold_part(die))
		return;
	if (!STK_VEC_RESERVE(&u->funcs, 1))
		return;
	while (stk_die_range(u->budget, die, &r))
		if (r.start && r.start < r.end)
			ranges_add(u->budget, &u->franges, r.start, r.end, u->funcs.n);
	if (u->franges.n > before)
		u->funcs.v[u->funcs.n++] = *die;
}

static void index_children(struct stk_unit *u, struct stk_walk *w, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > 64 || !stk_walk_child(w, parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			add_function(u, &die);
			/* GNU nested functions and methods of local classes. */
			if (!dwarf_hasattr(&die, DW_AT_inline) &&
			    !dwarf_hasattr(&die, DW_AT_declaration))
				index_children(u, w, &die, depth + 1);
			break;
		case DW_TAG_namespace:
		case DW_TAG_module:
		case DW_TAG_class_type:
		case DW_TAG_structure_type:
		case DW_TAG_union_type:
		case DW_TAG_lexical_block:
			index_children(u, w, &die, depth + 1);
			break;
		default:
			break;
		}
	} while (stk_walk_next(w, &die));
}

void stk_unit_index(struct stk_unit *u)
{
	if (u->indexed)
		return;
	struct stk_walk w = {.budget = u->budget};
	u->indexed = true;
	unit_producer(u);
	index_children(u, &w, &u->die, 0);
	/* Among a part of them another function may be the nearest. */
	if (u->budget->over)
		u->franges.n = 0;
	ranges_sort(&u->franges);
}

bool stk_function_entry(Dwarf_Die *func, Dwarf_Addr *ret)
{
	Dwarf_Addr base, end;

	if (dwarf_entrypc(func, ret) == 0)
		return true;
	/* A function in several parts (DW_AT_ranges): the cold ones come behind the first. */
	return dwarf_ranges(func, 0, &base, ret, &end) > 0;
}

bool stk_function_die(struct stk_unit *u, uint64_t addr, Dwarf_Die *ret, struct stk_range *range)
{
	stk_unit_index(u);
	const struct stk_range *r = ranges_find(&u->franges, addr);
	if (!r || r->index >= u->funcs.n)
		return false;
	*ret = u->funcs.v[r->index];
	*range = *r;
	return true;
}

static void functions_of(struct stk_unit *u, uint64_t addr,
			 void (*fn)(void *arg, Dwarf_Die *func, const struct stk_range *range),
			 void *arg)
{
	stk_unit_index(u);
	for (unsigned i = ranges_upto(&u->franges, addr), steps = 0; i-- > 0 && steps < STEPS_BACK;
	     steps++) {
		const struct stk_range *r = &u->franges.v[i];
		if (addr < r->end && r->index < u->funcs.n)
			fn(arg, &u->funcs.v[r->index], r);
	}
}

void stk_functions_at(struct stk_debug *d, uint64_t addr,
		      void (*fn)(void *arg, Dwarf_Die *func, const struct stk_range *range),
		      void *arg)
{
	uint32_t last = UINT32_MAX;

	for (unsigned i = ranges_upto(&d->ranges, addr), steps = 0; i-- > 0 && steps < STEPS_BACK;
	     steps++) {
		const struct stk_range *r = &d->ranges.v[i];
		if (addr < r->end && r->index != last)
			functions_of(&d->units.v[last = r->index], addr, fn, arg);
	}
}
