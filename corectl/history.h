/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines typed in earlier sessions, in a file of our own. */
#ifndef CORECTL_HISTORY_H
#define CORECTL_HISTORY_H

void history_read(void);

/* In the place of the file, 0600. Where it cannot be kept it is not. */
void history_write(void);

#endif
