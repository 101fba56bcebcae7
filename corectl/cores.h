/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where cores are, for one who names none. */
#ifndef CORECTL_CORES_H
#define CORECTL_CORES_H

#include <stdbool.h>

/* A core, by its ELF type, or a compressed file, which is taken for one. */
bool cores_is_core(const char *path);

/* ./core, else the newest ./core.*; "core" where there is none. Lives as long as the program. */
const char *cores_newest(void);

/* On stderr: where the kernel leaves cores here, and what stands in the way (core(5)). */
void cores_say_where(void);

#endif
