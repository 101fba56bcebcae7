#include "unwind/typed.h"

#include <dwarf.h>
#include <string.h>

static bool is_float(struct stk_op_type t)
{
	return t.kind == STK_OP_FLOAT;
}

/* The generic type is an address with no sign of its own (§2.5.1). */
static unsigned bits_of(struct stk_op_type t)
{
	return t.kind == STK_OP_GENERIC ? 64 : 8U * t.size;
}

bool stk_typed_make(uint64_t v, struct stk_op_type type, struct stk_typed *ret)
{
	unsigned up = 64 - bits_of(type);

	if (type.kind == STK_OP_OTHER || (type.kind != STK_OP_GENERIC && !type.size))
		return false;
	v <<= up;
	*ret = (struct stk_typed){
	    type.kind == STK_OP_SIGNED ? (uint64_t)((int64_t)v >> up) : v >> up, type};
	return true;
}

static double to_double(struct stk_typed a)
{
	uint32_t low = (uint32_t)a.v;
	double d;
	float f;

	if (a.type.size == 4) {
		memcpy(&f, &low, sizeof(f));
		return (double)f;
	}
	memcpy(&d, &a.v, sizeof(d));
	return d;
}

static bool from_double(double d, struct stk_op_type type, struct stk_typed *ret)
{
	float f = (float)d;
	uint32_t low;
	uint64_t v;

	if (type.size == 4) {
		if ((double)f != d)
			return false;
		memcpy(&low, &f, sizeof(low));
		v = low;
	} else {
		memcpy(&v, &d, sizeof(v));
	}
	return stk_typed_make(v, type, ret);
}

/* An integer as a float: only where it keeps all its digits. */
static bool to_float(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret)
{
	uint64_t size = a.type.kind == STK_OP_SIGNED && (int64_t)a.v < 0 ? -a.v : a.v;
	double d = (double)size;

	if (size > 1ULL << 53)
		return false;
	return from_double(size == a.v ? d : -d, type, ret);
}

/* A float as an integer: only a whole one that the type holds. */
static bool to_integer(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret)
{
	double d = to_double(a);
	int64_t whole;

	if (!(d >= -0x1p53 && d <= 0x1p53) || (d < 0 && type.kind == STK_OP_UNSIGNED))
		return false;
	whole = (int64_t)d;
	return (double)whole == d && stk_typed_make((uint64_t)whole, type, ret) &&
	       ret->v == (uint64_t)whole;
}

bool stk_typed_convert(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret)
{
	if (type.kind == STK_OP_OTHER)
		return false;
	if (is_float(a.type))
		return is_float(type) ? from_double(to_double(a), type, ret)
				      : to_integer(a, type, ret);
	return is_float(type) ? to_float(a, type, ret) : stk_typed_make(a.v, type, ret);
}

bool stk_typed_reinterpret(struct stk_typed a, struct stk_op_type type, struct stk_typed *ret)
{
	return bits_of(a.type) == bits_of(type) && stk_typed_make(a.v, type, ret);
}

static bool same_type(struct stk_op_type a, struct stk_op_type b)
{
	return a.kind == b.kind && (a.kind == STK_OP_GENERIC || a.size == b.size);
}

/* Comparisons of the generic type are signed (§2.5.1.5). */
static bool compare(unsigned atom, struct stk_typed a, struct stk_typed b)
{
	int order;

	if (is_float(a.type)) {
		double x = to_double(a), y = to_double(b);
		if (x != x || y != y)
			return atom == DW_OP_ne;
		order = x < y ? -1 : x > y;
	} else if (a.type.kind == STK_OP_UNSIGNED) {
		order = a.v < b.v ? -1 : a.v > b.v;
	} else {
		order = (int64_t)a.v < (int64_t)b.v ? -1 : (int64_t)a.v > (int64_t)b.v;
	}
	switch (atom) {
	case DW_OP_eq:
		return order == 0;
	case DW_OP_ne:
		return order != 0;
	case DW_OP_lt:
		return order < 0;
	case DW_OP_le:
		return order <= 0;
	case DW_OP_gt:
		return order > 0;
	default: /* DW_OP_ge */
		return order >= 0;
	}
}

/* A quotient is signed and a remainder unsigned where the type is generic, as gdb has it. */
static bool divide(bool quotient, struct stk_typed a, struct stk_typed b, uint64_t *ret)
{
	bool sign = a.type.kind == STK_OP_SIGNED || (quotient && a.type.kind == STK_OP_GENERIC);

	if (!b.v || (sign && b.v == UINT64_MAX && a.v == 1ULL << 63))
		return false;
	if (sign)
		*ret = (uint64_t)(quotient ? (int64_t)a.v / (int64_t)b.v
					   : (int64_t)a.v % (int64_t)b.v);
	else
		*ret = quotient ? a.v / b.v : a.v % b.v;
	return true;
}

static uint64_t shift(unsigned atom, struct stk_typed a, uint64_t by)
{
	unsigned bits = bits_of(a.type), up = 64 - bits;
	uint64_t plain = a.v << up >> up;
	int64_t sign = (int64_t)(a.v << up) >> up;

	if (atom == DW_OP_shra)
		return (uint64_t)(sign >> (by < bits ? by : 63));
	if (by >= bits)
		return 0;
	return atom == DW_OP_shl ? plain << by : plain >> by;
}

bool stk_typed_binary(unsigned atom, struct stk_typed a, struct stk_typed b, struct stk_typed *ret)
{
	bool shifts = atom == DW_OP_shl || atom == DW_OP_shr || atom == DW_OP_shra;
	uint64_t v;

	if (shifts ? is_float(a.type) || is_float(b.type) : !same_type(a.type, b.type))
		return false;
	if (atom >= DW_OP_eq && atom <= DW_OP_ne) {
		*ret = (struct stk_typed){.v = compare(atom, a, b)};
		return true;
	}
	if (is_float(a.type)) /* rounded as the program's own mode of rounding says */
		return false;
	switch (atom) {
	case DW_OP_and:
		v = a.v & b.v;
		break;
	case DW_OP_or:
		v = a.v | b.v;
		break;
	case DW_OP_xor:
		v = a.v ^ b.v;
		break;
	case DW_OP_plus:
		v = a.v + b.v;
		break;
	case DW_OP_minus:
		v = a.v - b.v;
		break;
	case DW_OP_mul:
		v = a.v * b.v;
		break;
	case DW_OP_div:
	case DW_OP_mod:
		if (!divide(atom == DW_OP_div, a, b, &v))
			return false;
		break;
	default:
		if (!shifts)
			return false;
		v = shift(atom, a, b.v);
		break;
	}
	return stk_typed_make(v, a.type, ret);
}

bool stk_typed_unary(unsigned atom, struct stk_typed a, struct stk_typed *ret)
{
	uint64_t sign = 1ULL << (bits_of(a.type) - 1);
	bool negative =
	    is_float(a.type) ? a.v & sign : a.type.kind != STK_OP_UNSIGNED && (int64_t)a.v < 0;

	if (atom == DW_OP_abs && !negative) {
		*ret = a;
		return true;
	}
	if (is_float(a.type))
		return atom != DW_OP_not && stk_typed_make(a.v ^ sign, a.type, ret);
	return stk_typed_make(atom == DW_OP_not ? ~a.v : -a.v, a.type, ret);
}
