/* Scenarios of the crasher: what others do with signals in its memory, or with its thread pointer.
 */
#include <asm/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crasher.h"

/* A child that shares our memory has set actions and its mask; then we block all, and crash. */
void vfork_resets(void)
{
	pid_t pid = vfork();

	if (!pid) {
		sigset_t none;
		sigemptyset(&none);
		for (int sig = 1; sig < 32; sig++)
			signal(sig, sig & 1 ? SIG_IGN : SIG_DFL);
		sigprocmask(SIG_SETMASK, &none, NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	block(sigprocmask);
}

/* The thread pointer, by the system call: libc's own data cannot be reached then. */
static long set_thread_pointer(void *p)
{
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS), "S"(p)
			 : "rcx", "r11", "memory");
	return r;
}

/* A signal that somebody sends, not a fault: the handler asks what this thread blocks. */
NOINLINE void send_self(int sig)
{
	long pid, tid, r;

	__asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
	__asm__ volatile("syscall" : "=a"(tid) : "a"(SYS_gettid) : "rcx", "r11", "memory");
	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(sig)
			 : "rcx", "r11", "memory");
}

static char *foreign;

NOINLINE int foreign_body(void *sig)
{
	send_self((int)(intptr_t)sig);
	return 0;
}

/* A page that stands alone: what libc has below its own thread pointer is not there. */
void foreign_tls(void)
{
	char *p = mmap(NULL, 3 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *stack = own_stack(65536);

	must(p != MAP_FAILED && !mprotect(p + 4096, 4096, PROT_READ | PROT_WRITE), "mmap");
	foreign = p + 4096;
	void *self = foreign;
	memcpy(foreign, &self, sizeof(self));
	must(clone(foreign_body, stack + 65536,
		   CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		       CLONE_SYSVSEM | CLONE_SETTLS,
		   (void *)(intptr_t)atoi(arg(0, "6")), NULL, foreign) > 0,
	     "clone");
	for (;;)
		pause();
}

/* No thread pointer at all. */
void no_tls(void)
{
	int sig = atoi(arg(0, "6"));

	must(!set_thread_pointer(NULL), "arch_prctl");
	send_self(sig);
}
