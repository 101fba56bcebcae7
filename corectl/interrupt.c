/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interrupt.h"

#include <stddef.h>

volatile sig_atomic_t interrupt_pending;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupt_pending = 1;
}

void interrupt_catch(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt}, before;

	if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &sa, NULL);
}
