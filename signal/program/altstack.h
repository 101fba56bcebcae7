/* An alternate signal stack for every thread: without one a stack overflow dies silently. NORMAL
 * context, all of it. */
#ifndef SIGNAL_ALTSTACK_H
#define SIGNAL_ALTSTACK_H

#include <pthread.h>
#include <signal.h>
#include <threads.h>

/* The calling thread gets a slot, and an alternate stack if it has none. */
void stk_altstack_main(void);

/* sigaltstack(2), pthread_create(3) and thrd_create(3) as the program shall see them. */
int stk_altstack(const stack_t *ss, stack_t *old);
int stk_thread_posix(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int stk_thread_c11(thrd_t *t, thrd_start_t fn, void *arg);

#endif
