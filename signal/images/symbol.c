/* .symtab as file.c finds it, and .dynsym through the dynamic section: gABI "Dynamic
 * Section", "Symbol Table", "Hash Table"; the GNU hash table as glibc's elf/dl-lookup.c reads it.
 * CRASH context. */
#include <elf.h>

#include "base/mem.h"
#include "signal/images/file.h"
#include "signal/images/images.h"
#include "signal/kernel/guard.h"

#define SYMBOLS_MAX (1U << 20)
#define DYNAMIC_MAX 512
#define SYMS        64  /* symbols read at once */
#define WORDS       128 /* words of a hash table read at once */
#define NAME_PART   32

struct table {
	const struct stk_file *file; /* the addresses are offsets in it; NULL: they are addresses */
	uint64_t sym, str, strsz;
	uint64_t hash, gnu_hash;
	uint32_t first, n; /* symbols [first, n) may be defined */
	bool full; /* .symtab: labels without a type count, sections bound what has no size */
	uint64_t shdr;
	uint32_t shnum;
};

static enum stk_symbols_of where = STK_SYMBOLS_FILE;

void stk_images_symbols(enum stk_symbols_of at)
{
	where = at;
}

static bool read_table(const struct table *t, uint64_t at, void *to, size_t len)
{
	return t->file ? stk_file_read(t->file, at, to, len) : stk_guard_read(at, to, len);
}

/* A name of the table, cut to the room there is. */
static bool read_name(const struct table *t, uint32_t name, char *buf, size_t cap)
{
	uint64_t room = name < t->strsz ? t->strsz - name : 0;

	buf[0] = 0;
	if (cap > room + 1)
		cap = room + 1;
	if (!room)
		return false;
	if (!t->file)
		return stk_guard_str(t->str + name, buf, cap);
	buf[cap - 1] = 0;
	return stk_file_read(t->file, t->str + name, buf, cap - 1);
}

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

static bool is_function(const struct table *t, const Elf64_Sym *s)
{
	unsigned type = ELF64_ST_TYPE(s->st_info);

	return (type == STT_FUNC || type == STT_GNU_IFUNC || (type == STT_NOTYPE && t->full)) &&
	       s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS;
}

/* As symtab.c of the engine. */
static unsigned rank(const Elf64_Sym *s)
{
	unsigned bind = ELF64_ST_BIND(s->st_info);

	return (ELF64_ST_TYPE(s->st_info) == STT_NOTYPE ? 8 : 0) + (s->st_size ? 0 : 4) +
	       (bind == STB_GLOBAL ? 0
		: bind == STB_WEAK ? 1
				   : 2);
}

static void clear_behind(char *name, size_t cap)
{
	size_t n = 0;

	while (n < cap && name[n])
		n++;
	memset(name + n, 0, cap - n);
}

/* Does the name of `a` sort before that of `b`? The engine prints the first of several aliases. */
static bool name_before(const struct table *t, const Elf64_Sym *a, const Elf64_Sym *b)
{
	char x[NAME_PART] = "", y[NAME_PART] = ""; /* zero behind the names */

	if (!read_name(t, a->st_name, x, sizeof(x)) || !read_name(t, b->st_name, y, sizeof(y)))
		return false;
	clear_behind(x, sizeof(x));
	clear_behind(y, sizeof(y));
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
	if (s->st_value > b->want || !is_function(t, s))
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
		if (!read_table(t, t->sym + i * sizeof(*v), v, part * sizeof(*v)))
			return;
		for (uint32_t j = 0; j < part; j++)
			consider(t, &v[j], b);
	}
}

/* Whether the section of a symbol holds the address that is looked for. */
static bool in_section(const struct table *t, const Elf64_Sym *s, uint64_t want)
{
	Elf64_Shdr sh;

	return s->st_shndx < t->shnum &&
	       read_table(t, t->shdr + s->st_shndx * sizeof(sh), &sh, sizeof(sh)) &&
	       want >= sh.sh_addr && want - sh.sh_addr < sh.sh_size;
}

/* The name in a table; a version behind it belongs to the symbol, not to the function. */
static bool name_in(const struct table *t, uint64_t want, char *buf, size_t cap, uint64_t *ret_off)
{
	struct best b = {.want = want};
	const Elf64_Sym *s = &b.holds;

	search(t, &b);
	if (!b.has_holds) {
		if (!b.has_below || b.below.st_size || (t->full && !in_section(t, &b.below, want)))
			return false;
		s = &b.below;
	}
	if (!read_name(t, s->st_name, buf, cap) || !buf[0])
		return false;
	char *version = buf + 1;
	while (*version && *version != '@')
		version++;
	*version = 0;
	*ret_off = want - s->st_value;
	return true;
}

static bool name_in_file(const struct stk_img *im, uint64_t want, char *buf, size_t cap,
			 uint64_t *ret_off)
{
	struct stk_syms at = im->kept;
	struct stk_file file;

	if (where == STK_SYMBOLS_MAPPED || (!at.n && where == STK_SYMBOLS_KEPT))
		return false;
	bool opened = !at.n;
	if (opened && !stk_file_open(&file, im))
		return false;
	bool found = !opened || stk_file_syms(&file, &at);
	struct table t = {.file = opened ? &file : 0,
			  .sym = at.sym,
			  .str = at.str,
			  .strsz = at.strsz,
			  .first = 1,
			  .n = at.n,
			  .full = true,
			  .shdr = at.shdr,
			  .shnum = at.shnum};
	found = found && name_in(&t, want, buf, cap, ret_off);
	if (opened)
		stk_file_close(&file);
	return found;
}

/* CRASH context. */
bool stk_image_symbol(const struct stk_img *im, uint64_t addr, char *buf, size_t cap,
		      uint64_t *ret_off)
{
	struct table t = {0};
	uint64_t want = addr - im->bias;

	if (addr < im->text_start || addr >= im->text_end)
		return false;
	return name_in_file(im, want, buf, cap, ret_off) ||
	       (read_dynamic(im, &t) && count(&t) && name_in(&t, want, buf, cap, ret_off));
}
