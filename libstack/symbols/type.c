/* Types reduced to layout, kept by DIE. */
#include "symbols/type.h"

#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

#define TYPE_DEPTH  32
#define MEMBERS_MAX 4096

static struct stk_type unknown_type = {.kind = STK_TYPE_UNKNOWN, .align = 1};

static const struct stk_type *type_at(struct stk_module *m, Dwarf_Die *die, int depth);

static uint64_t attr_u(Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute a;
	Dwarf_Word v;

	return dwarf_attr_integrate(die, name, &a) && !dwarf_formudata(&a, &v) ? v : otherwise;
}

static uint64_t limited(uint64_t size)
{
	return size < STK_TYPE_SIZE_MAX ? size : STK_TYPE_SIZE_MAX;
}

static uint64_t times(uint64_t count, uint64_t size)
{
	return size && count > STK_TYPE_SIZE_MAX / size ? STK_TYPE_SIZE_MAX : count * size;
}

static enum stk_encoding encoding(Dwarf_Die *die)
{
	static const uint8_t table[] = {
	    [DW_ATE_boolean] = STK_ENC_BOOL,        [DW_ATE_signed] = STK_ENC_SIGNED,
	    [DW_ATE_signed_char] = STK_ENC_CHAR,    [DW_ATE_unsigned] = STK_ENC_UNSIGNED,
	    [DW_ATE_unsigned_char] = STK_ENC_UCHAR, [DW_ATE_float] = STK_ENC_FLOAT,
	    [DW_ATE_UTF] = STK_ENC_UNSIGNED,        [DW_ATE_address] = STK_ENC_POINTER};
	uint64_t e = attr_u(die, DW_AT_encoding, 0);

	return e < sizeof(table) ? (enum stk_encoding)table[e] : STK_ENC_NONE;
}

/* Bits from the start of the aggregate, in all the ways DWARF 2 to 5 say it (DWARF 5 §5.7.6). */
static uint64_t member_bit_off(Dwarf_Die *die, uint64_t bits)
{
	uint64_t byte = limited(attr_u(die, DW_AT_data_member_location, 0));

	if (dwarf_hasattr(die, DW_AT_data_bit_offset))
		return attr_u(die, DW_AT_data_bit_offset, 0);
	if (dwarf_hasattr(die, DW_AT_bit_offset)) {
		Dwarf_Die tdie;
		Dwarf_Attribute a;
		uint64_t storage = attr_u(die, DW_AT_byte_size, 0);
		if (!storage && dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie) &&
		    !dwarf_peel_type(&tdie, &tdie))
			storage = attr_u(&tdie, DW_AT_byte_size, 0);
		/* Big-endian bit numbering of DWARF 2, on a little-endian machine. */
		return 8 * byte + 8 * storage - attr_u(die, DW_AT_bit_offset, 0) - bits;
	}
	return 8 * byte;
}

/* `size`: of the aggregate. */
static void read_member(struct stk_module *m, Dwarf_Die *die, uint64_t size, struct stk_member *out,
			int depth)
{
	Dwarf_Attribute a;
	Dwarf_Die tdie;

	out->name = dwarf_diename(die);
	out->inherited = dwarf_tag(die) == DW_TAG_inheritance;
	out->type = dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie)
			? type_at(m, &tdie, depth + 1)
			: &unknown_type;
	uint64_t bits = attr_u(die, DW_AT_bit_size, 0);
	out->bitfield = bits != 0;
	out->bit_size = bits ? bits : 8 * out->type->size;
	out->bit_off = member_bit_off(die, out->bit_size);
	if (out->bit_off > 8 * size || out->bit_size > 8 * size - out->bit_off) {
		out->type = &unknown_type;
		out->bit_off = out->bit_off < 8 * size ? out->bit_off : 8 * size;
		out->bit_size = 0;
	}
}

static bool is_member(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);

	return (tag == DW_TAG_member && !dwarf_hasattr(die, DW_AT_external) &&
		!dwarf_hasattr(die, DW_AT_declaration)) ||
	       tag == DW_TAG_inheritance;
}

static void read_members(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth)
{
	Dwarf_Die child;
	unsigned n = 0;

	if (dwarf_child(die, &child) == 0)
		do {
			n += is_member(&child);
			t->hidden |= dwarf_tag(&child) == DW_TAG_variant_part;
		} while (dwarf_siblingof(&child, &child) == 0);
	if (n > MEMBERS_MAX)
		t->hidden = true;
	if (!n || n > MEMBERS_MAX)
		return;
	t->members = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*t->members));
	if (!t->members || dwarf_child(die, &child)) {
		t->hidden = true;
		return;
	}
	do {
		if (!is_member(&child))
			continue;
		struct stk_member *mb = &t->members[t->nmembers++];
		read_member(m, &child, t->size, mb, depth);
		if (mb->type->align > t->align)
			t->align = mb->type->align;
	} while (t->nmembers < n && dwarf_siblingof(&child, &child) == 0);
}

static void read_enums(struct stk_module *m, Dwarf_Die *die, struct stk_type *t)
{
	Dwarf_Die child;
	Dwarf_Attribute a;
	unsigned n = 0;

	if (dwarf_child(die, &child) == 0)
		do
			n += dwarf_tag(&child) == DW_TAG_enumerator;
		while (dwarf_siblingof(&child, &child) == 0);
	if (!n || n > MEMBERS_MAX)
		return;
	t->enums = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*t->enums));
	if (!t->enums || dwarf_child(die, &child))
		return;
	do {
		Dwarf_Sword v;
		if (dwarf_tag(&child) == DW_TAG_enumerator &&
		    !dwarf_formsdata(dwarf_attr(&child, DW_AT_const_value, &a), &v))
			t->enums[t->nenums++] = (struct stk_enumerator){dwarf_diename(&child), v};
	} while (t->nenums < n && dwarf_siblingof(&child, &child) == 0);
}

/* A multi-dimensional array is a chain of one-dimensional ones, the last dimension innermost. */
static void read_array(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth)
{
	uint64_t dims[8];
	unsigned n = 0;
	Dwarf_Die child, tdie;
	Dwarf_Attribute a;

	if (dwarf_child(die, &child) == 0)
		do {
			if (dwarf_tag(&child) != DW_TAG_subrange_type || n == 8)
				continue;
			uint64_t c = attr_u(&child, DW_AT_count, UINT64_MAX);
			if (c == UINT64_MAX)
				c = attr_u(&child, DW_AT_upper_bound, UINT64_MAX) + 1;
			dims[n++] = c;
		} while (dwarf_siblingof(&child, &child) == 0);
	const struct stk_type *elem = dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie)
					  ? type_at(m, &tdie, depth + 1)
					  : &unknown_type;
	for (; n > 1; n--) {
		struct stk_type *inner = stk_pool_alloc(&m->owner->target->pool, sizeof(*inner));
		if (!inner)
			return;
		*inner = (struct stk_type){.kind = STK_TYPE_ARRAY,
					   .elem = elem,
					   .count = dims[n - 1],
					   .size = times(dims[n - 1], elem->size),
					   .align = elem->align};
		elem = inner;
	}
	t->kind = STK_TYPE_ARRAY;
	t->elem = elem;
	t->count = n ? dims[0] : 0;
	t->align = elem->align;
	t->size = limited(attr_u(die, DW_AT_byte_size, times(t->count, elem->size)));
}

static const char *type_name(struct stk_module *m, Dwarf_Die *die, const char *keyword)
{
	const char *name = dwarf_diename(die);

	if (!name || !keyword)
		return name;
	return stk_pool_printf(&m->owner->target->pool, "%s %s", keyword, name);
}

static void read_aggregate(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth,
			   const char *keyword)
{
	bool decl = dwarf_hasattr(die, DW_AT_declaration);

	t->kind = decl                                  ? STK_TYPE_UNKNOWN
		  : dwarf_tag(die) == DW_TAG_union_type ? STK_TYPE_UNION
							: STK_TYPE_STRUCT;
	t->name = type_name(m, die, keyword);
	if (!decl)
		read_members(m, die, t, depth);
	uint64_t align = attr_u(die, DW_AT_alignment, 0);
	if (align > t->align)
		t->align = (uint32_t)align;
}

static void read_type(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth)
{
	t->size = limited(attr_u(die, DW_AT_byte_size, 0));
	t->align = 1;
	t->name = dwarf_diename(die);
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		t->kind = STK_TYPE_SCALAR;
		t->enc = encoding(die);
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
	case DW_TAG_ptr_to_member_type:
		t->kind = STK_TYPE_SCALAR;
		t->enc = STK_ENC_POINTER;
		if (!t->size)
			t->size = m->owner->target->arch->word;
		break;
	case DW_TAG_enumeration_type:
		t->kind = STK_TYPE_SCALAR;
		t->enc = STK_ENC_ENUM;
		t->name = type_name(m, die, "enum");
		read_enums(m, die, t);
		break;
	case DW_TAG_structure_type:
		read_aggregate(m, die, t, depth, "struct");
		break;
	case DW_TAG_class_type:
		read_aggregate(m, die, t, depth, "class");
		break;
	case DW_TAG_union_type:
		read_aggregate(m, die, t, depth, "union");
		break;
	case DW_TAG_array_type:
		read_array(m, die, t, depth);
		break;
	case DW_TAG_unspecified_type: /* std::nullptr_t */
		t->kind = STK_TYPE_SCALAR;
		t->enc = STK_ENC_POINTER;
		t->size = m->owner->target->arch->word;
		break;
	default:
		t->kind = STK_TYPE_UNKNOWN;
		break;
	}
	if (t->kind == STK_TYPE_SCALAR)
		t->align = t->size > 16 ? 16 : t->size ? (uint32_t)t->size : 1;
}

static const struct stk_type *type_at(struct stk_module *m, Dwarf_Die *die, int depth)
{
	Dwarf_Die peeled;
	struct stk_debug *d = stk_debug_get(m);

	if (!d || depth > TYPE_DEPTH || dwarf_peel_type(die, &peeled) != 0)
		return &unknown_type;
	uint64_t key = (uint64_t)(uintptr_t)peeled.addr;
	struct stk_type *t = stk_map_get(&d->types, key);
	if (t)
		return t;
	t = stk_pool_alloc(&m->owner->target->pool, sizeof(*t));
	/* Entered before its members are read: a damaged cycle meets itself here. */
	if (!t || !stk_map_put(&d->types, key, t))
		return &unknown_type;
	read_type(m, &peeled, t, depth);
	return t;
}

const struct stk_type *stk_type_of_die(struct stk_module *m, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Die tdie;

	if (!dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &a), &tdie))
		return &unknown_type;
	return type_at(m, &tdie, 0);
}

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
			for (unsigned j = 0; d && j < d->nunits; j++) {
				struct stk_walk walk = {0};
				if (find_type(&walk, &d->units[j].die, &w, &die, 0))
					return type_at(m, &die, 0);
			}
		}
	}
	return NULL;
}
