#include "targets/rights.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/live.h"
#include "targets/procfs.h"

#define CAP_SYS_PTRACE 19
#define PF_KTHREAD     0x00200000 /* include/linux/sched.h; field 9 of stat */

int stk_rights_explain(const struct stk_rights *r, struct stk_err *err)
{
	int pid = r->pid;

	if (r->yama >= 3)
		return stk_fail(err, STK_ESYS,
				"process %d: Yama forbids every ptrace (kernel.yama.ptrace_scope = "
				"3, fixed until the next boot): set a lower one at boot, or let "
				"the process leave a core",
				pid);
	if (r->our_uid == 0 && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d: root has no CAP_SYS_PTRACE here (a container?): start "
				"it with --cap-add=SYS_PTRACE, or look from the host",
				pid);
	if (r->other_userns && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d is in another user namespace: that takes "
				"CAP_SYS_PTRACE there: sudo corectl -p %d, or nsenter -U -t %d",
				pid, pid, pid);
	if (r->our_uid != r->their_uid && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d belongs to %s (uid %u), you are uid %u: as that user "
				"or as root: sudo corectl -p %d",
				pid, r->they_are ? r->they_are : "another user", r->their_uid,
				r->our_uid, pid);
	if (r->undumpable && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d is not dumpable (set-user-ID, changed credentials, or "
				"PR_SET_DUMPABLE): that takes CAP_SYS_PTRACE: sudo corectl -p %d",
				pid, pid);
	if (r->more_caps && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d has capabilities that you have not: that takes "
				"CAP_SYS_PTRACE: sudo corectl -p %d",
				pid, pid);
	if (r->yama && !r->cap_ptrace)
		return stk_fail(err, STK_ESYS,
				"process %d: Yama lets only %s ptrace it "
				"(kernel.yama.ptrace_scope = %d): sudo corectl -p %d%s",
				pid, r->yama == 1 ? "its ancestors" : "CAP_SYS_PTRACE", r->yama,
				pid,
				r->yama == 1 ? ", or sudo sysctl kernel.yama.ptrace_scope=0" : "");
	if (r->filtered)
		return stk_fail(err, STK_ESYS,
				"process %d: ptrace is not permitted; corectl runs under a seccomp "
				"filter (a container?): allow ptrace and process_vm_readv in it, "
				"or look from the host",
				pid);
	return stk_fail(
	    err, STK_ESYS,
	    "process %d: ptrace is not permitted, and no reason can be seen: a security "
	    "module (AppArmor, SELinux)? sudo dmesg tells",
	    pid);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	/* What cannot be looked at counts as the same: it is no reason to name. */
	return stat(a, &x) || stat(b, &y) || (x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static int yama_scope(void)
{
	char c = '0';
	int fd = open("/proc/sys/kernel/yama/ptrace_scope", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '0';
	if (fd >= 0)
		close(fd);
	return c - '0';
}

static bool number_of(const char *names, const char *uid, char *ret, size_t cap)
{
	struct stk_text t;
	size_t n = strcspn(names, ":");
	const char *p = names + n;

	if (*p != ':' || !(p = strchr(p + 1, ':')) || strncmp(p + 1, uid, strlen(uid)) != 0 ||
	    p[1 + strlen(uid)] != ':')
		return false;
	stk_text_init(&t, ret, cap);
	stk_putn(&t, names, n);
	return true;
}

/* From /etc/passwd alone: getpwuid(3) loads libraries, and a static program has none. */
static const char *user_name(struct stk_pool *pool, unsigned uid)
{
	static char name[64];
	char num[16], *save = NULL;
	struct stk_text t;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : stk_proc_read_fd(pool, fd, NULL);

	if (fd >= 0)
		close(fd);
	stk_text_init(&t, num, sizeof(num));
	stk_printf(&t, "%u", uid);
	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save))
		if (number_of(l, num, name, sizeof(name)))
			return name;
	return NULL;
}

int stk_rights_fail(int pid, struct stk_err *err)
{
	struct stk_rights r = {.pid = pid, .our_uid = geteuid(), .yama = yama_scope()};
	struct stk_pool pool = {0};
	unsigned long long ours = 0, theirs = 0;
	struct stat st;
	char name[64];
	struct stk_text t;

	r.their_uid = (unsigned)stk_proc_status(pid, "Uid:");
	r.cap_ptrace = stk_proc_mask(getpid(), "CapEff:", &ours) && ours >> CAP_SYS_PTRACE & 1;
	r.more_caps = stk_proc_mask(getpid(), "CapPrm:", &ours) &&
		      stk_proc_mask(pid, "CapPrm:", &theirs) && (theirs & ~ours);
	r.filtered = stk_proc_status(getpid(), "Seccomp:") == 2;
	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "/proc/%d/ns/user", pid);
	r.other_userns = !same_file(name, "/proc/self/ns/user");
	/* The files of a process that is not dumpable are root's (proc(5)); its folder is not. */
	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "/proc/%d/status", pid);
	r.undumpable = r.their_uid && !stat(name, &st) && st.st_uid != r.their_uid;
	r.they_are = user_name(&pool, r.their_uid);
	int code = stk_rights_explain(&r, err);
	stk_pool_done(&pool);
	return code;
}

/* For a message. */
static const char *comm(struct stk_pool *pool, int pid)
{
	const char *s = stk_proc_comm(pool, pid);

	return s ? s : "?";
}

static bool is_32bit(int pid)
{
	char name[32];
	uint8_t id[EI_NIDENT] = {0};
	struct stk_text t;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "/proc/%d/exe", pid);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof(id));
	if (fd >= 0)
		close(fd);
	return n == sizeof(id) && !memcmp(id, ELFMAG, SELFMAG) && id[EI_CLASS] == ELFCLASS32;
}

int stk_rights_traced(int pid, int tracer, struct stk_err *err)
{
	struct stk_pool pool = {0};
	const char *name = tracer ? stk_proc_comm(&pool, tracer) : NULL;

	if (name)
		stk_fail(err, STK_ESYS,
			 "process %d is traced by process %d (%s), and there can be one tracer "
			 "only: detach there",
			 pid, tracer, name);
	stk_pool_done(&pool);
	return name ? STK_ESYS : 0;
}

static int before(int pid, struct stk_pool *pool, struct stk_err *err)
{
	long tgid = stk_proc_status(pid, "Tgid:");
	const char *name = comm(pool, pid);

	if (!stk_proc_is_ours())
		return stk_fail(
		    err, STK_ESYS,
		    "/proc is that of another PID namespace: its numbers are not those that "
		    "ptrace takes (nsenter, or mount -t proc proc /proc)");
	if (tgid < 0)
		return errno == ENOENT || errno == ESRCH
			   ? stk_fail(err, STK_ESYS, "there is no process %d", pid)
			   : stk_fail_sys(err, errno, "process %d", pid);
	if (pid == getpid())
		return stk_fail(err, STK_EARG, "process %d is corectl itself", pid);
	if (stk_proc_stat(pid, 9) & PF_KTHREAD)
		return stk_fail(err, STK_EUNSUPPORTED,
				"process %d (%s) is a kernel thread: it has no stack of a program "
				"(root reads /proc/%d/stack)",
				pid, name, pid);
	if (stk_proc_state(pid, pid) == 'Z' && !stk_proc_lives(pid)) {
		long parent = stk_proc_status(pid, "PPid:");
		return stk_fail(
		    err, STK_ESYS,
		    "process %d (%s) is a zombie: it has ended, and its parent %ld (%s) "
		    "has not waited for it",
		    pid, name, parent, comm(pool, (int)parent));
	}
	if (stk_rights_traced(pid, stk_proc_tracer(pid), err))
		return STK_ESYS;
	if (is_32bit(pid))
		return stk_fail(err, STK_EARCH,
				"process %d (%s) is a 32-bit program: not supported", pid, name);
	return 0;
}

int stk_rights_before(int pid, struct stk_err *err)
{
	struct stk_pool pool = {0};
	int r = before(pid, &pool, err);

	stk_pool_done(&pool);
	return r;
}
