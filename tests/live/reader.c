/*
 * What comes of the descriptors that a report is written to.
 *
 * reader crash            with standard error as it was given
 * reader since N [cloexec]  descriptor N takes the number of standard error, as in a daemon that
 * closed it; then the crash reader refused HOW N    the same, where a seccomp filter refuses to
 * look at descriptors: fstat and its kin (`stat`), and getsockopt and getsockname too (`all`). N:
 * -, it stays reader dump N [blocked|waiting]  libstack_dump(N), with SIGPIPE and SIGXFSZ blocked;
 * with one of each sent before. Prints what it returned and which of them are pending reader quit
 * SIGQUIT; then `went on`
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

extern int libstack_dump(int fd) __attribute__((weak));

static void must(int holds, const char *what)
{
	if (holds)
		return;
	printf("%s: %s\n", what, strerror(errno));
	exit(99);
}

__attribute__((noinline)) static void crash(const char *secret)
{
	*(volatile char *)0x10 = *secret;
}

static void take_number(const char *n, int flags)
{
	must(dup3(atoi(n), 2, flags) == 2, "dup3");
	close(atoi(n));
}

/* EPERM for some calls. */
static void refuse(int all)
{
	static const uint32_t calls[] = {SYS_fstat, SYS_newfstatat, SYS_statx, SYS_getsockopt,
					 SYS_getsockname};
	unsigned n = all ? 5 : 3, i;
	struct sock_filter code[8];
	struct sock_fprog prog = {(unsigned short)(n + 3), code};

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					       offsetof(struct seccomp_data, nr));
	for (i = 0; i < n; i++)
		code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
							   (unsigned char)(n - i), 0);
	code[n + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[n + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(!prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), "seccomp");
}

/* A report that does not fit into a small pipe. */
__attribute__((noinline)) static int dump_deep(int fd, int depth)
{
	int r = depth ? dump_deep(fd, depth - 1) : libstack_dump(fd);

	__asm__ volatile("");
	return r;
}

static void dump(int fd, const char *how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	if (*how)
		sigprocmask(SIG_BLOCK, &set, NULL);
	if (!strcmp(how, "waiting")) {
		/* As a write of its own would have left it: to the thread. */
		raise(SIGPIPE);
		raise(SIGXFSZ);
	}
	must(libstack_dump != NULL, "libstack_dump");
	int r = dump_deep(fd, 90);
	sigpending(&set);
	printf("libstack_dump %d, pending:%s%s\n", r, sigismember(&set, SIGPIPE) ? " PIPE" : "",
	       sigismember(&set, SIGXFSZ) ? " XFSZ" : "");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	alarm(60);
	if (!strcmp(what, "since") && argc > 2)
		take_number(argv[2], argc > 3 ? O_CLOEXEC : 0);
	if (!strcmp(what, "refused") && argc > 3) {
		if (strcmp(argv[3], "-") != 0)
			take_number(argv[3], 0);
		refuse(!strcmp(argv[2], "all"));
	}
	if (!strcmp(what, "dump") && argc > 2) {
		dump(atoi(argv[2]), argc > 3 ? argv[3] : "");
		return 0;
	}
	if (!strcmp(what, "quit")) {
		raise(SIGQUIT);
		puts("went on");
		return 0;
	}
	crash("a secret");
}
