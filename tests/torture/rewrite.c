/*
 * rewrite WHEN PROGRAM: runs PROGRAM under ptrace(2), and when its library starts its helper,
 * writes to the file in memory that will be executed, as another process of the same user may: WHEN
 * is "before" it is sealed, "mapped" (a writable mapping is there when it is to be sealed), or
 * "after", when it is executed. It prints what it did, and what came of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *when;
static int done;

static int open_of(pid_t tid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, fd);
	int mine = open(path, O_RDWR | O_CLOEXEC);
	if (mine < 0)
		printf("%s: open: %s\n", when, strerror(errno));
	return mine;
}

static void change(pid_t tid, int fd)
{
	int mine = open_of(tid, fd);

	done = 1;
	if (mine < 0)
		return;
	if (!strcmp(when, "mapped")) {
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mine, 0);
		printf("mapped: %s\n", p == MAP_FAILED ? strerror(errno) : "mapped");
		return;
	}
	ssize_t n = pwrite(mine, "else", 4, 1000);
	printf("%s: write: %s\n", when, n == 4 ? "written" : strerror(errno));
	if (!strcmp(when, "after")) {
		printf("after: cut: %s\n", ftruncate(mine, 100) ? strerror(errno) : "cut");
		printf("after: unseal: %s\n",
		       fcntl(mine, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) ? strerror(errno) : "sealed");
	}
	close(mine);
}

static void on_call(pid_t tid)
{
	struct __ptrace_syscall_info i = {0};

	if (done || ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(i), &i) <= 0 ||
	    i.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (!strcmp(when, "after") ? i.entry.nr == SYS_execveat
				   : i.entry.nr == SYS_fcntl && i.entry.args[1] == F_ADD_SEALS)
		change(tid, (int)i.entry.args[0]);
}

int main(int argc, char **argv)
{
	int status, end = 0;

	if (argc < 3)
		return 64;
	when = argv[1];
	pid_t pid = fork(), tid;
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		setenv("LD_PRELOAD", getenv("LIBRARY"), 1);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
		puts("not traced");
		return 1;
	}
	ptrace(PTRACE_SETOPTIONS, pid, 0,
	       PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEVFORK |
		   PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	ptrace(PTRACE_SYSCALL, pid, 0, 0);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		long sig = 0;
		if (!WIFSTOPPED(status)) {
			if (tid == pid)
				end = status;
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			on_call(tid);
		else if (!(status >> 16) && WSTOPSIG(status) != SIGSTOP)
			sig = WSTOPSIG(status);
		ptrace(PTRACE_SYSCALL, tid, 0, sig);
	}
	printf("end: signal %d\n", WIFSIGNALED(end) ? WTERMSIG(end) : 0);
	return 0;
}
