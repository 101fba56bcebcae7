/* Where a source file or a split unit stands: below the folder in which its unit was compiled. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

/* Of split debug information the skeleton has it (DWARF 5 §3.1.2). */
static const char *compiled_in(struct stk_budget *b, const struct stk_debug *d, Dwarf_Die *die)
{
	Dwarf_Die unit;
	Dwarf_Attribute a;
	const char *dir;

	if (dwarf_cu_info(die->cu, NULL, NULL, &unit, NULL, NULL, NULL, NULL))
		return NULL;
	dir = dwarf_formstring(dwarf_attr(&unit, DW_AT_comp_dir, &a));
	for (unsigned i = 0; !dir && i < d->units.n && stk_spend(b, 1); i++)
		if (d->units.v[i].die.cu == die->cu)
			dir = d->units.v[i].dir;
	return dir;
}

const char *stk_unit_path(struct stk_module *m, Dwarf_Die *die, const char *name)
{
	struct stk_debug *d = m->debug;
	const char *dir;

	if (!name || name[0] == '/' || !d)
		return name;
	const char *joined = stk_hash_get(&d->paths, (uintptr_t)name);
	if (joined)
		return joined;
	dir = compiled_in(stk_module_budget(m), d, die);
	/* Builds that hide where they were made have a directory that is relative itself. */
	if (!dir || dir[0] != '/')
		return name;
	const char *below = name;
	while (!strncmp(below, "./", 2))
		below += 2;
	char *new = stk_pool_printf(&m->owner->target->pool, "%s%s%s", dir,
				    dir[strlen(dir) - 1] == '/' ? "" : "/", below);
	if (!new || !stk_hash_put(&d->paths, (uintptr_t)name, new))
		return name;
	return new;
}
