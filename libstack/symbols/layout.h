/* Whether a file is the one that is mapped, by its shape alone. Inside symbols/ only. */
#ifndef STK_SYMBOLS_LAYOUT_H
#define STK_SYMBOLS_LAYOUT_H

#include "symbols/headers.h"
#include "symbols/module.h"

/* What the loader makes of the file's headers `h`, placed, is what the target has: its file
 * mappings, its program headers where they can be read, its dynamic section where the loader's
 * list has it. */
bool stk_layout_fits(const struct stk_module *m, const struct stk_headers *h);

#endif
