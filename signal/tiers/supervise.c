/*
 * The clones' side of tiers 1 and 2; launch.c is the other. CRASH context, all of it. supervise():
 *
 * 1. detach(): give up what the clone has of the program: its signal handlers, its descriptors, its
 *    limit of cores. The table of descriptors is a copy (no CLONE_FILES), memory is shared.
 * 2. open_helper(): the program's image, from the library's own data or from a file.
 * 3. Start the second clone, exec_helper(), and wait until it has executed (CLONE_VFORK): until
 * then both run in the same memory, each on a static stack.
 * 4. stk_serve() (serve.c) until the helper is done.
 * 5. Wait for its end and keep its status for the crashing thread, which learns by stk_g.supervisor
 *    that this clone has ended, too.
 *
 * Any call may be refused: fail() notes the first thing that could not be done, and the report in
 * process names it.
 */
#include "signal/tiers/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/text.h"
#include "signal/crash.h"
#include "signal/kernel/apart.h"
#include "signal/kernel/clock.h"
#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"
#include "signal/state/action.h"
#include "signal/state/clones.h"
#include "signal/state/state.h"
#include "signal/tiers/serve.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#define HELPER_FD 3   /* the helper's end of the socket */
#define TRIES     100 /* of a call that ends with EINTR */
#define TURNS_MAX 1000000

struct stk_run stk_run;

static uint8_t supervisor_stack[32768] STK_APART __attribute__((aligned(16)));
static uint8_t exec_stack[16384] STK_APART __attribute__((aligned(16)));
static uint8_t compared[65536] STK_APART __attribute__((aligned(8)));

static void fail(const char *what, long error)
{
	stk_run.failed = what;
	stk_run.failed_errno = error;
}

/* A seccomp filter trapped a call of a clone (SIGSYS): the call fails with EPERM. */
__attribute__((force_align_arg_pointer)) static void on_trap(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	stk_context_fail_call(uc, EPERM);
}

/* Our handlers must not run in the clones: they share the gate and the state. */
static void reset_signals(void)
{
	struct stk_ksigaction dfl = {0}, ign = {.handler = (void *)1 /* SIG_IGN */};
	struct stk_ksigaction trap = stk_our_action();

	for (int sig = 1; sig < 32; sig++)
		if (stk_signals_all() & 1ULL << (sig - 1))
			stk_sigaction(sig, sig == SIGQUIT ? &ign : &dfl, 0);
	trap.handler = on_trap;
	stk_sigaction(SIGSYS, &trap, 0);
	/* Nothing that a terminal or another process sends ends or stops the report. SIGTTOU: a
	 * background process may write to the terminal all the same (`stty tostop`). */
	static const uint8_t ignored[] = {SIGINT,  SIGHUP,  SIGTERM, SIGPIPE,
					  SIGXFSZ, SIGTTOU, SIGTTIN, SIGTSTP};
	for (unsigned i = 0; i < sizeof(ignored); i++)
		stk_sigaction(ignored[i], &ign, 0);
}

/* Megabytes are compared, and memcmp() of base/ goes byte by byte. */
static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
	typedef uint64_t word __attribute__((aligned(1), may_alias));
	const word *x = (const void *)a, *y = (const void *)b;
	uint64_t differ = 0;

	for (size_t i = 0; i < n / 8; i++)
		differ |= x[i] ^ y[i];
	return !differ && !memcmp(a + n / 8 * 8, b + n / 8 * 8, n % 8);
}

/* Does the file hold the helper and nothing else? */
static bool holds_helper(long fd, size_t len)
{
	size_t at = 0;

	for (unsigned tries = 0; at < len && tries < TRIES; tries++) {
		long n = sys4(SYS_pread64, fd, compared, sizeof(compared), at);
		if (n == -EINTR)
			continue;
		if (n <= 0 || (size_t)n > len - at ||
		    !same(compared, stk_helper_start + at, (size_t)n))
			return false;
		at += (size_t)n;
		tries = 0;
	}
	return at == len && sys4(SYS_pread64, fd, compared, 1, at) == 0;
}

static long put_helper(long fd, size_t len)
{
	size_t at = 0;

	for (unsigned tries = 0; at < len; tries++) {
		long n = sys3(SYS_write, fd, stk_helper_start + at, len - at);
		if (n <= 0 && (n != -EINTR || tries > TRIES))
			return n ? n : -ENOSPC;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The embedded helper as a file in memory. Who may look into /proc/PID/fd can open it, too, and
 * write to it: so it is sealed (memfd_create(2), "File sealing"), and read back after that. */
static long helper_in_memory(const char **ret_what)
{
	const unsigned how = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	size_t len = (size_t)(stk_helper_end - stk_helper_start);
	long fd = sys2(SYS_memfd_create, "libstack-helper", how | MFD_EXEC);

	if (fd == -EINVAL) /* before Linux 6.3 there is no MFD_EXEC */
		fd = sys2(SYS_memfd_create, "libstack-helper", how);
	*ret_what = "the helper cannot be put into memory";
	if (fd < 0)
		return fd;
	long r = put_helper(fd, len);
	if (!r)
		r = sys3(SYS_fcntl, fd, F_ADD_SEALS,
			 F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	if (!r && !holds_helper(fd, len)) {
		*ret_what = "another process has changed the helper";
		r = -EPERM;
	}
	if (!r)
		return fd;
	sys1(SYS_close, fd);
	return r;
}

/* The one that is asked for, else the embedded one, else the installed one. */
static long open_helper(void)
{
	bool asked = stk_g.o.helper[0], embedded = stk_helper_end != &stk_helper_start[0];
	const char *what = 0;
	long fd = -ENOENT, error;

	if (!asked && embedded && (fd = helper_in_memory(&what)) >= 0)
		return fd;
	error = fd;
	fd = sys3(SYS_open, asked ? stk_g.o.helper : STK_HELPER_PATH,
		  O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
	if (fd < 0 && what)
		fail(what, error);
	else if (fd < 0)
		fail("the helper cannot be opened", fd);
	return fd;
}

/* Raise a limit without end, else to the hard limit. The program's stays: a clone without
 * CLONE_THREAD has limits of its own (getrlimit(2)). */
static void raise_limit(int what)
{
	struct rlimit r, none = {RLIM_INFINITY, RLIM_INFINITY};

	if (sys4(SYS_prlimit64, 0, what, &none, 0) != 0 &&
	    sys4(SYS_prlimit64, 0, what, 0, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		sys4(SYS_prlimit64, 0, what, &r, 0);
	}
}

static void put_hex(char *to, uint64_t v)
{
	struct stk_text t;

	stk_text_init(&t, to, 24);
	stk_printf(&t, "%lx", (unsigned long)v);
}

/* A copy of a descriptor above those that the helper uses, closed when it is executed. */
static long above(int fd)
{
	return fd < 0 ? fd : sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, HELPER_FD + 1);
}

/* The second clone: becomes the helper. */
static void exec_helper(void)
{
	static char addr[24], tid[24];
	static char *argv[] = {(char *)"libstack-helper", tid, addr, 0};
	static char *envp[] = {0};
	uint64_t empty = 0;

	put_hex(addr, (uint64_t)(uintptr_t)stk_run.crash);
	put_hex(tid, (uint64_t)stk_run.crash->tid);
	sys2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	raise_limit(RLIMIT_AS);
	raise_limit(RLIMIT_DATA);
	raise_limit(RLIMIT_NOFILE);
	raise_limit(RLIMIT_STACK);
	raise_limit(RLIMIT_CPU);
	/* The helper finds the report's descriptor at 1 and the socket at HELPER_FD. All three are
	 * first copied above those numbers, for one of them may have such a number; dup3 clears
	 * close-on-exec. */
	long out = above(stk_run.out_fd), sock = above(stk_run.sockets[1]),
	     memfd = above(stk_run.memfd);
	sys3(SYS_dup3, out, 1, 0);
	sys3(SYS_dup3, sock, HELPER_FD, 0);
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &empty, 0, 8);
	long r = sys5(SYS_execveat, memfd, "", argv, envp, AT_EMPTY_PATH);
	fail("the helper cannot be executed", r);
	sys1(SYS_exit, STK_HELPER_EXEC);
}

/* Ask the crashing thread to collect the others: it alone can install handlers in the program,
 * whose table of them the clones do not share. */
static void want_collected(void)
{
	atomic_store(&stk_run.collected, 0);
	atomic_store(&stk_g.supervisor, STK_WORD_COLLECT);
	stk_wake_word(&stk_g.supervisor);
	for (unsigned turns = 0; turns < TURNS_MAX && !atomic_load(&stk_run.collected) &&
				 stk_now_ns() < stk_run.deadline_ns;
	     turns++)
		stk_wait_word(&stk_run.collected, 0, stk_run.deadline_ns);
}

/* The helper has written all. Where it holds threads the program may go on to its end, and takes us
 * with it. */
static void on_done(int status, bool holds)
{
	stk_run.status = status << 8; /* as wait4 has it (W_EXITCODE of sys/wait.h) */
	stk_run.holds = holds;
	if (!holds)
		return;
	atomic_store(&stk_g.supervisor, STK_WORD_STAYS);
	stk_wake_word(&stk_g.supervisor);
}

static void on_write(char last)
{
	stk_run.wrote = true;
	stk_run.last = last;
}

/* The report is written, and a part of the core: the next part gets as much time as the report had.
 */
static uint64_t extend(void)
{
	atomic_store(&stk_g.reported, 1);
	atomic_store(&stk_run.deadline_ns, stk_now_ns() + stk_run.grant_ns);
	return stk_run.deadline_ns;
}

/* What the clone has of the program, and must not keep or use. */
static void detach(void)
{
	struct rlimit none = {0, 0};

	/* If the program is killed meanwhile, nobody needs its report. */
	sys2(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	reset_signals();
	/* A core of ours would take the name of the program's. By a call of its own: a filter that
	 * kills for the newer one must not leave any. */
	if (sys2(SYS_setrlimit, RLIMIT_CORE, &none) != 0)
		sys4(SYS_prlimit64, 0, RLIMIT_CORE, &none, 0);
	raise_limit(RLIMIT_FSIZE);
	/* Files that the program deletes or locks must not live on with us. */
	if (stk_run.out_fd > 0)
		sys3(SYS_close_range, 0, stk_run.out_fd - 1, 0);
	sys3(SYS_close_range, stk_run.out_fd + 1, ~0U, 0);
}

/* Close a descriptor by whichever call is allowed: the one who reads the other end waits for that.
 */
static void shut(int fd)
{
	if (fd >= 0 && sys1(SYS_close, fd) != 0)
		sys3(SYS_close_range, fd, fd, 0);
}

/* The first clone, from its start to its end. */
static void supervise(void)
{
	struct stk_serve s = {.pid = stk_run.crash->pid,
			      .collect = want_collected,
			      .writes = on_write,
			      .extend = extend,
			      .done = on_done,
			      .crash = stk_run.crash,
			      .deadline_ns = stk_run.deadline_ns};
	int status = 0;

	stk_clone_note((int)sys0(SYS_gettid));
	detach();
	stk_run.sockets[0] = stk_run.sockets[1] = -1;
	stk_run.memfd = (int)open_helper();
	if (stk_run.memfd < 0)
		return;
	sys4(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, stk_run.sockets);
	long r = stk_sys_clone(CLONE_VM | CLONE_VFORK, exec_stack + sizeof(exec_stack), exec_helper,
			       &stk_run.helper, 0);
	if (r < 0) {
		fail("the helper cannot be started", r);
		return;
	}
	shut(stk_run.sockets[1]);
	s.fd = stk_run.sockets[0];
	stk_serve(&s);
	/* Whoever still asks learns that nobody answers. */
	shut(stk_run.sockets[0]);
	long ended = -EINTR;
	for (unsigned tries = 0; ended == -EINTR && tries < TRIES; tries++)
		ended = sys4(SYS_wait4, r, &status, __WALL, 0);
	if (ended != r)
		return;
	atomic_store(&stk_run.helper, 0);
	if (stk_run.status < 0)
		stk_run.status = status;
}

long stk_supervisor_start(void)
{
	return stk_sys_clone(CLONE_VM | CLONE_CHILD_CLEARTID,
			     supervisor_stack + sizeof(supervisor_stack), supervise,
			     &stk_run.supervisor, &stk_g.supervisor);
}

static bool is_on(const uint8_t *stack, size_t size, uint64_t sp)
{
	return sp - (uint64_t)(uintptr_t)stack <= size;
}

bool stk_supervise_is_on(uint64_t sp)
{
	return is_on(supervisor_stack, sizeof(supervisor_stack), sp) ||
	       is_on(exec_stack, sizeof(exec_stack), sp);
}
