/* The addresses that instructions name (more of disassembly: test_symbols.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arch.h"
#include "symbols/disasm.h"

#define AT 0x401000

struct listing {
	struct stk_insn v[8];
	unsigned n;
};

static bool keep(void *arg, const struct stk_insn *in)
{
	struct listing *l = arg;

	assert_true(l->n < 8);
	l->v[l->n++] = *in;
	return true;
}

static void list(struct listing *l, const uint8_t *bytes, size_t len)
{
	struct stk_err err;

	assert_int_equal(stk_disasm(stk_arch_find(62), false, AT, bytes, len, keep, l, &err), 0);
}

/* push rbp; mov rax, [rbp-8]; call +0x10; lea rdi, [rip+0x20]; jmp -2; ret */
static const uint8_t code[] = {0x55, 0x48, 0x8b, 0x45, 0xf8, 0xe8, 0x10, 0,    0,    0,
			       0x48, 0x8d, 0x3d, 0x20, 0,    0,    0,    0xeb, 0xfe, 0xc3};

static void targets(void **state)
{
	static const struct stk_insn want[] = {
	    {AT, 1, "push   rbp", 0},
	    {AT + 1, 4, "mov    rax, qword ptr [rbp - 8]", 0},
	    {AT + 5, 5, "call   0x40101a", AT + 0x1a},
	    {AT + 10, 7, "lea    rdi, [rip + 0x20]", AT + 0x31},
	    {AT + 17, 2, "jmp    0x401011", AT + 17},
	    {AT + 19, 1, "ret", 0},
	};
	struct listing l = {0};

	(void)state;
	list(&l, code, sizeof(code));
	assert_int_equal(l.n, sizeof(want) / sizeof(*want));
	for (unsigned i = 0; i < l.n; i++) {
		assert_string_equal(l.v[i].text, want[i].text);
		assert_int_equal(l.v[i].addr, want[i].addr);
		assert_int_equal(l.v[i].size, want[i].size);
		assert_int_equal(l.v[i].target, want[i].target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
