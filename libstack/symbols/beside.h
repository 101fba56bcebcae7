/*
 * Files that debug information names: the alternate file (dwz(1), .gnu_debugaltlink) and split
 * units (DW_AT_dwo_name). libdw opens both by itself, by whatever name stands there, and would wait
 * for a FIFO. So the alternate file is opened here and handed over, and libdw is asked for a split
 * unit only where all names by which it looks lead to regular files or nowhere. Inside symbols/
 * only.
 */
#ifndef STK_SYMBOLS_BESIDE_H
#define STK_SYMBOLS_BESIDE_H

#include "symbols/debug.h"

/* Give `d->dw`, which was just opened from `im`, its alternate file. */
void stk_beside_alternate(struct stk_module *m, struct stk_debug *d, const struct stk_image *im);

/* The split unit that belongs to the skeleton `die` of `cu`. false: there is none, or it is not
 * asked for. */
bool stk_beside_split(struct stk_module *m, struct stk_debug *d, Dwarf_CU *cu, Dwarf_Die *die,
		      Dwarf_Die *ret);

/* After dwarf_end(d->dw). */
void stk_beside_done(struct stk_beside *b);

#endif
