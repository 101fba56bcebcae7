/*
 * What a small core holds. stk_dump_stacks() picks spans of memory in this order, then sorts, joins
 * and copies them while the process stands:
 *
 * 1. The stack of each thread, from the stack pointer to its base, and the thread's descriptor.
 *    A handler on an alternate stack: both stacks.
 * 2. What debuggers read to find the modules: the program's headers, its dynamic section, the
 *    loader's list, each module's ELF header and build-id; variables of the loader and of libc.
 * 3. With the room that 1 and 2 leave below WHOLE: what the words on the stacks point to, then what
 *    those bytes point to, in grains of GRAIN bytes. Each stack gets an equal share of the room, so
 *    that the first does not use up what the others need.
 *
 * Any word that is the address of mapped memory counts as a pointer: a core too large by some
 * grains does no harm. Whatever cannot be read is left out, never filled with zeros.
 */
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/search.h"
#include "base/vec.h"
#include "targets/dump_parts.h"
#include "targets/hash.h"

#define DESCRIPTOR 2560          /* of a thread, above its thread pointer (struct pthread: 2,304) */
#define STACK      (64ULL << 20) /* of one stack */
#define STACKS     (256ULL << 20) /* of all */
#define STRANGE    (64 << 10)     /* of a stack whose base nobody knows (a coroutine's) */
#define GRAIN      128         /* what is pointed to is taken in such pieces: two for each word */
#define WHOLE      (900 << 10) /* what is pointed to must leave the core below this… */
#define LEAST      (64 << 10)  /* … but may always have this, and … */
#define MOST       (320 << 10) /* … never more than this */
#define DEPTH      2           /* steps from a stack: pointers on it, and pointers behind those */
#define MODULES    4096        /* of the loader's list, which may be damaged */

bool stk_spans_add(struct stk_dump_spans *s, uint64_t start, uint64_t end)
{
	bool added = STK_VEC_PUSH(s, (struct stk_dump_span){start, end, NULL});

	s->cut |= !added;
	return added;
}

static int by_start(const void *a, const void *b)
{
	const struct stk_dump_span *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void stk_spans_sort(struct stk_dump_spans *s)
{
	unsigned n = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_start);
	for (unsigned i = 0; i < s->n; i++) {
		if (n && s->v[i].start <= s->v[n - 1].end) {
			if (s->v[n - 1].end < s->v[i].end)
				s->v[n - 1].end = s->v[i].end;
		} else {
			s->v[n++] = s->v[i];
		}
	}
	s->n = n;
}

void stk_spans_free(struct stk_dump_spans *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->v[i].bytes);
	free(s->v);
	*s = (struct stk_dump_spans){0};
}

struct picker {
	struct stk_dump *d;
	const struct stk_vmas *m;
	struct stk_dump_spans stacks, loader, pointed;
	struct stk_hash grains; /* address / GRAIN of what is pointed to and taken */
	size_t budget, keep;    /* bytes; `keep` is for others */
	unsigned cut;           /* stacks that are larger than STACK */
};

/* Add what can be read of [start, end). */
static void take(struct picker *p, struct stk_dump_spans *to, uint64_t start, uint64_t end)
{
	const struct stk_vma *v;

	while (start < end && (v = stk_vma_at(p->m, start)) && v->r && !v->served) {
		uint64_t until = end < v->end ? end : v->end;
		stk_spans_add(to, start, until);
		start = until;
	}
}

/* Where the stack in `v` that holds `sp` ends. libc puts a thread's descriptor, which the thread
 * pointer `tp` points to, on top of its stack; the main thread's lies elsewhere. A hostile thread's
 * may lie anywhere. */
static uint64_t stack_end(struct picker *p, const struct stk_vma *v, uint64_t sp, uint64_t tp)
{
	uint64_t end = sp + STRANGE;

	if (tp > sp && tp < v->end)
		end = tp + DESCRIPTOR < v->end ? tp + DESCRIPTOR : v->end;
	else if (!strcmp(v->path, "[stack]") || v->end - sp < STRANGE)
		end = v->end;
	p->cut += end - sp > STACK;
	return end - sp > STACK ? sp + STACK : end;
}

/* A signal handler on a stack of its own: the lowest word on it that points into the thread's
 * ordinary stack [low, high) is where that one was left; 0: none. */
static uint64_t left_at(struct picker *p, uint64_t sp, uint64_t end, uint64_t low, uint64_t high)
{
	uint64_t least = 0, word;

	for (uint64_t a = sp; a + 8 <= end; a += 8)
		if (stk_mem_word(p->d->t, a, &word) && word >= low && word < high &&
		    (!least || word < least))
			least = word;
	return least;
}

static const struct stk_vma *main_stack(struct picker *p)
{
	for (unsigned i = 0; i < p->m->n; i++)
		if (!strcmp(p->m->v[i].path, "[stack]"))
			return &p->m->v[i];
	return NULL;
}

/* The stack in use. If that is not the thread's ordinary one, a signal handler runs on it: the
 * ordinary one from where it was left, too. */
static void pick_stack(struct picker *p, const struct stk_thread *th)
{
	const struct stk_arch *a = p->d->t->arch;
	uint64_t sp = 0, tp = 0;
	const struct stk_vma *v, *home;

	if (stk_thread_tp(p->d->t, th, &tp) && tp)
		take(p, &p->stacks, tp, tp + DESCRIPTOR);
	if (!stk_thread_sp(p->d->t, th, &sp) || !(v = stk_vma_at(p->m, sp)) || !v->r)
		return;
	uint64_t end = stack_end(p, v, sp, tp);
	uint64_t start = sp - v->start < a->red_zone ? v->start : sp - a->red_zone;
	take(p, &p->stacks, start & ~7ULL, end);
	home = th->tid == p->d->o.pid ? main_stack(p) : stk_vma_at(p->m, tp);
	if (home && home != v) {
		uint64_t high = tp > home->start && tp < home->end ? tp : home->end;
		uint64_t left = left_at(p, sp & ~7ULL, end, home->start, high);
		if (left)
			take(p, &p->stacks, (left - a->red_zone) & ~7ULL,
			     stack_end(p, home, left, tp));
	}
}

/* Memory that files do not hold. To read a huge page that was never touched would take one. */
static bool worth_following(const struct stk_dump *d, const struct stk_vma *v)
{
	return v && v->r && !v->io && !v->huge && (!v->dontdump || d->o.full) &&
	       (v->w || (v->x && !stk_vma_is_file(v)));
}

/* Is it in one of the sorted spans? */
static bool within(const struct stk_dump_spans *s, uint64_t addr)
{
	unsigned k = STK_PARTITION_POINT(s->n, i, s->v[i].end <= addr);

	return k < s->n && s->v[k].start <= addr;
}

/* Take the grain that holds `addr`, unless it is taken. false: this stack's share is used up. */
static bool add_grain(struct picker *p, uint64_t addr, struct stk_dump_spans *next)
{
	static char taken;
	uint64_t key = addr / GRAIN;

	if (p->budget < p->keep + GRAIN)
		return false;
	if (within(&p->stacks, addr) || within(&p->loader, addr) || stk_hash_get(&p->grains, key))
		return true;
	stk_hash_put(&p->grains, key, &taken);
	p->budget -= GRAIN;
	stk_spans_add(next, key * GRAIN, (key + 1) * GRAIN);
	return true;
}

/* Take what the words of a span point to; `next`: the grains taken, to be followed in turn. */
static void follow(struct picker *p, const struct stk_dump_span *s, struct stk_dump_spans *next)
{
	const struct stk_vma *v = NULL;
	uint64_t word;

	for (uint64_t a = s->start; a + 8 <= s->end; a += 8) {
		if (!stk_mem_word(p->d->t, a, &word) || word < STK_PAGE)
			continue;
		if (!v || word < v->start || word >= v->end)
			v = stk_vma_at(p->m, word);
		if (!worth_following(p->d, v))
			continue;
		/* A second grain: code before the address, for debuggers decode the call there;
		 * data behind it, for a pointer mostly points to the start of something. */
		uint64_t other = v->w ? word + GRAIN : word - GRAIN;
		if (!add_grain(p, word, next) ||
		    (stk_vma_at(p->m, other) == v && !add_grain(p, other, next)))
			return;
	}
}

/* Breadth first: what each thread's stack points to, before what that points to. */
static void pick_pointed(struct picker *p)
{
	struct stk_dump_spans now = p->stacks, next = {0};

	for (unsigned depth = 0; depth < DEPTH; depth++) {
		for (unsigned i = 0; i < now.n; i++) {
			/* Of the rest of the budget this span gets one part in as many as there are
			 * spans left: what one does not use goes to those after it. */
			p->keep = p->budget - p->budget / (now.n - i);
			follow(p, &now.v[i], &next);
		}
		for (unsigned i = 0; i < next.n; i++)
			take(p, &p->pointed, next.v[i].start, next.v[i].end);
		if (depth)
			stk_spans_free(&now);
		now = next;
		next = (struct stk_dump_spans){0};
	}
	stk_spans_free(&now);
}

/* ELF header, program headers and notes of the module that is mapped at `base`. */
static void pick_head(struct picker *p, uint64_t base, const struct stk_vma *v)
{
	Elf64_Ehdr e;
	Elf64_Phdr ph;

	if (stk_mem_read(p->d->t, base, &e, sizeof(e), NULL) ||
	    memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 || e.e_phentsize != sizeof(ph))
		return;
	take(p, &p->loader, base, base + sizeof(e));
	take(p, &p->loader, base + e.e_phoff, base + e.e_phoff + e.e_phnum * sizeof(ph));
	for (unsigned i = 0; i < e.e_phnum; i++)
		if (!stk_mem_read(p->d->t, base + e.e_phoff + i * sizeof(ph), &ph, sizeof(ph),
				  NULL) &&
		    ph.p_type == PT_NOTE && ph.p_offset < v->end - v->start &&
		    ph.p_filesz < STK_PAGE)
			take(p, &p->loader, base + ph.p_offset, base + ph.p_offset + ph.p_filesz);
}

/* A name in the loader's list, with its end. */
static void pick_string(struct picker *p, uint64_t addr)
{
	uint64_t end = addr;
	char c;

	while (end - addr < STK_PAGE && !stk_mem_read(p->d->t, end++, &c, 1, NULL) && c)
		;
	take(p, &p->loader, addr, end);
}

/* A dynamic section; the value of DT_DEBUG, 0: none. */
static uint64_t pick_dynamic(struct picker *p, uint64_t addr)
{
	uint64_t at = addr, debug = 0;
	Elf64_Dyn dyn;

	for (unsigned i = 0; i < 1024; i++, at += sizeof(dyn)) {
		if (stk_mem_read(p->d->t, at, &dyn, sizeof(dyn), NULL))
			break;
		if (dyn.d_tag == DT_DEBUG)
			debug = dyn.d_un.d_ptr;
		if (dyn.d_tag == DT_NULL) {
			at += sizeof(dyn);
			break;
		}
	}
	take(p, &p->loader, addr, at);
	return debug;
}

/* The program's dynamic section, by its program headers in memory (getauxval(3)). */
static uint64_t find_debug(struct picker *p)
{
	struct stk_target *t = p->d->t;
	uint64_t at, n, load = 0;
	Elf64_Phdr ph;

	if (!stk_auxv(t, AT_PHDR, &at) || !stk_auxv(t, AT_PHNUM, &n) || n > 1024)
		return 0;
	take(p, &p->loader, at, at + n * sizeof(ph));
	for (uint64_t i = 0; i < n; i++) {
		if (stk_mem_read(t, at + i * sizeof(ph), &ph, sizeof(ph), NULL))
			return 0;
		if (ph.p_type == PT_PHDR)
			load = at - ph.p_vaddr;
		if (ph.p_type == PT_DYNAMIC)
			return pick_dynamic(p, load + ph.p_vaddr);
	}
	return 0;
}

/* The variables of the loader and of libc, where libthread_db looks for the list of threads; gdb
 * would take their initial values from the files. */
static bool is_runtime(const struct stk_vma *v, const struct stk_vma *loader)
{
	const char *slash = strrchr(v->path, '/');

	if (!v->touched || !slash)
		return false;
	return (loader && !strcmp(v->path, loader->path)) || !strncmp(slash, "/libc.so.", 9) ||
	       !strncmp(slash, "/libpthread.so.", 15);
}

/* struct r_debug and struct link_map as in <link.h>: what gdb reads to find the libraries. */
static void pick_loader(struct picker *p)
{
	struct stk_target *t = p->d->t;
	uint64_t at = find_debug(p), base = 0;
	struct r_debug r;
	struct link_map l;

	if (at && !stk_mem_read(t, at, &r, sizeof(r), NULL)) {
		take(p, &p->loader, at, at + sizeof(r));
		at = (uint64_t)(uintptr_t)r.r_map;
	} else {
		at = 0;
	}
	for (unsigned i = 0; at && i < MODULES && !stk_mem_read(t, at, &l, sizeof(l), NULL); i++) {
		take(p, &p->loader, at, at + sizeof(l));
		pick_string(p, (uint64_t)(uintptr_t)l.l_name);
		pick_dynamic(p, (uint64_t)(uintptr_t)l.l_ld);
		at = (uint64_t)(uintptr_t)l.l_next;
	}
	stk_auxv(t, AT_BASE, &base);
	const struct stk_vma *loader = stk_vma_at(p->m, base);
	for (unsigned i = 0; i < p->m->n; i++) {
		const struct stk_vma *v = &p->m->v[i];
		if (stk_vma_is_file(v) && !v->file_off && v->r && !v->shared && !v->huge)
			pick_head(p, v->start, v);
		if (!strcmp(v->path, "[vdso]") || is_runtime(v, loader))
			take(p, &p->loader, v->start, v->end);
	}
}

static uint64_t length(const struct stk_dump_spans *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->n; i++)
		n += s->v[i].end - s->v[i].start;
	return n;
}

static void copy(struct stk_dump *d, struct stk_dump_spans *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		struct stk_dump_span *v = &s->v[i];
		/* What cannot be read ends the span: it is not in the core. */
		v->end = v->start + stk_mem_avail(d->t, v->start, v->end - v->start);
		v->bytes = v->end > v->start ? malloc(v->end - v->start) : NULL;
		if (v->bytes && !stk_mem_read(d->t, v->start, v->bytes, v->end - v->start, NULL))
			s->v[n++] = *v;
	}
	s->n = n;
}

/* No more than STACKS bytes of the sorted spans. true: some were more. */
static bool limit(struct stk_dump_spans *s)
{
	uint64_t size = 0;

	for (unsigned i = 0; i < s->n; i++) {
		size += s->v[i].end - s->v[i].start;
		if (size > STACKS) {
			s->v[i].end -= size - STACKS;
			s->n = i + 1;
			return true;
		}
	}
	return false;
}

static void join(struct stk_dump_spans *to, struct stk_dump_spans *from)
{
	for (unsigned i = 0; i < from->n; i++)
		stk_spans_add(to, from->v[i].start, from->v[i].end);
	stk_spans_free(from);
}

int stk_dump_stacks(struct stk_dump *d, const struct stk_vmas *m, struct stk_dump_spans *ret,
		    struct stk_err *err)
{
	struct picker p = {.d = d, .m = m};

	for (unsigned i = 0; i < d->t->nthreads; i++)
		pick_stack(&p, &d->t->threads[i]);
	stk_spans_sort(&p.stacks);
	d->stacks_cut = limit(&p.stacks) || p.cut;
	pick_loader(&p);
	stk_spans_sort(&p.loader);
	/* 1000: about what the notes of a thread take (registers, extended ones, names). */
	uint64_t used = length(&p.stacks) + length(&p.loader) + d->t->nthreads * 1000;
	p.budget = used + LEAST > WHOLE ? LEAST : WHOLE - used > MOST ? MOST : WHOLE - used;
	pick_pointed(&p);
	join(&p.pointed, &p.stacks);
	join(&p.pointed, &p.loader);
	stk_spans_sort(&p.pointed);
	copy(d, &p.pointed);
	stk_hash_done(&p.grains);
	*ret = p.pointed;
	return ret->n || !d->t->nthreads
		   ? 0
		   : stk_fail(err, STK_EUNREADABLE, "no stack of process %d can be read", d->o.pid);
}
