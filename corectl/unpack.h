/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cores that were compressed: by systemd-coredump, by `corectl gcore`, by hand. */
#ifndef CORECTL_UNPACK_H
#define CORECTL_UNPACK_H

#include <stdbool.h>

#include "base/err.h"

/* Is it a compressed file, by its first bytes? Also one that unpack() knows no way for. */
bool unpack_is_packed(const char *path);

/* If the file is compressed, make the one that unpack() fills: it may be called where no file can
 * be made any more. */
void unpack_prepare(const char *path);

/*
 * The contents in a file without a name, in $TMPDIR or /var/tmp, with holes where they are zero.
 * *ret_why: why they are not whole, or NULL. `progress`: tell on stderr, a terminal.
 * A descriptor, or a negative enum stk_code with *err: nothing came of it.
 */
int unpack(const char *path, bool progress, const char **ret_why, struct stk_err *err);

#endif
