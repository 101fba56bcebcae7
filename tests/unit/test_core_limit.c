/* Whether a core is to be expected: what kernel.core_pattern says. */
#include "../../signal/kernel/status.c"
#include "../../signal/report/core_limit.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *check(const char *text)
{
	char buf[200] = "";

	memcpy(buf, text, strlen(text));
	return stk_core_pattern(buf, (long)strlen(text));
}

static void empty(void **state)
{
	(void)state;
	assert_string_equal(check(""), "kernel.core_pattern is empty");
	assert_string_equal(check("\n"), "kernel.core_pattern is empty");
	assert_string_equal(stk_core_pattern((char[]){"core"}, -1), "kernel.core_pattern is empty");
}

static void pipes(void **state)
{
	(void)state;
	assert_null(check("|/bin/sh -c true %p\n"));
	assert_null(check("|/bin/sh\n"));
	assert_string_equal(check("|/usr/lib/systemd/no-such-coredump %P %u\n"),
			    "core_pattern pipes to /usr/lib/systemd/no-such-coredump, which cannot "
			    "be run here");
	assert_string_equal(check("|/etc/passwd %p\n"),
			    "core_pattern pipes to /etc/passwd, which cannot be run here");
	assert_non_null(check("|\n"));
}

static void files(void **state)
{
	char dir[] = "/tmp/stk-core-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_null(check("core\n"));
	assert_null(check("core.%e.%p\n"));
	assert_null(check("/var/crash/core.%p\n"));
	assert_null(check("@/run/coredump.socket\n"));
	/* A folder that is gone takes no file, also of root's. */
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(chdir("/proc/self"), 0);
	if (geteuid() != 0)
		assert_string_equal(check("core\n"), "the working directory is not writable");
	assert_null(check("/var/crash/core.%p\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty),
	    cmocka_unit_test(pipes),
	    cmocka_unit_test(files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
