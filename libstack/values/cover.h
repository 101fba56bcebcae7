/* Which bits of an object its type describes. Inside values/ only. */
#ifndef STK_VALUES_COVER_H
#define STK_VALUES_COVER_H

#include <stddef.h>

#include "symbols/type.h"
#include "targets/budget.h"

/* Set in `mask` the bits of `size` bytes that belong to members (padding does not), and clear in
 * `known` what a member holds of which the debug information does not say enough. */
void stk_cover(const struct stk_type *t, uint8_t *mask, uint8_t *known, size_t size,
	       struct stk_budget *b);

#endif
