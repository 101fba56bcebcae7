#include "symbols/inflate.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cursor.h"

#define SECTIONS_MAX 256
#define TOTAL_MAX    (4ULL << 30)

struct job {
	const uint8_t *in;
	size_t in_len;
	size_t out_off, out_len;
	bool compressed;
};

struct work {
	struct job jobs[SECTIONS_MAX];
	GElf_Shdr headers[SECTIONS_MAX];
	unsigned n;
	uint8_t *out;
	atomic_uint next;
	atomic_bool failed;
};

static void *worker(void *arg)
{
	struct work *w = arg;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned i;

	while (d && (i = atomic_fetch_add(&w->next, 1)) < w->n) {
		const struct job *j = &w->jobs[i];
		if (!j->compressed) {
			if (j->out_len)
				memcpy(w->out + j->out_off, j->in, j->out_len);
		} else if (libdeflate_zlib_decompress(d, j->in, j->in_len, w->out + j->out_off,
						      j->out_len, NULL) != LIBDEFLATE_SUCCESS) {
			atomic_store(&w->failed, true);
		}
	}
	if (d)
		libdeflate_free_decompressor(d);
	else
		atomic_store(&w->failed, true);
	return NULL;
}

/* Debug sections that no look-up reads. */
static bool is_needless(const char *name)
{
	static const char *const names[] = {
	    ".debug_aranges",      ".debug_pubnames",     ".debug_pubtypes",
	    ".debug_gnu_pubnames", ".debug_gnu_pubtypes", ".debug_macro",
	    ".debug_macinfo",      ".debug_names",        ".gdb_index"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Elf64_Chdr: type, reserved, size, alignment. false: not zlib, or damaged. */
static bool read_chdr(struct stk_cur *c, GElf_Shdr *sh, struct job *j)
{
	uint32_t type = stk_cur_u32(c);

	stk_cur_u32(c);
	uint64_t size = stk_cur_u64(c), align = stk_cur_u64(c);
	if (c->bad || type != ELFCOMPRESS_ZLIB || size > TOTAL_MAX)
		return false;
	sh->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
	sh->sh_addralign = align;
	sh->sh_size = size;
	j->in_len = stk_cur_left(c);
	j->in = stk_cur_bytes(c, j->in_len);
	j->compressed = true;
	return j->in != NULL;
}

/* Plan where each section goes; the size of it all, 0 where this is not the way. */
static uint64_t plan(const struct stk_image *im, struct work *w)
{
	size_t size = 0, count = 0, shstr = 0;
	const char *raw = elf_rawfile(im->elf, &size);
	struct stk_cur file = stk_cur_init(raw, raw ? size : 0);
	uint64_t at = sizeof(Elf64_Ehdr);
	bool any = false;

	if (elf_getshdrnum(im->elf, &count) || elf_getshdrstrndx(im->elf, &shstr) ||
	    count > SECTIONS_MAX)
		return 0;
	for (; w->n < count; w->n++) {
		GElf_Shdr *sh = &w->headers[w->n];
		struct job *j = &w->jobs[w->n];
		Elf_Scn *scn = elf_getscn(im->elf, w->n);
		const char *name;
		if (!scn || !gelf_getshdr(scn, sh) ||
		    !(name = elf_strptr(im->elf, shstr, sh->sh_name)) ||
		    !strcmp(name, ".gnu_debugaltlink"))
			return 0;
		if (is_needless(name))
			sh->sh_type = SHT_NOBITS;
		if (sh->sh_type == SHT_NOBITS || sh->sh_type == SHT_NULL)
			continue;
		struct stk_cur c = stk_cur_sub(&file, sh->sh_offset, sh->sh_size);
		if (c.bad)
			return 0;
		if (sh->sh_flags & SHF_COMPRESSED) {
			if (!read_chdr(&c, sh, j))
				return 0;
			any = true;
		} else {
			j->in = stk_cur_bytes(&c, sh->sh_size);
		}
		at = (at + 15) & ~15ULL;
		sh->sh_offset = j->out_off = at;
		j->out_len = sh->sh_size;
		at += sh->sh_size;
		if (at > TOTAL_MAX)
			return 0;
	}
	return any ? (at + 15) & ~15ULL : 0;
}

/* The size that a section says it has; .zdebug_*: "ZLIB", and eight bytes, big endian. */
static uint64_t inflated_size(Elf_Scn *scn, const GElf_Shdr *sh, const char *name)
{
	GElf_Chdr ch;

	if (sh->sh_flags & SHF_COMPRESSED)
		return gelf_getchdr(scn, &ch) ? ch.ch_size : 0;
	Elf_Data *d = !strncmp(name, ".zdebug", 7) ? elf_rawdata(scn, NULL) : NULL;
	struct stk_cur c = stk_cur_init(d ? d->d_buf : NULL, d && d->d_buf ? d->d_size : 0);
	uint64_t size = 0;

	stk_cur_skip(&c, 4);
	for (int i = 0; i < 8; i++)
		size = size << 8 | stk_cur_u8(&c);
	return c.bad ? 0 : size;
}

bool stk_inflates_too_much(const struct stk_image *im)
{
	uint64_t all = 0;
	size_t shstr = 0;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	if (elf_getshdrstrndx(im->elf, &shstr))
		return false;
	while ((scn = elf_nextscn(im->elf, scn))) {
		const char *name =
		    gelf_getshdr(scn, &sh) ? elf_strptr(im->elf, shstr, sh.sh_name) : NULL;
		uint64_t size = name ? inflated_size(scn, &sh, name) : 0;
		if (__builtin_add_overflow(all, size, &all))
			return true;
	}
	return stk_is_bomb(im->size, all);
}

static void write_headers(const struct stk_image *im, struct work *w, uint64_t shoff)
{
	Elf64_Ehdr eh;

	memcpy(&eh, elf_rawfile(im->elf, NULL), sizeof(eh));
	eh.e_shoff = shoff;
	eh.e_phoff = 0;
	eh.e_phnum = 0;
	memcpy(w->out, &eh, sizeof(eh));
	/* GElf_Shdr is Elf64_Shdr. */
	memcpy(w->out + shoff, w->headers, w->n * sizeof(*w->headers));
}

struct stk_image *stk_image_inflate(const struct stk_image *im)
{
	struct work *w = calloc(1, sizeof(*w));
	struct stk_image *ret = NULL;
	pthread_t second;

	if (!w)
		return NULL;
	uint64_t end = elf_getident(im->elf, NULL)[EI_CLASS] == ELFCLASS64 ? plan(im, w) : 0;
	size_t size = end + w->n * sizeof(*w->headers);
	if (end)
		w->out = stk_image_map(size);
	if (w->out) {
		bool two = pthread_create(&second, NULL, worker, w) == 0;
		worker(w);
		if (two)
			pthread_join(second, NULL);
		write_headers(im, w, end);
		if (!atomic_load(&w->failed))
			ret = stk_image_from_map(w->out, size);
		else
			munmap(w->out, size);
	}
	free(w);
	return ret;
}
