/*
 * The entries' code, and how a signal frame is moved. CRASH context, all of it: a program's handler
 * may run at any moment.
 *
 * A frame is as arch/x86/kernel/signal_64.c pushes it (struct rt_sigframe): return address,
 * ucontext, siginfo, and above them the extended registers, aligned to 64 bytes, which the ucontext
 * points to. Below what is interrupted 128 bytes are free for it (x86-64 ABI §3.2.2, the red zone).
 */
#include <stddef.h>

#include "base/arch.h"
#include "base/mem.h"
#include "signal/kernel/context.h"
#include "signal/kernel/sys.h"
#include "signal/program/entry.h"
#include "signal/state/action.h"
#include "signal/state/slots.h"

#define RED_ZONE 128
#define UC       8         /* the kernel's ucontext in the frame, */
#define INFO     (8 + 304) /* siginfo, */
#define FRAME    (INFO + 128)
#define FX_MAX   16384
#define NESTED   128 /* more than a stack of ours takes */

_Static_assert(sizeof(struct stk_entry) == 32, "entries are counted by code");
_Static_assert(offsetof(struct stk_entry, slow) == 24, "slow is read by code");
_Static_assert(offsetof(ucontext_t, uc_stack) + offsetof(stack_t, ss_size) == 32, "ucontext");
_Static_assert(offsetof(ucontext_t, uc_stack) == 16, "ucontext");

/*
 * An entry begins as a handler does: rdi: signal, rsi: siginfo, rdx: ucontext, rsp: the frame.
 * Until it jumps rsp stays where it is, and r9 is the entry's row: that is how one that is
 * interrupted by the next signal is known.
 *
 * Nothing is done where somebody else than the kernel calls (who read the action by a system call
 * and hands the signal on), and where the frame lies on no stack of our size. Else, and where the
 * handler is for one time, all signals are blocked, stk_entry_arrange() says where the frame is
 * now, and the mask is put back upon that stack. A return value with bit 0: no handler runs, return
 * to the kernel. System call 14 is rt_sigprocmask; it writes below rsp, where signals leave 128
 * bytes alone.
 */
__asm__(".text\n"
	".p2align 4\n"
	".hidden stk_entries\n"
	".hidden stk_entry_begin\n"
	".globl stk_entry_begin\n"
	".type stk_entry_begin,@function\n"
	"stk_entry_begin:\n"
	".cfi_startproc\n"
	".set stk_entry_n,0\n"
	".rept 128\n"
	"	.p2align 4\n"
	"	endbr64\n"
	"	lea stk_entries+32*stk_entry_n(%rip),%r9\n"
	"	jmp stk_entry_common\n"
	"	.set stk_entry_n,stk_entry_n+1\n"
	".endr\n"
	"	.p2align 4\n"
	"stk_entry_common:\n"
	"	lea 8(%rsp),%rax\n"
	"	cmp %rax,%rdx\n"
	"	jne 3f\n"
	"	cmpl $0,24(%r9)\n"
	"	jne 1f\n"
	"	mov 32(%rdx),%rcx\n"
	"	lea 48(%rcx),%rax\n"
	"	test $4095,%eax\n"
	"	jne 3f\n"
	"	mov %rsp,%rax\n"
	"	sub 16(%rdx),%rax\n"
	"	cmp %rcx,%rax\n"
	"	jae 3f\n"
	"1:	test $15,%dl\n"
	"	jne 3f\n" /* no frame of the kernel's (qemu-user) */
	"	mov %rdi,-40(%rsp)\n"
	"	mov %rsi,-48(%rsp)\n"
	"	mov %rdx,-56(%rsp)\n"
	"	movq $-1,-16(%rsp)\n"
	"	movq $0,-24(%rsp)\n"
	"	mov $2,%edi\n"
	"	lea -16(%rsp),%rsi\n"
	"	lea -24(%rsp),%rdx\n"
	"	mov $8,%r10d\n"
	"	mov $14,%eax\n"
	"	syscall\n"
	"	mov -40(%rsp),%rdi\n"
	"	mov -48(%rsp),%rsi\n"
	"	mov -56(%rsp),%rdx\n"
	"	mov %r9,%rcx\n"
	"	sub $56,%rsp\n"
	".cfi_adjust_cfa_offset 56\n"
	"	mov %rax,24(%rsp)\n" /* -32 */
	"	mov %r9,48(%rsp)\n"  /* -8 */
	"	lea 32(%rsp),%r8\n"  /* the mask, -24 */
	"	call stk_entry_arrange\n"
	"	mov 48(%rsp),%r9\n"
	"	mov 32(%rsp),%r8\n" /* the mask */
	"	mov 24(%rsp),%rcx\n"
	"	mov 16(%rsp),%rdi\n"
	"	mov 8(%rsp),%rsi\n"
	"	mov (%rsp),%rdx\n"
	"	add $56,%rsp\n"
	".cfi_adjust_cfa_offset -56\n"
	"	test $1,%al\n"
	"	jne 4f\n"
	"	cmp %rax,%rsp\n"
	"	je 2f\n"
	"	mov %rax,%rsp\n"
	"	lea 312(%rsp),%rsi\n"
	"	lea 8(%rsp),%rdx\n"
	"2:	test %rcx,%rcx\n"
	"	js 3f\n" /* it could not be blocked */
	"	mov %rdi,-40(%rsp)\n"
	"	mov %rsi,-48(%rsp)\n"
	"	mov %rdx,-56(%rsp)\n"
	"	mov %r8,-16(%rsp)\n"
	"	mov $2,%edi\n"
	"	lea -16(%rsp),%rsi\n"
	"	xor %edx,%edx\n"
	"	mov $8,%r10d\n"
	"	mov $14,%eax\n"
	"	syscall\n"
	"	mov -40(%rsp),%rdi\n"
	"	mov -48(%rsp),%rsi\n"
	"	mov -56(%rsp),%rdx\n"
	"3:	xor %eax,%eax\n"
	"	jmp *(%r9)\n"
	"4:	and $-2,%rax\n"
	"	mov %rax,%rsp\n"
	"	ret\n"
	".cfi_endproc\n"
	".hidden stk_entry_end\n"
	".globl stk_entry_end\n"
	"stk_entry_end:\n"
	".size stk_entry_begin,.-stk_entry_begin\n");
_Static_assert(STK_ENTRIES == 128, "as many pieces of code");

extern const char stk_entry_begin[], stk_entry_end[];

#define STEP 16

void *stk_entry_code(int i)
{
	return (void *)(uintptr_t)(stk_entry_begin + i * STEP);
}

int stk_entry_number(uint64_t code)
{
	uint64_t off = code - (uint64_t)(uintptr_t)stk_entry_begin;

	return off < STK_ENTRIES * STEP && off % STEP == 0 ? (int)(off / STEP) : -1;
}

/* The ucontext and siginfo of a frame. */
static ucontext_t *context_of(uint64_t frame)
{
	return (ucontext_t *)(uintptr_t)(frame + UC);
}

static siginfo_t *info_of(uint64_t frame)
{
	return (siginfo_t *)(uintptr_t)(frame + INFO);
}

/* The entry that this context was interrupted in; NULL: in other code. */
static const struct stk_entry *interrupted_entry(const ucontext_t *uc)
{
	uint64_t pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	uint64_t off = pc - (uint64_t)(uintptr_t)stk_entry_begin;
	uint64_t row = (uint64_t)uc->uc_mcontext.gregs[REG_R9] - (uint64_t)(uintptr_t)stk_entries;

	if (off >= (uint64_t)(stk_entry_end - stk_entry_begin))
		return NULL;
	if (off < STK_ENTRIES * STEP)
		return &stk_entries[off / STEP];
	return row < sizeof(stk_entries) && row % sizeof(*stk_entries) == 0
		   ? &stk_entries[row / sizeof(*stk_entries)]
		   : NULL;
}

static bool lies_on(const stack_t *ss, uint64_t sp)
{
	return sp - (uint64_t)(uintptr_t)ss->ss_sp < ss->ss_size;
}

/* The frames that the kernel has pushed one upon the other, before the first of the handlers began:
 * the last comes first. 0: what was interrupted on our stack is something else. */
static int pushed_at_once(uint64_t *at, const stack_t *ss)
{
	uint64_t restorer = *(uint64_t *)(uintptr_t)at[0];

	for (int n = 1; n <= NESTED; n++) {
		const ucontext_t *uc = context_of(at[n - 1]);
		uint64_t sp = (uint64_t)uc->uc_mcontext.gregs[REG_RSP];
		if (!lies_on(ss, sp))
			return n;
		if (n == NESTED || !interrupted_entry(uc) || sp % 16 != 8 ||
		    !lies_on(ss, sp + FRAME) || *(uint64_t *)(uintptr_t)sp != restorer ||
		    context_of(sp)->uc_stack.ss_sp != ss->ss_sp)
			return 0;
		at[n] = sp;
	}
	return 0;
}

/* How much lies where fpregs points to. */
static uint64_t extended(const ucontext_t *uc)
{
	const void *fx = uc->uc_mcontext.fpregs;

	return fx ? stk_context_fx_size(fx).all : 0;
}

static bool takes_word(uint64_t at)
{
	return sys4(SYS_rt_sigprocmask, SIG_BLOCK, 0, at, 8) != -14 /* EFAULT */;
}

/*
 * Can all of it be written? The kernel answers by EFAULT, for two pages by a word that lies in
 * both, and lets a stack grow. Any other error says nothing against it. What is written over is
 * free.
 */
static bool writable(uint64_t from, uint64_t to)
{
	for (uint64_t at = from; at + 8 <= to;) {
		uint64_t next = (at | (STK_PAGE - 1)) + 1;
		bool both = next + 8 <= to;
		if (!takes_word(both ? next - 4 : at))
			return false;
		at = both ? next + STK_PAGE : next;
	}
	return true;
}

/* Move a frame below `top`, as the kernel would have pushed it there. 0: it cannot lie there. */
static uint64_t move(uint64_t frame, uint64_t top)
{
	ucontext_t *uc = context_of(frame);
	uint64_t size = extended(uc), fx = (top - RED_ZONE - size) & ~63ULL;
	uint64_t to = ((fx - FRAME) & ~15ULL) - 8;

	if (top < FRAME + FX_MAX + RED_ZONE || size > FX_MAX ||
	    !writable(to - RED_ZONE, top - RED_ZONE))
		return 0;
	memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)frame, FRAME);
	if (size) {
		memcpy((void *)(uintptr_t)fx, uc->uc_mcontext.fpregs, size);
		context_of(to)->uc_mcontext.fpregs = (fpregset_t)(uintptr_t)fx;
	}
	/*
	 * There was none, as far as the program knows. Both flags together are no setting: the
	 * kernel leaves ours as it is when the handler returns (do_sigaltstack of kernel/signal.c;
	 * restore_altstack takes no notice of EINVAL).
	 */
	context_of(to)->uc_stack = (stack_t){.ss_flags = SS_DISABLE | SS_ONSTACK};
	return to;
}

/* The mask with which a handler runs: a signal that queues has blocked itself for the entry. */
static uint64_t mask_for(const struct stk_entry *e, int sig, uint64_t mask)
{
	uint64_t bit = 1ULL << (sig - 1);

	return stk_entry_queues(sig, e->flags) && !(e->mask & bit) ? mask & ~bit : mask;
}

/* A context that was interrupted in an entry: the handler begins instead, its frame is there. */
static void begin_handler(ucontext_t *uc, const struct stk_entry *e, uint64_t frame)
{
	greg_t *g = uc->uc_mcontext.gregs;

	g[REG_RIP] = (greg_t)e->handler;
	g[REG_RSP] = (greg_t)frame;
	g[REG_RDI] = info_of(frame)->si_signo;
	g[REG_RSI] = (greg_t)(frame + INFO);
	g[REG_RDX] = (greg_t)(frame + UC);
	g[REG_RAX] = 0;
	stk_set_bits(&uc->uc_sigmask,
		     mask_for(e, info_of(frame)->si_signo, stk_bits(&uc->uc_sigmask)));
}

/*
 * All signals are blocked; `mask` is that of before. Returns the frame with which the handler
 * begins; those that were pushed before it go with it, the first of them first, each as if its
 * handler were about to begin.
 */
__attribute__((used)) static uint64_t stk_entry_arrange(int sig, siginfo_t *si, ucontext_t *uc,
							const struct stk_entry *e, uint64_t *mask)
{
	uint64_t at[NESTED], self = (uint64_t)(uintptr_t)uc - UC, to;
	const stack_t ss = uc->uc_stack;

	*mask = mask_for(e, sig, *mask);
	if (e->flags & (int)SA_RESETHAND)
		stk_entry_reset(sig);
	if ((uint64_t)(uintptr_t)si != self + INFO || !lies_on(&ss, self) ||
	    !stk_slot_is_stack(ss.ss_sp, ss.ss_size))
		return self;
	at[0] = self;
	int n = pushed_at_once(at, &ss);
	if (!n)
		return self;
	to = (uint64_t)context_of(at[n - 1])->uc_mcontext.gregs[REG_RSP];
	for (int i = n - 1; i >= 0; i--) {
		to = move(at[i], to);
		if (!to) {
			stk_entry_no_room(info_of(at[n - 1])->si_signo, info_of(at[n - 1]),
					  context_of(at[n - 1]));
			return at[n - 1] | 1;
		}
		if (!i)
			break;
		const struct stk_entry *below = interrupted_entry(context_of(at[i - 1]));
		if (below->flags & (int)SA_RESETHAND)
			stk_entry_reset(info_of(at[i])->si_signo);
		begin_handler(context_of(at[i - 1]), below, to);
	}
	return to;
}
