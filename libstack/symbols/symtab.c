#include "symbols/symtab.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/search.h"
#include "base/vec.h"
#include "symbols/debug.h"

#define COMPARED 1024

struct entry {
	uint64_t addr, size, reach; /* reach: the greatest end among this and all before it */
	const char *name;
	uint8_t rank; /* lower is better at one address */
	bool func, sized, local;
};

struct stk_symtab {
	struct entry *v;
	unsigned n, cap;
	uint32_t *by_name; /* open hash table of indexes + 1 by name; or NULL */
	unsigned by_name_cap;
};

/* `room`: how far a symbol without a size may reach, to the end of its section. */
static void add(struct stk_module *m, struct stk_symtab *st, const GElf_Sym *s, const char *name,
		uint64_t room)
{
	int type = GELF_ST_TYPE(s->st_info), bind = GELF_ST_BIND(s->st_info);
	bool func = type == STT_FUNC || type == STT_GNU_IFUNC;

	if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS || !name || !*name ||
	    !(func || type == STT_OBJECT || type == STT_NOTYPE))
		return;
	if (!stk_spend_bytes(stk_module_budget(m), sizeof(*st->v)) || !STK_VEC_RESERVE(st, 1))
		return;
	const char *at = strchr(name, '@');
	if (at && at != name)
		name = stk_pool_strndup(&m->owner->target->pool, name, (size_t)(at - name));
	st->v[st->n++] = (struct entry){.addr = m->bias + s->st_value,
					.size = s->st_size ? s->st_size : room,
					.name = name ? name : "?",
					.rank = (uint8_t)((func ? 0 : 8) + (s->st_size ? 0 : 4) +
							  (bind == STB_GLOBAL ? 0
							   : bind == STB_WEAK ? 1
									      : 2)),
					.func = func,
					.local = bind == STB_LOCAL,
					.sized = s->st_size != 0};
}

static uint64_t section_room(Elf *elf, const GElf_Sym *s)
{
	GElf_Shdr sh;

	if (s->st_shndx >= SHN_LORESERVE || !gelf_getshdr(elf_getscn(elf, s->st_shndx), &sh))
		return UINT64_MAX;
	uint64_t end = sh.sh_addr + sh.sh_size;
	return end > s->st_value ? end - s->st_value : 0;
}

static bool read_table(struct stk_module *m, struct stk_symtab *st, Elf *elf, uint32_t type)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != type || !sh.sh_entsize)
			continue;
		Elf_Data *data = elf_getdata(scn, NULL);
		if (!data)
			return false;
		for (size_t i = 0;
		     i < data->d_size / sh.sh_entsize && stk_spend(stk_module_budget(m), 1); i++) {
			GElf_Sym s;
			if (gelf_getsym(data, (int)i, &s))
				add(m, st, &s, elf_strptr(elf, sh.sh_link, s.st_name),
				    s.st_size ? 0 : section_room(elf, &s));
		}
		return true;
	}
	return false;
}

static uint32_t word_at(const struct stk_target *t, uint64_t addr)
{
	uint32_t v = 0;

	return stk_mem_read(t, addr, &v, sizeof(v), NULL) ? 0 : v;
}

/* The table has no length. DT_HASH has a chain for each symbol (gABI, "Hash Table"); DT_GNU_HASH
 * ends with the chain of its last bucket, whose last word is odd. */
static uint64_t count_dynamic(const struct stk_target *t, uint64_t hash, uint64_t gnu)
{
	if (hash)
		return word_at(t, hash + 4);
	if (!gnu)
		return 0;
	uint32_t nbuckets = word_at(t, gnu), first = word_at(t, gnu + 4), last = 0;
	uint64_t buckets = gnu + 16 + 8ULL * word_at(t, gnu + 8);
	for (uint32_t i = 0; i < nbuckets && stk_spend(stk_budget_of(t), 1); i++) {
		uint32_t b = word_at(t, buckets + 4ULL * i);
		last = b > last ? b : last;
	}
	if (last < first)
		return first;
	uint64_t chain = buckets + 4ULL * nbuckets;
	while (stk_spend(stk_budget_of(t), 1) && !(word_at(t, chain + 4ULL * (last - first)) & 1))
		last++;
	return last + 1ULL;
}

/* The loader may have relocated the pointers of the dynamic section. */
static uint64_t dynamic_address(const struct stk_module *m, const struct stk_headers *h,
				uint64_t tag)
{
	uint64_t v = stk_headers_dynamic(m->owner->target, h, tag);

	return v && v < m->start ? v + m->bias : v;
}

/* The dynamic table of an image without section headers (taken from memory). */
static void read_dynamic(struct stk_module *m, struct stk_symtab *st)
{
	struct stk_target *t = m->owner->target;
	struct stk_headers h;

	if (!stk_image_headers(m->image, m->bias, &h))
		return;
	uint64_t sym = dynamic_address(m, &h, DT_SYMTAB), str = dynamic_address(m, &h, DT_STRTAB);
	uint64_t strsz = stk_headers_dynamic(t, &h, DT_STRSZ);
	uint64_t n =
	    count_dynamic(t, dynamic_address(m, &h, DT_HASH), dynamic_address(m, &h, DT_GNU_HASH));
	const char *names = sym && str ? (const char *)stk_mem_ptr(t, str, strsz) : NULL;
	for (uint64_t i = 0; names && i < n && stk_spend(stk_module_budget(m), 1); i++) {
		Elf64_Sym s;
		if (stk_mem_read(t, sym + i * sizeof(s), &s, sizeof(s), NULL))
			return;
		if (s.st_name < strsz && memchr(names + s.st_name, 0, strsz - s.st_name) &&
		    m->bias + s.st_value >= h.start && m->bias + s.st_value < h.end)
			add(m, st, &s, names + s.st_name, UINT64_MAX);
	}
}

/* What somebody kept of the file. How far a symbol without a size reaches, sections would tell. */
static bool read_known(struct stk_module *m, struct stk_symtab *st)
{
	const struct stk_symbol_options *o = &m->owner->opts;
	bool found = false;

	for (unsigned i = 0; i < o->nknown; i++) {
		const struct stk_known_symbols *k = &o->known[i];
		if (k->start != m->start || k->build_id_len != m->build_id_len ||
		    memcmp(k->build_id, m->build_id, k->build_id_len) != 0)
			continue;
		found = true;
		for (unsigned j = 0; j < k->n && stk_spend(stk_module_budget(m), 1); j++) {
			GElf_Sym s;
			memcpy(&s, (const char *)k->sym + j * sizeof(s), sizeof(s));
			if (s.st_size && s.st_name < k->strsz &&
			    memchr(k->str + s.st_name, 0, k->strsz - s.st_name))
				add(m, st, &s, k->str + s.st_name, 0);
		}
	}
	return found;
}

static int by_addr(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank - y->rank;
	/* Names without end, each a part of the next, would be compared for ever. */
	int r = strncmp(x->name, y->name, COMPARED);
	return r ? r : (x->name > y->name) - (x->name < y->name);
}

/* An unsized symbol reaches to the next one, at most to the end of its section and of the module.
 */
static void finish(struct stk_module *m, struct stk_symtab *st)
{
	uint64_t reach = 0, next = m->end;

	qsort(st->v, st->n, sizeof(*st->v), by_addr);
	for (unsigned i = st->n; i-- > 0;) {
		struct entry *e = &st->v[i];
		uint64_t gap = next > e->addr ? next - e->addr : 0;
		if (!e->sized && e->size > gap)
			e->size = gap;
		if (i && st->v[i - 1].addr != e->addr)
			next = e->addr;
	}
	for (unsigned i = 0; i < st->n; i++) {
		if (st->v[i].addr + st->v[i].size > reach)
			reach = st->v[i].addr + st->v[i].size;
		st->v[i].reach = reach;
	}
}

/* What a stripped file carries compressed comes on top of its .dynsym. */
static void read_debugdata(struct stk_module *m, struct stk_symtab *st)
{
	GElf_Shdr sh;

	if (!m->mini && stk_image_section(m->image, ".gnu_debugdata", &sh))
		m->mini = stk_image_debugdata(m->image, stk_module_budget(m));
	if (m->mini)
		read_table(m, st, m->mini->elf, SHT_SYMTAB);
	else if (stk_image_section(m->image, ".gnu_debugdata", &sh))
		stk_remark(m->owner->target, false,
			   "%s: its .gnu_debugdata is damaged or too large: not used", m->name);
}

static struct stk_symtab *symtab_get(struct stk_module *m)
{
	if (m->symtab_tried)
		return m->symtab;
	m->symtab_tried = true;
	struct stk_symtab *st = stk_pool_alloc(&m->owner->target->pool, sizeof(*st));
	if (!st)
		return NULL;
	if (m->image && !m->symtab)
		stk_budget_opened(stk_module_budget(m), m->image->size);
	struct stk_debug *d = stk_debug_get(m);
	bool full = m->image && read_table(m, st, m->image->elf, SHT_SYMTAB);
	if (!full && d && d->image)
		full = read_table(m, st, d->image->elf, SHT_SYMTAB);
	full = full || read_known(m, st);
	if (!full && m->image)
		read_debugdata(m, st);
	if (!full && m->image && !read_table(m, st, m->image->elf, SHT_DYNSYM))
		read_dynamic(m, st);
	/* Of a part of them the nearest could be another function's. */
	if (stk_module_budget(m)->over)
		st->n = 0;
	if (st->n)
		finish(m, st);
	struct entry *v = stk_pool_alloc(&m->owner->target->pool, st->n * sizeof(*v) + 1);
	if (v && st->n)
		memcpy(v, st->v, st->n * sizeof(*v));
	free(st->v);
	st->v = v;
	if (!v)
		st->n = 0;
	m->symtab = st;
	return st;
}

static void fill(struct stk_symbol *ret, const struct entry *e)
{
	*ret = (struct stk_symbol){
	    .name = e->name, .addr = e->addr, .size = e->sized ? e->size : 0, .func = e->func};
}

/* How many symbols lie at or below `addr`. */
static unsigned upto(const struct stk_symtab *st, uint64_t addr)
{
	return st ? STK_PARTITION_POINT(st->n, i, st->v[i].addr <= addr) : 0;
}

bool stk_symbol_at(struct stk_module *m, uint64_t addr, struct stk_symbol *ret)
{
	struct stk_symtab *st = symtab_get(m);
	const struct entry *best = NULL;

	for (unsigned i = upto(st, addr);
	     i-- > 0 && st->v[i].reach > addr && stk_spend(stk_module_budget(m), 1);) {
		const struct entry *e = &st->v[i];
		if (best && e->addr != best->addr)
			break;
		if (addr - e->addr < e->size && (!best || e->rank < best->rank))
			best = e;
	}
	if (best)
		fill(ret, best);
	return best;
}

bool stk_symbol_find(struct stk_modules *ms, const char *name, struct stk_symbol *ret,
		     struct stk_module **ret_module)
{
	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_symtab *st = symtab_get(ms->v[i]);
		for (unsigned j = 0; st && j < st->n && stk_spend(stk_budget_of(ms->target), 1);
		     j++) {
			if (strcmp(st->v[j].name, name) != 0)
				continue;
			fill(ret, &st->v[j]);
			if (ret_module)
				*ret_module = ms->v[i];
			return true;
		}
	}
	return false;
}

static size_t hash_name(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3ULL;
	return h >> 16;
}

static bool index_names(struct stk_module *m, struct stk_symtab *st)
{
	unsigned cap = 64;

	if (st->by_name)
		return true;
	while (cap < 2 * st->n)
		cap *= 2;
	st->by_name = stk_pool_alloc(&m->owner->target->pool, cap * sizeof(*st->by_name));
	if (!st->by_name)
		return false;
	st->by_name_cap = cap;
	for (unsigned i = 0; i < st->n && stk_spend(stk_module_budget(m), 1); i++) {
		size_t h = hash_name(st->v[i].name);
		/* Many of one name stand one behind the other. */
		while (st->by_name[h & (cap - 1)] && stk_spend(stk_module_budget(m), 1))
			h++;
		st->by_name[h & (cap - 1)] = i + 1;
	}
	if (stk_module_budget(m)->over)
		st->by_name = NULL;
	return st->by_name;
}

bool stk_symbol_linked(struct stk_module *from, const char *name, struct stk_symbol *ret)
{
	struct stk_modules *ms = from->owner;
	const struct entry *found = NULL;

	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_symtab *st = symtab_get(ms->v[i]);
		if (!st || !index_names(ms->v[i], st))
			continue;
		for (size_t h = hash_name(name); st->by_name[h & (st->by_name_cap - 1)]; h++) {
			const struct entry *e = &st->v[st->by_name[h & (st->by_name_cap - 1)] - 1];
			if (!stk_spend(stk_module_budget(from), 1))
				return false;
			if ((e->local && ms->v[i] != from) || strcmp(e->name, name) != 0)
				continue;
			if (found && found->addr != e->addr)
				return false;
			found = e;
		}
	}
	if (found)
		fill(ret, found);
	return found;
}

void stk_symbol_each_at(struct stk_module *m, uint64_t addr,
			void (*fn)(void *arg, const char *name), void *arg)
{
	struct stk_symtab *st = symtab_get(m);

	for (unsigned i = upto(st, addr); i-- > 0 && st->v[i].addr == addr;)
		if (st->v[i].func)
			fn(arg, st->v[i].name);
}

void stk_symbol_each(struct stk_module *m, const char *prefix,
		     bool (*fn)(void *arg, const struct stk_symbol *s), void *arg)
{
	struct stk_symtab *st = symtab_get(m);
	size_t len = strlen(prefix);

	for (unsigned i = 0; st && i < st->n; i++) {
		struct stk_symbol s;
		fill(&s, &st->v[i]);
		if (s.func && !strncmp(s.name, prefix, len) && !fn(arg, &s))
			return;
	}
}
