/*
 * One slot for each thread that is started through us: its number (tid) and its alternate stack.
 * The first threads have mappings of their own, the others share slabs, since a process may have
 * 65,530 mappings (vm.max_map_count) and libc takes two for each thread. Without locks: a thread
 * may be created while another one forks.
 */
#ifndef SIGNAL_SLOTS_H
#define SIGNAL_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

/* NORMAL context: before all others. Slots of a forked child are those of its one thread. */
void stk_slots_start(void);

/* ANY context: that has been done: a thread may have a stack of ours. */
bool stk_slots_started(void);

/* NORMAL context: a slot for the calling thread; -1: there is none. */
int stk_slot_take(void);
/* NORMAL context: the calling thread ends. */
void stk_slot_give_back(int slot);
/* NORMAL context: its stack, with a guard below it where that can be had. NULL: no memory. */
void *stk_slot_stack(int slot, size_t *size);

/* ANY context: an alternate stack of ours, not one of the program's? */
bool stk_slot_is_stack(const void *sp, size_t size);

typedef void stk_thread_each(void *arg, int tid);

/*
 * CRASH context: call `each` with the number of every thread that has a slot; returns how many
 * there were. None in a child that was forked past libc: the numbers are those of its parent.
 */
unsigned stk_threads_known(stk_thread_each *each, void *arg);

#endif
