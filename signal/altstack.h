/* An alternate signal stack for every thread: without one a stack overflow dies silently. NORMAL
 * context, all of it. */
#ifndef SIGNAL_ALTSTACK_H
#define SIGNAL_ALTSTACK_H

/* The calling thread gets an alternate stack if it has none. */
void stk_altstack_main(void);

#endif
