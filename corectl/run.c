/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * corectl becomes the program: process id, signals, job control and status are then the program's
 * own. Before that it looks for the program, for the library beside itself, and for reasons why the
 * dynamic linker could not preload it: a program that silently runs without would be taken for one
 * with it.
 */
#include "run.h"

#include "base/arch.h"
#include "say.h"
#include "targets/foreign.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define STATUS_CANNOT_OPEN 2
#define LIBRARY            "libstack.so.1"
#define SCRIPTS_MAX        4 /* interpreters of interpreters, as the kernel (BINPRM_BUF_SIZE) */

/* Where the library is: in the build tree, or where it is installed. */
static int find_library(char *ret, size_t cap)
{
	static const char *const places[] = {"signal", STK_LIBDIR_FROM_BIN};
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = 0;
	char *slash = strrchr(exe, '/');
	if (slash)
		*slash = 0;
	for (unsigned i = 0; slash && i < sizeof(places) / sizeof(*places); i++) {
		int len = snprintf(ret, cap, "%s/%s/" LIBRARY, exe, places[i]);
		if (len < (int)cap && !access(ret, R_OK))
			return 0;
	}
	say("run: " LIBRARY " was found neither in %s/%s nor in %s/%s: is libstack "
	    "installed beside corectl?",
	    exe, places[0], exe, places[1]);
	return STATUS_CANNOT_OPEN;
}

/* The file that execvp(3) would take. */
static const char *find_program(const char *name, char *buf, size_t cap)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return name;
	for (const char *p = path ? path : "/bin:/usr/bin"; p; p = strchr(p, ':')) {
		struct stat st;
		p += *p == ':';
		int n = (int)strcspn(p, ":");
		int len = snprintf(buf, cap, "%.*s%s%s", n, p, n ? "/" : "", name);
		if (len < (int)cap && !stat(buf, &st) && S_ISREG(st.st_mode) && !access(buf, X_OK))
			return buf;
	}
	return NULL;
}

/* The first line of a script: `#! INTERPRETER ARGUMENT`. Its interpreter is what is executed. */
static bool interpreter(char *head)
{
	if (head[0] != '#' || head[1] != '!')
		return false;
	size_t skip = 2 + strspn(head + 2, " \t");
	size_t n = strcspn(head + skip, " \t\n");
	memmove(head, head + skip, n);
	head[n] = 0;
	return n > 0;
}

static int cannot(const char *path, const char *why)
{
	say("run: %s %s", path, why);
	return STATUS_CANNOT_OPEN;
}

/* The dynamic linker ignores LD_PRELOAD in a program that gets more rights than its user has. */
static bool is_privileged(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return false;
	return ((st.st_mode & S_ISUID) && st.st_uid != getuid()) ||
	       ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid()) ||
	       (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

/* The dynamic linker that the program asks for (PT_INTERP), into `ret`; false: none. */
static bool loader_of(int fd, const Elf64_Ehdr *eh, char *ret, size_t cap)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;
		if (pread(fd, &ph, sizeof(ph), (off_t)(eh->e_phoff + i * sizeof(ph))) !=
		    (ssize_t)sizeof(ph))
			return false;
		if (ph.p_type != PT_INTERP)
			continue;
		size_t want = ph.p_filesz < cap - 1 ? ph.p_filesz : cap - 1;
		ssize_t n = pread(fd, ret, want, (off_t)ph.p_offset);
		ret[n > 0 ? n : 0] = 0;
		return true;
	}
	return false;
}

static int check_elf(const char *path, int fd, const Elf64_Ehdr *eh)
{
	char loader[PATH_MAX];

	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != stk_arch_host->e_machine) {
		char why[80];
		snprintf(why, sizeof(why),
			 "is not an %s program: libstack cannot be preloaded into it",
			 stk_arch_host->printed);
		return cannot(path, why);
	}
	if (!loader_of(fd, eh, loader, sizeof(loader)))
		return cannot(path,
			      "is a static program: nothing can be preloaded into it. Link it "
			      "with libstack.a (libstack(7)), or look at it with gdb -p");
	if (strstr(loader, "ld-musl"))
		return cannot(path, "uses musl: libstack does not support it yet");
	if (is_privileged(fd))
		return cannot(path,
			      "is set-uid, set-gid or has capabilities: the dynamic linker ignores "
			      "LD_PRELOAD there. Link it with -lstack (libstack(7)), or run it as "
			      "the user whose rights it takes");
	return 0;
}

/* 0: no reason against preloading was found. What is no program at all, exec will tell. */
static int check_program(const char *name)
{
	char path[PATH_MAX], head[PATH_MAX];
	Elf64_Ehdr eh;
	int r = 0;

	if (snprintf(path, sizeof(path), "%s", name) >= (int)sizeof(path))
		return 0;
	for (int i = 0; i < SCRIPTS_MAX; i++) {
		int fd = stk_foreign_open(path, STK_FOREIGN_ANY, NULL, NULL);
		ssize_t n = fd < 0 ? 0 : pread(fd, head, 255, 0);
		head[n > 0 ? n : 0] = 0;
		bool elf = n >= (ssize_t)sizeof(eh) && !memcmp(head, ELFMAG, SELFMAG);
		if (elf) {
			memcpy(&eh, head, sizeof(eh));
			r = check_elf(path, fd, &eh);
		}
		if (fd >= 0)
			close(fd);
		if (elf || !interpreter(head))
			return r;
		strcpy(path, head);
	}
	return r;
}

/* The library goes behind what is preloaded already: AddressSanitizer must be the first. */
static int set_environment(const char *library, bool no_follow)
{
	const char *old = getenv("LD_PRELOAD");
	char *list = NULL;

	if (strpbrk(library, ": "))
		return cannot(library, "has a colon or a space in its path: LD_PRELOAD cannot name "
				       "it");
	if (asprintf(&list, "%s%s%s", old ? old : "", old && *old ? ":" : "", library) < 0 ||
	    setenv("LD_PRELOAD", list, 1) || (no_follow && setenv("LIBSTACK_FOLLOW", "no", 1)))
		return cannot(library, strerror(errno));
	free(list);
	return 0;
}

int run_main(struct options *o)
{
	char library[PATH_MAX + 64], buf[PATH_MAX];
	const char *program = o->operands[0];

	if (!program)
		return options_wrong(o, "no program given", NULL);
	const char *path = find_program(program, buf, sizeof(buf));
	int e = find_library(library, sizeof(library));

	if (!path)
		return cannot(program, "is not found in PATH");
	if (!e)
		e = check_program(path);
	if (!e)
		e = set_environment(library, o->no_follow);
	if (e)
		return e;
	execvp(program, (char *const *)o->operands);
	say("run: %s: %s", program, strerror(errno));
	return STATUS_CANNOT_OPEN;
}
