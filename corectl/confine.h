/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a session opens and starts before the sandbox, and its way into it. */
#ifndef CORECTL_CONFINE_H
#define CORECTL_CONFINE_H

#include "session.h"

/* Before anything of the target is opened, once the session knows where its cache is. */
void confine_prepare(struct session *s, const struct options *o);

/* Before anything of it is parsed. What the kernel refuses is told. */
void confine(struct session *s, const struct options *o);

#endif
