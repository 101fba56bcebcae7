#include "target/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

char *stk_proc_read_fd(struct stk_pool *pool, int fd, size_t *ret_len)
{
	size_t len = 0, cap = 65536;
	char *buf = malloc(cap), *ret;
	ssize_t n;

	/* The size of a file of /proc is not known before its end. */
	while (buf && (n = read(fd, buf + len, cap - len - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		len += (size_t)n;
		if (cap - len < 4096) {
			char *more = realloc(buf, cap *= 2);
			if (!more)
				break;
			buf = more;
		}
	}
	ret = buf ? stk_pool_strndup(pool, buf, len) : NULL;
	free(buf);
	if (ret_len)
		*ret_len = ret ? len : 0;
	return ret;
}

static int open_proc(int pid, const char *name)
{
	char path[64];
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

char *stk_proc_read(struct stk_pool *pool, int pid, const char *name, size_t *ret_len)
{
	int fd = open_proc(pid, name);

	if (fd < 0)
		return NULL;
	char *ret = stk_proc_read_fd(pool, fd, ret_len);
	close(fd);
	return ret;
}

/* start-end perms offset dev inode path */
static bool parse_map(char *line, struct stk_segment *s, struct stk_mapping *m)
{
	char *p = line;

	s->start = strtoull(p, &p, 16);
	if (*p++ != '-')
		return false;
	s->end = strtoull(p, &p, 16);
	if (*p++ != ' ' || strlen(p) < 5 || s->end <= s->start)
		return false;
	s->r = p[0] == 'r';
	s->w = p[1] == 'w';
	s->x = p[2] == 'x';
	p += 4;
	m->start = s->start;
	m->end = s->end;
	m->file_off = strtoull(p, &p, 16);
	for (int field = 0; field < 2; field++) {
		p += strspn(p, " ");
		p += strcspn(p, " ");
	}
	m->path = p + strspn(p, " ");
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
		struct stk_segment *s = &t->segments[t->nsegments];
		struct stk_mapping *m = &t->mappings[t->nmappings];
		if (!parse_map(l, s, m))
			continue;
		t->nsegments++;
		t->nmappings += m->path[0] == '/';
	}
}

int stk_proc_tids(int pid, int *tids, unsigned max)
{
	char path[64];
	struct stk_text t;
	struct dirent *e;
	unsigned n = 0;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/task", pid);
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		if (n < max)
			tids[n] = atoi(e->d_name);
		n++;
	}
	closedir(d);
	return (int)n;
}

static ssize_t read_small(int pid, const char *name, char *buf, size_t cap)
{
	int fd = open_proc(pid, name);

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
	/* The name in parentheses may hold anything: the last one closes it. */
	const char *p = strrchr(buf, ')');
	return p && p[1] == ' ' ? p[2] : 0;
}

long stk_proc_status(int pid, const char *key)
{
	char buf[4096];

	if (read_small(pid, "status", buf, sizeof(buf)) <= 0)
		return -1;
	const char *p = strstr(buf, key);
	return p ? strtol(p + strlen(key), NULL, 10) : -1;
}
