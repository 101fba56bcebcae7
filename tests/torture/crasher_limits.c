/* Scenarios of the crasher: resources and system calls that it does not get, other threads. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crasher.h"

/* --- resources --- */

void closed(void)
{
	close(2);
	plain();
}

void reused(void)
{
	close(2);
	must(open(arg(0, ""), O_WRONLY | O_CREAT | O_TRUNC, 0644) == 2, "open");
	must(write(2, "data\n", 5) == 5, "write");
	plain();
}

static void limit(int what, rlim_t value)
{
	struct rlimit r = {value, value};

	must(!setrlimit(what, &r), "setrlimit");
}

void no_files(void)
{
	limit(RLIMIT_NOFILE, 16);
	while (dup(2) >= 0)
		;
	plain();
}

NOINLINE void exhaust(int what)
{
	limit(what, 1 << 16);
	must(mmap(NULL, 1 << 26, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
		 MAP_FAILED,
	     "memory was not exhausted");
	plain();
}

void no_memory(void)
{
	exhaust(RLIMIT_AS);
}

void no_data(void)
{
	exhaust(RLIMIT_DATA);
}

void no_processes(void)
{
	limit(RLIMIT_NPROC, 0);
	plain();
}

void no_file_size(void)
{
	limit(RLIMIT_FSIZE, 0);
	plain();
}

void undumpable(void)
{
	must(!prctl(PR_SET_DUMPABLE, 0), "prctl");
	plain();
}

/* --- seccomp: a call is forbidden, with an error or with death --- */

static const struct {
	const char *name;
	int number;
} calls[] = {{"ptrace", SYS_ptrace},
	     {"clone", SYS_clone},
	     {"process_vm_readv", SYS_process_vm_readv},
	     {"memfd_create", SYS_memfd_create},
	     {"execveat", SYS_execveat},
	     {"open", SYS_open},
	     {"unshare", SYS_unshare},
	     {"tgkill", SYS_tgkill}};

static void forbid(const char *name, const char *how)
{
	uint32_t action = !strcmp(how, "kill")   ? SECCOMP_RET_KILL_PROCESS
			  : !strcmp(how, "trap") ? SECCOMP_RET_TRAP
						 : SECCOMP_RET_ERRNO | EPERM;
	int number = -1;

	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(calls[i].name, name))
			number = calls[i].number;
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, action),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof(code) / sizeof(*code), code};

	must(number >= 0, "no such call in the table");
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog),
	     "seccomp");
}

void filtered(void)
{
	forbid(arg(0, ""), arg(1, ""));
	plain();
}

/* The filter of a container: there before the program was. */
void inherited(void)
{
	if (nargs > 2) {
		plain();
		return;
	}
	forbid(arg(0, ""), arg(1, ""));
	execl("/proc/self/exe", "crasher", "inherited", arg(0, ""), arg(1, ""), "again", NULL);
	must(0, "exec");
}

/* --- names that only .symtab has, where its file cannot be opened any more --- */

NOINLINE static void hidden_boom(volatile int *p)
{
	*p = 1;
}

NOINLINE static void hidden(void)
{
	hidden_boom((int *)0x10);
	__asm__ volatile("");
}

void unexported(void)
{
	const char *where = arg(0, "");

	if (!strcmp(where, "chroot"))
		must(!mkdir("empty", 0755) && !chroot("empty") && !chdir("/"), "chroot");
	if (!strcmp(where, "no_files"))
		limit(RLIMIT_NOFILE, 0);
	if (!strcmp(where, "filtered"))
		forbid("open", "errno");
	hidden();
}

static pthread_barrier_t resting;

NOINLINE void rest(void)
{
	pthread_barrier_wait(&resting);
	for (;;)
		pause();
}

void *resting_thread(void *p)
{
	rest();
	return p;
}

void start_resting(void)
{
	pthread_t t;

	pthread_barrier_init(&resting, NULL, 2);
	must(!pthread_create(&t, NULL, resting_thread, NULL), "pthread_create");
	pthread_barrier_wait(&resting);
}

/* The same, with another thread that sits in pause(). */
void filtered_threads(void)
{
	start_resting();
	forbid(arg(0, ""), arg(1, ""));
	plain();
}

void threads(void)
{
	start_resting();
	plain();
}

static pthread_t leader;

void *after_leader(void *p)
{
	pthread_join(leader, NULL);
	if (p)
		forbid(arg(0, ""), arg(1, ""));
	plain();
	return p;
}

/* The first thread has ended; with arguments a system call is forbidden to the other. */
void leaderless(void)
{
	pthread_t t;

	leader = pthread_self();
	must(!pthread_create(&t, NULL, after_leader, nargs ? args : NULL), "pthread_create");
	pthread_exit(NULL);
}

void undumpable_threads(void)
{
	start_resting();
	undumpable();
}
