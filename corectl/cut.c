/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cut.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "interrupt.h"
#include "targets/target.h"

static char name[4096];
static volatile sig_atomic_t happened;

static bool hex(const char **p, uintptr_t *ret)
{
	const char *start = *p;

	for (*ret = 0;; ++*p) {
		unsigned d = (unsigned)**p - '0', l = (unsigned)**p - 'a';
		if (d > 9 && l > 5)
			return *p > start;
		*ret = *ret << 4 | (d <= 9 ? d : l + 10);
	}
}

/* The path in a line of /proc/self/maps, if it is of a file and holds `addr`; else NULL. */
static const char *path_at(const char *line, uintptr_t addr)
{
	uintptr_t start, end;

	if (!hex(&line, &start) || *line++ != '-' || !hex(&line, &end) || addr < start ||
	    addr >= end)
		return NULL;
	while (*line && *line != '/')
		line++;
	return *line ? line : NULL;
}

/* Reads /proc/self/maps by signal-safe calls alone (signal-safety(7)). false: no file is mapped
 * there. */
static bool find(uintptr_t addr)
{
	static char buf[4096], line[4352];
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const char *path = NULL;
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && !path && (n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n && !path; i++) {
			if (buf[i] != '\n') {
				if (len + 1 < sizeof(line))
					line[len++] = buf[i];
				continue;
			}
			line[len] = 0;
			len = 0;
			path = path_at(line, addr);
		}
	if (fd >= 0)
		close(fd);
	if (!path)
		return false;
	strncpy(name, path, sizeof(name) - 1);
	return true;
}

static void on_bus(int sig, siginfo_t *si, void *context)
{
	uintptr_t at = (uintptr_t)si->si_addr;
	int kept = errno;

	(void)context;
	/* BUS_ADRERR: the address is good, there is nothing behind it. All else ends us as it
	 * would. */
	if (si->si_code != BUS_ADRERR || (!happened && !find(at)) ||
	    mmap((void *)(at & ~(uintptr_t)(STK_PAGE - 1)), STK_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		signal(sig, SIG_DFL);
		if (si->si_code <= 0)
			raise(sig);
		return;
	}
	happened = 1;
	interrupt_pending = 1; /* nobody will see what comes of it */
	errno = kept;
}

void cut_watch(void)
{
	const struct sigaction sa = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

	sigaction(SIGBUS, &sa, NULL);
}

const char *cut_file(void)
{
	return happened ? name : NULL;
}
