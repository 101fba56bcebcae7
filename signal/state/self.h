/* Whose memory this is, and the numbers of who runs in it. ANY context, all of it. */
#ifndef SIGNAL_SELF_H
#define SIGNAL_SELF_H

#include <stdbool.h>
#include <stdint.h>

/* The number of the process that this memory belongs to; 0 in a new copy of it. Behind it in its
 * page, where it has one, lies the gate (report/gate.h). */
extern int32_t *stk_memory_owner;

/* true: this process is a child that shares its memory with another (vfork(2), or clone(2) with
 * CLONE_VM). */
bool stk_in_child(void);

/* The numbers of the calling thread, also where the kernel is not allowed to tell them. */
int stk_self_pid(void);
int stk_self_tid(void);

#endif
