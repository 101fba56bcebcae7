/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ctrl-C: a flag that everything which may take long looks at. */
#ifndef CORECTL_INTERRUPT_H
#define CORECTL_INTERRUPT_H

#include <signal.h>

extern volatile sig_atomic_t interrupt_pending;

/* From here on Ctrl-C sets interrupt_pending; a SIGINT that is ignored, as in a shell's background
 * job, stays so. */
void interrupt_catch(void);

#endif
