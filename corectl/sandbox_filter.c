/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The filter of system calls (seccomp(2)): a classic BPF program made of a table. The first row
 * that fits decides; a call that no row names is allowed; one that is newer than the table is said
 * not to exist, so that libc does without. What is open already can be written to: the terminal,
 * the pipe of a pager, the history, the core that is being made or unpacked.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arch.h"
#include "sandbox.h"

/* Behind rseq(2) all machines have the same numbers, which begin at 424. */
#define LAST_OLD    SYS_rseq
#define CLOSE_RANGE 436
#define FACCESSAT2  439

#define CREATES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))
/* linux/fs.h: PAGEMAP_SCAN (Linux 6.7) takes 96 bytes. */
#define SCAN_PAGES _IOWR('f', 16, char[96])

enum test { ANY, IS, HAS, IN_256, IS_NULL };

struct row {
	int call;
	uint16_t error; /* 0: allowed */
	uint8_t with; /* SANDBOX_…: the row that allows stands for these alone, the other for none
			 of them */
	uint8_t argument, test;
	uint32_t value;
};

#define OURSELVES UINT32_MAX /* as a value: the number of this process */

/* Rows, without their braces. */
#define NO(call)                SYS_##call, EPERM, 0, 0, ANY, 0
#define NO_IF(call, arg, value) SYS_##call, EPERM, 0, arg, IS, value
#define NO_CHANGE(call)         SYS_##call, EROFS, SANDBOX_WRITES, 0, ANY, 0
#define NO_OPEN(call, arg)      SYS_##call, EROFS, SANDBOX_WRITES | SANDBOX_KEEPS, arg, HAS, CREATES
#define NO_CUT(call, arg)       SYS_##call, EROFS, SANDBOX_WRITES, arg, HAS, O_TRUNC
#define NO_KEEP(call)           SYS_##call, EROFS, SANDBOX_WRITES | SANDBOX_KEEPS, 0, ANY, 0
#define BUT(call, arg, value)   SYS_##call, 0, 0, arg, IS, value
#define STOPPING(request)       SYS_ptrace, 0, SANDBOX_STOPS, 0, IS, request

static const struct row rows[] = {
    /* Programs and processes. clone3(2), whose flags are out of sight, is newer than the table:
       libc takes clone(2). */
    {SYS_clone, 0, 0, 0, HAS, CLONE_THREAD},
    {NO(clone)},
    {NO(execve)},
    {NO(execveat)},
    {NO(unshare)},
    {NO(setns)},
    {NO(personality)},
    /* Sockets. */
    {NO(socket)},
    {NO(socketpair)},
    {NO(connect)},
    {NO(bind)},
    {NO(listen)},
    {NO(accept)},
    {NO(accept4)},
    /* Other processes. */
    {BUT(kill, 0, OURSELVES)},
    {NO(kill)},
    {BUT(tgkill, 0, OURSELVES)},
    {NO(tgkill)},
    {NO(tkill)},
    {BUT(rt_sigqueueinfo, 0, OURSELVES)},
    {NO(rt_sigqueueinfo)},
    {BUT(rt_tgsigqueueinfo, 0, OURSELVES)},
    {NO(rt_tgsigqueueinfo)},
    {BUT(prlimit64, 0, 0)},
    {NO(prlimit64)},
    {SYS_process_vm_readv, EPERM, SANDBOX_LOOKS, 0, ANY, 0},
    {NO(process_vm_writev)},
    {STOPPING(PTRACE_SEIZE)},
    {STOPPING(PTRACE_INTERRUPT)},
    {STOPPING(PTRACE_CONT)},
    {STOPPING(PTRACE_GETREGSET)},
    {STOPPING(PTRACE_SETREGSET)},
    {STOPPING(PTRACE_GETSIGINFO)},
    {STOPPING(PTRACE_DETACH)},
    {NO(ptrace)},
    {NO(kcmp)},
    {NO(migrate_pages)},
    {NO(move_pages)},
    {NO(shmget)},
    {NO(shmat)},
    {NO(semget)},
    {NO(msgget)},
    {NO(mq_open)},
    /* ioctl_tty(2) but for what types into the terminal or makes something else of it. */
    {NO_IF(ioctl, 1, TIOCSTI)},
    {NO_IF(ioctl, 1, TIOCLINUX)},
    {NO_IF(ioctl, 1, TIOCCONS)},
    {NO_IF(ioctl, 1, TIOCSETD)},
    {SYS_ioctl, 0, 0, 1, IN_256, TCGETS},
    {SYS_ioctl, 0, SANDBOX_LOOKS, 1, IS, SCAN_PAGES},
    {NO(ioctl)},
    /* The kernel's wide doors, and the machine. */
    {NO(bpf)},
    {NO(perf_event_open)},
    {NO(userfaultfd)},
    {NO(add_key)},
    {NO(request_key)},
    {NO(keyctl)},
    {NO(open_by_handle_at)},
    {NO(fanotify_init)},
    {NO(mount)},
    {NO(umount2)},
    {NO(pivot_root)},
    {NO(chroot)},
    {NO(swapon)},
    {NO(swapoff)},
    {NO(reboot)},
    {NO(kexec_load)},
    {NO(init_module)},
    {NO(finit_module)},
    {NO(delete_module)},
    {NO(sethostname)},
    {NO(setdomainname)},
    {NO(settimeofday)},
    {NO(clock_settime)},
    {NO(adjtimex)},
    {NO(clock_adjtime)},
    {NO(quotactl)},
    {NO(acct)},
    {NO(syslog)},
    {NO(vhangup)},
    /* Files. The times of one that is open may be set: they say what of the cache is of use. */
    {NO_OPEN(openat, 2)},
    {NO_CUT(openat, 2)},
    {NO_CHANGE(mkdirat)},
    {NO_CHANGE(mknodat)},
    {NO_CHANGE(linkat)},
    {NO_CHANGE(symlinkat)},
    {NO_KEEP(unlinkat)},
    {NO_KEEP(renameat2)},
    {NO_CHANGE(fchmod)},
    {NO_CHANGE(fchmodat)},
    {NO_CHANGE(fchown)},
    {NO_CHANGE(fchownat)},
    {NO_CHANGE(truncate)},
    {NO_CHANGE(setxattr)},
    {NO_CHANGE(lsetxattr)},
    {NO_CHANGE(fsetxattr)},
    {NO_CHANGE(removexattr)},
    {NO_CHANGE(lremovexattr)},
    {NO_CHANGE(fremovexattr)},
    {SYS_utimensat, 0, 0, 1, IS_NULL, 0},
    {NO_CHANGE(utimensat)},
#ifdef SYS_renameat
    {NO_KEEP(renameat)},
#endif
#ifdef SYS_open /* a machine that has the old calls */
    {NO_OPEN(open, 1)},
    {NO_CUT(open, 1)},
    {NO(fork)},
    {NO(vfork)},
    {NO_CHANGE(creat)},
    {NO_CHANGE(mkdir)},
    {NO_CHANGE(rmdir)},
    {NO_CHANGE(mknod)},
    {NO_CHANGE(link)},
    {NO_CHANGE(symlink)},
    {NO_CHANGE(unlink)},
    {NO_CHANGE(rename)},
    {NO_CHANGE(chmod)},
    {NO_CHANGE(chown)},
    {NO_CHANGE(lchown)},
    {NO_CHANGE(utime)},
    {NO_CHANGE(utimes)},
    {NO_CHANGE(futimesat)},
#endif
#ifdef SYS_iopl
    {NO(iopl)},
    {NO(ioperm)},
#endif
};

#define ROWS    (sizeof(rows) / sizeof(*rows))
#define LONGEST 8 /* instructions of a row */
#define GROUP   8 /* rows */

struct program {
	struct sock_filter v[LONGEST * (ROWS + 2)];
	unsigned short n;
};

static void put(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->v[p->n++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

#define JUMP(p, how, k, yes, no) put(p, BPF_JMP | BPF_K | (how), (uint32_t)(k), yes, no)
#define NUMBER                   offsetof(struct seccomp_data, nr)

/* `high` or low half of an argument. The kernel looks at the low one of each that has a test, but
 * for the pointer. */
static void load_argument(struct program *p, unsigned i, bool high)
{
	bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

	load(p, offsetof(struct seccomp_data, args) + 8UL * i + (high == little ? 4 : 0));
}

static void decide(struct program *p, unsigned error)
{
	put(p, BPF_RET | BPF_K, error ? SECCOMP_RET_ERRNO | error : SECCOMP_RET_ALLOW, 0, 0);
}

/* On to the next instruction if the test holds, else over that one. */
static void put_test(struct program *p, const struct row *r)
{
	uint32_t value = r->value == OURSELVES ? (uint32_t)getpid() : r->value;

	load_argument(p, r->argument, false);
	if (r->test == IN_256)
		put(p, BPF_ALU | BPF_AND | BPF_K, ~255U, 0, 0);
	if (r->test == IS_NULL) {
		JUMP(p, BPF_JEQ, 0, 0, 3);
		load_argument(p, r->argument, true);
	}
	JUMP(p, r->test == HAS ? BPF_JSET : BPF_JEQ, r->test == IN_256 ? value & ~255U : value, 0,
	     1);
}

static void put_row(struct program *p, const struct row *r)
{
	unsigned at = p->n;

	JUMP(p, BPF_JEQ, r->call, 0, 0);
	if (r->test != ANY)
		put_test(p, r);
	decide(p, r->error);
	if (r->test != ANY)
		load(p, NUMBER);
	p->v[at].jf = (uint8_t)(p->n - at - 1);
}

static void put_head(struct program *p)
{
	uint32_t machine = stk_arch_host->e_machine | __AUDIT_ARCH_64BIT | __AUDIT_ARCH_LE;

	load(p, offsetof(struct seccomp_data, arch));
	JUMP(p, BPF_JEQ, machine, 1, 0);
	put(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	load(p, NUMBER);
	JUMP(p, BPF_JGT, LAST_OLD, 0, 4);
	JUMP(p, BPF_JEQ, CLOSE_RANGE, 1, 0);
	JUMP(p, BPF_JEQ, FACCESSAT2, 0, 1);
	decide(p, 0);
	decide(p, ENOSYS);
}

static int by_call(const void *a, const void *b)
{
	const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;

	return x->call != y->call ? (x->call > y->call) - (x->call < y->call) : (x > y) - (x < y);
}

/* The rows for `needs`, by their calls, those of one call as they stand in the table. */
static unsigned choose(const struct row **ret, unsigned needs)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].error ? !(needs & rows[i].with) : !rows[i].with || needs & rows[i].with)
			ret[n++] = &rows[i];
	qsort(ret, n, sizeof(*ret), by_call);
	return n;
}

/* Groups of rows, each passed over by one comparison: the kernel runs the filter once for each call
 * there is when it takes it, and then for those that it cannot decide by their number alone. */
static void put_rows(struct program *p, const struct row *const *v, unsigned n)
{
	for (unsigned i = 0, end; i < n; i = end) {
		unsigned at = p->n;
		end = i + GROUP < n ? i + GROUP : n;
		while (end < n && v[end]->call == v[end - 1]->call)
			end++;
		JUMP(p, BPF_JGT, v[end - 1]->call, 0, 0);
		for (unsigned k = i; k < end; k++)
			put_row(p, v[k]);
		decide(p, 0);
		p->v[at].jt = (uint8_t)(p->n - at - 1);
	}
}

int sandbox_filter(unsigned needs, struct stk_err *err)
{
	static struct program p;
	const struct row *chosen[ROWS];

	p.n = 0;
	put_head(&p);
	put_rows(&p, chosen, choose(chosen, needs));
	decide(&p, 0);
	struct sock_fprog filter = {.len = p.n, .filter = p.v};
	/* SPEC_ALLOW: older kernels would slow all code down against what a program could read of
	 * itself by Spectre v4. */
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			 SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
	if (r > 0)
		return stk_fail(err, STK_ESYS, "seccomp: a thread has another filter");
	return r ? stk_fail_sys(err, errno, "seccomp") : 0;
}
