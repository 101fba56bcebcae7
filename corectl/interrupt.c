/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "interrupt.h"

#include <poll.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

volatile sig_atomic_t interrupt_pending, interrupt_waiting;

static struct termios terminal;
static volatile sig_atomic_t terminal_known;

/* readline has the terminal where a completion takes long: modes and the brackets of pasting go. */
static void give_terminal_back(void)
{
	static const char no_brackets[] = "\033[?2004l\r\n";
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
	struct termios now;

	if (!terminal_known || tcgetattr(STDIN_FILENO, &now) || now.c_lflag == terminal.c_lflag)
		return;
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	if (poll(&out, 1, 0) == 1 && write(STDOUT_FILENO, no_brackets, sizeof(no_brackets) - 1) < 0)
		return; /* there is nobody to be told */
}

static void on_interrupt(int sig)
{
	(void)sig;
	if (interrupt_pending && !interrupt_waiting) {
		give_terminal_back();
		_exit(130); /* what a shell says of SIGINT */
	}
	interrupt_pending = 1;
}

void interrupt_catch(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt}, before;

	if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
		sigaction(SIGINT, &sa, NULL);
}

void interrupt_let_go(void)
{
	struct sigaction now;

	if (!sigaction(SIGINT, NULL, &now) && now.sa_handler == on_interrupt)
		signal(SIGINT, SIG_DFL);
}

void interrupt_keep_terminal(void)
{
	terminal_known = tcgetattr(STDIN_FILENO, &terminal) == 0;
}
