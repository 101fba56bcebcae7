/* Damaged call frame information, damaged stacks: a walk ends, whatever it reads. */
#include "stepping.h"

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define SEEDS  10000
#define FLIPS  48
#define PAGE   4096UL
#define STACK  8192
#define SECOND 50 /* for all of a test: a hang ends the process */

static struct walked w, whole;
static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t below(uint64_t n)
{
	return random_next() % n;
}

/* Where damage is done: .eh_frame_hdr and .eh_frame of an image, made writable; and the entries
 * that the stack of the test needs. */
struct region {
	uint8_t *at;
	size_t len;
	const struct stk_img *img;
	uint8_t *entry[FRAMES_MAX];
	unsigned n;
};

static int find_segment(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct region *r = arg;

	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + ph->p_vaddr;
		if (ph->p_type == PT_LOAD && at <= r->img->eh_hdr &&
		    r->img->eh_hdr < at + ph->p_memsz) {
			r->at = (uint8_t *)(uintptr_t)r->img->eh_hdr;
			r->len = at + ph->p_memsz - r->img->eh_hdr;
		}
	}
	return 0;
}

/* The FDE of a pc by the search table, read plainly. */
static uint8_t *entry_of(const struct region *r, uint64_t pc)
{
	uint32_t n;
	int32_t pair[2], best = 0;

	memcpy(&n, r->at + 8, 4);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(pair, r->at + 12 + 8UL * i, 8);
		if ((int64_t)pair[0] <= (int64_t)(pc - r->img->eh_hdr))
			best = pair[1];
	}
	return r->at + best;
}

static void region_open(struct region *r, const struct stk_img *img)
{
	*r = (struct region){.img = img};
	dl_iterate_phdr(find_segment, r);
	assert_non_null(r->at);
	uint64_t from = (uintptr_t)r->at & -PAGE;
	assert_int_equal(mprotect((void *)(uintptr_t)from, (uintptr_t)r->at + r->len - from,
				  PROT_READ | PROT_WRITE),
			 0);
	for (unsigned i = 0; i < whole.n; i++)
		if (stk_image_of(&images, whole.pc[i]) == img)
			r->entry[r->n++] = entry_of(r, whole.pc[i] - 1);
	assert_true(r->n > 0);
}

struct flip {
	uint8_t *at, old;
};

/* Half of the damage where the walk is going to read: FDEs and their CIEs. */
static uint8_t *victim(const struct region *r)
{
	uint8_t *fde = r->entry[below(r->n)];
	uint32_t back;

	switch (below(4)) {
	case 0:
		return r->at + below(16);
	case 1:
		return r->at + below(r->len);
	case 2:
		memcpy(&back, fde + 4, 4);
		/* The distance itself may be damaged already. */
		if (back < r->len && fde + 4 - back >= r->at)
			return fde + 4 - back + below(24);
		return fde + below(8);
	default:
		return fde + below(40);
	}
}

static void damage_and_walk(struct region *r, const ucontext_t *uc, unsigned *changed)
{
	struct flip flips[FLIPS];
	unsigned n = 1 + (unsigned)below(below(8) ? 4 : FLIPS);

	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = victim(r);
		if (at >= r->at + r->len)
			at = r->at;
		flips[i] = (struct flip){at, *at};
		*at = (uint8_t)random_next();
	}
	walk(uc, &w);
	while (n--)
		*flips[n].at = flips[n].old;
	assert_true(w.n < FRAMES_MAX);
	*changed += w.n != whole.n || memcmp(w.pc, whole.pc, w.n * sizeof(*w.pc)) != 0;
}

static void same_as_whole(const ucontext_t *uc)
{
	walk(uc, &w);
	assert_int_equal(w.end, STK_STEP_BASE);
	assert_int_equal(w.n, whole.n);
	assert_memory_equal(w.pc, whole.pc, w.n * sizeof(*w.pc));
}

static void (*in_callback)(const ucontext_t *uc);

static int compare(const void *a, const void *b)
{
	ucontext_t uc;

	getcontext(&uc);
	walk(&uc, &whole);
	if (in_callback) {
		void (*fn)(const ucontext_t *) = in_callback;
		in_callback = NULL;
		fn(&uc);
	}
	return *(const int *)a - *(const int *)b;
}

static void with_stack(void **state, void (*fn)(const ucontext_t *uc))
{
	int v[] = {2, 1};

	begin(state);
	alarm(SECOND);
	random_state = 88172645463325252ULL;
	in_callback = fn;
	qsort(v, 2, sizeof(*v), compare);
	assert_null(in_callback);
	alarm(0);
}

static const struct stk_img *image_at(void *addr)
{
	const struct stk_img *img = stk_image_of(&images, (uintptr_t)addr);

	assert_non_null(img);
	return img;
}

static void flip_seeds(const ucontext_t *uc)
{
	static struct region own, libc;
	unsigned changed = 0;

	region_open(&own, image_at(compare));
	region_open(&libc, image_at((void *)(uintptr_t)getauxval));
	for (unsigned seed = 0; seed < SEEDS; seed++)
		damage_and_walk(seed % 2 ? &own : &libc, uc, &changed);
	/* The damage was where it matters, and is undone. */
	assert_in_range(changed, SEEDS / 4, SEEDS);
	same_as_whole(uc);
}

static void flipped(void **state)
{
	with_stack(state, flip_seeds);
}

/* Lengths that end anywhere, and pages that are gone. */
static void cut_lengths(const ucontext_t *uc)
{
	struct stk_img *img = (struct stk_img *)image_at(compare);
	static struct region own;
	uint64_t len = img->eh_hdr_len, at = img->eh_hdr;

	region_open(&own, img);
	for (uint64_t n = 0; n < len; n++) {
		img->eh_hdr_len = n;
		walk(uc, &w);
	}
	img->eh_hdr_len = UINT64_MAX;
	walk(uc, &w);
	img->eh_hdr_len = len;
	for (int i = -64; i < 64; i++) {
		img->eh_hdr = at + (uint64_t)(int64_t)i;
		walk(uc, &w);
	}
	static const uint64_t nowhere[] = {1, 8, 0x7fffffffffffULL, 1ULL << 63, UINT64_MAX - 7};
	for (unsigned i = 0; i < 5; i++) {
		img->eh_hdr = nowhere[i];
		walk(uc, &w);
		assert_true(w.n >= 1);
	}
	img->eh_hdr = at;
	same_as_whole(uc);
}

static void cut(void **state)
{
	with_stack(state, cut_lengths);
}

static void hide_pages(const ucontext_t *uc)
{
	static struct region libc;

	region_open(&libc, image_at((void *)(uintptr_t)getauxval));
	uint64_t from = (uintptr_t)libc.at & -PAGE, to = (uintptr_t)libc.at + libc.len;
	for (; from < to; from += PAGE) {
		assert_int_equal(mprotect((void *)(uintptr_t)from, PAGE, PROT_NONE), 0);
		walk(uc, &w);
		mprotect((void *)(uintptr_t)from, PAGE, PROT_READ | PROT_WRITE);
		assert_in_range(w.n, 1, whole.n + 8);
	}
	same_as_whole(uc);
}

static void hidden(void **state)
{
	with_stack(state, hide_pages);
}

/* A copy of the stack, its words overwritten, walked with the stack pointer in the copy. */
static uint64_t bad_word(const uint64_t *copy, unsigned i)
{
	switch (below(6)) {
	case 0:
		return below(4096);
	case 1:
		return random_next();
	case 2: /* somewhere in this stack, up or down */
		return (uintptr_t)&copy[below(STACK / 8)];
	case 3:
		return (uintptr_t)&copy[i];
	case 4:
		return whole.pc[below(whole.n)];
	default:
		return (uint64_t)images.v[below(images.n)].text_start + below(65536);
	}
}

static void smash_seeds(const ucontext_t *uc)
{
	static uint64_t copy[STACK / 8], before[STACK / 8];
	struct stk_step_frame f = frame_of(uc);
	uint64_t delta = (uintptr_t)copy - f.regs.r[(*stk_arch_host).sp];

	assert_true(stk_guard_read(f.regs.r[(*stk_arch_host).sp], before, STACK));
	for (unsigned n = 0; n < STK_REGS_MAX; n++)
		if (f.regs.r[n] - f.regs.r[(*stk_arch_host).sp] < STACK && n != (*stk_arch_host).sp)
			f.regs.r[n] += delta;
	f.regs.r[(*stk_arch_host).sp] += delta;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		memcpy(copy, before, STACK);
		for (uint64_t k = 1 + below(200); k--;) {
			unsigned i = (unsigned)below(below(2) ? 64 : STACK / 8);
			copy[i] = bad_word(copy, i);
		}
		walk_from(f, &w);
		assert_true(w.n < FRAMES_MAX);
	}
}

static void smashed(void **state)
{
	volatile char room[STACK]; /* so that the stack goes on as far as it is copied */

	room[0] = 0;
	with_stack(state, smash_seeds);
	room[STACK - 1] = room[0];
}

/* A signal frame that says that the trampoline itself was interrupted, on the same stack. */
static uint64_t trampoline;

static void in_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig, (void)si, (void)uc;
	trampoline = (uintptr_t)__builtin_return_address(0);
}

static void endless_signal(void **state)
{
	static ucontext_t own;

	begin(state);
	handle(SIGUSR1, in_signal, 0);
	raise(SIGUSR1);
	struct stk_step_frame f = {
	    .regs.valid = {{1U << 16 | 1U << 7}}, .exact = true, .pc = trampoline};
	f.regs.r[16] = trampoline;
	f.regs.r[7] = (uintptr_t)&own;
	own.uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)&own;
	own.uc_mcontext.gregs[REG_RIP] = (greg_t)trampoline;
	walk_from(f, &w);
	assert_int_equal(w.end, STK_STEP_LOOP);
	assert_int_equal(w.n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flipped),        cmocka_unit_test(cut),
	    cmocka_unit_test(hidden),         cmocka_unit_test(smashed),
	    cmocka_unit_test(endless_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
