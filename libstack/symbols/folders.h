/* Files of the folders of --debug-dir, by their build-ids. Inside symbols/ only. */
#ifndef STK_SYMBOLS_FOLDERS_H
#define STK_SYMBOLS_FOLDERS_H

#include "symbols/module.h"

/* A file with the module's build-id: with code, or, `debug`, with debug information. NULL: none, or
 * the module's build-id is not known. The folders are read at the first call. */
const char *stk_folders_find(struct stk_module *m, bool debug);

void stk_folders_free(struct stk_folders *f);

#endif
