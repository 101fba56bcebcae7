/* Call frame information of modules' files; each row is made once per pc. */
#ifndef STK_UNWIND_ROW_H
#define STK_UNWIND_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "step/cfi.h"
#include "symbols/module.h"

/* The row at a look-up pc, of .eh_frame, else of .debug_frame. It lives as long as the modules.
 * NULL: there is none, or memory is exhausted. */
const struct stk_cfi_row *stk_row_at(struct stk_module *m, uint64_t pc);

#endif
