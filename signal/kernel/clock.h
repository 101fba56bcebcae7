/* Time and waiting, where any system call may be refused. CRASH context. */
#ifndef SIGNAL_CLOCK_H
#define SIGNAL_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC; where the kernel refuses them, about that by the processor's
 * counter: it moves on all the same, so that every deadline comes. */
uint64_t stk_now_ns(void);

/* What is left until then, for a call that waits; zero when it is over. */
struct timespec stk_time_left(uint64_t deadline_ns);

/* Wait while `*word` is `value`, at most until the deadline: a change of the word ends it, and so
 * may nothing at all. Where futex(2) is refused it sleeps a moment another way. */
void stk_wait_word(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns);

/* Wake all who wait there. */
void stk_wake_word(_Atomic uint32_t *word);

#endif
