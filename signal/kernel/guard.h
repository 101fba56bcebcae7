/*
 * Reading memory that may not be there. CRASH context.
 *
 * The copy loop is the only code that may fault on purpose: the handler of SIGSEGV and SIGBUS asks
 * stk_guard_fix() first, which sends a fault inside the loop to its failure exit.
 */
#ifndef SIGNAL_GUARD_H
#define SIGNAL_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "step/reader.h"

/* The copy loop, its ends, and where it goes on when it faults: 1, and there 0 (x86_64/guard.c). */
extern int stk_guard_copy(void *to, const void *from, size_t len);
extern const char stk_guard_begin[], stk_guard_end[], stk_guard_fail[];

/* Copy `len` bytes from `addr`. false: some byte cannot be read (`to` is then partly written).
 * Needs the library's handlers of SIGSEGV and SIGBUS in place, or stk_guard_by_call(). */
bool stk_guard_read(uint64_t addr, void *to, size_t len);

/* From now on: the kernel copies. It costs a system call a read, and no fault comes: where a
 * program goes on, those signals may be its own. */
void stk_guard_by_call(bool on);
bool stk_read_by_call(uint64_t addr, void *to, size_t len);

/* The same for what is given a reader. */
extern const struct stk_reader stk_guarded;

/* A string of at most cap-1 bytes, always terminated. false: not readable (`to` is then empty). */
bool stk_guard_str(uint64_t addr, char *to, size_t cap);

/* In the handler: if the fault is that of a guarded read, make the context continue at its failure
 * exit and return true. */
bool stk_guard_fix(ucontext_t *uc);

#endif
