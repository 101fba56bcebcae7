/* Names of signals and siginfo codes (signal(7), sigaction(2)). Freestanding. */
#ifndef STK_BASE_SIGNALS_H
#define STK_BASE_SIGNALS_H

#include <stdbool.h>

/* "SIGSEGV"; "SIGRTMIN+3"; NULL for a number that is no signal of Linux. Static storage. */
const char *stk_signal_name(int signo);

/* "segmentation violation", as the Go runtime words it; NULL where there is none. */
const char *stk_signal_text(int signo);

/* The number of "SIGSEGV"; 0 when not known. */
int stk_signal_number(const char *name, unsigned len);

/* "SEGV_MAPERR", "SI_TKILL"; NULL when the code has no name for that signal. */
const char *stk_sigcode_name(int signo, int code);

/* true: si_addr is valid (a fault that the kernel raised: code > 0 of SEGV BUS ILL FPE TRAP). */
bool stk_sigcode_has_addr(int signo, int code);

/* true: si_pid and si_uid are valid (code SI_USER, SI_QUEUE, SI_TKILL; not SIGCHLD's own). */
bool stk_sigcode_has_sender(int signo, int code);

#endif
