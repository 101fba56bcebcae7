/* Split debug information that libdw does not give. Inside symbols/ only. */
#ifndef STK_SYMBOLS_SPLIT_H
#define STK_SYMBOLS_SPLIT_H

#include "symbols/debug.h"

/* Say why `lost` of `n` units have none: it is missing, or there in a form that is not read.
 * `dwo`: the file that one of them names, or NULL. */
void stk_split_remark(struct stk_module *m, struct stk_debug *d, unsigned lost, unsigned n,
		      const char *dwo);

#endif
