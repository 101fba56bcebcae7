#include "guard.h"

#include <sys/uio.h>

#include "sys.h"

/*
 * rdi: to, rsi: from, rdx: bytes. Byte by byte: reads are short and a page may end anywhere.
 * Returns 1; a fault between the labels is continued at stk_guard_fail, which returns 0.
 */
__asm__(".text\n"
	".hidden stk_guard_copy\n"
	".globl stk_guard_copy\n"
	".type stk_guard_copy,@function\n"
	"stk_guard_copy:\n"
	".cfi_startproc\n"
	"	mov %rdx,%rcx\n"
	".hidden stk_guard_begin\n"
	".globl stk_guard_begin\n"
	"stk_guard_begin:\n"
	"	rep movsb\n"
	".hidden stk_guard_end\n"
	".globl stk_guard_end\n"
	"stk_guard_end:\n"
	"	mov $1,%eax\n"
	"	ret\n"
	".hidden stk_guard_fail\n"
	".globl stk_guard_fail\n"
	"stk_guard_fail:\n"
	"	xor %eax,%eax\n"
	"	ret\n"
	".cfi_endproc\n"
	".size stk_guard_copy,.-stk_guard_copy\n");

extern int stk_guard_copy(void *to, const void *from, size_t len);
extern const char stk_guard_begin[], stk_guard_end[], stk_guard_fail[];

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

/* CRASH context. */
bool stk_guard_word(uint64_t addr, uint64_t *ret)
{
	return stk_guard_read(addr, ret, sizeof(*ret));
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
	greg_t *pc = &uc->uc_mcontext.gregs[REG_RIP];

	if (*pc < (greg_t)(uintptr_t)stk_guard_begin || *pc >= (greg_t)(uintptr_t)stk_guard_end)
		return false;
	*pc = (greg_t)(uintptr_t)stk_guard_fail;
	return true;
}
