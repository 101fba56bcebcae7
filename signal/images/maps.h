/* The memory map where there is no /proc. CRASH context. */
#ifndef SIGNAL_MAPS_H
#define SIGNAL_MAPS_H

#include <stdint.h>

#include "signal/crash.h"
#include "signal/images/images.h"

/*
 * A memory file with lines as those of /proc/PID/maps (proc(5)): each image as one mapping, and the
 * stacks of the threads that are known, from their stack pointers up. A descriptor, or a negative
 * errno value. For the supervisor: what cannot be read is an error there, not a fault.
 */
long stk_maps_make(const struct stk_images *im, const struct stk_crash *c);

#endif
