/* Packed words taken apart: `decode 0xc419010001 bool,bool,bool,uint8`. */
#ifndef STK_VALUES_DECODE_H
#define STK_VALUES_DECODE_H

#include "base/err.h"
#include "base/text.h"
#include "symbols/type.h"

/*
 * Write the table of `words` (nwords machine words, lowest address first) as the types in `spec`
 * lie in them: C's types, u8/uint8/uint8_t forms, arrays `T[N]`, and any type of the debug
 * information (`struct flags`; `ms` may be NULL). C alignment applies between the types. Then a row
 * for each further byte that is not zero, value `-`.
 * STK_EARG: the spec cannot be read or needs more bits than there are.
 */
int stk_decode(struct stk_text *out, const uint64_t *words, unsigned nwords, const char *spec,
	       struct stk_modules *ms, struct stk_err *err);

#endif
