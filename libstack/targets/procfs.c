#include "targets/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "base/vec.h"
#include "targets/live.h"

#define TEXT_MAX (256U << 20) /* bytes of a file of /proc */

bool stk_proc_is_ours(void)
{
	char self[24] = "";

	return readlink("/proc/self", self, sizeof(self) - 1) <= 0 || atoi(self) == getpid();
}

char *stk_proc_read_fd(struct stk_pool *pool, int fd, size_t *ret_len)
{
	struct {
		char *v;
		size_t n, cap;
	} text = {0};
	ssize_t r = -1;
	char *ret;

	/* The size of a file of /proc is not known before its end; a part of it is not its text. */
	while (STK_VEC_RESERVE(&text, text.n ? 4096 : 65536)) {
		r = read(fd, text.v + text.n, text.cap - text.n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		text.n += (size_t)r;
		if (text.n > TEXT_MAX) {
			errno = EFBIG;
			break;
		}
	}
	ret = r ? NULL : stk_pool_strndup(pool, text.v, text.n);
	free(text.v);
	if (ret_len)
		*ret_len = ret ? text.n : 0;
	return ret;
}

int stk_proc_open(int pid, const char *name)
{
	char path[64];
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/%s", pid, name);
	/* map_files may lead to a device. */
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

char *stk_proc_read(struct stk_pool *pool, int pid, const char *name, size_t *ret_len)
{
	int fd = stk_proc_open(pid, name);

	if (fd < 0)
		return NULL;
	char *ret = stk_proc_read_fd(pool, fd, ret_len);
	close(fd);
	return ret;
}

char *stk_proc_cmdline(struct stk_pool *pool, int pid, size_t *ret_len)
{
	char buf[STK_CMDLINE_MAX];
	int fd = stk_proc_open(pid, "cmdline");
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (fd >= 0)
		close(fd);
	*ret_len = n > 0 ? (size_t)n : 0;
	return n < 0 ? NULL : stk_pool_strndup(pool, buf, *ret_len);
}

bool stk_proc_mem_gone(int mem)
{
	char byte;

	return pread(mem, &byte, 1, 0) == 0;
}

const char *stk_proc_comm(struct stk_pool *pool, int tid)
{
	size_t len;
	char *s = stk_proc_read(pool, tid, "comm", &len);

	if (s && len && s[len - 1] == '\n')
		s[len - 1] = 0;
	return s;
}

/* start-end perms offset dev inode path */
bool stk_proc_vma(char *line, struct stk_vma *v)
{
	char *p = line;

	memset(v, 0, sizeof(*v));
	v->start = strtoull(p, &p, 16);
	if (*p++ != '-')
		return false;
	v->end = strtoull(p, &p, 16);
	if (*p++ != ' ' || strlen(p) < 5 || v->end <= v->start)
		return false;
	v->r = p[0] == 'r';
	v->w = p[1] == 'w';
	v->x = p[2] == 'x';
	v->shared = p[3] == 's';
	v->file_off = strtoull(p + 4, &p, 16);
	p += strspn(p, " ");
	p += strcspn(p, " "); /* device */
	v->inode = strtoull(p, &p, 10);
	v->path = p + strspn(p, " ");
	return true;
}

void stk_proc_maps(struct stk_target *t, char *text)
{
	unsigned lines = 0;
	char *save = NULL;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	t->segments = stk_pool_alloc(&t->pool, (lines + 1) * sizeof(*t->segments));
	t->mappings = stk_pool_alloc(&t->pool, (lines + 1) * sizeof(*t->mappings));
	if (!t->segments || !t->mappings)
		return;
	for (char *l = strtok_r(text, "\n", &save); l && t->nsegments < lines;
	     l = strtok_r(NULL, "\n", &save)) {
		struct stk_vma v;
		if (!stk_proc_vma(l, &v))
			continue;
		t->segments[t->nsegments++] = (struct stk_segment){.start = v.start,
								   .end = v.end,
								   .r = v.r,
								   .w = v.w,
								   .x = v.x,
								   .shared = v.shared};
		/* No file, and to look into it would take a huge page. */
		if (v.path[0] == '/' && strncmp(v.path, "/anon_hugepage", 14) != 0)
			t->mappings[t->nmappings++] =
			    (struct stk_mapping){v.start, v.end, v.file_off, v.inode, v.path};
	}
}

int stk_proc_tids(int pid, int **ret)
{
	char path[64];
	struct stk_text t;
	struct dirent *e;
	struct {
		int *v;
		unsigned n, cap;
	} tids = {0};

	*ret = NULL;
	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		if (!STK_VEC_PUSH(&tids, atoi(e->d_name))) {
			free(tids.v);
			closedir(d);
			return -ENOMEM;
		}
	}
	closedir(d);
	*ret = tids.v;
	return (int)tids.n;
}

static ssize_t read_small(int pid, const char *name, char *buf, size_t cap)
{
	int fd = stk_proc_open(pid, name);

	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buf, cap - 1);
	close(fd);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

char stk_proc_state(int pid, int tid)
{
	char name[48], buf[512];
	struct stk_text t;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/stat", tid);
	if (read_small(pid, name, buf, sizeof(buf)) <= 0)
		return 0;
	const char *p = stk_stat_state(buf);
	return p ? *p : 0;
}

bool stk_proc_ended(int pid, int tid)
{
	char state = stk_proc_state(pid, tid);

	return !state || state == 'Z' || state == 'X' || state == 'x';
}

static bool one_lives(int pid)
{
	int *tids, n = stk_proc_tids(pid, &tids);
	bool lives = false;

	for (int i = 0; i < n && !lives; i++)
		lives = !stk_proc_ended(pid, tids[i]);
	free(tids);
	return lives;
}

bool stk_proc_lives(int pid)
{
	const struct timespec nap = {.tv_nsec = 1000000};

	if (one_lives(pid))
		return true;
	/* A thread that executes a program takes the place of the leader, which is dead until then:
	 * for a moment none is seen (fs/exec.c, de_thread()). */
	if (stk_proc_state(pid, pid))
		nanosleep(&nap, NULL);
	return one_lives(pid);
}

unsigned long long stk_proc_turns(int pid, int tid)
{
	char name[48], buf[128];
	struct stk_text t;

	stk_text_init(&t, name, sizeof(name));
	stk_printf(&t, "task/%d/schedstat", tid);
	return read_small(pid, name, buf, sizeof(buf)) > 0
		   ? (unsigned long long)stk_last_number(buf)
		   : 0;
}

unsigned long long stk_proc_stat(int pid, unsigned field)
{
	char buf[1024];

	if (read_small(pid, "stat", buf, sizeof(buf)) <= 0)
		return 0;
	const char *p = stk_stat_state(buf);
	for (unsigned i = 3; p && i < field; i++)
		if ((p = strchr(p, ' ')))
			p++;
	return p ? strtoull(p, NULL, 10) : 0;
}

int stk_proc_mm_tid(int pid)
{
	int *tids = NULL, found = pid;
	int n = stk_proc_stat(pid, STK_PROC_VSIZE) ? 0 : stk_proc_tids(pid, &tids);

	for (int i = 0; i < n && found == pid; i++)
		if (stk_proc_stat(tids[i], STK_PROC_VSIZE))
			found = tids[i];
	free(tids);
	return found;
}

bool stk_proc_other_mm_tid(int pid, _Atomic int *mm_tid, int used)
{
	int now = stk_proc_mm_tid(pid);

	*mm_tid = now;
	return now != used;
}

/* What `key` says; false: nothing. Its groups alone can fill pages. */
static bool status_number(int pid, const char *key, int base, unsigned long long *ret)
{
	struct stk_pool pool = {0};
	char *s = stk_proc_read(&pool, pid, "status", NULL);
	const char *p = s ? stk_status_line(s, key) : NULL;

	if (p)
		*ret = strtoull(p, NULL, base);
	stk_pool_done(&pool);
	return p;
}

long stk_proc_status(int pid, const char *key)
{
	unsigned long long v;

	return status_number(pid, key, 10, &v) ? (long)v : -1;
}

int stk_proc_process(int tid)
{
	long process = stk_proc_status(tid, "Tgid:");

	return process > 0 ? (int)process : 0;
}

int stk_proc_tracer(int tid)
{
	/* A thread's number, where it is not the first that traces. */
	long tracer = stk_proc_status(tid, "TracerPid:");

	return tracer > 0 ? stk_proc_process((int)tracer) : 0;
}

int stk_proc_traced(int pid, int *ret_tracer)
{
	int *tids, n = stk_proc_tids(pid, &tids), found = 0;

	for (int i = 0; i < n && !found; i++) {
		*ret_tracer = stk_proc_tracer(tids[i]);
		if (*ret_tracer && *ret_tracer != getpid())
			found = tids[i];
	}
	free(tids);
	return found;
}

bool stk_proc_mask(int pid, const char *key, unsigned long long *ret)
{
	return status_number(pid, key, 16, ret);
}

int stk_proc_inner_pid(int pid)
{
	struct stk_pool pool = {0};
	char *s = stk_proc_read(&pool, pid, "status", NULL);
	/* The numbers from our namespace to its own. */
	const char *line = s ? stk_status_line(s, "NSpid:") : NULL;
	int inner = line ? (int)stk_last_number(line) : 0;

	stk_pool_done(&pool);
	return inner ? inner : pid;
}

int64_t stk_proc_started(int pid)
{
	struct timespec now, up;
	unsigned long long ticks = stk_proc_stat(pid, 22);
	long per_second = sysconf(_SC_CLK_TCK);

	if (!ticks || per_second <= 0 || clock_gettime(CLOCK_REALTIME, &now) ||
	    clock_gettime(CLOCK_BOOTTIME, &up))
		return 0;
	return now.tv_sec - up.tv_sec + (int64_t)(ticks / (unsigned long)per_second);
}
