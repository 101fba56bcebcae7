/* The file that belongs to a module. Inside symbols/ only. */
#ifndef STK_SYMBOLS_FIND_H
#define STK_SYMBOLS_FIND_H

#include "symbols/module.h"

/* The build-id that the target's own pages show (once, before the file is looked for). */
void stk_module_identify(struct stk_module *m);

/* Open the file of a module, or take its image from memory; its state and remarks. `bin`: the
 * program that was given is to be tried for this one. */
void stk_module_load(struct stk_module *m, bool bin);

#endif
