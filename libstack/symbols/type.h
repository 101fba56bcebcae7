/* Types as the debug information describes them, reduced to layout. Owned by the module. */
#ifndef STK_SYMBOLS_TYPE_H
#define STK_SYMBOLS_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbols/module.h"

enum stk_type_kind {
	STK_TYPE_SCALAR, /* base types, pointers, references, enums, pointers to members */
	STK_TYPE_STRUCT, /* struct, class */
	STK_TYPE_UNION,
	STK_TYPE_ARRAY,
	STK_TYPE_UNKNOWN, /* void, incomplete, damaged, too deep */
};

enum stk_encoding {
	STK_ENC_NONE,
	STK_ENC_BOOL,
	STK_ENC_SIGNED,
	STK_ENC_UNSIGNED,
	STK_ENC_CHAR,
	STK_ENC_UCHAR,
	STK_ENC_FLOAT,
	STK_ENC_POINTER,
	STK_ENC_ENUM,
};

struct stk_type;

/* More than any address space: sizes in bits do not overflow. */
#define STK_TYPE_SIZE_MAX (1UL << 56)

struct stk_member {
	const char *name; /* NULL: anonymous */
	const struct stk_type *type;
	/* From the start of the aggregate, lowest bit first; of the member (bit fields have their
	 * own). It does not end behind the aggregate: what does has STK_TYPE_UNKNOWN and no size.
	 */
	uint64_t bit_off, bit_size;
	bool bitfield;
	bool inherited; /* a base class */
};

struct stk_enumerator {
	const char *name;
	int64_t value;
};

struct stk_type {
	enum stk_type_kind kind;
	enum stk_encoding enc;      /* SCALAR */
	const char *name;           /* "struct flags", "unsigned int", "char *"; NULL: anonymous */
	uint64_t size;              /* bytes, at most STK_TYPE_SIZE_MAX */
	uint32_t align;             /* bytes, the ABI's */
	uint8_t value_bits;         /* SCALAR: bits in use of each 16 bytes; 0: all */
	struct stk_member *members; /* STRUCT and UNION; static members are not among them */
	unsigned nmembers;
	bool empty;  /* STRUCT: nothing is inside; it may stand where a neighbour is */
	bool hidden; /* there is more inside than `members` say, where none of them is */
	const struct stk_type *elem;  /* ARRAY: element type (one dimension a type) */
	uint64_t count;               /* ARRAY: elements; 0 also for unknown */
	struct stk_enumerator *enums; /* ENUM */
	unsigned nenums;
};

/* Find a type by the name a C programmer writes: "struct flags", "flags_t", "enum e", "ns::Box".
 * All modules, those with debug information already open first. NULL: not known. */
const struct stk_type *stk_type_find(struct stk_modules *ms, const char *name);

#endif
