#include "targets/files.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static bool differ(int pid, const char *name, const char *ours)
{
	char path[48];
	struct stat x, y;
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/%s", pid, name);
	return !stat(path, &x) && !stat(ours, &y) && (x.st_dev != y.st_dev || x.st_ino != y.st_ino);
}

bool stk_live_other_root(int pid)
{
	return differ(pid, "ns/mnt", "/proc/self/ns/mnt") || differ(pid, "root", "/");
}

/* The number of the file alone: on some file systems /proc/PID/maps names another device than
 * stat(2). Whoever opens it compares build-ids. */
static bool is_mapped(const char *path, const struct stk_mapping *m)
{
	struct stat st;

	return !stat(path, &st) && st.st_ino == m->ino;
}

/* Paths of /proc/PID/maps are ours where we can reach the file, else those of the process. */
const char *stk_live_file(struct stk_pool *pool, int pid, const struct stk_mapping *m, bool is_main,
			  bool other_root)
{
	const char *path = m->path, *by_kernel;

	if (is_mapped(path, m))
		return path;
	if (other_root)
		path = stk_pool_printf(pool, "/proc/%d/root%s", pid, path);
	if (!path || is_mapped(path, m))
		return path;
	if (is_main)
		by_kernel = stk_pool_printf(pool, "/proc/%d/exe", pid);
	else
		by_kernel = stk_pool_printf(pool, "/proc/%d/map_files/%lx-%lx", pid,
					    (unsigned long)m->start, (unsigned long)m->end);
	/* What other programs have mapped takes CAP_CHECKPOINT_RESTORE to open (proc(5)). */
	return by_kernel && !access(by_kernel, R_OK) ? by_kernel : path;
}
