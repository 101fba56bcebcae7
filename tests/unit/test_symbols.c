/* Demangling, disassembly and source text: what needs no target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "symbols/demangle.h"
#include "symbols/disasm.h"
#include "symbols/source.h"

static void names_are_demangled(void **state)
{
	static const struct {
		const char *raw, *bare, *full;
	} names[] = {
	    {"_ZN2ns3MapIiE6insertEii", "ns::Map<int>::insert", "ns::Map<int>::insert(int, int)"},
	    {"_ZN3fooclEv", "foo::operator()", "foo::operator()()"},
	    {"_ZN12_GLOBAL__N_11fEv", "(anonymous namespace)::f", "(anonymous namespace)::f()"},
	    {"_RNvC6_123foo3bar", "123foo::bar", "123foo::bar"},
	    {"main", "main", "main"},
	    {"_Znonsense", "_Znonsense", "_Znonsense"},
	    {"i", "i", "i"}, /* would be `int` as a mangled type */
	};
	struct stk_pool pool = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_string_equal(stk_demangle(&pool, names[i].raw, false), names[i].bare);
		assert_string_equal(stk_demangle(&pool, names[i].raw, true), names[i].full);
	}
	stk_pool_done(&pool);
}

static void a_huge_name_stays_raw(void **state)
{
	struct stk_pool pool = {0};
	char *raw = malloc(70001);

	(void)state;
	memset(raw, 'I', 70000);
	memcpy(raw, "_Z", 2);
	raw[70000] = 0;
	assert_ptr_equal(stk_demangle(&pool, raw, false), raw);
	free(raw);
	stk_pool_done(&pool);
}

struct seen {
	struct stk_insn v[8];
	unsigned n, max;
};

static bool see(void *arg, const struct stk_insn *in)
{
	struct seen *s = arg;

	s->v[s->n++] = *in;
	return s->n < s->max;
}

static const uint8_t code[] = {
    0x48, 0x8b, 0x45, 0xf8,       /* mov rax, [rbp - 8] */
    0xe8, 0x10, 0x00, 0x00, 0x00, /* call +0x10 */
    0x06,                         /* no instruction in 64-bit mode */
    0xc3,                         /* ret */
};

static void instructions(void **state)
{
	const struct stk_arch *x86 = stk_arch_find(62);
	struct seen s = {.max = 8};
	struct stk_arch other = *x86;

	(void)state;
	assert_int_equal(stk_disasm(x86, false, 0x1000, code, sizeof(code), see, &s, NULL), 0);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.v[0].text, "mov    rax, qword ptr [rbp - 8]");
	assert_int_equal(s.v[0].target, 0);
	assert_int_equal(s.v[1].addr, 0x1004);
	assert_int_equal(s.v[1].size, 5);
	assert_int_equal(s.v[1].target, 0x1019);
	assert_string_equal(s.v[2].text, "(bad)");
	assert_int_equal(s.v[2].size, 1);
	assert_string_equal(s.v[3].text, "ret");
	s = (struct seen){.max = 1};
	assert_int_equal(stk_disasm(x86, true, 0x1000, code, sizeof(code), see, &s, NULL), 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(s.v[0].text, "movq   -8(%rbp), %rax");
	other.e_machine = 183;
	assert_int_equal(stk_disasm(&other, false, 0, code, 4, see, &s, NULL), STK_EUNSUPPORTED);
}

/* A file in a new folder; the folder's path in `dir`. */
static void make_file(char *dir, char *path, size_t cap, const char *text)
{
	FILE *f;

	strcpy(dir, "/tmp/stk_source_XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, cap, "%s/a.c", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void check_line(const struct stk_source_file *f, unsigned n, const char *text)
{
	size_t len = 0;
	const char *line = stk_source_line(f, n, &len);

	assert_non_null(line);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(line, text, len);
}

static void source_lines_and_rules(void **state)
{
	char dir[64], path[128], part[128];
	struct stk_sources *s = stk_sources_new();
	struct stk_source_file *f = NULL;
	struct stk_err err = {0};
	size_t len;
	const char *to;

	(void)state;
	make_file(dir, path, sizeof(path), "one\n\ntwo\r\nthree");
	assert_int_equal(stk_source_open(s, "/built/a.c", &f, &err), STK_ESYS);
	assert_int_equal(err.sys, 2);              /* ENOENT */
	snprintf(part, sizeof(part), "%s/a", dir); /* no whole component: must not fit */
	assert_int_equal(stk_sources_substitute(s, "/built/a", part), 0);
	assert_int_equal(stk_source_open(s, "/built/a.c", &f, &err), STK_ESYS);
	assert_int_equal(stk_sources_substitute(s, "/built", dir), 0);
	assert_int_equal(stk_source_open(s, "/built/a.c", &f, &err), 0);
	assert_string_equal(stk_source_path(f), path);
	assert_int_equal(stk_source_lines(f), 4);
	check_line(f, 1, "one");
	check_line(f, 2, "");
	check_line(f, 3, "two");
	check_line(f, 4, "three");
	assert_null(stk_source_line(f, 0, &len));
	assert_null(stk_source_line(f, 5, &len));
	assert_string_equal(stk_sources_rule(s, 1, &to), "/built");
	assert_string_equal(to, dir);
	assert_null(stk_sources_rule(s, 2, &to));
	assert_int_equal(stk_sources_substitute(s, "/built", ""), 0);
	assert_int_equal(stk_sources_substitute(s, "/built", ""), STK_ENODATA);
	assert_int_equal(stk_source_open(s, "/built/a.c", &f, &err), STK_ESYS);
	assert_int_equal(stk_source_open(s, dir, &f, &err), STK_EUNSUPPORTED);
	stk_sources_free(s);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_demangled),
	    cmocka_unit_test(a_huge_name_stays_raw),
	    cmocka_unit_test(instructions),
	    cmocka_unit_test(source_lines_and_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
