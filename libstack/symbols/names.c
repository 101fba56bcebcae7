/* Functions by name. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/scope.h"
#include "symbols/symtab.h"

/* `name` as typed, `last` its last component: "ns::f" is compared with the name as it is shown. */
static bool name_fits(struct stk_module *m, Dwarf_Die *die, const char *name, const char *last)
{
	const char *plain = dwarf_diename(die), *shown;

	if (!plain || strcmp(plain, last) != 0)
		return false;
	return name == last || ((shown = stk_die_name(m, die)) && !strcmp(shown, name));
}

/* A function of which only inlined copies exist has no code of its own, but a place in the source.
 */
static bool find_inlined(struct stk_module *m, struct stk_unit *u, const char *name,
			 const char **ret_file, unsigned *ret_line)
{
	Dwarf_Die die;
	int line = 0;

	if (!stk_die_child(u->budget, &u->die, &die))
		return false;
	do {
		const char *plain =
		    dwarf_tag(&die) == DW_TAG_subprogram ? dwarf_diename(&die) : NULL;
		if (!plain || strcmp(plain, name) != 0 || !dwarf_hasattr(&die, DW_AT_inline) ||
		    dwarf_decl_line(&die, &line) != 0 || line <= 0)
			continue;
		*ret_file = stk_die_decl_file(m, &die);
		*ret_line = (unsigned)line;
		return true;
	} while (stk_die_next(u->budget, &die));
	return false;
}

bool stk_function_find(struct stk_modules *ms, const char *name, const char **ret_file,
		       unsigned *ret_line, uint64_t *ret_addr)
{
	const char *last = name;

	for (const char *p; (p = strstr(last, "::"));)
		last = p + 2;
	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_debug *d = stk_debug_get(ms->v[i]);
		for (unsigned j = 0; d && j < d->units.n; j++) {
			struct stk_unit *u = &d->units.v[j];
			stk_unit_index(u);
			for (unsigned k = 0; k < u->funcs.n && stk_spend(u->budget, 1); k++) {
				Dwarf_Addr pc;
				int line = 0;
				if (!name_fits(ms->v[i], &u->funcs.v[k], name, last) ||
				    !stk_function_entry(&u->funcs.v[k], &pc))
					continue;
				*ret_file = stk_die_decl_file(ms->v[i], &u->funcs.v[k]);
				dwarf_decl_line(&u->funcs.v[k], &line);
				*ret_line = line > 0 ? (unsigned)line : 0;
				*ret_addr = pc + ms->v[i]->bias;
				return true;
			}
		}
	}
	struct stk_symbol s;
	if (stk_symbol_find(ms, name, &s, NULL) && s.func) {
		*ret_file = NULL;
		*ret_line = 0;
		*ret_addr = s.addr;
		return true;
	}
	*ret_addr = 0;
	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_debug *d = stk_debug_get(ms->v[i]);
		for (unsigned j = 0; d && j < d->units.n; j++)
			if (find_inlined(ms->v[i], &d->units.v[j], name, ret_file, ret_line))
				return true;
	}
	return false;
}

void stk_function_each(struct stk_modules *ms, const char *prefix,
		       bool (*fn)(void *arg, const char *name), void *arg)
{
	size_t len = strlen(prefix);

	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_debug *d = stk_debug_get(ms->v[i]);
		for (unsigned j = 0; d && j < d->units.n; j++) {
			stk_unit_index(&d->units.v[j]);
			for (unsigned k = 0; k < d->units.v[j].funcs.n; k++) {
				const char *n = dwarf_diename(&d->units.v[j].funcs.v[k]);
				if (n && !strncmp(n, prefix, len) && !fn(arg, n))
					return;
			}
		}
	}
}
