/* NORMAL context. */
#include "signal/helper/names.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "signal/crash.h"
#include "signal/helper/helper.h"
#include "signal/images/images.h"

#define KNOWN_MAX 16
#define BYTES_MAX (16U << 20)

static struct stk_known_symbols known[KNOWN_MAX];
static unsigned nknown;

/* A copy of the program's memory, in pieces that the socket takes; NULL: it is not there. */
static void *copy(helper_read_fn *read, uint64_t addr, size_t len)
{
	char *to = len && len <= BYTES_MAX ? malloc(len) : NULL;

	for (size_t at = 0, n; to && at < len; at += n) {
		n = len - at < STK_REPLY_MAX ? len - at : STK_REPLY_MAX;
		if (!read(addr + at, to + at, n)) {
			free(to);
			to = NULL;
		}
	}
	return to;
}

/* NORMAL context. */
static void add(helper_read_fn *read, const struct stk_img *img)
{
	const struct stk_syms *k = &img->kept;
	struct stk_known_symbols s = {.start = img->start, .n = k->n, .strsz = k->strsz};

	if (nknown == KNOWN_MAX || !k->n || img->build_id_len > sizeof(s.build_id))
		return;
	s.build_id_len = img->build_id_len;
	memcpy(s.build_id, img->build_id, s.build_id_len);
	s.sym = copy(read, k->sym, k->n * sizeof(Elf64_Sym));
	s.str = copy(read, k->str, k->strsz);
	if (s.sym && s.str)
		known[nknown++] = s;
}

void helper_names(const struct stk_crash *c, helper_read_fn *read, struct stk_symbol_options *so)
{
	struct stk_img img;

	for (uint32_t i = 0; i < c->nimages && i < STK_IMAGES_MAX; i++)
		if (read(c->images + i * sizeof(img), &img, sizeof(img)))
			add(read, &img);
	so->known = known;
	so->nknown = nknown;
}
