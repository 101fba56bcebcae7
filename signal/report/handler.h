/* The library's handler (state/action.h), and the report without a signal. */
#ifndef SIGNAL_HANDLER_H
#define SIGNAL_HANDLER_H

#include <stdint.h>

/*
 * ANY context: libstack_dump(). `gregs`: the caller's registers in the layout of NT_PRSTATUS. 0, or
 * a negative errno value: EBADF, EBUSY, EIO (the report is not whole), ETIMEDOUT.
 */
int stk_dump(int fd, const uint64_t *gregs);

#endif
