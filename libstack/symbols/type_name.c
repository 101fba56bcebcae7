/* Types by the names that C programmers write. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/type.h"

struct wanted {
	const char *name; /* last component */
	int tag;          /* 0: any kind of type */
};

static bool type_matches(Dwarf_Die *die, const struct wanted *w)
{
	int tag = dwarf_tag(die);
	const char *name;

	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_typedef:
	case DW_TAG_base_type:
		break;
	default:
		return false;
	}
	if (w->tag && tag != w->tag &&
	    !(w->tag == DW_TAG_structure_type && tag == DW_TAG_class_type))
		return false;
	return !dwarf_hasattr(die, DW_AT_declaration) && (name = dwarf_diename(die)) &&
	       !strcmp(name, w->name);
}

static bool find_type(struct stk_walk *walk, Dwarf_Die *parent, const struct wanted *w,
		      Dwarf_Die *ret, int depth)
{
	Dwarf_Die die;

	if (depth > 16 || !stk_walk_child(walk, parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);
		if (type_matches(&die, w)) {
			*ret = die;
			return true;
		}
		if ((tag == DW_TAG_namespace || tag == DW_TAG_structure_type ||
		     tag == DW_TAG_class_type) &&
		    find_type(walk, &die, w, ret, depth + 1))
			return true;
	} while (stk_walk_next(walk, &die));
	return false;
}

static struct wanted parse_name(const char *name)
{
	static const struct {
		const char *word;
		int tag;
	} words[] = {{"struct ", DW_TAG_structure_type},
		     {"class ", DW_TAG_structure_type},
		     {"union ", DW_TAG_union_type},
		     {"enum ", DW_TAG_enumeration_type}};
	struct wanted w = {.name = name};

	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strncmp(name, words[i].word, strlen(words[i].word))) {
			w.name = name + strlen(words[i].word);
			w.tag = words[i].tag;
		}
	for (const char *p; (p = strstr(w.name, "::"));)
		w.name = p + 2;
	return w;
}

const struct stk_type *stk_type_find(struct stk_modules *ms, const char *name)
{
	struct wanted w = parse_name(name);

	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < ms->n; i++) {
			struct stk_module *m = ms->v[i];
			if ((pass == 0) != (m->debug != NULL || m->is_main))
				continue;
			struct stk_debug *d = stk_debug_get(m);
			Dwarf_Die die;
			for (unsigned j = 0; d && j < d->units.n; j++) {
				struct stk_walk walk = {.budget = stk_module_budget(m)};
				if (find_type(&walk, &d->units.v[j].die, &w, &die, 0))
					return stk_type_from_die(m, &die);
			}
		}
	}
	return NULL;
}
