/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The user's pager: $PAGER, else less, else none. */
#ifndef CORECTL_PAGER_H
#define CORECTL_PAGER_H

#include <stdbool.h>
#include <stddef.h>

/* The size of the terminal at standard output. false: no terminal of known size, or no pager. */
bool pager_screen(unsigned *ret_rows, unsigned *ret_columns);

/* Start it; `ret_fd` is what it reads, `ret_room` how many bytes may wait there unread. 0 when it
 * cannot be started (outputs untouched). */
int pager_start(int *ret_fd, size_t *ret_room);

/* Close `fd` and wait until the user leaves the pager. false: it could not be run, and the shell
 * has told why. */
bool pager_wait(int pager, int fd);

/* The errand: run it until it ends, and read `fd`. Its wait status, or -1. */
int pager_run(int fd);

#endif
