/* Whether the next system call may be the last. CRASH context. */
#ifndef SIGNAL_SECCOMP_H
#define SIGNAL_SECCOMP_H

#include <stdbool.h>

/* ANY context: how many filters this process is under; 0: none, or not known (Linux before 5.9). */
int stk_seccomp_filters(void);

/*
 * true: the program has put a filter in place since it started. Such a one may kill for a call that
 * the program itself never makes. Those that it was started under (a container's) are known to let
 * a program start others.
 */
bool stk_seccomp_is_strict(void);

#endif
