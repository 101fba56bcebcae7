/*
 * The layout of a core, from its start:
 *
 *     ELF header | program headers, with room for SPARE more | section header (PN_XNUM) | notes |
 * areas
 *
 * stk_dump_plan(): read the mappings (dump_maps.c); copy the stacks if they are wanted first
 * (dump_stacks.c); make an area of each mapping, or of each copied span; make the notes
 * (dump_notes.c); place all. dump_copy.c then fetches the areas' bytes. stk_dump_head() comes last,
 * for only then is it known what could not be read: the spare headers mark it as not in the file.
 */
#include "targets/dump.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/dump_parts.h"

#define SPARE 1024 /* program headers for memory that turns out to be unreadable */

static uint64_t up(uint64_t n)
{
	return (n + STK_PAGE - 1) & ~(STK_PAGE - 1);
}

static uint32_t flags_of(const struct stk_vma *v)
{
	return (v->r ? PF_R : 0) | (v->w ? PF_W : 0) | (v->x ? PF_X : 0);
}

/* An area for each mapping, with as many of its bytes as the kernel would dump. */
static int lay_out_whole(struct stk_dump *d, const struct stk_vmas *m, struct stk_err *err)
{
	unsigned filter = stk_dump_filter(d);

	d->areas = calloc(m->n, sizeof(*d->areas));
	if (!d->areas)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	for (unsigned i = 0; i < m->n; i++) {
		const struct stk_vma *v = &m->v[i];
		d->areas[d->nareas++] = (struct stk_dump_area){
		    .start = v->start,
		    .end = v->end,
		    .have = stk_vma_wanted(d, m, v, filter),
		    .flags = flags_of(v),
		    .shared = v->shared,
		    .served = v->served,
		    .file_off = v->file_off,
		    .anonymous =
			!v->shared && (v->huge || (!stk_vma_is_file(v) && v->path[0] != '['))};
		/* [heap], [stack] and [anon:NAME] are as good as nameless. */
		if (!strncmp(v->path, "[heap", 5) || !strncmp(v->path, "[stack", 6) ||
		    !strncmp(v->path, "[anon:", 6))
			d->areas[d->nareas - 1].anonymous = !v->shared;
	}
	d->room = d->nareas + SPARE;
	return 0;
}

/* An area for each span, and one without bytes for what lies between them in a mapping. */
static int lay_out_spans(struct stk_dump *d, const struct stk_vmas *m, struct stk_err *err)
{
	const struct stk_dump_spans *s = &d->first;
	unsigned k = 0;

	d->areas = calloc(2 * (size_t)s->n + 2 * (size_t)m->n + 2, sizeof(*d->areas));
	if (!d->areas)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	for (unsigned i = 0; i < m->n; i++) {
		const struct stk_vma *v = &m->v[i];
		uint64_t at = v->start;
		while (k < s->n && s->v[k].start < v->end) {
			const struct stk_dump_span *x = &s->v[k];
			uint64_t from = x->start > at ? x->start : at;
			uint64_t to = x->end < v->end ? x->end : v->end;
			if (from > at)
				d->areas[d->nareas++] = (struct stk_dump_area){
				    .start = at, .end = from, .flags = flags_of(v)};
			if (to > from)
				d->areas[d->nareas++] =
				    (struct stk_dump_area){.start = from,
							   .end = to,
							   .have = to - from,
							   .bytes = x->bytes + (from - x->start),
							   .flags = flags_of(v)};
			at = to;
			if (x->end > v->end)
				break; /* the rest of it is the next mapping's */
			k++;
		}
		if (at < v->end)
			d->areas[d->nareas++] = (struct stk_dump_area){
			    .start = at, .end = v->end, .flags = flags_of(v)};
	}
	d->room = d->nareas;
	return 0;
}

/* Header, program headers (PT_NOTE is one more), the section header of PN_XNUM, notes. */
static uint64_t notes_at(const struct stk_dump *d)
{
	return sizeof(Elf64_Ehdr) + (d->room + 1ULL) * sizeof(Elf64_Phdr) + sizeof(Elf64_Shdr);
}

/* Where each area's bytes stand in the file: on page boundaries, but for a small core. */
static void place(struct stk_dump *d)
{
	uint64_t off = notes_at(d) + d->notes_len;

	d->data = off = d->o.stacks_only ? (off + 15) & ~15ULL : up(off);
	for (unsigned i = 0; i < d->nareas; i++) {
		d->areas[i].off = off;
		off += d->areas[i].have;
	}
	d->size = off;
}

static void mark_missing(struct stk_dump *d)
{
	char text[160];
	struct stk_text t;

	if (!d->t->missing)
		return;
	stk_text_init(&t, text, sizeof(text));
	stk_printf(&t, "%u thread%s missing: %s", d->t->missing,
		   d->t->missing == 1 ? " is" : "s are", d->t->missing_reason);
	stk_dump_remark(d, text);
}

int stk_dump_plan(struct stk_target *t, const struct stk_dump_options *o, struct stk_dump **ret,
		  struct stk_err *err)
{
	struct stk_dump *d = calloc(1, sizeof(*d));
	struct stk_vmas m;
	int r;

	if (!d)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	d->t = t;
	d->o = *o;
	d->mm_tid = stk_proc_mm_tid(o->pid);
	r = stk_vmas_read(d, &m, err);
	if (!r && (o->stacks_only || o->stacks_first))
		r = stk_dump_stacks(d, &m, &d->first, err);
	if (!r)
		r = o->stacks_only ? lay_out_spans(d, &m, err) : lay_out_whole(d, &m, err);
	if (!r)
		r = stk_dump_notes(d, &m, err);
	if ((r || o->stacks_only) && stk_dump_same(d, err))
		r = STK_EUNREADABLE;
	if (r) {
		stk_dump_free(d);
		return r;
	}
	mark_missing(d);
	if (o->stacks_only)
		stk_dump_remark(d, "only the stacks and what they point into are in this core "
				   "(gcore --stacks-only)");
	if (o->stacks_only && d->stacks_cut)
		stk_dump_remark(d, STK_DUMP_STACKS_CUT);
	place(d);
	*ret = d;
	return 0;
}

struct headers {
	Elf64_Phdr *v;
	unsigned n, max;
};

static void add_header(struct headers *h, const struct stk_dump_area *a, uint64_t start,
		       uint64_t end, uint64_t have, bool small)
{
	h->v[h->n++] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_flags = a->flags,
				    .p_offset = a->off + (have ? start - a->start : 0),
				    .p_vaddr = start,
				    .p_filesz = have,
				    .p_memsz = end - start,
				    .p_align = small ? 1 : STK_PAGE};
}

/* The headers of one area: what of it could not be read gets one of its own, without bytes. */
static void add_area(struct stk_dump *d, struct headers *h, const struct stk_dump_area *a,
		     const struct stk_dump_spans *lost)
{
	uint64_t at = a->start, end = a->start + a->have;

	for (unsigned i = 0; i < lost->n; i++) {
		const struct stk_dump_span *x = &lost->v[i];
		if (x->end <= at || x->start >= end)
			continue;
		/* A span may lie across several areas. */
		uint64_t from = x->start > at ? x->start : at;
		uint64_t to = x->end < end ? x->end : end;
		d->unread += to - from;
		if (h->n + 3 >= h->max)
			continue; /* it stays as zeros, and the note says that there are some */
		if (from > at)
			add_header(h, a, at, from, from - at, false);
		add_header(h, a, from, to, 0, false);
		at = to;
	}
	if (at < a->end)
		add_header(h, a, at, a->end, at < end ? end - at : 0, d->o.stacks_only);
}

static void join_lost(const struct stk_dump_worker *w, unsigned nworkers,
		      struct stk_dump_spans *ret)
{
	for (unsigned i = 0; i < nworkers; i++) {
		ret->cut |= w[i].lost.cut;
		for (unsigned k = 0; k < w[i].lost.n; k++)
			stk_spans_add(ret, w[i].lost.v[k].start, w[i].lost.v[k].end);
	}
	stk_spans_sort(ret);
}

/* Spans that were copied beforehand are not lost, whatever became of the memory. */
static void without_first(const struct stk_dump *d, struct stk_dump_spans *lost)
{
	struct stk_dump_spans rest = {.cut = lost->cut};

	for (unsigned i = 0; i < lost->n; i++) {
		uint64_t at = lost->v[i].start, end = lost->v[i].end;
		for (unsigned k = 0; k < d->first.n; k++) {
			const struct stk_dump_span *f = &d->first.v[k];
			if (f->end <= at || f->start >= end)
				continue;
			if (f->start > at)
				stk_spans_add(&rest, at, f->start);
			at = f->end < end ? f->end : end;
		}
		if (at < end)
			stk_spans_add(&rest, at, end);
	}
	stk_spans_free(lost);
	*lost = rest;
}

static void say_unread(struct stk_dump *d, unsigned headers)
{
	char text[128];
	struct stk_text t;

	if (!d->unread)
		return;
	stk_text_init(&t, text, sizeof(text));
	stk_printf(&t, "%llu KB of memory could not be read%s%s",
		   (unsigned long long)d->unread / 1024,
		   d->o.stacks_first ? " (unmapped meanwhile?)" : "",
		   headers + 3 >= d->room ? "; some of them stand as zeros" : "");
	stk_dump_remark(d, text);
}

const uint8_t *stk_dump_head(struct stk_dump *d, const struct stk_dump_worker *w, unsigned nworkers)
{
	uint8_t *head = stk_pool_alloc(&d->t->pool, d->data);
	struct stk_dump_spans lost = {0};
	uint64_t notes = notes_at(d);

	if (!head)
		return NULL;
	join_lost(w, nworkers, &lost);
	without_first(d, &lost);
	if (lost.cut) {
		stk_spans_free(&lost);
		return NULL;
	}
	struct headers h = {(Elf64_Phdr *)(head + sizeof(Elf64_Ehdr)), 1, d->room + 1};
	for (unsigned i = 0; i < d->nareas; i++)
		add_area(d, &h, &d->areas[i], &lost);
	stk_spans_free(&lost);
	say_unread(d, h.n);
	h.v[0] = (Elf64_Phdr){
	    .p_type = PT_NOTE, .p_offset = notes, .p_filesz = d->notes_len, .p_align = 4};
	Elf64_Ehdr e = {.e_type = ET_CORE,
			.e_machine = d->t->arch->e_machine,
			.e_version = EV_CURRENT,
			.e_phoff = sizeof(e),
			.e_ehsize = sizeof(e),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = (Elf64_Half)(h.n < PN_XNUM ? h.n : PN_XNUM)};
	memcpy(e.e_ident, ELFMAG, SELFMAG);
	e.e_ident[EI_CLASS] = ELFCLASS64;
	e.e_ident[EI_DATA] = ELFDATA2LSB;
	e.e_ident[EI_VERSION] = EV_CURRENT;
	if (h.n >= PN_XNUM) { /* elf(5): the count stands in a section header */
		Elf64_Shdr s = {.sh_type = SHT_NULL, .sh_size = 1, .sh_info = h.n};
		e.e_shoff = notes - sizeof(s);
		e.e_shentsize = sizeof(s);
		e.e_shnum = 1;
		memcpy(head + e.e_shoff, &s, sizeof(s));
	}
	memcpy(head, &e, sizeof(e));
	memcpy(head + notes, d->notes, d->notes_len);
	return head;
}

void stk_dump_free(struct stk_dump *d)
{
	if (!d)
		return;
	stk_spans_free(&d->first);
	free(d->areas);
	free(d->notes);
	free(d);
}

void stk_dump_worker_done(struct stk_dump_worker *w)
{
	if (w->pagemap)
		close(w->pagemap - 1);
	if (w->mem)
		close(w->mem - 1);
	if (w->file)
		close(w->file - 1);
	free(w->buf);
	stk_spans_free(&w->lost);
	*w = (struct stk_dump_worker){0};
}
