/* Files of others and our own: what is opened, followed, made and replaced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>

#include "targets/dump_file.h"
#include "targets/folder.h"
#include "targets/foreign.h"

#define OTHER 65534 /* another user */

static char top[64];

static int setup(void **state)
{
	(void)state;
	strcpy(top, "/tmp/libstack-unit-XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", top);
	return chdir("/") || system(command);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *get(const char *name)
{
	static char text[64];
	FILE *f = fopen(name, "r");

	if (!f)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	return text;
}

static bool is_link(const char *name)
{
	struct stat st;

	return !lstat(name, &st) && S_ISLNK(st.st_mode);
}

/* --- foreign.h --- */

static int code_of(const char *path, const char *message)
{
	struct stk_err err = {0};
	int fd = stk_foreign_open(path, 100, NULL, &err);

	if (fd >= 0)
		close(fd);
	else
		assert_string_equal(err.msg, message);
	return fd < 0 ? fd : 0;
}

static void only_regular_files_are_opened(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	put("file", "hello");
	assert_int_equal(mkfifo("fifo", 0600), 0); /* nobody has the other end */
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(symlink("fifo", "link"), 0);
	assert_int_equal(symlink("file", "good"), 0);
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	close(s);
	assert_int_equal(code_of("file", ""), 0);
	assert_int_equal(code_of("good", ""), 0);
	assert_int_equal(code_of("fifo", "fifo: a named pipe, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(code_of("link", "link: a named pipe, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(code_of("folder", "folder: a folder, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(code_of("socket", "socket: a socket, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(code_of("/dev/zero", "/dev/zero: a device, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(code_of("/dev/ptmx", "/dev/ptmx: a device, not a regular file"),
			 STK_EUNSUPPORTED);
	assert_int_equal(
	    code_of("/proc/self/maps", "/proc/self/maps: made by the kernel, not a regular file"),
	    STK_EUNSUPPORTED);
	assert_int_equal(code_of("none", "none: no such file or directory"), STK_ESYS);
}

static void what_is_read_whole_has_a_limit(void **state)
{
	struct stk_err err;
	struct stat st;
	int fd;

	(void)state;
	put("file", "hello");
	assert_int_equal(stk_foreign_open("file", 4, NULL, NULL), STK_EUNSUPPORTED);
	fd = stk_foreign_open("file", 5, &st, &err);
	assert_true(fd >= 0);
	assert_int_equal(st.st_size, 5);
	/* It is a descriptor to read from, and no program that we start gets it. */
	char text[8];
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

/* --- folder.h --- */

static bool opens(const char *base, const char *below, bool make)
{
	char path[128];
	struct stk_folder f = {path, below};

	snprintf(path, sizeof(path), "%s/%s", top, base);
	int fd = stk_folder_open(&f, make);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void folders_are_made_below_the_base(void **state)
{
	struct stat st;

	(void)state;
	assert_false(opens("home", "a/b", true));
	assert_int_equal(access("home", F_OK), -1);
	assert_int_equal(mkdir("home", 0755), 0);
	assert_false(opens("home", "a/b", false));
	assert_true(opens("home", "a/b", true));
	assert_true(opens("home", "a/b", false));
	assert_int_equal(stat("home/a/b", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(chmod("home/a/b", 0770), 0);
	assert_false(opens("home", "a/b", false));
}

static void no_link_leads_to_a_folder(void **state)
{
	(void)state;
	assert_int_equal(mkdir("home", 0700), 0);
	assert_int_equal(mkdir("victim", 0700), 0);
	assert_int_equal(mkdir("victim/b", 0700), 0);
	assert_int_equal(symlink("../victim", "home/a"), 0);
	assert_false(opens("home", "a/b", true));
	assert_int_equal(unlink("home/a"), 0);
	assert_int_equal(mkdir("home/a", 0700), 0);
	assert_int_equal(symlink("../../victim", "home/a/b"), 0);
	assert_false(opens("home", "a/b", true));
	/* Nor on the way to the base, but where root made it in a folder of root's. */
	assert_int_equal(symlink("home", "house"), 0);
	assert_int_equal(mkdir("home/a/c", 0700), 0);
	assert_int_equal(opens("house", "a/c", false), geteuid() == 0);
	assert_int_equal(chmod(top, 01777), 0);
	assert_false(opens("house", "a/c", false));
	assert_true(opens("home", "a/c", false));
	if (lchown("house", OTHER, (gid_t)-1))
		skip(); /* only root gives files away */
	assert_int_equal(chmod(top, 0755), 0);
	assert_false(opens("house", "a/c", false));
}

static void folders_of_others_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(mkdir("home", 0700), 0);
	assert_true(opens("home", "a/b", true));
	if (chown("home", OTHER, (gid_t)-1))
		skip();
	assert_false(opens("home", "a/b", false));
	assert_int_equal(chown("home", geteuid(), (gid_t)-1), 0);
	assert_int_equal(chown("home/a", OTHER, (gid_t)-1), 0);
	assert_false(opens("home", "a/b", true));
}

/* --- dump_file.h --- */

static int dump(const char *path, bool named)
{
	struct stk_dump_file f;
	struct stk_err err;
	int r = stk_dump_file_open(&f, path, named, &err);

	if (!r) {
		assert_int_equal(write(f.fd, "core", 4), 4);
		r = stk_dump_file_commit(&f, 4, &err);
	}
	stk_dump_file_drop(&f);
	return r;
}

static void a_core_takes_the_place_of_a_link(void **state)
{
	(void)state;
	put("victim", "precious");
	assert_int_equal(symlink("victim", "core"), 0);
	assert_int_equal(dump("core", false), 0);
	assert_false(is_link("core"));
	assert_string_equal(get("core"), "core");
	assert_string_equal(get("victim"), "precious");
	/* One that leads nowhere makes no file elsewhere. */
	assert_int_equal(symlink("planted", "core.2"), 0);
	assert_int_equal(dump("core.2", false), 0);
	assert_string_equal(get("core.2"), "core");
	assert_null(get("planted"));
}

static void a_link_that_was_named_is_followed(void **state)
{
	(void)state;
	assert_int_equal(mkdir("there", 0700), 0);
	assert_int_equal(symlink("second", "first"), 0);
	assert_int_equal(symlink("there/core", "second"), 0);
	assert_int_equal(dump("first", true), 0);
	assert_true(is_link("first") && is_link("second"));
	assert_string_equal(get("there/core"), "core");
	put("there/core", "older");
	assert_int_equal(dump("first", true), 0);
	assert_string_equal(get("there/core"), "core");
	/* Not one of somebody else. */
	put("victim", "precious");
	assert_int_equal(symlink("victim", "evil"), 0);
	if (geteuid() || lchown("evil", OTHER, (gid_t)-1))
		skip();
	assert_int_equal(dump("evil", true), 0);
	assert_string_equal(get("victim"), "precious");
	assert_string_equal(get("evil"), "core");
}

static void a_core_takes_the_place_of_files_only(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(dump("fifo", false), STK_EARG);
	assert_int_equal(dump("folder", true), STK_EARG);
	assert_int_equal(dump("folder/", true), STK_ESYS);
	assert_int_equal(dump("", true), STK_ESYS);
	assert_int_equal(dump("none/core", true), STK_ESYS);
	put("old", "older core");
	assert_int_equal(dump("old", false), 0);
	assert_string_equal(get("old"), "core");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(only_regular_files_are_opened),     TEST(what_is_read_whole_has_a_limit),
	    TEST(folders_are_made_below_the_base),   TEST(no_link_leads_to_a_folder),
	    TEST(folders_of_others_are_left_alone),  TEST(a_core_takes_the_place_of_a_link),
	    TEST(a_link_that_was_named_is_followed), TEST(a_core_takes_the_place_of_files_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
