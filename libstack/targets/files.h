/* The files that a live process has mapped, wherever they are. Inside targets/ only. */
#ifndef STK_TARGET_FILES_H
#define STK_TARGET_FILES_H

#include "targets/target.h"

/* Are its paths others than ours: another mount namespace, or another root? */
bool stk_live_other_root(int pid);

/* Where the file behind a mapping is best opened: by its path as the process sees it, or, where
 * that is gone or another file now, by the kernel's own link to what was mapped. NULL: memory is
 * exhausted. */
const char *stk_live_file(struct stk_pool *pool, int pid, const struct stk_mapping *m, bool is_main,
			  bool other_root);

#endif
