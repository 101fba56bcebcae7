/* The x86-64 tables against the system's own headers, and its calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include <cmocka.h>

#include "base/arch.h"

static const struct stk_arch *x86(void)
{
	return stk_arch_find(62);
}

static void note_layout(void **state)
{
	const struct stk_arch *a = x86();

	(void)state;
	assert_int_equal(a->prstatus_size, sizeof(struct elf_prstatus));
	assert_int_equal(a->prstatus_cursig, offsetof(struct elf_prstatus, pr_cursig));
	assert_int_equal(a->prstatus_pid, offsetof(struct elf_prstatus, pr_pid));
	assert_int_equal(a->prstatus_reg, offsetof(struct elf_prstatus, pr_reg));
	assert_int_equal(a->prpsinfo_size, sizeof(struct elf_prpsinfo));
	assert_int_equal(a->prpsinfo_uid, offsetof(struct elf_prpsinfo, pr_uid));
	assert_int_equal(a->prpsinfo_pid, offsetof(struct elf_prpsinfo, pr_pid));
	assert_int_equal(a->prpsinfo_fname, offsetof(struct elf_prpsinfo, pr_fname));
	assert_int_equal(a->prpsinfo_args, offsetof(struct elf_prpsinfo, pr_psargs));
	assert_int_equal(a->vec_note_off, offsetof(struct user_fpregs_struct, xmm_space));
}

#define REG(reg, user, number, printed)                                                            \
	{                                                                                          \
		reg, offsetof(struct user_regs_struct, user), number, printed                      \
	}

static void registers(void **state)
{
	static const struct stk_reg want[] = {
	    REG("rax", rax, 0, true),
	    REG("rbx", rbx, 3, true),
	    REG("rcx", rcx, 2, true),
	    REG("rdx", rdx, 1, true),
	    REG("rdi", rdi, 5, true),
	    REG("rsi", rsi, 4, true),
	    REG("rbp", rbp, 6, true),
	    REG("rsp", rsp, 7, true),
	    REG("r8", r8, 8, true),
	    REG("r9", r9, 9, true),
	    REG("r10", r10, 10, true),
	    REG("r11", r11, 11, true),
	    REG("r12", r12, 12, true),
	    REG("r13", r13, 13, true),
	    REG("r14", r14, 14, true),
	    REG("r15", r15, 15, true),
	    REG("rip", rip, 16, true),
	    REG("rflags", eflags, -1, true),
	    REG("cs", cs, -1, true),
	    REG("fs", fs, -1, true),
	    REG("gs", gs, -1, true),
	    REG("ss", ss, -1, false),
	    REG("ds", ds, -1, false),
	    REG("es", es, -1, false),
	    REG("fs_base", fs_base, -1, false),
	    REG("gs_base", gs_base, -1, false),
	    REG("orig_rax", orig_rax, -1, false),
	};

	(void)state;
	assert_int_equal(x86()->nregs, sizeof(want) / sizeof(*want));
	for (unsigned i = 0; i < x86()->nregs; i++) {
		assert_string_equal(x86()->regs[i].name, want[i].name);
		assert_int_equal(x86()->regs[i].note_off, want[i].note_off);
		assert_int_equal(x86()->regs[i].dwarf, want[i].dwarf);
		assert_int_equal(x86()->regs[i].report, want[i].report);
	}
}

#define BYTES(...)                                                                                 \
	{                                                                                          \
		sizeof((const uint8_t[]){__VA_ARGS__}),                                            \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

struct bytes {
	size_t len;
	uint8_t b[8];
};

static void calls(void **state)
{
	static const struct bytes good[] = {
	    BYTES(0xe8, 1, 2, 3, 4),                    /* call rel32 */
	    BYTES(0x48, 0xe8, 1, 2, 3, 4),              /* rex.W call __tls_get_addr */
	    BYTES(0xff, 0xd0),                          /* call rax */
	    BYTES(0x41, 0xff, 0xd3),                    /* call r11 */
	    BYTES(0xf2, 0xff, 0xd0),                    /* bnd call rax */
	    BYTES(0x3e, 0xff, 0xd0),                    /* notrack call rax */
	    BYTES(0xff, 0x10),                          /* call [rax] */
	    BYTES(0xff, 0x50, 0x18),                    /* call [rax+24] */
	    BYTES(0xff, 0x90, 1, 2, 0, 0),              /* call [rax+disp32] */
	    BYTES(0xff, 0x15, 1, 2, 3, 4),              /* call [rip+disp32] */
	    BYTES(0x67, 0xff, 0x10),                    /* call [eax] */
	    BYTES(0xff, 0x14, 0xc8),                    /* call [rax+rcx*8] */
	    BYTES(0xff, 0x54, 0x24, 0x08),              /* call [rsp+8] */
	    BYTES(0xff, 0x14, 0x25, 1, 2, 3, 4),        /* call [disp32] */
	    BYTES(0x65, 0xff, 0x14, 0x25, 16, 0, 0, 0), /* call gs:[16] */
	    BYTES(0xff, 0x94, 0x24, 1, 2, 3, 4),        /* call [rsp+disp32] */
	};
	static const struct bytes bad[] = {
	    BYTES(0x90),
	    BYTES(0xff, 0xe0),             /* jmp rax */
	    BYTES(0xff, 0x30),             /* push [rax] */
	    BYTES(0xff, 0x50),             /* displacement cut off */
	    BYTES(0xff, 0x15, 1, 2, 3),    /* the same */
	    BYTES(0xe9, 1, 2, 3, 4),       /* jmp rel32 */
	    BYTES(0xe8, 1, 2, 3, 4, 0x90), /* an instruction further */
	    BYTES(0x0f, 0x05),             /* syscall */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(x86()->ends_with_call(good[i].b, good[i].len));
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(x86()->ends_with_call(bad[i].b, bad[i].len));
	assert_int_equal(x86()->call_target(good[0].b, 5, 0x10000), 0x4040201);
	assert_int_equal(
	    x86()->call_target((const uint8_t[]){0xe8, 0xf0, 0xff, 0xff, 0xff}, 5, 0x1000), 0xff0);
	assert_int_equal(x86()->call_target(good[2].b, 2, 0x10000), 0);
}

/* Entries as ld (with and without IBT), lld and mold write them. */
static void linkage_tables(void **state)
{
	static const uint8_t lazy[] = {0xff, 0x25, 0x02, 0x01, 0, 0, 0x68, 0, 0, 0, 0};
	static const uint8_t ibt[] = {0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff,
				      0x25, 0xf0, 0xff, 0xff, 0xff};
	static const uint8_t mold[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0xbb, 7, 0,
				       0,    0,    0xff, 0x25, 0x10, 0,    0, 0};
	static const uint8_t through[] = {0xff, 0x15, 0x20, 0, 0, 0};
	static const uint8_t reg[] = {0xff, 0xd3};

	(void)state;
	assert_int_equal(x86()->jump_through(lazy, sizeof(lazy), 0x1000), 0x1108);
	assert_int_equal(x86()->jump_through(ibt, sizeof(ibt), 0x1000), 0xffb);
	assert_int_equal(x86()->jump_through(mold, sizeof(mold), 0x1000), 0x1020);
	for (size_t len = 0; len < sizeof(mold); len++)
		assert_int_equal(x86()->jump_through(mold, len, 0x1000), 0);
	assert_int_equal(x86()->jump_through(through, sizeof(through), 0x1000), 0);
	assert_int_equal(x86()->call_through(through, sizeof(through), 0x1000), 0x1020);
	assert_int_equal(x86()->call_through(through + 1, 5, 0x1000), 0);
	assert_int_equal(x86()->call_through(reg, sizeof(reg), 0x1000), 0);
}

/* endbr64; push %rbp; push %r15; push %rbx; sub $8,%rsp; push %r12 */
static void pushed_registers(void **state)
{
	static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x41, 0x57,
				       0x53, 0x48, 0x83, 0xec, 0x08, 0x41, 0x54};
	uint8_t n[4] = {0};

	(void)state;
	assert_int_equal(x86()->pushes(code, sizeof(code), n, 4), 3);
	assert_int_equal(n[0], 6);
	assert_int_equal(n[1], 15);
	assert_int_equal(n[2], 3);
	assert_int_equal(x86()->pushes(code, sizeof(code), n, 2), 2);
	assert_int_equal(x86()->pushes(code, 6, n, 4), 1);
	assert_int_equal(x86()->pushes(code, 0, n, 4), 0);
}

/* The ends of Go's asmcgocall: 1.19 from another stack and on its own, 1.21. */
static void stacks_are_switched_back(void **state)
{
	static const uint8_t far[] = {0x48, 0x8b, 0x7c, 0x24, 0x30, 0x48, 0x8b, 0x77,
				      0x08, 0x48, 0x2b, 0x74, 0x24, 0x28, 0x64, 0x48};
	static const uint8_t same[] = {0x48, 0x8b, 0x74, 0x24, 0x28, 0x48, 0x89, 0xf4,
				       0x89, 0x44, 0x24, 0x18, 0xc3, 0,    0,    0};
	static const uint8_t later[] = {0x48, 0x8b, 0x7c, 0x24, 0x08, 0x48, 0x8b, 0x77,
					0x08, 0x48, 0x2b, 0x34, 0x24, 0x64, 0x48, 0x89};
	uint8_t other[sizeof(far)];
	struct stk_switch_back b;

	(void)state;
	assert_true(x86()->switches_back(far, sizeof(far), &b));
	assert_true(b.object == 0x30 && b.limit == 8 && b.kept == 0x28);
	assert_true(x86()->switches_back(same, sizeof(same), &b));
	assert_true(b.limit == -1 && b.kept == 0x28);
	assert_true(x86()->switches_back(later, sizeof(later), &b));
	assert_true(b.object == 8 && b.limit == 8 && b.kept == 0);
	assert_false(x86()->switches_back(far, 13, &b));
	for (unsigned i = 0; i < 14; i++) {
		memcpy(other, far, sizeof(far));
		other[i] = 0x90;
		assert_false(x86()->switches_back(other, sizeof(other), &b));
	}
}

static void handlers_return(void **state)
{
	static const struct {
		size_t len;
		uint8_t b[16];
	} good[] = {
	    {9, {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}}, /* mov $15,%rax; syscall */
	    {7, {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05}},             /* mov $15,%eax; syscall */
	    {6, {0x31, 0xc0, 0xb0, 0x0f, 0x0f, 0x05}}, /* xor %eax,%eax; mov $15,%al; syscall */
	    {5, {0x6a, 0x0f, 0x58, 0x0f, 0x05}},       /* push $15; pop %rax; syscall */
	    /* endbr64 before the first */
	    {13, {0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}},
	    /* nops around mov $15,%eax */
	    {10, {0x90, 0x90, 0xb8, 0x0f, 0, 0, 0, 0x90, 0x0f, 0x05}},
	};
	uint8_t other[16];

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(x86()->is_sigreturn(good[i].b, good[i].len));
		assert_true(x86()->is_sigreturn(good[i].b, sizeof(good[i].b)));
		for (size_t n = 0; n < good[i].len; n++) {
			assert_false(x86()->is_sigreturn(good[i].b, n));
			memcpy(other, good[i].b, sizeof(other));
			other[n] ^= 0x21;
			assert_false(x86()->is_sigreturn(other, sizeof(other)));
		}
	}
}

/* Assembled by GNU as; each with the byte that follows cut off, too. */
static void the_stack_pointer_is_kept(void **state)
{
	static const struct bytes good[] = {
	    BYTES(0xf3, 0x0f, 0x1e, 0xfa),       /* endbr64 */
	    BYTES(0x90),                         /* nop */
	    BYTES(0x66, 0x90),                   /* nop */
	    BYTES(0x0f, 0x1f, 0x44, 0, 0),       /* nopl 0(%rax,%rax) */
	    BYTES(0x31, 0xc0),                   /* xor %eax,%eax */
	    BYTES(0x03, 0x07),                   /* add (%rdi),%eax */
	    BYTES(0x48, 0x89, 0xe0),             /* mov %rsp,%rax */
	    BYTES(0x48, 0x8b, 0x44, 0x24, 0x08), /* mov 8(%rsp),%rax */
	    BYTES(0x49, 0x89, 0xc4),             /* mov %rax,%r12 */
	    BYTES(0x4c, 0x8b, 0x27),             /* mov (%rdi),%r12 */
	    BYTES(0x48, 0x8d, 0x05, 1, 2, 3, 4), /* lea rel(%rip),%rax */
	    BYTES(0x48, 0x39, 0xe0),             /* cmp %rsp,%rax */
	    BYTES(0x48, 0x83, 0xfc, 0x10),       /* cmp $16,%rsp */
	    BYTES(0x48, 0x83, 0xc7, 0x10),       /* add $16,%rdi */
	    BYTES(0x81, 0xc7, 1, 2, 3, 4),       /* add $imm,%edi */
	    BYTES(0xb8, 0x0f, 0, 0, 0),          /* mov $15,%eax */
	    BYTES(0x41, 0xbb, 7, 0, 0, 0),       /* mov $7,%r11d */
	    BYTES(0x41, 0xbc, 7, 0, 0, 0),       /* mov $7,%r12d */
	    BYTES(0x85, 0xff),                   /* test %edi,%edi */
	    BYTES(0xf6, 0x07, 0x01),             /* testb $1,(%rdi) */
	    BYTES(0xf7, 0xd8),                   /* neg %eax */
	    BYTES(0x0f, 0xb6, 0x06),             /* movzbl (%rsi),%eax */
	    BYTES(0x48, 0x0f, 0xbe, 0x06),       /* movsbq (%rsi),%rax */
	    BYTES(0x48, 0x63, 0xc7),             /* movslq %edi,%rax */
	    BYTES(0x0f, 0xa2),                   /* cpuid */
	    BYTES(0x0f, 0x01, 0xd0),             /* xgetbv */
	    BYTES(0xc7, 0x07, 1, 0, 0, 0),       /* movl $1,(%rdi) */
	    BYTES(0xc6, 0x44, 0x24, 0xf8, 1),    /* movb $1,-8(%rsp) */
	    BYTES(0xf3, 0x0f, 0x6f, 0x06),       /* movdqu (%rsi),%xmm0 */
	    BYTES(0xa9, 1, 0, 0, 0),             /* test $1,%eax */
	    BYTES(0x0f, 0x05),                   /* syscall */
	    BYTES(0x74, 0x2c),                   /* je, forward */
	    BYTES(0x0f, 0x84, 1, 0, 0, 0),       /* je, forward */
	};
	static const struct bytes bad[] = {
	    BYTES(0x55),                         /* push %rbp */
	    BYTES(0x5d),                         /* pop %rbp */
	    BYTES(0x48, 0x83, 0xec, 0x20),       /* sub $32,%rsp */
	    BYTES(0x48, 0x81, 0xc4, 1, 2, 0, 0), /* add $513,%rsp */
	    BYTES(0x48, 0x29, 0xc4),             /* sub %rax,%rsp */
	    BYTES(0x48, 0x2b, 0x27),             /* sub (%rdi),%rsp */
	    BYTES(0x48, 0x89, 0xfc),             /* mov %rdi,%rsp */
	    BYTES(0x48, 0x8b, 0x27),             /* mov (%rdi),%rsp */
	    BYTES(0x48, 0x8d, 0x64, 0x24, 0xe0), /* lea -32(%rsp),%rsp */
	    BYTES(0x48, 0xc7, 0xc4, 1, 0, 0, 0), /* mov $1,%rsp */
	    BYTES(0xbc, 1, 0, 0, 0),             /* mov $1,%esp */
	    BYTES(0x48, 0x94),                   /* xchg %rax,%rsp */
	    BYTES(0x48, 0x0f, 0x44, 0xe0),       /* cmove %rax,%rsp */
	    BYTES(0x48, 0xf7, 0xd4),             /* not %rsp */
	    BYTES(0xe8, 0, 0, 0, 0),             /* call */
	    BYTES(0xeb, 0),                      /* jmp */
	    BYTES(0x74, 0xf0),                   /* je, back */
	    BYTES(0x0f, 0x84, 0, 0, 0, 0x80),    /* je, back */
	    BYTES(0xc3),                         /* ret */
	    BYTES(0xc9),                         /* leave */
	    BYTES(0xc8, 8, 0, 0),                /* enter $8,$0 */
	    BYTES(0xff, 0xd0),                   /* call *%rax */
	    BYTES(0xff, 0x37),                   /* push (%rdi) */
	    BYTES(0x66, 0x81, 0xc7, 1, 2),       /* add $513,%di */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(x86()->keeps_sp(good[i].b, good[i].len), good[i].len);
		assert_int_equal(x86()->keeps_sp(good[i].b, sizeof(good[i].b)), good[i].len);
		for (size_t n = 0; n < good[i].len; n++)
			assert_int_equal(x86()->keeps_sp(good[i].b, n), 0);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(x86()->keeps_sp(bad[i].b, sizeof(bad[i].b)), 0);
}

/* runtime.goexit of Go 1.19: nop; call; nop. */
static void a_goroutine_begins(void **state)
{
	static const uint8_t code[] = {0x90, 0xe8, 1, 2, 3, 0, 0x90};
	static const uint8_t at[] = {0, 1, 6};
	uint8_t other[sizeof(code)];

	(void)state;
	assert_true(x86()->is_goexit(code, sizeof(code)));
	assert_false(x86()->is_goexit(code, sizeof(code) - 1));
	for (unsigned i = 0; i < sizeof(at); i++) {
		memcpy(other, code, sizeof(code));
		other[at[i]] = 0xcc;
		assert_false(x86()->is_goexit(other, sizeof(other)));
	}
}

static void a_new_thread_has_an_empty_stack(void **state)
{
	const struct stk_arch *a = stk_arch_find(62);
	/* glibc's clone3.S: mov $435,%eax; syscall; test %rax,%rax; jl; je */
	uint8_t code[] = {0xb8, 0xb3, 0x01, 0,    0,    0x0f, 0x05,
			  0x48, 0x85, 0xc0, 0x7c, 0x18, 0x74, 0x01};

	(void)state;
	for (size_t len = 7; len <= sizeof(code); len++) {
		assert_true(a->is_newborn(code, len, 0));
		assert_false(a->is_newborn(code, len, 4242));
	}
	assert_false(a->is_newborn(code, 6, 0));
	code[1] = 0xca; /* futex */
	assert_false(a->is_newborn(code, sizeof(code), 0));
}

static void a_context_begins(void **state)
{
	const struct stk_arch *a = stk_arch_find(62);
	/* glibc 2.36: mov %rbx,%rsp; mov (%rsp),%rdi; test %rdi,%rdi; 2.27 with CET: pop %rdi */
	const uint8_t plain[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff, 0x74};
	const uint8_t popped[] = {0x48, 0x89, 0xdc, 0x5f, 0x48, 0x85, 0xff, 0x74, 0x08, 0xe8, 0};

	(void)state;
	assert_true(a->is_context_start(plain, sizeof(plain)));
	assert_true(a->is_context_start(popped, sizeof(popped)));
	assert_false(a->is_context_start(plain + 3, sizeof(plain) - 3));
	assert_false(a->is_context_start(plain, 9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_new_thread_has_an_empty_stack),
	    cmocka_unit_test(a_context_begins),
	    cmocka_unit_test(a_goroutine_begins),
	    cmocka_unit_test(handlers_return),
	    cmocka_unit_test(the_stack_pointer_is_kept),
	    cmocka_unit_test(linkage_tables),
	    cmocka_unit_test(pushed_registers),
	    cmocka_unit_test(stacks_are_switched_back),
	    cmocka_unit_test(note_layout),
	    cmocka_unit_test(registers),
	    cmocka_unit_test(calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
