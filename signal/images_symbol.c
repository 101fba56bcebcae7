/* .dynsym through the dynamic section: gABI "Dynamic Section", "Symbol Table", "Hash Table"; the
 * GNU hash table as glibc's elf/dl-lookup.c reads it. CRASH context. */
#include <elf.h>

#include "base/mem.h"
#include "guard.h"
#include "images.h"

#define SYMBOLS_MAX (1U << 20)
#define DYNAMIC_MAX 512
#define SYMS        24  /* symbols read at once */
#define WORDS       128 /* words of a hash table read at once */
#define NAME_PART   32

struct table {
	uint64_t sym, str, strsz;
	uint64_t hash, gnu_hash;
	uint32_t first, n; /* symbols [first, n) may be defined */
};

/* The loader relocates the addresses in most dynamic sections, but not in the vdso's. */
static uint64_t address(const struct stk_img *im, uint64_t v)
{
	return v >= im->start && v < im->end ? v : v + im->bias;
}

static void take(const struct stk_img *im, const Elf64_Dyn *d, struct table *t)
{
	switch (d->d_tag) {
	case DT_SYMTAB:
		t->sym = address(im, d->d_un.d_ptr);
		break;
	case DT_STRTAB:
		t->str = address(im, d->d_un.d_ptr);
		break;
	case DT_STRSZ:
		t->strsz = d->d_un.d_val;
		break;
	case DT_HASH:
		t->hash = address(im, d->d_un.d_ptr);
		break;
	case DT_GNU_HASH:
		t->gnu_hash = address(im, d->d_un.d_ptr);
		break;
	}
}

static bool read_dynamic(const struct stk_img *im, struct table *t)
{
	Elf64_Dyn d;

	for (unsigned i = 0; im->dynamic && i < DYNAMIC_MAX; i++) {
		if (!stk_guard_read(im->dynamic + i * sizeof(d), &d, sizeof(d)))
			return false;
		if (d.d_tag == DT_NULL)
			return t->sym && t->str && (t->hash || t->gnu_hash);
		take(im, &d, t);
	}
	return false;
}

/* The greatest of the n words at `at`. */
static bool greatest(uint64_t at, uint32_t n, uint32_t *ret)
{
	uint32_t v[WORDS];

	*ret = 0;
	for (uint32_t i = 0, part; i < n; i += part) {
		part = n - i < WORDS ? n - i : WORDS;
		if (!stk_guard_read(at + 4ULL * i, v, part * sizeof(*v)))
			return false;
		for (uint32_t j = 0; j < part; j++)
			if (v[j] > *ret)
				*ret = v[j];
	}
	return true;
}

/* Symbols are sorted by bucket: the chain of the greatest bucket holds the last one, marked by its
 * lowest bit. */
static bool count_gnu(struct table *t)
{
	uint32_t h[4], last, chain; /* buckets, first symbol, words of the Bloom filter, shift */
	uint64_t buckets, chains;

	if (!stk_guard_read(t->gnu_hash, h, sizeof(h)) || h[0] > SYMBOLS_MAX || h[1] > SYMBOLS_MAX)
		return false;
	buckets = t->gnu_hash + sizeof(h) + 8ULL * h[2];
	chains = buckets + 4ULL * h[0];
	if (!greatest(buckets, h[0], &last))
		return false;
	t->first = h[1];
	t->n = h[1];
	if (last < h[1])
		return true; /* nothing is defined */
	for (t->n = last; t->n < SYMBOLS_MAX;) {
		if (!stk_guard_read(chains + 4ULL * (t->n - h[1]), &chain, sizeof(chain)))
			return false;
		t->n++;
		if (chain & 1)
			return true;
	}
	return true;
}

static bool count(struct table *t)
{
	uint32_t h[2]; /* buckets, chains: as many as symbols */

	if (!t->hash)
		return count_gnu(t);
	if (!stk_guard_read(t->hash, h, sizeof(h)))
		return false;
	t->first = 1;
	t->n = h[1] < SYMBOLS_MAX ? h[1] : SYMBOLS_MAX;
	return true;
}

static bool is_function(const Elf64_Sym *s)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC) && s->st_shndx != SHN_UNDEF &&
	       s->st_shndx != SHN_ABS;
}

static unsigned rank(const Elf64_Sym *s)
{
	unsigned bind = ELF64_ST_BIND(s->st_info);

	return (s->st_size ? 0 : 4) + (bind == STB_GLOBAL ? 0 : bind == STB_WEAK ? 1 : 2);
}

/* Does the name of `a` sort before that of `b`? The engine prints the first of several aliases. */
static bool name_before(const struct table *t, const Elf64_Sym *a, const Elf64_Sym *b)
{
	char x[NAME_PART] = "", y[NAME_PART] = ""; /* zero behind the names */

	if (a->st_name >= t->strsz || b->st_name >= t->strsz ||
	    !stk_guard_str(t->str + a->st_name, x, sizeof(x)) ||
	    !stk_guard_str(t->str + b->st_name, y, sizeof(y)))
		return false;
	return memcmp(x, y, sizeof(x)) < 0;
}

/* What has been found for a pc so far; the values are those of the symbol table. */
struct best {
	uint64_t want;
	Elf64_Sym holds; /* the symbol whose range holds it, with the greatest start */
	Elf64_Sym below; /* the nearest at or below it */
	bool has_holds, has_below;
};

static bool better(const struct table *t, const Elf64_Sym *s, const Elf64_Sym *old, bool has)
{
	if (!has || s->st_value != old->st_value)
		return !has || s->st_value > old->st_value;
	if (rank(s) != rank(old))
		return rank(s) < rank(old);
	return name_before(t, s, old);
}

static void consider(const struct table *t, const Elf64_Sym *s, struct best *b)
{
	if (s->st_value > b->want || !is_function(s))
		return;
	if (b->want - s->st_value < s->st_size && better(t, s, &b->holds, b->has_holds)) {
		b->holds = *s;
		b->has_holds = true;
	}
	if (!b->has_below || s->st_value > b->below.st_value ||
	    (s->st_value == b->below.st_value && rank(s) < rank(&b->below))) {
		b->below = *s;
		b->has_below = true;
	}
}

static void search(const struct table *t, struct best *b)
{
	Elf64_Sym v[SYMS];

	for (uint32_t i = t->first, part; i < t->n; i += part) {
		part = t->n - i < SYMS ? t->n - i : SYMS;
		if (!stk_guard_read(t->sym + i * sizeof(*v), v, part * sizeof(*v)))
			return;
		for (uint32_t j = 0; j < part; j++)
			consider(t, &v[j], b);
	}
}

/* CRASH context. */
bool stk_image_symbol(const struct stk_img *im, uint64_t addr, char *buf, size_t cap,
		      uint64_t *ret_off)
{
	struct table t = {0};
	struct best b = {.want = addr - im->bias};
	const Elf64_Sym *s = &b.holds;

	if (addr < im->text_start || addr >= im->text_end || !read_dynamic(im, &t) || !count(&t))
		return false;
	search(&t, &b);
	if (!b.has_holds) {
		if (!b.has_below || b.below.st_size)
			return false;
		s = &b.below;
	}
	if (s->st_name >= t.strsz || !stk_guard_str(t.str + s->st_name, buf, cap) || !buf[0])
		return false;
	*ret_off = b.want - s->st_value;
	return true;
}
