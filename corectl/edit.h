/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The prompt. */
#ifndef CORECTL_EDIT_H
#define CORECTL_EDIT_H

#include "session.h"

/* Read lines and run them until the user leaves. */
void edit_loop(struct session *s);

#endif
