/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * In this order: capabilities go (root has them, and who looks by a corectl with file
 * capabilities); no program gives back rights any more (no_new_privs, without which an ordinary
 * user may do neither of the next two); Landlock forbids all but reading; the filter of system
 * calls closes what Landlock does not know. Where the target is a process there is no Landlock: it
 * allows to trace only what is in the same sandbox (kernel Documentation, userspace-api/landlock,
 * "Ptrace restrictions").
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

static bool read_status(const char *process, char *buf, size_t cap)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%s/status", process);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, cap - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n > 0;
}

static bool same_line(const char *a, const char *b, const char *key)
{
	const char *x = stk_status_line(a, key), *y = stk_status_line(b, key);
	size_t n = x ? strcspn(x, "\n") : 0;

	return x && y && strcspn(y, "\n") == n && !memcmp(x, y, n);
}

static bool same_file(const char *process, const char *name)
{
	char a[48], b[48];
	struct stat x, y;

	snprintf(a, sizeof(a), "/proc/self/%s", name);
	snprintf(b, sizeof(b), "/proc/%s/%s", process, name);
	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool sandbox_differs(int pid)
{
	static const char *const keys[] = {
	    "Uid:", "Gid:", "CapPrm:", "CapBnd:", "NoNewPrivs:", "Seccomp:", NULL};
	static const char *const files[] = {"ns/user", "ns/mnt", "ns/pid", "ns/net", "root", NULL};
	char theirs[4096], ours[4096], process[16];
	bool same;

	snprintf(process, sizeof(process), "%d", pid);
	same =
	    read_status(process, theirs, sizeof(theirs)) && read_status("self", ours, sizeof(ours));
	for (unsigned i = 0; keys[i] && same; i++)
		same = same_line(theirs, ours, keys[i]);
	for (unsigned i = 0; files[i] && same; i++)
		same = same_file(process, files[i]);
	return !same;
}

#define BIT(n) (1ULL << (n))

#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40 /* Linux 5.9 */
#endif

/* Reading stays: root looks at programs, debug files and sources below folders that are closed to
 * others. map_files takes CAP_CHECKPOINT_RESTORE (proc(5)), and the new core's folder may be
 * anybody's. */
static uint64_t capabilities(unsigned needs)
{
	uint64_t keep = BIT(CAP_DAC_READ_SEARCH);

	if (needs & SANDBOX_LOOKS)
		keep |= BIT(CAP_SYS_PTRACE) | BIT(CAP_CHECKPOINT_RESTORE);
	if (needs & SANDBOX_WRITES)
		keep |= BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER);
	return keep;
}

int sandbox_drop_rights(unsigned needs, struct stk_err *err)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	uint64_t keep = capabilities(needs);

	if (syscall(SYS_capget, &head, sets))
		return stk_fail_sys(err, errno, "capabilities");
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		sets[i].permitted &= (uint32_t)(keep >> 32 * i);
		sets[i].effective &= sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, sets))
		return stk_fail_sys(err, errno, "capabilities");
	return 0;
}

/* landlock(7); the header is missing on systems older than the kernel. */
struct ruleset {
	uint64_t files, net, scopes;
};

struct beneath {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

#define CREATE_RULESET 444
#define ADD_RULE       445
#define RESTRICT_SELF  446
#define ASK_VERSION    1 /* a flag of the first */
#define PATH_BENEATH   1 /* a kind of rule */

#define READS (BIT(2) | BIT(3))          /* READ_FILE, READ_DIR: what is not named stays allowed */
#define KEEPS (BIT(1) | BIT(5) | BIT(8)) /* WRITE_FILE, REMOVE_FILE, MAKE_REG */

/* By version: what there is to be forbidden. */
static const struct {
	int from;
	struct ruleset rights;
} versions[] = {
    {1, {.files = BIT(13) - 1}},
    {2, {.files = BIT(13)}}, /* REFER */
    {3, {.files = BIT(14)}}, /* TRUNCATE */
    {4, {.net = 3}},         /* bind(2), connect(2) */
    {5, {.files = BIT(15)}}, /* IOCTL_DEV */
    {6, {.scopes = 3}},      /* sockets without a file, signals */
};

static long landlock_version(void)
{
	return syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
}

bool sandbox_knows_folders(void)
{
	return landlock_version() > 0;
}

static int landlock(int folder, struct stk_err *err)
{
	struct ruleset r = {0};
	struct beneath rule = {KEEPS, folder};
	long version = landlock_version();

	if (version < 0)
		return 0; /* none here: the filter keeps the promise alone */
	for (unsigned i = 0; i < sizeof(versions) / sizeof(*versions); i++)
		if (version >= versions[i].from) {
			r.files |= versions[i].rights.files & ~READS;
			r.net |= versions[i].rights.net;
			r.scopes |= versions[i].rights.scopes;
		}
	long fd = syscall(CREATE_RULESET, &r, sizeof(r), 0);
	if (fd < 0 || (folder >= 0 && syscall(ADD_RULE, fd, PATH_BENEATH, &rule, 0)) ||
	    syscall(RESTRICT_SELF, fd, 0)) {
		int why = errno;
		if (fd >= 0)
			close((int)fd);
		return stk_fail_sys(err, why, "Landlock");
	}
	close((int)fd);
	return 0;
}

int sandbox_enter(unsigned needs, int folder, struct stk_err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return stk_fail_sys(err, errno, "no_new_privs");
	int r = needs & ~SANDBOX_KEEPS ? 0 : landlock(folder, err);
	if (r)
		needs &= ~SANDBOX_KEEPS;
#ifndef STK_SANITIZED /* LeakSanitizer starts a process that traces us, at the end */
	int f = sandbox_filter(needs, r ? NULL : err);
	r = r ? r : f;
#endif
	return r;
}
