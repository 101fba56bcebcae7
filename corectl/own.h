/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where corectl keeps what is its own (XDG Base Directory Specification). */
#ifndef CORECTL_OWN_H
#define CORECTL_OWN_H

#include "targets/folder.h"

enum own_kind { OWN_CACHE, OWN_STATE };

struct own_names {
	char base[4096], below[4096];
};

/* `n` holds its names. Its base is NULL where the environment names none. */
struct stk_folder own_place(enum own_kind kind, struct own_names *n);

#endif
