/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What happens when memory runs out. */
#ifndef CORECTL_MEMORY_H
#define CORECTL_MEMORY_H

#include <stdbool.h>

/* From now on a small piece that is not there ends corectl: `end` is called, and does not return.
 */
void memory_watch(void (*end)(void));

/* true, once: a large piece was not there. Whoever asked for it went on without. */
bool memory_was_short(void);

#endif
