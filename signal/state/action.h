/* Signal actions as the kernel has them: which signals are ours to handle, and with what. */
#ifndef SIGNAL_ACTION_H
#define SIGNAL_ACTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define STK_SIGNALS 65 /* one more than the last one */

/* struct kernel_sigaction of the kernel's x86-64 and generic ABI (linux/signal.h). */
struct stk_ksigaction {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static inline uint64_t stk_bits(const sigset_t *s)
{
	uint64_t v;

	__builtin_memcpy(&v, s, sizeof(v));
	return v;
}

static inline void stk_set_bits(sigset_t *s, uint64_t v)
{
	__builtin_memcpy(s, &v, sizeof(v));
}

/* CRASH context: sigaction(2) without libc; old or new may be NULL. A negative errno value. */
long stk_sigaction(int sig, const struct stk_ksigaction *sa, struct stk_ksigaction *old);

/* CRASH context: the handler of every signal that the library handles (report/handler.c). Here it
 * is an address by which our actions are known. */
void stk_handler(int sig, siginfo_t *si, void *uc);

/* ANY context: the action with which our handler is installed; all zero: it is not yet. */
struct stk_ksigaction stk_our_action(void);
/* NORMAL context: it has just been installed for this signal. */
void stk_our_action_is(int sig);

/* ANY context: true: the action is ours. */
bool stk_is_ours(const struct sigaction *sa);

/* ANY context: what is blocked while a thread is in the library. */
uint64_t stk_handler_mask(void);

/* ANY context: the bits of the signals that can be handled, and of the six that a fault raises. */
uint64_t stk_signals_all(void);
uint64_t stk_signals_sync(void);

/* ANY context: does the library handle this signal in this process? */
bool stk_is_managed(int sig);

#endif
