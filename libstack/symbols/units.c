/*
 * Units by pc, and the functions of a unit by pc. All units are listed when the debug information
 * is opened; the functions of one when a pc in it is first asked for.
 */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/beside.h"
#include "symbols/lines.h"

static bool ranges_add(struct stk_ranges *r, uint64_t start, uint64_t end, uint32_t index)
{
	if (r->n == r->cap) {
		unsigned cap = r->cap ? 2 * r->cap : 64;
		struct stk_range *v = realloc(r->v, cap * sizeof(*v));
		if (!v)
			return false;
		r->v = v;
		r->cap = cap;
	}
	r->v[r->n++] = (struct stk_range){start, end, index};
	return true;
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
	unsigned lo = 0, hi = r->n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (r->v[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct stk_range *ranges_find(const struct stk_ranges *r, uint64_t addr)
{
	for (unsigned i = ranges_upto(r, addr), steps = 0; i-- > 0 && steps < STEPS_BACK; steps++)
		if (addr < r->v[i].end)
			return &r->v[i];
	return NULL;
}

/* `skeleton` has the ranges: libdw does not find gcc's (DW_FORM_sec_offset) from the split unit. */
static void add_unit(struct stk_debug *d, Dwarf_Die *die, Dwarf_Die *skeleton)
{
	ptrdiff_t off = 0;
	Dwarf_Addr base, start, end;

	if (d->nunits == d->units_cap) {
		unsigned cap = d->units_cap ? 2 * d->units_cap : 64;
		struct stk_unit *v = realloc(d->units, cap * sizeof(*v));
		if (!v)
			return;
		d->units = v;
		d->units_cap = cap;
	}
	d->units[d->nunits] = (struct stk_unit){.die = *die};
	while ((off = dwarf_ranges(skeleton, off, &base, &start, &end)) > 0)
		if (!start || start >= end)
			d->dead = d->units[d->nunits].dead = true;
		else
			ranges_add(&d->ranges, start, end, d->nunits);
	d->nunits++;
}

static struct stk_unit *unit_by_offset(struct stk_debug *d, Dwarf_Off off)
{
	unsigned lo = 0, hi = d->nunits;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (dwarf_dieoffset(&d->units[mid].die) <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && dwarf_dieoffset(&d->units[lo - 1].die) == off ? &d->units[lo - 1] : NULL;
}

/* DWARF 2 knows no DW_AT_ranges: of a unit in several parts .debug_aranges has them all. */
static void add_aranges(struct stk_debug *d)
{
	Dwarf_Aranges *all;
	Dwarf_Addr start;
	Dwarf_Word len;
	Dwarf_Off off;
	size_t n;

	if (dwarf_getaranges(d->dw, &all, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		Dwarf_Arange *one = dwarf_onearange(all, i);
		if (!one || dwarf_getarangeinfo(one, &start, &len, &off))
			continue;
		struct stk_unit *u = unit_by_offset(d, off);
		if (u && u->dwarf2 && start && start + len > start)
			ranges_add(&d->ranges, start, start + len, (uint32_t)(u - d->units));
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

	while (dwarf_get_units(d->dw, cu, &cu, &version, &type, &die, NULL) == 0) {
		bool split = type == DW_UT_skeleton;
		if (!split && type != DW_UT_compile)
			continue;
		n++;
		bool found = split && stk_beside_split(m, d, cu, &die, &sub);
		add_unit(d, found ? &sub : &die, &die);
		if (version < 3 && d->nunits == n)
			aranges = d->units[n - 1].dwarf2 = true;
		if (!split || found)
			continue;
		if (!lost++ && !(first = dwarf_formstring(dwarf_attr(&die, DW_AT_dwo_name, &a))))
			first = dwarf_formstring(dwarf_attr(&die, DW_AT_GNU_dwo_name, &a));
	}
	if (aranges)
		add_aranges(d);
	if (lost)
		stk_remark(m->owner->target, false,
			   "%s: split debug information is missing for %u of %u units (%s): no "
			   "arguments and no inlined calls there",
			   m->name, lost, n, first ? first : "no .dwo file is named");
	ranges_sort(&d->ranges);
}

void stk_units_done(struct stk_debug *d)
{
	for (unsigned i = 0; i < d->nunits; i++) {
		free(d->units[i].funcs);
		free(d->units[i].tails);
		if (d->units[i].lines)
			stk_lines_done(d->units[i].lines);
		free(d->units[i].lines);
		free(d->units[i].franges.v);
	}
	free(d->units);
	free(d->ranges.v);
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

	return r ? &d->units[r->index] : NULL;
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
	ptrdiff_t off = 0;
	Dwarf_Addr base, start, end;
	unsigned before = u->franges.n;

	if (u->dwarf2 && is_cold_part(die))
		return;
	if (u->nfuncs == u->funcs_cap) {
		unsigned cap = u->funcs_cap ? 2 * u->funcs_cap : 32;
		Dwarf_Die *v = realloc(u->funcs, cap * sizeof(*v));
		if (!v)
			return;
		u->funcs = v;
		u->funcs_cap = cap;
	}
	while ((off = dwarf_ranges(die, off, &base, &start, &end)) > 0)
		if (start && start < end)
			ranges_add(&u->franges, start, end, u->nfuncs);
	if (u->franges.n > before)
		u->funcs[u->nfuncs++] = *die;
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
	struct stk_walk w = {0};
	u->indexed = true;
	unit_producer(u);
	index_children(u, &w, &u->die, 0);
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
	if (!r || r->index >= u->nfuncs)
		return false;
	*ret = u->funcs[r->index];
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
		if (addr < r->end && r->index < u->nfuncs)
			fn(arg, &u->funcs[r->index], r);
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
			functions_of(&d->units[last = r->index], addr, fn, arg);
	}
}
