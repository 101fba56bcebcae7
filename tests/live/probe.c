/* Preloaded into corectl: when it ends it tries what a sandbox forbids, in ways that do nothing
 * where they are allowed, and writes a line "NAME ERRNO" for each to the descriptor $PROBE. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NOWHERE  "/nowhere/file"
#define OPENAT2  437
#define IO_URING 425
#define CLONE3   435

static int out;

static void tell(const char *name, long result)
{
	dprintf(out, "%s %d\n", name, result < 0 ? errno : 0);
}

static void *thread(void *arg)
{
	return arg;
}

/* In a folder that is there, and has files "old" and "gone". */
static void folder(const char *path, const char *kind)
{
	static const char *const what[] = {"write_old", "make", "remove", "replace"};
	int at = open(path, O_PATH | O_DIRECTORY);
	char name[64];

	for (unsigned i = 0; i < 4; i++) {
		int r = i == 0   ? openat(at, "old", O_WRONLY)
			: i == 1 ? openat(at, "new", O_WRONLY | O_CREAT | O_EXCL, 0600)
			: i == 2 ? unlinkat(at, "gone", 0)
				 : renameat(at, "old", at, "other");
		snprintf(name, sizeof(name), "%s_%s", what[i], kind);
		tell(name, r);
	}
}

static void programs(void)
{
	char *none[] = {NULL};
	pthread_t t;
	pid_t child;

	tell("execve", execve(NOWHERE, none, none));
	tell("execveat", syscall(SYS_execveat, -1, NOWHERE, none, none, 0));
	tell("fork", child = fork());
	if (!child)
		_exit(0);
	errno = posix_spawn(&child, NOWHERE, NULL, NULL, none, none);
	tell("posix_spawn", errno ? -1 : 0);
	tell("clone3", syscall(CLONE3, NULL, 0));
	tell("unshare", unshare(0));
	errno = pthread_create(&t, NULL, thread, NULL);
	tell("thread", errno ? -1 : 0);
	if (!errno)
		pthread_join(t, NULL);
	while (wait(NULL) > 0)
		;
}

static void others(void)
{
	struct iovec none = {NULL, 0};

	tell("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	tell("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}));
	tell("kill", kill(getppid(), 0));
	tell("tkill", syscall(SYS_tkill, gettid(), 0));
	tell("kill_self", kill(getpid(), 0));
	tell("read_process", process_vm_readv(getpid(), &none, 1, &none, 1, 0));
	tell("write_process", process_vm_writev(getpid(), &none, 1, &none, 1, 0));
	tell("continue", ptrace(PTRACE_CONT, getppid(), NULL, NULL)); /* not traced: ESRCH */
	tell("poke", ptrace(PTRACE_POKEDATA, getppid(), NULL, NULL));
	tell("type", ioctl(-1, TIOCSTI, "x"));
	tell("size_of_terminal", ioctl(-1, TIOCGWINSZ, NULL));
	tell("openat2", syscall(OPENAT2, -1, NULL, NULL, 0));
	tell("io_uring", syscall(IO_URING, 0, NULL));
}

static void files(void)
{
	char other[64];
	int fd = open("/", O_RDONLY);

	tell("read", fd);
	tell("write", open(NOWHERE, O_WRONLY));
	tell("read_write", open(NOWHERE, O_RDWR));
	tell("create", open(NOWHERE, O_RDONLY | O_CREAT, 0600));
	tell("cut", open(NOWHERE, O_RDONLY | O_TRUNC));
	tell("unnamed", open("/nowhere", O_TMPFILE | O_RDWR, 0600));
	tell("openat", syscall(SYS_openat, AT_FDCWD, NOWHERE, O_WRONLY));
	tell("truncate", truncate(NOWHERE, 0));
	tell("mkdir", mkdir(NOWHERE, 0700));
	tell("unlink", unlink(NOWHERE));
	tell("unlinkat", unlinkat(AT_FDCWD, NOWHERE, 0));
	tell("rmdir", rmdir(NOWHERE));
	tell("rename", rename(NOWHERE, NOWHERE));
	tell("renameat", renameat(AT_FDCWD, NOWHERE, AT_FDCWD, NOWHERE));
	tell("link", link(NOWHERE, NOWHERE));
	tell("symlink", symlink(NOWHERE, NOWHERE));
	tell("mknod", mknod(NOWHERE, S_IFIFO, 0));
	tell("chmod", chmod(NOWHERE, 0));
	tell("fchmod", fchmod(-1, 0));
	tell("chown", chown(NOWHERE, 0, 0));
	tell("fchown", fchown(-1, 0, 0));
	tell("setxattr", setxattr(NOWHERE, "user.x", "", 0, 0));
	tell("times", utimensat(AT_FDCWD, NOWHERE, NULL, 0));
	tell("times_of_open", futimens(-1, NULL));
	close(fd);
	/* The filter of calls allows it, Landlock does not. */
	if (getenv("PROBE_OTHER")) {
		snprintf(other, sizeof(other), "/proc/%s/environ", getenv("PROBE_OTHER"));
		tell("environment_of_other", open(other, O_RDONLY));
	}
}

__attribute__((destructor)) static void probe(void)
{
	const char *fd = getenv("PROBE");

	out = fd ? atoi(fd) : -1;
	if (out < 0 || fcntl(out, F_GETFD) < 0)
		return;
	files();
	if (getenv("PROBE_FOLDER"))
		folder(getenv("PROBE_FOLDER"), "elsewhere");
	if (getenv("PROBE_CACHE"))
		folder(getenv("PROBE_CACHE"), "in_cache");
	others();
	programs();
}
