/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A file that is cut while it is mapped: its pages are gone, and reading one raises SIGBUS
 * (mmap(2)). In their place come pages of zeros, so that whatever reads them gets to its end; but
 * what is made of them is shown to nobody (screen.c), and the session is over.
 */
#ifndef CORECTL_CUT_H
#define CORECTL_CUT_H

/* From now on. */
void cut_watch(void);

/* The first file to which that has happened; NULL: none. */
const char *cut_file(void);

#endif
