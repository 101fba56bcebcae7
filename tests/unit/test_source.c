/* Source files that are empty, missing or moved (lines: test_symbols.c). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbols/source.h"

static char folder[64], path[96];

static int setup(void **state)
{
	strcpy(folder, "/tmp/stk-source-XXXXXX");
	*state = stk_sources_new();
	if (!*state || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/a.c", folder);
	return 0;
}

static int teardown(void **state)
{
	stk_sources_free(*state);
	unlink(path);
	return rmdir(folder);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void an_empty_file_has_no_lines(void **state)
{
	struct stk_source_file *f = NULL;
	size_t len;

	put("");
	assert_int_equal(stk_source_open(*state, path, &f, NULL), 0);
	assert_int_equal(stk_source_lines(f), 0);
	assert_null(stk_source_line(f, 1, &len));
}

static void what_cannot_be_read(void **state)
{
	struct stk_source_file *f = NULL;
	struct stk_err err = {0};

	assert_int_equal(stk_source_open(*state, path, &f, &err), STK_ESYS);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(stk_source_open(*state, folder, &f, &err), STK_EUNSUPPORTED);
	assert_null(f);
	/* Remembered until a rule changes. */
	put("text\n");
	assert_int_equal(stk_source_open(*state, path, &f, &err), STK_ESYS);
	assert_int_equal(stk_sources_substitute(*state, "/nowhere", "/else"), 0);
	assert_int_equal(stk_source_open(*state, path, &f, &err), 0);
}

static void rules(void **state)
{
	struct stk_source_file *f = NULL;
	struct stk_err err;
	const char *to;

	put("text\n");
	assert_int_equal(stk_sources_substitute(*state, "/build/src", "/nowhere"), 0);
	assert_int_equal(stk_sources_substitute(*state, "/build/src/", folder), 0);
	assert_int_equal(stk_source_open(*state, "/build/src/a.c", &f, &err), 0);
	assert_string_equal(stk_source_path(f), path);
	/* Whole components only. */
	assert_int_equal(stk_source_open(*state, "/build/srcs/a.c", &f, &err), STK_ESYS);
	assert_string_equal(err.msg, "/build/srcs/a.c: no such file or directory");
	assert_string_equal(stk_sources_rule(*state, 0, &to), "/build/src");
	assert_string_equal(to, "/nowhere");
	assert_string_equal(stk_sources_rule(*state, 1, &to), "/build/src/");
	assert_null(stk_sources_rule(*state, 2, &to));
	assert_int_equal(stk_sources_substitute(*state, "/build/src/", ""), 0);
	assert_int_equal(stk_sources_substitute(*state, "/build/src/", ""), STK_ENODATA);
	assert_null(stk_sources_rule(*state, 1, &to));
	assert_int_equal(stk_source_open(*state, "/build/src/a.c", &f, &err), STK_ESYS);
	assert_string_equal(err.msg, "/nowhere/a.c: no such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_empty_file_has_no_lines, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_cannot_be_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(rules, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
