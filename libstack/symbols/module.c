/*
 * Which images are mapped where, and which files on this machine are really theirs: places first
 * (places.c), then files (find.c). The program that was given may be any of them.
 */
#include "symbols/module.h"

#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "symbols/debug.h"
#include "symbols/find.h"
#include "symbols/folders.h"
#include "symbols/image.h"
#include "symbols/places.h"

#define AT_SYSINFO_EHDR_ 33

const char *stk_module_state_name(enum stk_module_state s)
{
	static const char *const names[] = {"ok", "unverified", "from memory", "missing",
					    "wrong build"};

	return (unsigned)s < sizeof(names) / sizeof(*names) ? names[s] : "?";
}

static int add_vdso(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;
	uint64_t addr;

	if (!stk_auxv(t, AT_SYSINFO_EHDR_, &addr))
		return 0;
	const struct stk_segment *s = stk_segment_at(t, addr);
	if (!s)
		return 0;
	struct stk_module *m = stk_places_add(ms, "[vdso]", addr, s->end);
	struct stk_headers h;
	if (!m)
		return STK_ENOMEM;
	if (!stk_headers_at(t, addr, &h) || !(m->image = stk_image_from_memory(t, &h)))
		return 0;
	m->build_id_len = stk_headers_build_id(t, &h, m->build_id);
	m->bias = h.bias;
	m->state = STK_MODULE_MEMORY;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct stk_module *x = *(struct stk_module *const *)a,
				*y = *(struct stk_module *const *)b;

	return (x->start > y->start) - (x->start < y->start);
}

static struct stk_module *program_of(const struct stk_modules *ms)
{
	for (unsigned i = 0; i < ms->n; i++)
		if (ms->v[i]->is_main)
			return ms->v[i];
	return NULL;
}

/* Whose file the given program is: by its build-id that of any module, else the executable's. */
static struct stk_module *owner_of_bin(struct stk_modules *ms)
{
	struct stk_image *im = ms->opts.bin ? stk_image_open(ms->opts.bin) : NULL;
	struct stk_module *found = NULL;
	uint8_t id[64];
	unsigned n = im ? stk_image_build_id(im, id) : 0;

	for (unsigned i = 0; n && !found && i < ms->n; i++)
		if (ms->v[i]->build_id_len == n && !memcmp(ms->v[i]->build_id, id, n))
			found = ms->v[i];
	stk_image_free(im);
	return found ? found : ms->opts.bin ? program_of(ms) : NULL;
}

/* Nothing tells where the program is: one that is linked to fixed addresses says it itself. */
static struct stk_module *place_bin(struct stk_modules *ms)
{
	struct stk_image *im = stk_image_open(ms->opts.bin);
	struct stk_headers h;
	GElf_Ehdr eh;

	if (im && gelf_getehdr(im->elf, &eh) && eh.e_type == ET_EXEC &&
	    stk_image_headers(im, 0, &h) && stk_headers_run(ms->target, &h, false))
		stk_places_fixed(ms, ms->opts.bin, h.start, stk_headers_file_end(&h));
	stk_image_free(im);
	return program_of(ms);
}

static void load_all(struct stk_modules *ms)
{
	struct stk_module *bin;

	for (unsigned i = 0; i < ms->n; i++)
		stk_module_identify(ms->v[i]);
	bin = owner_of_bin(ms);
	if (ms->opts.bin && !bin)
		bin = place_bin(ms);
	ms->bin_used = bin;
	for (unsigned i = 0; i < ms->n; i++)
		stk_module_load(ms->v[i], ms->v[i] == bin);
}

static int find_all(struct stk_modules *ms)
{
	int r = stk_places_find(ms);

	if (r)
		return r;
	bool linked = ms->linked = stk_places_linked(ms);
	stk_places_program(ms);
	stk_places_name(ms);
	load_all(ms);
	unsigned n = ms->n;
	if (linked || !(ms->linked = stk_places_linked(ms)))
		return 0;
	stk_places_name(ms);
	for (; n < ms->n; n++)
		stk_module_load(ms->v[n], false);
	return 0;
}

/* What overlaps is damage or a guess that was wrong: an address is of one module. */
static void sort(struct stk_modules *ms)
{
	if (ms->n)
		qsort(ms->v, ms->n, sizeof(*ms->v), by_start);
	for (unsigned i = 0; i + 1 < ms->n; i++)
		if (ms->v[i]->end > ms->v[i + 1]->start)
			ms->v[i]->end = ms->v[i + 1]->start;
}

static void remark_found(struct stk_modules *ms)
{
	struct stk_target *t = ms->target;
	unsigned unverified = 0;

	for (unsigned i = 0; i < ms->n; i++)
		unverified += ms->v[i]->state == STK_MODULE_UNVERIFIED;
	if (unverified)
		stk_remark(t, false,
			   "%u of %u modules have no build-id in the %s: whether their files are "
			   "those that %s could not be checked",
			   unverified, ms->n, t->ops->kind, t->ops->ran);
	if (stk_budget_text(&t->pool.budget))
		stk_remark(t, true, "the %s was not read to its end: that takes too much work",
			   t->ops->kind);
	if (ms->opts.bin && !ms->bin_used)
		stk_remark(t, true, "the %s does not tell where its program is: %s is not used",
			   t->ops->kind, ms->opts.bin);
	if (!t->nmappings && !ms->linked)
		stk_remark(t, true,
			   "the %s does not list its mapped files, nor its loader's list: not all "
			   "shared libraries are known",
			   t->ops->kind);
}

int stk_modules_open(struct stk_target *t, const struct stk_symbol_options *opts,
		     struct stk_modules **ret, struct stk_err *err)
{
	struct stk_modules *ms = calloc(1, sizeof(*ms));
	int r;

	if (!ms)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	ms->target = t;
	if (opts)
		ms->opts = *opts;
	r = find_all(ms);
	if (!r)
		r = add_vdso(ms);
	if (r) {
		stk_modules_close(ms);
		return stk_fail(err, r, "out of memory");
	}
	sort(ms);
	remark_found(ms);
	*ret = ms;
	return 0;
}

void stk_answer_begin(struct stk_modules *ms)
{
	struct stk_budget *b = stk_budget_of(ms->target);
	bool cut = b->over;

	stk_budget_begin(b);
	for (unsigned i = 0; cut && i < ms->n; i++)
		stk_debug_forget(ms->v[i]);
}

void stk_modules_close(struct stk_modules *ms)
{
	if (!ms)
		return;
	for (unsigned i = 0; i < ms->n; i++) {
		if (ms->v[i]->unwind.free)
			ms->v[i]->unwind.free(ms->v[i]->unwind.p);
		stk_debug_free(ms->v[i]->debug);
		stk_image_free(ms->v[i]->mini);
		stk_image_free(ms->v[i]->image);
	}
	stk_folders_free(ms->folders);
	free(ms->v);
	free(ms);
}

struct stk_module *stk_module_at(const struct stk_modules *ms, uint64_t addr)
{
	unsigned k = STK_PARTITION_POINT(ms->n, i, ms->v[i]->start <= addr);

	return k && addr < ms->v[k - 1]->end ? ms->v[k - 1] : NULL;
}
