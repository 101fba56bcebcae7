/* The folders of debug files, and what lies in them by build-id. Inside symbols/ only. */
#ifndef STK_SYMBOLS_DIRS_H
#define STK_SYMBOLS_DIRS_H

#include "symbols/image.h"
#include "symbols/module.h"

/* Where debug files are searched, a colon between two; NULL: out of memory. */
char *stk_debug_dirs(struct stk_module *m);

/* Where the one with that build-id would lie in `dir`; NULL: nowhere. */
const char *stk_debug_path(struct stk_module *m, const char *dir, const uint8_t *id, size_t len);

/* The file with that build-id in one of the folders; NULL: none. */
struct stk_image *stk_debug_by_build_id(struct stk_module *m, const uint8_t *id, size_t len);

#endif
