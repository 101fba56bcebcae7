/* Scenarios of the crasher: programs that do not give the handler what it is used to. */
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crasher.h"

/* From here on the program's memory functions, which the library would find first, fault. */
static volatile int poisoned;

#define LOOP __attribute__((optimize("no-tree-loop-distribute-patterns")))
#ifdef __clang__
#undef LOOP
#define LOOP __attribute__((no_builtin))
#endif

LOOP void *memset(void *to, int c, size_t n)
{
	if (poisoned)
		*(volatile int *)8 = 1;
	for (unsigned char *t = to; n--;)
		*t++ = (unsigned char)c;
	return to;
}

LOOP void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	if (poisoned)
		*(volatile int *)8 = 1;
	const unsigned char *f = from;
	for (unsigned char *t = to; n--;)
		*t++ = *f++;
	return to;
}

void own_memory(void)
{
	poisoned = 1;
	plain();
}

/* EFLAGS.AC stays set in a signal handler: a word that is not aligned is SIGBUS. */
void alignment_check(void)
{
	static char bytes[16];

	__asm__ volatile("pushfq\n\torq $0x40000,(%%rsp)\n\tpopfq\n\tmovl $1,1(%0)"
			 :
			 : "r"(bytes)
			 : "memory", "cc");
}

/* What the kernel has for SIGSEGV: libc's function would show what the program has set. */
struct action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

/* As an emulator enters a handler: the stack pointer lies 8 bytes beside. */
static void enter_beside(int sig, siginfo_t *si, void *context)
{
	struct action a = {0};
	siginfo_t fault = *si;

	(void)sig;
	must(!syscall(SYS_rt_sigaction, SIGSEGV, NULL, &a, 8L), "rt_sigaction");
	fault.si_signo = SIGSEGV;
	fault.si_code = SEGV_MAPERR;
	fault.si_addr = (void *)16;
	if (!a.handler) {
		a.mask = 0;
		raise(SIGSEGV);
		return;
	}
	__asm__ volatile(
	    "mov %%rsp,%%rbx\n\tandq $-16,%%rsp\n\tsubq $8,%%rsp\n\tcall *%3\n\tmov %%rbx,%%rsp"
	    :
	    : "D"(SIGSEGV), "S"(&fault), "d"(context), "r"(a.handler)
	    : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
}

void misaligned(void)
{
	struct sigaction sa = {.sa_sigaction = enter_beside, .sa_flags = SA_SIGINFO};

	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
	raise(SIGUSR1);
	_exit(98);
}

/* No signal can be queued any more, by an ordinary user. */
void no_queue(void)
{
	struct rlimit none = {0, 0};

	start_resting();
	must(!setrlimit(RLIMIT_SIGPENDING, &none), "setrlimit");
	plain();
}

/* No file can be opened, /proc among them. */
void landlock(void)
{
	struct landlock_ruleset_attr a = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE |
							       LANDLOCK_ACCESS_FS_READ_DIR |
							       LANDLOCK_ACCESS_FS_WRITE_FILE};
	long fd;

	start_resting();
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = syscall(SYS_landlock_create_ruleset, &a, sizeof(a), 0);
	if (fd < 0) {
		dprintf(1, "no Landlock\n");
		_exit(77);
	}
	must(!syscall(SYS_landlock_restrict_self, fd, 0), "landlock_restrict_self");
	plain();
}

/* SIGQUIT and go on (LIBSTACK_SIGQUIT=continue); the next child is the init of a namespace. */
void new_namespace(void)
{
	must(!unshare(CLONE_NEWPID), "unshare");
	if (getenv("LIBSTACK_SIGQUIT"))
		raise(SIGQUIT);
	pid_t pid = fork();
	if (!pid)
		_exit(getpid() == 1 ? 5 : 6);
	int status = 0;
	must(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	_exit(WEXITSTATUS(status));
}

/* The kernel drops what is sent to the init of a PID namespace. */
void sent_to_init(void)
{
	for (int i = 0; i < nargs; i++)
		kill(getpid(), atoi(args[i]));
	dprintf(1, "%d goes on\n", getpid());
	_exit(7);
}
