/* Each right that can be missing has its own words, and a way to get it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "targets/rights.h"

static void explains(const struct stk_rights *r, const char *what, const char *way)
{
	struct stk_err err;

	assert_int_equal(stk_rights_explain(r, &err), STK_ESYS);
	if (!strstr(err.msg, what) || !strstr(err.msg, way))
		fail_msg("'%s' lacks '%s' or '%s'", err.msg, what, way);
	/* Nothing was cut off. */
	assert_true(strlen(err.msg) < sizeof(err.msg) - 1);
}

static void test_each(void **state)
{
	static const struct {
		struct stk_rights r;
		const char *what, *way;
	} rows[] = {
	    {{.our_uid = 1000, .their_uid = 33, .they_are = "www-data"},
	     "belongs to www-data (uid 33), you are uid 1000",
	     "sudo corectl -p 4194304"},
	    {{.our_uid = 1000, .their_uid = 33},
	     "belongs to another user (uid 33)",
	     "sudo corectl"},
	    {{.our_uid = 1000, .their_uid = 1000, .undumpable = true},
	     "is not dumpable",
	     "sudo corectl -p 4194304"},
	    {{.our_uid = 1000, .their_uid = 1000, .more_caps = true},
	     "has capabilities that you have not",
	     "sudo corectl"},
	    {{.our_uid = 1000, .their_uid = 1000, .yama = 1},
	     "Yama lets only its ancestors ptrace it (kernel.yama.ptrace_scope = 1)",
	     "sudo sysctl kernel.yama.ptrace_scope=0"},
	    {{.our_uid = 1000, .their_uid = 1000, .yama = 2},
	     "Yama lets only CAP_SYS_PTRACE ptrace it (kernel.yama.ptrace_scope = 2)",
	     "sudo corectl -p 4194304"},
	    {{.cap_ptrace = true, .yama = 3}, "kernel.yama.ptrace_scope = 3", "at boot"},
	    {{.our_uid = 0, .their_uid = 0}, "root has no CAP_SYS_PTRACE", "--cap-add=SYS_PTRACE"},
	    {{.our_uid = 1000, .their_uid = 1000, .other_userns = true},
	     "another user namespace",
	     "nsenter -U -t 4194304"},
	    {{.our_uid = 1000, .their_uid = 1000, .filtered = true},
	     "seccomp filter",
	     "allow ptrace and process_vm_readv"},
	    {{.our_uid = 1000, .their_uid = 1000}, "no reason can be seen", "dmesg"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct stk_rights r = rows[i].r;
		r.pid = 4194304;
		explains(&r, rows[i].what, rows[i].way);
	}
}

/* With the capability it is none of the reasons that the capability overrides. */
static void test_capable(void **state)
{
	struct stk_rights r = {.pid = 1,
			       .our_uid = 0,
			       .their_uid = 33,
			       .cap_ptrace = true,
			       .undumpable = true,
			       .more_caps = true,
			       .yama = 2};

	(void)state;
	explains(&r, "no reason can be seen", "security module");
}

static void test_before(void **state)
{
	struct stk_err err;

	(void)state;
	/* Above PID_MAX_LIMIT of the kernel. */
	assert_int_equal(stk_rights_before(1 << 29, &err), STK_ESYS);
	assert_string_equal(err.msg, "there is no process 536870912");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_each),
					   cmocka_unit_test(test_capable),
					   cmocka_unit_test(test_before)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
