/*
 * crasher [child] SCENARIO [ARGUMENTS]: gets itself into trouble in one of many ways and crashes.
 * Functions are not static and exported: the report in process knows names of the dynamic symbol
 * table only.
 *
 * Started as the helper of libstack it is a bad one; its file's name tells how.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

static int nargs;
static char **args;

static const char *arg(int i, const char *otherwise)
{
	return i < nargs ? args[i] : otherwise;
}

static void must(int holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "crasher: %s: %s\n", what, strerror(errno));
		exit(99);
	}
}

/* The ordinary crash: a write to address 0x10. */
NOINLINE void boom(volatile int *p)
{
	*p = 1;
}

NOINLINE void plain(void)
{
	boom((int *)0x10);
}

/* --- stacks --- */

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
static char *own_stack(size_t size)
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

/* --- inside others --- */

/* A free chunk whose links lead to nowhere: malloc itself faults, with the arena locked. */
void malloc_crash(void)
{
	uint64_t *p = malloc(2000);
	void *volatile guard = malloc(16);

	free(p);
	p[1] = 0x41414141;
	free(malloc(5000));
	free(guard);
}

void malloc_abort(void)
{
	char *p = malloc(24);

	memset(p + 24, 0x41, 8);
	free(malloc(100000));
	free(malloc(3000));
}

void in_dlopen(void)
{
	dlopen(arg(0, ""), RTLD_NOW);
}

void on_usr1(int sig)
{
	(void)sig;
	plain();
}

static void handle_usr1(int flags)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = flags};

	sigfillset(&sa.sa_mask);
	must(!sigaction(SIGUSR1, &sa, NULL), "sigaction");
	raise(SIGUSR1);
}

void in_handler(void)
{
	handle_usr1(0);
}

void in_handler_altstack(void)
{
	stack_t ss = {.ss_sp = own_stack(65536), .ss_size = 65536};

	must(!sigaltstack(&ss, NULL), "sigaltstack");
	handle_usr1(SA_ONSTACK);
}

/* --- other processes --- */

static void wait_for(pid_t pid)
{
	int status = 0;

	must(pid > 0 && waitpid(pid, &status, 0) == pid, "waitpid");
	/* What the runner can see of it: the signal, and whether a core was written. */
	_exit(WIFSIGNALED(status) ? WTERMSIG(status) + (WCOREDUMP(status) ? 64 : 0) : 98);
}

void in_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		plain();
	wait_for(pid);
}

void in_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		plain();
	wait_for(pid);
}

/* The child crashes, then the parent does: neither is in the other's way. */
void after_vfork(void)
{
	pid_t pid = vfork();
	int status;

	if (!pid)
		plain();
	waitpid(pid, &status, 0);
	plain();
}

static pthread_barrier_t barrier;

void *crash_at_barrier(void *p)
{
	pthread_barrier_wait(&barrier);
	plain();
	return p;
}

void eight(void)
{
	pthread_t t[8];

	pthread_barrier_init(&barrier, NULL, 8);
	for (int i = 0; i < 8; i++)
		must(!pthread_create(&t[i], NULL, crash_at_barrier, NULL), "pthread_create");
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/* --- blocked signals --- */

NOINLINE void block(int (*how)(int, const sigset_t *, sigset_t *))
{
	sigset_t all;

	sigfillset(&all);
	must(!how(SIG_SETMASK, &all, NULL), "mask");
	plain();
}

void blocked_process(void)
{
	block(sigprocmask);
}

void blocked_thread(void)
{
	block(pthread_sigmask);
}

/* Block the faults, then become another program that knows nothing of it. The system call: libc's
 * functions do not block what libstack handles. */
void blocked_exec(void)
{
	static char name[] = "plain";
	char *next[] = {args[-2], name, NULL};
	uint64_t all = ~0ULL;

	must(!syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8), "mask");
	execv("/proc/self/exe", next);
	must(0, "execv");
}

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

static void start_resting(void)
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

/* --- the report itself --- */

/* A stack of some depth: its report does not fit into a small pipe. */
NOINLINE void down(int depth)
{
	if (depth)
		down(depth - 1);
	else
		plain();
	__asm__ volatile("");
}

void deep(void)
{
	down(90);
}

static uint64_t library_base(void)
{
	char line[4096];
	FILE *f = fopen("/proc/self/maps", "r");
	uint64_t base = 0;

	while (f && !base && fgets(line, sizeof(line), f))
		if (strstr(line, "libstack.so"))
			base = strtoull(line, NULL, 16);
	must(base != 0, "libstack is not there");
	fclose(f);
	return base;
}

/* Put instructions that do not exist at offsets of the library. */
static void spoil(void)
{
	uint64_t base = library_base();
	int fd = open("/proc/self/mem", O_RDWR);

	for (int i = 0; i < nargs; i++)
		must(pwrite(fd, "\x0f\x0b", 2, (off_t)(base + strtoull(args[i], NULL, 16))) == 2,
		     "/proc/self/mem");
	close(fd);
}

void spoilt(void)
{
	spoil();
	plain();
}

/* The crash comes while the helper waits for an answer. */
void spoilt_threads(void)
{
	spoil();
	undumpable_threads();
}

/* libstack_dump() of a library that crashes in it: an error, and the program goes on. */
void spoilt_dump(void)
{
	int (*dump)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "libstack_dump");

	must(dump != NULL, "libstack_dump");
	spoil();
	dprintf(1, "libstack_dump: %d\n", dump(2));
	dprintf(1, "libstack_dump: %d\n", dump(2));
	_exit(3);
}

/* The first report crashes; the program lives on (LIBSTACK_SIGQUIT=continue), and so must the
 * library. */
void spoilt_quit(void)
{
	spoil();
	raise(SIGQUIT);
	raise(SIGQUIT);
	_exit(3);
}

static const struct {
	const char *name;
	void (*fn)(void);
} scenarios[] = {
    {"plain", plain},
    {"overflow_main", overflow_main},
    {"overflow_pthread", overflow_pthread},
    {"overflow_thrd", overflow_thrd},
    {"overflow_attr", overflow_attr},
    {"overflow_clone", overflow_clone},
    {"crash_clone", crash_clone},
    {"smashed", smashed},
    {"smashed_return", smashed_return},
    {"jump_null", jump_null},
    {"jump_nowhere", jump_nowhere},
    {"malloc_crash", malloc_crash},
    {"malloc_abort", malloc_abort},
    {"in_dlopen", in_dlopen},
    {"in_handler", in_handler},
    {"in_handler_altstack", in_handler_altstack},
    {"in_fork", in_fork},
    {"in_vfork", in_vfork},
    {"after_vfork", after_vfork},
    {"eight", eight},
    {"blocked_process", blocked_process},
    {"blocked_thread", blocked_thread},
    {"blocked_exec", blocked_exec},
    {"closed", closed},
    {"reused", reused},
    {"no_files", no_files},
    {"no_memory", no_memory},
    {"no_data", no_data},
    {"no_processes", no_processes},
    {"no_file_size", no_file_size},
    {"undumpable", undumpable},
    {"undumpable_threads", undumpable_threads},
    {"filtered", filtered},
    {"inherited", inherited},
    {"filtered_threads", filtered_threads},
    {"threads", threads},
    {"leaderless", leaderless},
    {"deep", deep},
    {"spoilt", spoilt},
    {"spoilt_threads", spoilt_threads},
    {"spoilt_dump", spoilt_dump},
    {"spoilt_quit", spoilt_quit},
};

/* --- as a helper --- */

static void bad_helper(unsigned long pid)
{
	char exe[4096] = "";

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return;
	alarm(60);
	if (strstr(exe, "-hangs"))
		for (;;)
			pause();
	/* Somebody else sends the program the signal of a fault while it reports. */
	if (strstr(exe, "-kicks"))
		kill((pid_t)pid, SIGSEGV);
	if (strstr(exe, "-proves"))
		close(open("proof", O_WRONLY | O_CREAT, 0644));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[0], "libstack-helper")) {
		bad_helper(strtoul(argv[1], NULL, 16));
		return 20;
	}
	alarm(60);
	/* `child SCENARIO`: in a child. */
	if (argc > 2 && !strcmp(argv[1], "child")) {
		pid_t pid = fork();
		if (pid)
			wait_for(pid);
		argc--;
		argv++;
	}
	nargs = argc - 2;
	args = argv + 2;
	for (unsigned i = 0; argc > 1 && i < sizeof(scenarios) / sizeof(*scenarios); i++)
		if (!strcmp(scenarios[i].name, argv[1])) {
			scenarios[i].fn();
			return 97;
		}
	fprintf(stderr, "crasher: no such scenario\n");
	return 96;
}
