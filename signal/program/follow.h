/* LIBSTACK_FOLLOW=no: the library stays in this program and spares its children. */
#ifndef SIGNAL_FOLLOW_H
#define SIGNAL_FOLLOW_H

/* NORMAL context, before main: if the environment says so, take the library out of LD_PRELOAD, and
 * the variable itself away. What else is preloaded stays. */
void stk_follow(void);

#endif
