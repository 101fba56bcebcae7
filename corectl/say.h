/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is told on stderr where there is no session. These are the only functions that write there:
 * what a message names comes from files and processes of others, and must neither drive the
 * terminal nor look like a line of ours. The formats are those of stk_printf().
 */
#ifndef CORECTL_SAY_H
#define CORECTL_SAY_H

/* One line, behind "corectl: ". */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same in the place of the last one, which stays open; NULL: it is wiped away. */
void say_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
