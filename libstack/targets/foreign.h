/*
 * The one door to files that others name: cores, programs, debug files, sources. Normal context.
 *
 * What a path leads to is looked at before it is opened (O_PATH, open(2)): only a regular file is.
 * To open a FIFO waits for its other end, to open a terminal may make it ours, a device acts.
 */
#ifndef STK_TARGET_FOREIGN_H
#define STK_TARGET_FOREIGN_H

#include <stdint.h>
#include <sys/stat.h>

#include "base/err.h"

/* A descriptor to read from, not negative, or STK_ESYS, or STK_EUNSUPPORTED: no regular file, or it
 * has more than `max` bytes. `ret` and `err` may be NULL. */
int stk_foreign_open(const char *path, uint64_t max, struct stat *ret, struct stk_err *err);

#define STK_FOREIGN_ANY UINT64_MAX /* it is mapped, or read in part */

#endif
