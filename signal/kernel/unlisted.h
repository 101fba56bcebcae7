/* Other threads where nobody can list them: no /proc. CRASH context. */
#ifndef SIGNAL_UNLISTED_H
#define SIGNAL_UNLISTED_H

#include "base/trace.h"

/* What is known of them, asked of the kernel; STK_UNLISTED_NONE: there is no other thread. */
enum stk_trace_unlisted stk_unlisted(void);

/* The same; STK_UNLISTED_NONE also where /proc lists them. */
enum stk_trace_unlisted stk_unlisted_by_proc(void);

#endif
