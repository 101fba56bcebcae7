/* The core that the helper writes where the kernel will not. NORMAL context. */
#ifndef SIGNAL_HELPER_CORE_H
#define SIGNAL_HELPER_CORE_H

#include "base/trace.h"
#include "signal/crash.h"
#include "signal/helper/helper.h"
#include "targets/target.h"

/*
 * Write the core of `t`, whose threads still stand, to c->core_path, and one note to `sink` that
 * says what became of it. `program` reads single places of its memory; `read`: another way to all
 * of it, or NULL; `more_time` is called before each part.
 */
void helper_core(struct stk_target *t, const struct stk_crash *c, struct stk_trace_sink sink,
		 helper_read_fn *program,
		 int (*read)(void *arg, uint64_t addr, void *buf, size_t len),
		 void (*more_time)(void));

/* Will the kernel leave a core of `pid`, as far as its limit and core_pattern tell (core(5))? */
bool helper_core_follows(int pid);

/* The extended registers of a signal frame in the form of their note, to be freed; NULL: it cannot
 * be had. */
#define HELPER_XSTATE_MAX 16384
uint8_t *helper_xstate(helper_read_fn *program, uint64_t addr, uint64_t len);

#endif
