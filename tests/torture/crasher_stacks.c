/* Scenarios of the crasher: stacks that overflow, are smashed, or lead nowhere. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "crasher.h"

NOINLINE int dive(int depth)
{
	volatile char room[1000];

	room[depth % 1000] = 1;
	return dive(depth + 1) + room[depth % 999];
}

NOINLINE void overflow_main(void)
{
	dive(0);
}

void *dive_pthread(void *p)
{
	dive(0);
	return p;
}

int dive_thrd(void *p)
{
	return dive(p != NULL);
}

void overflow_pthread(void)
{
	pthread_t t;

	must(!pthread_create(&t, NULL, dive_pthread, NULL), "pthread_create");
	pthread_join(t, NULL);
}

void overflow_thrd(void)
{
	thrd_t t;

	must(thrd_create(&t, dive_thrd, NULL) == thrd_success, "thrd_create");
	thrd_join(t, NULL);
}

/* A stack of the program's own, with a page below it that nothing may touch. */
char *own_stack(unsigned long size)
{
	char *p =
	    mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && !mprotect(p, 4096, PROT_NONE), "mmap");
	return p + 4096;
}

void overflow_attr(void)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	must(!pthread_attr_setstack(&attr, own_stack(65536), 65536), "pthread_attr_setstack");
	must(!pthread_create(&t, &attr, dive_pthread, NULL), "pthread_create");
	pthread_join(t, NULL);
}

int dive_clone(void *p)
{
	return dive(p != NULL);
}

int plain_clone(void *p)
{
	(void)p;
	plain();
	return 0;
}

/* A thread that no library knows: the thread pointer is that of its creator. */
static void raw_clone(int (*fn)(void *))
{
	int flags =
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	must(clone(fn, own_stack(65536) + 65536, flags, NULL) > 0, "clone");
	for (;;)
		syscall(SYS_pause);
}

void overflow_clone(void)
{
	raw_clone(dive_clone);
}

void crash_clone(void)
{
	raw_clone(plain_clone);
}

/* The canary is overwritten, and nothing beyond it. */
NOINLINE void smash_canary(volatile int n)
{
	char room[16];

	for (volatile int i = 0; i < n; i++)
		((volatile char *)room)[i] = 'A';
}

void smashed(void)
{
	smash_canary(25);
}

/* The saved frame pointer and the return address are overwritten. */
__attribute__((noinline, no_stack_protector)) void smash_return(volatile uint64_t *frame)
{
	frame = __builtin_frame_address(0);
	frame[0] = 0x4141414141414141;
	frame[1] = 0x4242424242424242;
}

void smashed_return(void)
{
	smash_return(NULL);
}

NOINLINE void call(void (*volatile fn)(void))
{
	fn();
	__asm__ volatile("");
}

void jump_null(void)
{
	call(NULL);
	__asm__ volatile("");
}

void jump_nowhere(void)
{
	call((void (*)(void))0x123456789000);
	__asm__ volatile("");
}

/* --- handlers of the program's own, with SA_ONSTACK and without a stack to run on --- */

static void on_no_stack(int sig)
{
	(void)sig;
	_exit(95);
}

static void handle_on_stack(int sig)
{
	struct sigaction sa = {.sa_handler = on_no_stack, .sa_flags = SA_ONSTACK};

	must(!sigaction(sig, &sa, NULL), "sigaction");
}

/* The kernel cannot push a frame on the stack that is used up. */
void overflow_handled(void)
{
	handle_on_stack(SIGSEGV);
	dive(0);
}

void overflow_handled_pthread(void)
{
	handle_on_stack(SIGSEGV);
	overflow_pthread();
}

/* A signal while the stack pointer leads nowhere. */
NOINLINE void nowhere(long pid)
{
#ifdef __x86_64__
	__asm__ volatile("mov %%rsp,%%r12\n\t"
			 "mov $0x10000,%%esp\n\t"
			 "mov $62,%%eax\n\t" /* kill */
			 "syscall\n\t"
			 "mov %%r12,%%rsp\n\t" ::"D"(pid),
			 "S"(SIGUSR1)
			 : "rax", "rcx", "r11", "r12", "memory");
#endif
}

void stack_nowhere(void)
{
	handle_on_stack(SIGUSR1);
	nowhere(getpid());
}

static void on_fault_once(int sig)
{
	(void)sig;
}

/* A handler for one time that returns: the second fault is the end. */
void handled_once(void)
{
	struct sigaction sa = {.sa_handler = on_fault_once, .sa_flags = (int)SA_RESETHAND};

	must(!sigaction(SIGSEGV, &sa, NULL), "sigaction");
	plain();
}
