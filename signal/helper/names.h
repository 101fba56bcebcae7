/* Symbols that the program kept of its files, for a helper that cannot open them. NORMAL context.
 */
#ifndef SIGNAL_HELPER_NAMES_H
#define SIGNAL_HELPER_NAMES_H

#include "signal/crash.h"
#include "signal/helper/helper.h"
#include "symbols/module.h"

/* Copy them out of the program, into the options. They live as long as the helper. */
void helper_names(const struct stk_crash *c, helper_read_fn *read, struct stk_symbol_options *so);

#endif
