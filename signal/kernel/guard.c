#include "signal/kernel/guard.h"

#include <sys/uio.h>

#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"

static bool by_call;

/* CRASH context. */
void stk_guard_by_call(bool on)
{
	by_call = on;
}

/* CRASH context. Process_vm_readv(2) of the process itself needs no right. */
bool stk_read_by_call(uint64_t addr, void *to, size_t len)
{
	struct iovec there = {(void *)(uintptr_t)addr, len}, here = {to, len};

	return sys6(SYS_process_vm_readv, sys0(SYS_getpid), (long)&here, 1, (long)&there, 1, 0) ==
	       (long)len;
}

/* CRASH context. */
bool stk_guard_read(uint64_t addr, void *to, size_t len)
{
	if (by_call && len)
		return stk_read_by_call(addr, to, len);
	return stk_guard_copy(to, (const void *)(uintptr_t)addr, len);
}

static bool guarded(void *arg, uint64_t addr, void *to, size_t len)
{
	(void)arg;
	return stk_guard_read(addr, to, len);
}

const struct stk_reader stk_guarded = {.read = guarded};

/* CRASH context. */
bool stk_guard_str(uint64_t addr, char *to, size_t cap)
{
	size_t n = 0;

	for (to[0] = 0; n + 1 < cap; n++) {
		if (!stk_guard_read(addr + n, &to[n], 1)) {
			to[n] = 0;
			return n > 0;
		}
		if (!to[n])
			return true;
	}
	to[n] = 0;
	return true;
}

/* CRASH context. */
bool stk_guard_fix(ucontext_t *uc)
{
	uint64_t pc = stk_context_pc(uc);

	if (pc < (uint64_t)(uintptr_t)stk_guard_begin || pc >= (uint64_t)(uintptr_t)stk_guard_end)
		return false;
	stk_context_go(uc, (uint64_t)(uintptr_t)stk_guard_fail);
	return true;
}
