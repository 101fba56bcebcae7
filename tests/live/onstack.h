/* What the parts of `onstack` share. */
#ifndef LIVE_ONSTACK_H
#define LIVE_ONSTACK_H

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Set a handler that takes siginfo, with SA_ONSTACK. */
void on(int sig, void (*fn)(int, siginfo_t *, void *), int flags);
/* true: `p` lies on the stack that libc gave to the calling thread. */
int on_own_stack(const void *p);
/* Take so much of the stack. */
void use(size_t kilobytes);
/* Run in a new thread, and wait for it. */
void in_thread(void (*fn)(void));
/* Each in a child: how it ends is printed. */
void child(const char *name, void (*fn)(void));

void delivery(void);
void actions(void);

#endif
