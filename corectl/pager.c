/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pager runs below a shell, because $PAGER is a shell command, as an errand: we may not
 * execute. It gets back the signals that we ignore or catch, and reads from a pipe.
 */
#include "pager.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "errand.h"

static bool in_path(const char *name)
{
	const char *p = getenv("PATH");

	while (p && *p) {
		char file[4096];
		int n = (int)strcspn(p, ":");
		int k = snprintf(file, sizeof(file), "%.*s/%s", n, p, name);
		if (n && k > 0 && (size_t)k < sizeof(file) && !access(file, X_OK))
			return true;
		p += n;
		p += *p == ':';
	}
	return false;
}

/* A command for the shell, or NULL. An empty PAGER means: none. */
static const char *pager_command(void)
{
	const char *pager = getenv("PAGER");

	if (pager)
		return *pager ? pager : NULL;
	return in_path("less") ? "less" : NULL;
}

bool pager_screen(unsigned *ret_rows, unsigned *ret_columns)
{
	struct winsize w;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || !w.ws_row ||
	    !w.ws_col || !pager_command())
		return false;
	*ret_rows = w.ws_row;
	*ret_columns = w.ws_col;
	return true;
}

int pager_run(int fd)
{
	const char *argv[] = {"sh", "-c", pager_command(), NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int status = -1;
	pid_t pid;

	if (!argv[2])
		return -1;
	/* less(1): F leave where one screen is enough, R colours, X do not clear at the end. */
	setenv("LESS", "FRX", 0);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGQUIT);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	if (!posix_spawn(&pid, "/bin/sh", &files, &attr, (char *const *)argv, environ)) {
		close(fd); /* corectl is to see when the pager reads no more */
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return status;
}

int pager_start(int *ret_fd, size_t *ret_room)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return 0;
	int asked = errand_ask(ERRAND_PAGER, fds[0]);
	close(fds[0]);
	if (asked < 0) {
		close(fds[1]);
		return 0;
	}
	int room = fcntl(fds[1], F_GETPIPE_SZ);
	*ret_fd = fds[1];
	*ret_room = room > 0 ? (size_t)room : 1 << 16;
	return asked;
}

bool pager_wait(int pager, int fd)
{
	close(fd);
	int status = errand_wait(pager);
	/* POSIX sh, 2.8.2: 126 cannot be executed, 127 not found. -1: not even the shell. */
	return status != -1 &&
	       (!WIFEXITED(status) || (WEXITSTATUS(status) != 126 && WEXITSTATUS(status) != 127));
}
