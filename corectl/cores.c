/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See cores.h. What the kernel does with cores stands in core(5) and /proc/sys/kernel/core_pattern.
 */
#include "cores.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "say.h"
#include "targets/target.h"
#include "unpack.h"

bool cores_is_core(const char *path)
{
	return stk_elf_kind(path, NULL) == 'c' || unpack_is_packed(path);
}

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

const char *cores_newest(void)
{
	static char name[512];
	struct timespec best = {0};
	struct dirent *e;
	DIR *d = access("core", F_OK) ? opendir(".") : NULL;

	snprintf(name, sizeof(name), "core");
	while (d && (e = readdir(d))) {
		struct stat st;
		if (strncmp(e->d_name, "core.", 5) != 0 || stat(e->d_name, &st) ||
		    !cores_is_core(e->d_name) || !later(&st.st_mtim, &best))
			continue;
		best = st.st_mtim;
		snprintf(name, sizeof(name), "%s", e->d_name);
	}
	if (d)
		closedir(d);
	return name;
}

/* The first line of core_pattern; "": not known. */
static void read_pattern(char *buf, size_t cap)
{
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "re");

	if (!f || !fgets(buf, (int)cap, f))
		*buf = 0;
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = 0;
}

void cores_say_where(void)
{
	char pattern[256];
	struct rlimit limit;

	read_pattern(pattern, sizeof(pattern));
	bool given = *pattern == '|' || *pattern == '@'; /* to a program, to a socket */
	if (strstr(pattern, "systemd-coredump"))
		say("systemd keeps the cores of this machine: `coredumpctl list' shows "
		    "them, "
		    "`coredumpctl -o core dump' writes the newest here");
	else if (given)
		say("the kernel gives the cores of this machine to %s "
		    "(kernel.core_pattern)",
		    pattern + 1);
	else if (*pattern)
		say("the kernel leaves cores as `%s'%s (kernel.core_pattern)", pattern,
		    *pattern == '/' ? "" : " in the folder where the program works");
	if (!given && !getrlimit(RLIMIT_CORE, &limit) && !limit.rlim_cur)
		say("programs that are started here leave no core, because its size is "
		    "limited to 0: run `ulimit -c unlimited' first");
}
