/* What a function of the debug information says of itself: its names, and what all its instances
 * share. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/demangle.h"

const char *stk_die_linkage_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	const char *s = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &a));

	return s ? s : dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &a));
}

/* Functions without a linkage name (clang -gmlt, static functions of a namespace): the enclosing
 * namespaces and classes stand before the name. */
static const char *qualified(struct stk_module *m, Dwarf_Die *die, const char *name)
{
	Dwarf_Die decl = *die, next, *scopes;
	Dwarf_Attribute a;

	for (int i = 0; i < 8; i++) {
		if (!dwarf_formref_die(dwarf_attr(&decl, DW_AT_abstract_origin, &a), &next) &&
		    !dwarf_formref_die(dwarf_attr(&decl, DW_AT_specification, &a), &next))
			break;
		decl = next;
	}
	int n = dwarf_getscopes_die(&decl, &scopes);
	for (int i = 1; i < n; i++) {
		int tag = dwarf_tag(&scopes[i]);
		const char *outer = dwarf_diename(&scopes[i]);
		bool type = tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
			    tag == DW_TAG_union_type;
		if (type && !outer)
			break; /* a lambda's: what stands around it says little */
		if (type || tag == DW_TAG_namespace || tag == DW_TAG_module)
			name = stk_pool_printf(&m->owner->target->pool, "%s::%s",
					       outer ? outer : "(anonymous namespace)", name);
	}
	if (n > 0)
		free(scopes);
	return name;
}

/* Languages whose functions live in namespaces. */
bool stk_die_is_qualified(Dwarf_Die *die)
{
	Dwarf_Die cu;

	switch (dwarf_diecu(die, &cu, NULL, NULL) ? dwarf_srclang(&cu) : -1) {
	case DW_LANG_C_plus_plus:
	case DW_LANG_C_plus_plus_03:
	case DW_LANG_C_plus_plus_11:
	case DW_LANG_C_plus_plus_14:
	case DW_LANG_Rust:
	case DW_LANG_Fortran90: /* modules */
	case DW_LANG_Fortran95:
	case DW_LANG_Fortran03:
	case DW_LANG_Fortran08:
		return true;
	default:
		return false;
	}
}

/* gas writes a subprogram for each function symbol and knows no parameters. */
bool stk_die_is_assembler(Dwarf_Die *die)
{
	Dwarf_Die cu;

	return dwarf_diecu(die, &cu, NULL, NULL) && dwarf_srclang(&cu) == DW_LANG_Mips_Assembler;
}

const char *stk_die_name(struct stk_module *m, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	const char *raw = stk_die_linkage_name(die);

	if (raw && raw[0] == '_' && (raw[1] == 'Z' || raw[1] == 'R'))
		return stk_demangle(&m->owner->target->pool, raw, false);
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &a));
	if (!name)
		return raw;
	return stk_die_is_qualified(die) ? qualified(m, die, name) : name;
}

uint64_t stk_die_identity(const Dwarf_Die *die)
{
	Dwarf_Die o = *die, next;
	Dwarf_Attribute a;

	for (int i = 0; i < 8; i++) {
		if (!dwarf_formref_die(dwarf_attr(&o, DW_AT_abstract_origin, &a), &next) &&
		    !dwarf_formref_die(dwarf_attr(&o, DW_AT_specification, &a), &next))
			break;
		o = next;
	}
	return (uint64_t)(uintptr_t)o.addr;
}
