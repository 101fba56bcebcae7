/*
 * System calls without libc: no errno, no cancellation point, no interposition. CRASH context.
 * Results are those of the kernel: a negative errno value on failure (syscall(2), x86-64 ABI A.2).
 */
#ifndef SIGNAL_SYS_H
#define SIGNAL_SYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* All calls of the library but clone are made by one instruction (x86_64/sys.c): a seccomp filter
 * that traps one of them is told from one that traps a call of the program. */
long stk_sys6(long n, long a, long b, long c, long d, long e, long f);

/*
 * clone(2) with a new stack on which `fn` runs; it does not return. The child's tid, or a negative
 * errno value. The kernel stores the tid in `child` before either runs, and clears `clear` when the
 * child is gone (CLONE_CHILD_CLEARTID).
 */
long stk_sys_clone(unsigned long flags, void *top, void (*fn)(void), _Atomic int32_t *child,
		   _Atomic uint32_t *clear);

/* Does `pc` stand directly behind a system call of the library? */
bool stk_sys_is_ours(uint64_t pc);

/* First in every signal handler: alignment checks, which a program may have switched on, are none
 * of ours. The kernel clears the direction flag only. */
void stk_sys_begin(void);

/* The processor's time stamp counter: what is left of a clock where the kernel gives none. */
uint64_t stk_sys_ticks(void);

/* Does valgrind run this program? It starts no processes that share memory, and ends instead. */
bool stk_sys_in_valgrind(void);

/* Ends this process by no system call at all, as far as the processor can: `sig` as a fault where
 * it is one of those that a program raises by itself. */
void stk_sys_fault(int sig);

#define SYS_ARG(x)                ((long)(x))
#define sys6(n, a, b, c, d, e, f) stk_sys6(n, a, b, c, d, e, f)
#define sys0(n)                   stk_sys6(n, 0, 0, 0, 0, 0, 0)
#define sys1(n, a)                stk_sys6(n, SYS_ARG(a), 0, 0, 0, 0, 0)
#define sys2(n, a, b)             stk_sys6(n, SYS_ARG(a), SYS_ARG(b), 0, 0, 0, 0)
#define sys3(n, a, b, c)          stk_sys6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), 0, 0, 0)
#define sys4(n, a, b, c, d)       stk_sys6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), 0, 0)
#define sys5(n, a, b, c, d, e)                                                                     \
	stk_sys6(n, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), SYS_ARG(e), 0)

#endif
