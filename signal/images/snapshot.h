/*
 * The process's images, as whoever walks a stack may read them at any moment: a table that is never
 * changed once it is shown. Who brings it up to date works on a copy and shows that instead; one
 * does so at a time (the owner of the gate, or the library as it is installed).
 */
#ifndef SIGNAL_SNAPSHOT_H
#define SIGNAL_SNAPSHOT_H

#include "signal/images/images.h"

/* ANY context: the table that is shown; empty before the first. For who owns the gate, or reads one
 * entry and is done: it stays as it is until two others have been shown. */
const struct stk_images *stk_images_now(void);

/* ANY context: the same for others: it stays until it is given back. */
const struct stk_images *stk_images_hold(void);
void stk_images_give_back(const struct stk_images *im);

/* CRASH context: a copy of what is shown, to be changed. NULL: all others are held. */
struct stk_images *stk_images_copy(void);

/* CRASH context: show it from now on. */
void stk_images_show(const struct stk_images *im);

#endif
