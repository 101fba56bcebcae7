#include "symbols/split.h"

#include <string.h>

#include "symbols/image.h"

/* A package of all units beside the program (DWARF 5 §7.3.5), which libdw reads from 0.191 on. */
static const char *package(struct stk_module *m)
{
	const char *files[] = {m->file, m->debug_file};

	for (unsigned i = 0; i < 2; i++) {
		const char *p =
		    files[i] ? stk_pool_printf(&m->owner->target->pool, "%s.dwp", files[i]) : NULL;
		if (p && stk_file_is_elf(p, 0))
			return p;
	}
	return NULL;
}

/* The named file itself: with -gsplit-dwarf=single the object file, of which libdw reads the
 * skeleton. */
static const char *object(struct stk_module *m, struct stk_debug *d, const char *dwo)
{
	for (unsigned i = 0; dwo && i < d->units.n; i++) {
		const char *p = stk_unit_path(m, &d->units.v[i].die, dwo);
		if (p && stk_file_is_elf(p, 0))
			return p;
	}
	return NULL;
}

void stk_split_remark(struct stk_module *m, struct stk_debug *d, unsigned lost, unsigned n,
		      const char *dwo)
{
	const char *there = package(m);

	if (!there)
		there = object(m, d, dwo);
	if (there)
		stk_remark(
		    m->owner->target, false,
		    "%s: split debug information of %u of %u units is in %s, but in a form that "
		    "is not read: no arguments and no inlined calls there",
		    m->name, lost, n, there);
	else
		stk_remark(m->owner->target, false,
			   "%s: split debug information is missing for %u of %u units (%s): no "
			   "arguments and no inlined calls there",
			   m->name, lost, n, dwo ? dwo : "no .dwo file is named");
}
