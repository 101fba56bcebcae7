/*
 * One copy of code for several functions: the linker (--icf) or the compiler (gcc's -fipa-icf,
 * LLVM's MergeFunctions) keeps one of those that are alike, and nothing in it tells which of them
 * was called. Three ways to see it:
 *
 * 1. Several functions of the debug information have the code (gold, and compilers within a unit).
 * 2. Symbols with mangled names begin there: two names of C++ or Rust for one function do not
 *    differ before their parameters.
 * 3. Symbols with plain names begin there, and the debug information has a function of that name
 *    whose code the linker left out (lld and mold give it the address 0). Without that they are
 *    names of one function: libc has raise and gsignal.
 */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/demangle.h"
#include "symbols/symtab.h"

#define NAMES_MAX 128

struct names {
	struct stk_module *m;
	uint64_t start; /* of the code, an ELF address */
	const char *v[NAMES_MAX];
	unsigned n;
	unsigned found;  /* functions that are described */
	const char *own; /* the raw name of the one that is shown; or NULL */
};

static void add(struct names *s, const char *name)
{
	for (unsigned i = 0; name && i < s->n; i++)
		if (!strcmp(s->v[i], name))
			return;
	if (name && s->n < NAMES_MAX)
		s->v[s->n++] = name;
}

static void count(void *arg, Dwarf_Die *func, const struct stk_range *range)
{
	struct names *s = arg;

	(void)func;
	s->found += range->start == s->start;
}

static void add_function(void *arg, Dwarf_Die *func, const struct stk_range *range)
{
	struct names *s = arg;

	/* gas describes each symbol of a function. */
	if (range->start == s->start && !stk_die_is_assembler(func))
		add(s, stk_die_name(s->m, func));
}

/* Did the linker leave out the code of a function of this name? */
static bool is_dead(Dwarf_Die *die, const char *name)
{
	const char *own = dwarf_tag(die) == DW_TAG_subprogram ? dwarf_diename(die) : NULL;
	Dwarf_Addr low;

	return own && !strcmp(own, name) && dwarf_lowpc(die, &low) == 0 && !low;
}

static bool is_left_out(struct stk_module *m, const char *name)
{
	struct stk_debug *d = stk_debug_get(m);
	struct stk_budget *b = stk_module_budget(m);
	Dwarf_Die die;

	for (unsigned i = 0; d && i < d->units.n; i++) {
		if (!d->units.v[i].dead || !stk_die_child(b, &d->units.v[i].die, &die))
			continue;
		do
			if (is_dead(&die, name))
				return true;
		while (stk_die_next(b, &die));
	}
	return false;
}

static void add_plain(void *arg, const char *name)
{
	struct names *s = arg;

	if (stk_demangle(&s->m->owner->target->pool, name, false) == name &&
	    is_left_out(s->m, name))
		add(s, name);
}

static void add_raw(void *arg, const char *raw)
{
	struct names *s = arg;

	if (!s->own || strcmp(s->own, raw) != 0)
		add(s, raw);
}

static void add_mangled(void *arg, const char *raw)
{
	struct names *s = arg;
	struct stk_pool *pool = &s->m->owner->target->pool;
	const char *name = stk_demangle(pool, raw, false);
	/* What a compiler made of a function for some arguments, or in parts, has its name. */
	const char *clone = name ? strstr(name, " [clone ") : NULL;

	if (clone)
		name = stk_pool_strndup(pool, name, (size_t)(clone - name));
	if (name != raw)
		add(s, name);
}

unsigned stk_folded_names(struct stk_module *m, const struct stk_scopes *sc)
{
	struct names described = {.m = m, .start = sc->start - m->bias}, mangled = {.m = m},
		     raw = {.m = m, .own = sc->linkage};
	struct stk_debug *d = stk_debug_get(m);

	if (!sc->start)
		return 0;
	if (sc->dwarf)
		stk_functions_at(d, described.start, count, &described);
	/* One function alone is the usual case, and names cost time: all symbols are sorted for the
	 * first that is asked for. */
	if (described.found > 1 || (sc->dwarf && d->dead))
		stk_functions_at(d, described.start, add_function, &described);
	if (sc->dwarf && d->dead)
		stk_symbol_each_at(m, sc->start, add_plain, &described);
	if (!sc->dwarf || sc->qualifies)
		stk_symbol_each_at(m, sc->start, add_raw, &raw);
	if (raw.n)
		stk_symbol_each_at(m, sc->start, add_mangled, &mangled);
	unsigned n = described.n > mangled.n ? described.n : mangled.n;
	return n > 1 ? n : 0;
}
