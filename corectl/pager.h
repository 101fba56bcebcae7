/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The user's pager: $PAGER, else less, else none. */
#ifndef CORECTL_PAGER_H
#define CORECTL_PAGER_H

#include <stdbool.h>
#include <sys/types.h>

/* The size of the terminal at standard output. false: no terminal of known size, or no pager. */
bool pager_screen(unsigned *ret_rows, unsigned *ret_columns);

/* Start it; `ret_fd` is what it reads. 0 when it cannot be started (`ret_fd` untouched). */
pid_t pager_start(int *ret_fd);

/* Close `fd` and wait until the user leaves the pager. */
void pager_wait(pid_t pid, int fd);

#endif
