/* x86-64: System V ABI, AMD64 supplement (register numbers: figure 3.36); sys/user.h, FXSAVE. */
#include "base/arch.h"

#include <cpuid.h>

#include "base/arch_x86_64.h"
#include "base/mem.h"

/* Byte offset of a register in struct user_regs_struct, by its position there. */
#define AT(i) ((i)*8)

static const struct stk_reg regs[] = {
    {"rax", AT(10), 0, true},       {"rbx", AT(5), 3, true},        {"rcx", AT(11), 2, true},
    {"rdx", AT(12), 1, true},       {"rdi", AT(14), 5, true},       {"rsi", AT(13), 4, true},
    {"rbp", AT(4), 6, true},        {"rsp", AT(19), 7, true},       {"r8", AT(9), 8, true},
    {"r9", AT(8), 9, true},         {"r10", AT(7), 10, true},       {"r11", AT(6), 11, true},
    {"r12", AT(3), 12, true},       {"r13", AT(2), 13, true},       {"r14", AT(1), 14, true},
    {"r15", AT(0), 15, true},       {"rip", AT(16), 16, true},      {"rflags", AT(18), -1, true},
    {"cs", AT(17), -1, true},       {"fs", AT(25), -1, true},       {"gs", AT(26), -1, true},
    {"ss", AT(20), -1, false},      {"ds", AT(23), -1, false},      {"es", AT(24), -1, false},
    {"fs_base", AT(21), -1, false}, {"gs_base", AT(22), -1, false}, {"orig_rax", AT(15), -1, false},
};

/* Bytes of an indirect near call FF /2 from its opcode on; 0 if it is none. */
static size_t indirect_call_len(const uint8_t *p, size_t len)
{
	if (len < 2 || p[0] != 0xff || ((p[1] >> 3) & 7) != 2)
		return 0;
	unsigned mod = p[1] >> 6, rm = p[1] & 7;
	size_t n = 2;
	if (mod == 3)
		return n;
	if (rm == 4) {
		if (len < 3)
			return 0;
		n++;
		if (mod == 0 && (p[2] & 7) == 5)
			n += 4;
	} else if (mod == 0 && rm == 5) {
		n += 4;
	}
	return n + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

static bool ends_with_call(const uint8_t *code, size_t len)
{
	if (len >= 5 && code[len - 5] == 0xe8)
		return true;
	for (size_t n = 2; n <= 7 && n <= len; n++)
		if (indirect_call_len(code + len - n, n) == n)
			return true;
	return false;
}

static uint64_t relative(const uint8_t *at, uint64_t next)
{
	int32_t rel;

	memcpy(&rel, at, 4);
	return next + (uint64_t)(int64_t)rel;
}

static uint64_t call_target(const uint8_t *code, size_t len, uint64_t ret)
{
	return len < 5 || code[len - 5] != 0xe8 ? 0 : relative(code + len - 4, ret);
}

/* call *rel(%rip) */
static uint64_t call_through(const uint8_t *code, size_t len, uint64_t ret)
{
	if (len < 6 || code[len - 6] != 0xff || code[len - 5] != 0x15)
		return 0;
	return relative(code + len - 4, ret);
}

static size_t endbr_len(const uint8_t *code, size_t len)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};

	return len >= sizeof(endbr) && !memcmp(code, endbr, sizeof(endbr)) ? sizeof(endbr) : 0;
}

/* push %reg: 50+r, with 41 before it for r8 to r15. */
static unsigned pushes(const uint8_t *code, size_t len, uint8_t *numbers, unsigned max)
{
	static const uint8_t dwarf[] = {0, 2, 1, 3, 7, 6, 4, 5};
	unsigned n = 0;

	for (size_t i = endbr_len(code, len); n < max && i < len; i++) {
		bool high = code[i] == 0x41;
		i += high;
		if (i >= len || (code[i] & 0xf8) != 0x50)
			break;
		numbers[n++] = high ? 8 + (code[i] & 7) : dwarf[code[i] & 7];
	}
	return n;
}

/* jmp *rel(%rip), with endbr64 or mold's mov $number,%r11d before it, and perhaps bnd. */
static uint64_t jump_through(const uint8_t *code, size_t len, uint64_t at)
{
	size_t n = endbr_len(code, len);

	if (len >= n + 6 && code[n] == 0x41 && code[n + 1] == 0xbb)
		n += 6;
	if (len > n && code[n] == 0xf2)
		n++;
	if (len < n + 6 || code[n] != 0xff || code[n + 1] != 0x25)
		return 0;
	return relative(code + n + 2, at + n + 6);
}

/* Go's runtime.goexit as a whole (runtime/asm_amd64.s): nop; call goexit1; nop. */
static bool is_goexit(const uint8_t *code, size_t len)
{
	return len >= 7 && code[0] == 0x90 && code[1] == 0xe8 && code[6] == 0x90;
}

/* mov $number,%eax; syscall; and at most the test and the jumps behind it (glibc's clone3.S). */
static bool is_newborn(const uint8_t *code, size_t len, uint64_t result)
{
	uint32_t number;

	if (result)
		return false;
	for (size_t end = len; end >= 7 && end + 7 >= len; end--) {
		const uint8_t *p = code + end - 7;
		if (p[0] != 0xb8 || p[5] != 0x0f || p[6] != 0x05)
			continue;
		memcpy(&number, p + 1, 4);
		return number == 56 /* clone */ || number == 435 /* clone3 */;
	}
	return false;
}

/* glibc's __start_context.S: mov %rbx,%rsp; mov (%rsp),%rdi or pop %rdi (where there are shadow
 * stacks); test %rdi,%rdi. */
static bool is_context_start(const uint8_t *code, size_t len)
{
	static const uint8_t forms[][10] = {
	    {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff},
	    {0x48, 0x89, 0xdc, 0x5f, 0x48, 0x85, 0xff},
	};

	return len >= sizeof(*forms) && (!memcmp(code, forms[0], 10) || !memcmp(code, forms[1], 7));
}

/* How many of the bytes do nothing: nop, endbr64. */
static size_t idle(const uint8_t *code, size_t len)
{
	size_t n = 0;

	for (size_t more = 1; more; n += more)
		more = n < len && code[n] == 0x90 ? 1 : endbr_len(code + n, len - n);
	return n;
}

/* The number of rt_sigreturn(2), 15, is put into rax, and syscall; as libcs have it and as hands
 * write it. Each frame is asked: two bytes tell of most that they are others. */
static bool is_sigreturn(const uint8_t *code, size_t len)
{
	static const uint8_t wide[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0}; /* mov $15,%rax */
	static const uint8_t narrow[] = {0xb8, 0x0f, 0, 0, 0};           /* mov $15,%eax */
	static const uint8_t cleared[] = {0x31, 0xc0, 0xb0, 0x0f}; /* xor %eax,%eax; mov $15,%al */
	static const uint8_t pushed[] = {0x6a, 0x0f, 0x58};        /* push $15; pop %rax */
	const uint8_t *form;
	size_t n, at = len && (code[0] == 0x90 || code[0] == 0xf3) ? idle(code, len) : 0;

	if (len - at < 2)
		return false;
	switch (code[at] << 8 | code[at + 1]) {
	case 0x48c7:
		form = wide, n = sizeof(wide);
		break;
	case 0xb80f:
		form = narrow, n = sizeof(narrow);
		break;
	case 0x31c0:
		form = cleared, n = sizeof(cleared);
		break;
	case 0x6a0f:
		form = pushed, n = sizeof(pushed);
		break;
	default:
		return false;
	}
	if (len - at < n || memcmp(code + at, form, n))
		return false;
	at += n;
	at += idle(code + at, len - at);
	return len - at >= 2 && code[at] == 0x0f && code[at + 1] == 0x05;
}

/* mov N(%rsp),%reg, or sub: its displacement of one byte. −1: another instruction. */
static int from_stack(const uint8_t *code, uint8_t opcode, unsigned reg)
{
	return code[0] == 0x48 && code[1] == opcode && code[2] == (0x44 | reg << 3) &&
		       code[3] == 0x24 && code[4] < 0x80
		   ? code[4]
		   : -1;
}

/* How asmcgocall of Go 1.4 and later ends (runtime/asm_amd64.s): from g0's stack
 * `mov N(%rsp),%rdi; mov M(%rdi),%rsi; sub K(%rsp),%rsi`, K(%rsp) perhaps without displacement;
 * on g0's stack itself `mov K(%rsp),%rsi; mov %rsi,%rsp`. */
static bool switches_back(const uint8_t *code, size_t len, struct stk_switch_back *ret)
{
	enum { RSI = 6, RDI = 7 };
	static const uint8_t to_sp[] = {0x48, 0x89, 0xf4};
	static const uint8_t without[] = {0x48, 0x2b, 0x34, 0x24};

	if (len < 14)
		return false;
	ret->object = ret->limit = -1;
	ret->kept = (int16_t)from_stack(code, 0x8b, RSI);
	if (ret->kept >= 0)
		return !memcmp(code + 5, to_sp, sizeof(to_sp));
	ret->object = (int16_t)from_stack(code, 0x8b, RDI);
	if (ret->object < 0 || code[5] != 0x48 || code[6] != 0x8b || code[7] != 0x77 ||
	    code[8] >= 0x80)
		return false;
	ret->limit = code[8];
	ret->kept = !memcmp(code + 9, without, 4) ? 0 : (int16_t)from_stack(code + 9, 0x2b, RSI);
	return ret->kept >= 0;
}

/* struct rt_sigframe behind its first word (arch/x86/include/asm/sigframe.h): uc_flags, uc_link,
 * uc_stack, then r8 … r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip (struct sigcontext). */
static const uint16_t sigframe[] = {40 + 8 * 13, 40 + 8 * 12, 40 + 8 * 14, 40 + 8 * 11, 40 + 8 * 9,
				    40 + 8 * 8,  40 + 8 * 10, 40 + 8 * 15, 40 + 8 * 0,  40 + 8 * 1,
				    40 + 8 * 2,  40 + 8 * 3,  40 + 8 * 4,  40 + 8 * 5,  40 + 8 * 6,
				    40 + 8 * 7,  40 + 8 * 16};

/* int3, in one byte or two. */
static bool ends_with_trap(const uint8_t *code, size_t len)
{
	return (len >= 1 && code[len - 1] == 0xcc) ||
	       (len >= 2 && code[len - 2] == 0xcd && code[len - 1] == 3);
}

/* struct user_regs_struct: the results of calls are in rax, their numbers in orig_rax. */
static long failed_call(const void *gregs, int error)
{
	int64_t rax, number;

	memcpy(&rax, (const uint8_t *)gregs + AT(10), sizeof(rax));
	memcpy(&number, (const uint8_t *)gregs + AT(15), sizeof(number));
	return rax == -error && number >= 0 ? number : -1;
}

static void set_result(void *gregs, long result)
{
	memcpy((uint8_t *)gregs + AT(10), &result, sizeof(result));
}

/* The extended registers as XSAVE writes them: FXSAVE's area, in it what the kernel has enabled
 * (XCR0, in sw_reserved), and the header (Intel SDM 1 §13.4). */
#define FXSAVE 512
#define HEADER 64
#define XCR0   464

/* There XCR0 stands behind a magic number and a size (struct _fpx_sw_bytes of
 * arch/x86/include/uapi/asm/sigcontext.h). */
static void frame_to_note(void *extended)
{
	uint8_t *x = extended;

	memcpy(x + XCR0, x + XCR0 + 8, 8);
	memset(x + XCR0 + 8, 0, FXSAVE - XCR0 - 8);
}

static const uint32_t more_notes[] = {0x204 /* NT_X86_SHSTK */, 0};

/* struct x86_xfeat_component for each part, by CPUID leaf 0xd: another machine can read it then. */
static size_t layout(const void *extended, size_t len, void *buf, size_t cap)
{
	uint64_t xcr0 = 0;
	size_t n = 0;

	if (len > FXSAVE + HEADER)
		memcpy(&xcr0, (const uint8_t *)extended + XCR0, sizeof(xcr0));
	for (uint32_t i = 2; i < 63; i++) {
		uint32_t size, offset, flags, rest;
		if (!(xcr0 >> i & 1) || !__get_cpuid_count(0xd, i, &size, &offset, &flags, &rest) ||
		    !size)
			continue;
		uint32_t part[] = {i, size, offset, flags};
		if (cap - n < sizeof(part))
			break;
		memcpy((uint8_t *)buf + n, part, sizeof(part));
		n += sizeof(part);
	}
	return n;
}

extern const struct stk_arch stk_arch_x86_64;
const struct stk_arch stk_arch_x86_64 = {
    .name = "x86_64",
    .e_machine = 62,
    .word = 8,
    .regs = regs,
    .nregs = sizeof(regs) / sizeof(*regs),
    .tracked = sizeof(((union stk_arch_regs *)0)->x86_64.regs),
    .gregs = sizeof(((union stk_arch_gregs *)0)->x86_64.words),
    .thread = "fs_base",
    .red_zone = 128, /* §3.2.2 */
    .loader = "ld-linux-x86-64.so.2",
    .printed = "x86-64",
    .pc = 16,
    .sp = 7,
    .fp = 6,
    /* rbx rbp r12-r15; rsp follows from the CFA. */
    .callee_saved = {{1U << 3 | 1U << 6 | 0xfU << 12}},
    .vec_first = 17,
    .vec_n = 16,
    .vec_size = 16,
    .vec_note_off = 160,
    .prstatus_size = 336,
    .prstatus_cursig = 12,
    .prstatus_pid = 32,
    .prstatus_reg = 112,
    .prpsinfo_size = 136,
    .prpsinfo_uid = 16,
    .prpsinfo_pid = 24,
    .prpsinfo_fname = 40,
    .prpsinfo_args = 56,
    .ends_with_call = ends_with_call,
    .is_newborn = is_newborn,
    .result_reg = 0,
    .is_context_start = is_context_start,
    .is_sigreturn = is_sigreturn,
    .sigframe = sigframe,
    .switches_back = switches_back,
    .ends_with_trap = ends_with_trap,
    .call_target = call_target,
    .call_through = call_through,
    .jump_through = jump_through,
    .pushes = pushes,
    .keeps_sp = stk_x86_64_keeps_sp,
    .is_goexit = is_goexit,
    .failed_call = failed_call,
    .set_result = set_result,
    .extended_note = 0x202, /* NT_X86_XSTATE */
    .extended_min = FXSAVE + HEADER,
    .more_notes = more_notes,
    .frame_to_note = frame_to_note,
    .layout_note = 0x205, /* NT_X86_XSAVE_LAYOUT */
    .layout = layout,
};
