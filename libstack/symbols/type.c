/* Types reduced to layout, kept by DIE. */
#include "symbols/type.h"

#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

#define TYPE_DEPTH  32
#define MEMBERS_MAX 4096
#define NAMES_MAX   64 /* of one type: more are a circle */

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

/* Behind names and qualifiers (those of dwarf_peel_type(3)). false: void, or damage. */
static bool peel(struct stk_budget *b, Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute a;

	*ret = *die;
	for (unsigned n = 0; n < NAMES_MAX && stk_spend(b, 1); n++) {
		switch (dwarf_tag(ret)) {
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
		case DW_TAG_immutable_type:
		case DW_TAG_packed_type:
		case DW_TAG_shared_type:
			if (!dwarf_formref_die(dwarf_attr_integrate(ret, DW_AT_type, &a), ret))
				return false;
			break;
		default:
			return true;
		}
	}
	return false;
}

/* The byte at which a member stands: a number, or in DWARF 2 an expression that adds one. Other
 * expressions ask the object itself (virtual bases). false: not known. */
static bool member_byte(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Word v;
	Dwarf_Op *ops;
	size_t n;

	*ret = 0;
	if (!dwarf_attr_integrate(die, DW_AT_data_member_location, &a))
		return true;
	if (!dwarf_formudata(&a, &v))
		*ret = limited(v);
	else if (!dwarf_getlocation(&a, &ops, &n) && n == 1 && ops->atom == DW_OP_plus_uconst)
		*ret = limited(ops->number);
	else
		return false;
	return true;
}

/* Bits from the start of the aggregate, in all the ways DWARF 2 to 5 say it (DWARF 5 §5.7.6). */
static uint64_t member_bit_off(struct stk_budget *b, Dwarf_Die *die, uint64_t byte, uint64_t bits)
{
	if (dwarf_hasattr(die, DW_AT_data_bit_offset))
		return attr_u(die, DW_AT_data_bit_offset, 0);
	if (dwarf_hasattr(die, DW_AT_bit_offset)) {
		Dwarf_Die tdie;
		Dwarf_Attribute a;
		uint64_t storage = attr_u(die, DW_AT_byte_size, 0);
		if (!storage && dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie) &&
		    peel(b, &tdie, &tdie))
			storage = attr_u(&tdie, DW_AT_byte_size, 0);
		/* Big-endian bit numbering of DWARF 2, on a little-endian machine. */
		return 8 * byte + 8 * storage - attr_u(die, DW_AT_bit_offset, 0) - bits;
	}
	return 8 * byte;
}

/* `size`: of the aggregate. false: it is not known where the member stands. */
static bool read_member(struct stk_module *m, Dwarf_Die *die, uint64_t size, struct stk_member *out,
			int depth)
{
	Dwarf_Attribute a;
	Dwarf_Die tdie;
	uint64_t byte;

	if (!member_byte(die, &byte) || dwarf_hasattr(die, DW_AT_virtuality))
		return false;

	out->name = dwarf_diename(die);
	out->inherited = dwarf_tag(die) == DW_TAG_inheritance;
	out->type = dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie)
			? type_at(m, &tdie, depth + 1)
			: &unknown_type;
	uint64_t bits = attr_u(die, DW_AT_bit_size, 0);
	out->bitfield = bits != 0;
	out->bit_size = bits ? bits : 8 * out->type->size;
	out->bit_off = member_bit_off(stk_module_budget(m), die, byte, out->bit_size);
	if (out->bit_off > 8 * size || out->bit_size > 8 * size - out->bit_off) {
		out->type = &unknown_type;
		out->bit_off = out->bit_off < 8 * size ? out->bit_off : 8 * size;
		out->bit_size = 0;
	}
	return true;
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
	bool empty = t->kind == STK_TYPE_STRUCT;
	struct stk_budget *b = stk_module_budget(m);

	if (stk_die_child(b, die, &child))
		do {
			n += is_member(&child);
			t->hidden |= dwarf_tag(&child) == DW_TAG_variant_part;
		} while (stk_die_next(b, &child));
	if (n > MEMBERS_MAX)
		t->hidden = true;
	t->empty = empty && !n && !t->hidden;
	if (!n || n > MEMBERS_MAX)
		return;
	t->members = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*t->members));
	if (!t->members || !stk_die_child(b, die, &child)) {
		t->hidden = true;
		return;
	}
	do {
		struct stk_member *mb = &t->members[t->nmembers];
		if (!is_member(&child))
			continue;
		n--;
		if (!read_member(m, &child, t->size, mb, depth)) {
			t->hidden = true;
			continue;
		}
		t->nmembers++;
		/* A base's virtual base stands where this type puts it. */
		t->hidden |= mb->inherited && mb->type->hidden;
		empty &= mb->type->empty;
		if (mb->type->align > t->align)
			t->align = mb->type->align;
	} while (n && stk_die_next(b, &child));
	t->empty = empty && !t->hidden;
}

static void read_enums(struct stk_module *m, Dwarf_Die *die, struct stk_type *t)
{
	Dwarf_Die child;
	Dwarf_Attribute a;
	unsigned n = 0;
	struct stk_budget *b = stk_module_budget(m);

	if (stk_die_child(b, die, &child))
		do
			n += dwarf_tag(&child) == DW_TAG_enumerator;
		while (stk_die_next(b, &child));
	if (!n || n > MEMBERS_MAX)
		return;
	t->enums = stk_pool_alloc(&m->owner->target->pool, n * sizeof(*t->enums));
	if (!t->enums || !stk_die_child(b, die, &child))
		return;
	do {
		Dwarf_Sword v;
		if (dwarf_tag(&child) == DW_TAG_enumerator &&
		    !dwarf_formsdata(dwarf_attr(&child, DW_AT_const_value, &a), &v))
			t->enums[t->nenums++] = (struct stk_enumerator){dwarf_diename(&child), v};
	} while (t->nenums < n && stk_die_next(b, &child));
}

/* A number that bounds a dimension. What has a sign says so by its form (DWARF 5 §7.5.5). false: it
 * is not the same for all objects of the type. */
static bool bound(Dwarf_Die *die, unsigned name, int64_t otherwise, int64_t *ret)
{
	Dwarf_Attribute a;
	Dwarf_Word v;
	Dwarf_Sword sv;

	*ret = otherwise;
	if (!dwarf_attr_integrate(die, name, &a))
		return true;
	int form = dwarf_whatform(&a);
	bool sign = form == DW_FORM_sdata || form == DW_FORM_implicit_const;
	if (sign ? dwarf_formsdata(&a, &sv) : dwarf_formudata(&a, &v))
		return false;
	*ret = sign ? sv : (int64_t)v;
	return true;
}

/* The elements of a dimension (DWARF 5 §5.13); 0: none, or not known (C's flexible arrays). */
static bool read_dimension(Dwarf_Die *die, uint64_t *ret)
{
	Dwarf_Die cu;
	Dwarf_Sword first = 0;
	int64_t count, lower, upper;

	if (dwarf_diecu(die, &cu, NULL, NULL))
		(void)dwarf_default_lower_bound(dwarf_srclang(&cu), &first);
	if (!bound(die, DW_AT_count, 0, &count) || !bound(die, DW_AT_lower_bound, first, &lower) ||
	    !bound(die, DW_AT_upper_bound, lower - 1, &upper))
		return false;
	*ret = dwarf_hasattr(die, DW_AT_count) ? (uint64_t)count
	       : upper >= lower                ? (uint64_t)upper - (uint64_t)lower + 1
					       : 0;
	return true;
}

/* Does the type describe a descriptor, and the array is elsewhere (DWARF 5 §5.18)? */
static bool is_elsewhere(Dwarf_Die *die)
{
	return dwarf_hasattr(die, DW_AT_data_location) || dwarf_hasattr(die, DW_AT_allocated) ||
	       dwarf_hasattr(die, DW_AT_associated);
}

/* A multi-dimensional array is a chain of one-dimensional ones, the last dimension innermost. */
static void read_array(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth)
{
	uint64_t dims[8];
	unsigned n = 0;
	bool known = !is_elsewhere(die);
	Dwarf_Die child, tdie;
	Dwarf_Attribute a;
	struct stk_budget *b = stk_module_budget(m);

	if (stk_die_child(b, die, &child))
		do {
			int tag = dwarf_tag(&child);
			known &= tag != DW_TAG_enumeration_type && n < 8;
			if (tag == DW_TAG_subrange_type && n < 8)
				known &= read_dimension(&child, &dims[n++]);
		} while (stk_die_next(b, &child));
	const struct stk_type *elem = dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &tdie)
					  ? type_at(m, &tdie, depth + 1)
					  : &unknown_type;
	if (!known || elem->kind == STK_TYPE_UNKNOWN) {
		t->kind = STK_TYPE_UNKNOWN;
		return;
	}
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

/* Of a floating-point number in 16 bytes the x87 format has 80 bits (System V ABI, 3.1.2), others,
 * which have names of their own, all. clang calls each complex type alike: there the rest may be a
 * number's or nothing. */
static void read_base_type(Dwarf_Die *die, struct stk_type *t)
{
	static const char *const whole[] = {"__float128", "_Float128", "__ieee128", "f128",
					    "real(kind=16)"};
	static const char *const pairs[] = {"complex long double", "complex(kind=10)", "complex"};
	bool x87 = attr_u(die, DW_AT_encoding, 0) == DW_ATE_float && t->size == 16;

	t->kind = STK_TYPE_SCALAR;
	t->enc = encoding(die);
	for (unsigned i = 0; t->name && i < sizeof(whole) / sizeof(*whole); i++)
		x87 &= strcmp(t->name, whole[i]) != 0;
	t->value_bits = x87 ? 80 : 0;
	for (unsigned i = 0; t->name && i < sizeof(pairs) / sizeof(*pairs) && t->size == 32; i++)
		if (!strcmp(t->name, pairs[i])) {
			t->value_bits = 80;
			t->hidden = pairs[i] == pairs[2];
		}
}

/* A function's address and what is added to `this` (Itanium C++ ABI §2.3), or an offset. */
static uint64_t member_pointer_size(struct stk_module *m, Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Die to;
	bool function = dwarf_formref_die(dwarf_attr(die, DW_AT_type, &a), &to) &&
			peel(stk_module_budget(m), &to, &to) &&
			dwarf_tag(&to) == DW_TAG_subroutine_type;

	return (function ? 2 : 1) * (uint64_t)m->owner->target->arch->word;
}

static void read_type(struct stk_module *m, Dwarf_Die *die, struct stk_type *t, int depth)
{
	t->size = limited(attr_u(die, DW_AT_byte_size, 0));
	t->align = 1;
	t->name = dwarf_diename(die);
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		read_base_type(die, t);
		break;
	case DW_TAG_ptr_to_member_type:
		t->kind = STK_TYPE_SCALAR;
		t->enc = STK_ENC_POINTER;
		if (!t->size)
			t->size = member_pointer_size(m, die);
		break;
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
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
	Dwarf_Die peeled, full;
	Dwarf_Attribute a;
	struct stk_debug *d = stk_debug_get(m);

	if (!d || depth > TYPE_DEPTH || !peel(stk_module_budget(m), die, &peeled))
		return &unknown_type;
	/* In a unit of its own (DWARF 5 §3.1.4). */
	if (dwarf_formref_die(dwarf_attr(&peeled, DW_AT_signature, &a), &full))
		peeled = full;
	uint64_t key = (uint64_t)(uintptr_t)peeled.addr;
	struct stk_type *t = stk_hash_get(&d->types, key);
	if (t)
		return t;
	t = stk_pool_alloc(&m->owner->target->pool, sizeof(*t));
	/* Entered before its members are read: a damaged cycle meets itself here. */
	if (!t || !stk_hash_put(&d->types, key, t))
		return &unknown_type;
	read_type(m, &peeled, t, depth);
	/* Not all of it was read. */
	if (stk_module_budget(m)->over)
		*t = unknown_type;
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

const struct stk_type *stk_type_from_die(struct stk_module *m, Dwarf_Die *die)
{
	return type_at(m, die, 0);
}
