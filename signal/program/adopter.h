/*
 * Runtimes that ask the kernel itself for their alternate stack, by a raw sigaltstack(2): they find
 * ours, take it for the thread's own and want their handlers to run there. Go does so in a program
 * that is not all Go (runtime/signal_unix.go, minitSignalStack()).
 */
#ifndef SIGNAL_ADOPTER_H
#define SIGNAL_ADOPTER_H

#include <stdbool.h>

/* ANY context: is the function in an image that Go has made? No lock is taken. */
bool stk_adopts_stack(const void *fn);

#endif
