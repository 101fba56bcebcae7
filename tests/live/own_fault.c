/*
 * A program that handles SIGSEGV and SIGBUS itself is asked for its stacks and goes on. One of its
 * threads stands in code without call frame information, with a frame pointer that leads to memory
 * which is not there: who reads there finds out. Status 0: no handler ran.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int go_on;
static volatile int faults;

static void on_fault(int sig)
{
	faults++;
	signal(sig, SIG_DFL);
}

/* lost(flag): wait for it by futex(2), rbp far above the stack. */
void lost(_Atomic int *flag);
__asm__(".text\n"
	".type lost,@function\n"
	"lost:	push %rbp\n"
	"	mov $0x7ffffffff000, %rbp\n"
	"1:	mov $202, %eax\n"
	"	xor %esi, %esi\n"
	"	xor %edx, %edx\n"
	"	xor %r10d, %r10d\n"
	"	syscall\n"
	"	cmpl $0, (%rdi)\n"
	"	je 1b\n"
	"	pop %rbp\n"
	"	ret\n"
	".size lost,.-lost\n");

static void *worker(void *arg)
{
	lost(arg);
	return arg;
}

int main(void)
{
	pthread_t t;
	char byte;

	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	pthread_create(&t, NULL, worker, &go_on);
	usleep(10000);
	dprintf(1, "READY\n");
	/* Whoever asks for the stacks closes this afterwards. */
	while (read(0, &byte, 1) > 0)
		;
	atomic_store(&go_on, 1);
	syscall(SYS_futex, &go_on, FUTEX_WAKE, 1);
	pthread_join(t, NULL);
	return faults;
}
