#include "step/cfi.h"
#include "step/pointer.h"

#define SCAN_ENTRIES 65536 /* of .eh_frame, where there is no search table */
#define TABLE_MAX    (1U << 26)
#define AUGMENT_MAX  8 /* characters of an augmentation string */

/* A CIE or an FDE, its window behind the second field. */
struct entry {
	uint64_t end;    /* address behind it */
	uint64_t cie_at; /* address of its CIE */
	bool is_cie;
};

/*
 * The second field of a CIE is 0 in .eh_frame and all ones in .debug_frame. That of an FDE is the
 * distance back to its CIE there, and an offset in the section here (LSB Core 5; DWARF 5 §7.24,
 * §7.4 for the 64-bit format).
 */
static bool open_entry(struct stk_win *w, const struct stk_cfi *cfi, uint64_t at, struct entry *ret)
{
	uint64_t len, id, id_at;
	bool wide;

	stk_win_open(w, at, at + 24 > at ? at + 24 : at);
	len = stk_cur_u32(&w->c);
	wide = len == UINT32_MAX;
	if (wide)
		len = stk_cur_u64(&w->c);
	id_at = stk_win_pos(w);
	wide &= cfi->debug;
	id = wide ? stk_cur_u64(&w->c) : stk_cur_u32(&w->c);
	ret->end = id_at + len;
	if (w->c.bad || len < 4 || ret->end < id_at)
		return false;
	ret->is_cie = cfi->debug ? id == (wide ? UINT64_MAX : UINT32_MAX) : !id;
	ret->cie_at = cfi->debug ? cfi->frames + id : id_at - id;
	stk_win_open(w, id_at + (wide ? 8 : 4), ret->end);
	return !w->c.bad;
}

/* The data of a 'z' augmentation, letter by letter. false: a letter that is not known; what it
 * stands for cannot be stepped over, but the length tells where all of it ends. */
static bool augment(struct stk_win *w, const uint8_t *letters, unsigned n, struct stk_cfi_cie *cie)
{
	for (unsigned i = 0; i < n; i++) {
		stk_win_more(w);
		switch (letters[i]) {
		case 'R':
			cie->pointer_enc = stk_cur_u8(&w->c);
			break;
		case 'P': /* a personality routine: not called, so an indirect one is not read */
			stk_cfi_pointer(w, stk_cur_u8(&w->c) & (uint8_t)~PE_indirect, 0);
			break;
		case 'L':
			stk_cur_u8(&w->c);
			break;
		case 'S':
			cie->signal = true;
			break;
		case 'B':
		case 'G': /* AArch64: pointer authentication, memory tagging; no data */
			break;
		default:
			return false;
		}
	}
	return !w->c.bad;
}

static bool known_version(const struct stk_cfi *cfi, uint8_t version)
{
	return version == 1 || version == 3 || (cfi->debug && version == 4);
}

static bool open_cie(struct stk_win *w, const struct stk_cfi *cfi, uint64_t at,
		     struct stk_cfi_cie *ret)
{
	uint8_t letters[AUGMENT_MAX], version;
	struct entry e;
	unsigned n = 0;

	*ret = (struct stk_cfi_cie){.pointer_enc = PE_absptr};
	if (!open_entry(w, cfi, at, &e) || !e.is_cie)
		return false;
	version = stk_cur_u8(&w->c);
	for (uint8_t c; (c = stk_cur_u8(&w->c)) && n < AUGMENT_MAX;)
		letters[n++] = c;
	if (n == AUGMENT_MAX || !known_version(cfi, version))
		return false;
	stk_win_more(w);
	if (n == 2 && letters[0] == 'e' && letters[1] == 'h') {
		stk_cur_u64(&w->c); /* gcc 2: a pointer to exception tables */
		n = 0;
	}
	/* DWARF 5 §6.4.1: sizes of an address and of a segment selector */
	if (version == 4 && (stk_cur_u8(&w->c) != 8 || stk_cur_u8(&w->c) != 0))
		return false;
	ret->code_align = stk_cur_uleb(&w->c);
	ret->data_align = stk_cur_sleb(&w->c);
	stk_win_more(w);
	ret->ra = version == 1 ? stk_cur_u8(&w->c) : stk_cur_uleb(&w->c);
	ret->end = e.end;
	ret->sized = n && letters[0] == 'z';
	if (ret->sized) {
		uint64_t len = stk_cur_uleb(&w->c), from = stk_win_pos(w);
		if (len > ret->end - from || !augment(w, letters + 1, n - 1, ret))
			return false;
		ret->insn = from + len;
	} else {
		ret->insn = stk_win_pos(w);
		if (n)
			return false;
	}
	return !w->c.bad;
}

struct fde {
	struct stk_cfi_cie cie;
	uint64_t cie_at;     /* its address */
	bool has_cie;        /* it could be read */
	uint64_t start, len; /* the code it is for */
	uint64_t insn, end;
};

static bool open_fde(struct stk_win *w, const struct stk_cfi *cfi, uint64_t at, struct fde *ret)
{
	struct entry e;

	if (!open_entry(w, cfi, at, &e) || e.is_cie)
		return false;
	if (ret->cie_at != e.cie_at) {
		uint64_t from = stk_win_pos(w);
		ret->cie_at = e.cie_at;
		ret->has_cie = open_cie(w, cfi, e.cie_at, &ret->cie);
		stk_win_open(w, from, e.end);
	}
	if (!ret->has_cie)
		return false;
	ret->start = stk_cfi_pointer(w, ret->cie.pointer_enc, 0);
	ret->len = stk_cfi_pointer(w, ret->cie.pointer_enc & PE_format, 0);
	stk_win_more(w);
	if (ret->cie.sized) {
		uint64_t n = stk_cur_uleb(&w->c);
		stk_win_skip(w, n);
	}
	ret->insn = stk_win_pos(w);
	ret->end = e.end;
	return !w->c.bad;
}

/* .eh_frame_hdr, or .eh_frame alone. */
struct hdr {
	uint64_t at;                 /* its address: the base of datarel */
	uint64_t frames, frames_end; /* .eh_frame, as far as it is known to reach */
	uint64_t table, n;
	bool sorted; /* the table has the form that linkers give it: pairs of datarel sdata4 */
};

static bool open_hdr(struct stk_win *w, const struct stk_cfi *cfi, struct hdr *ret)
{
	uint8_t frames_enc, n_enc, table_enc;

	*ret = (struct hdr){.frames = cfi->frames, .frames_end = UINT64_MAX};
	if (cfi->frames_len)
		ret->frames_end = cfi->frames + cfi->frames_len;
	if (!cfi->hdr)
		return cfi->frames_len != 0;
	stk_win_open(w, cfi->hdr, cfi->hdr + cfi->hdr_len);
	if (stk_cur_u8(&w->c) != 1)
		return false;
	frames_enc = stk_cur_u8(&w->c);
	n_enc = stk_cur_u8(&w->c);
	table_enc = stk_cur_u8(&w->c);
	ret->at = cfi->hdr;
	ret->frames = stk_cfi_pointer(w, frames_enc, ret->at);
	ret->n = stk_cfi_pointer(w, n_enc, ret->at);
	ret->table = stk_win_pos(w);
	ret->sorted = n_enc != PE_omit && table_enc == (PE_datarel | PE_sdata4);
	uint64_t room = (cfi->hdr + cfi->hdr_len - ret->table) / 8;
	if (ret->n > room)
		ret->n = room;
	return !w->c.bad && ret->n <= TABLE_MAX;
}

/* The address of the FDE with the greatest start at or below `pc`; 0: none. */
static uint64_t search_table(const struct stk_cfi *cfi, const struct hdr *h, uint64_t pc)
{
	int64_t rel = (int64_t)(pc - h->at);
	uint64_t lo = 0, hi = h->n, best = 0;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		int32_t pair[2]; /* start of the code, FDE */
		if (!stk_read(cfi->mem, h->table + 8 * mid, pair, sizeof(pair)))
			return 0;
		if (pair[0] <= rel) {
			best = h->at + (uint64_t)(int64_t)pair[1];
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return best;
}

static bool holds(const struct fde *f, uint64_t pc)
{
	return pc - f->start < f->len;
}

static bool find_fde(struct stk_win *w, const struct stk_cfi *cfi, const struct hdr *h, uint64_t pc,
		     struct fde *ret)
{
	uint64_t at = h->frames;
	struct entry e;

	ret->cie_at = UINT64_MAX;
	if (h->sorted) {
		at = search_table(cfi, h, pc);
		return at && open_fde(w, cfi, at, ret) && holds(ret, pc);
	}
	for (unsigned i = 0; at < h->frames_end && i < SCAN_ENTRIES; i++, at = e.end) {
		if (!open_entry(w, cfi, at, &e))
			return false;
		if (!e.is_cie && open_fde(w, cfi, at, ret) && holds(ret, pc))
			return true;
	}
	return false;
}

bool stk_cfi_find(const struct stk_cfi *cfi, const struct stk_arch *arch, uint64_t pc,
		  struct stk_cfi_row *ret)
{
	struct stk_win w;
	struct hdr h;
	struct fde f;

	w.mem = cfi->mem;
	return open_hdr(&w, cfi, &h) && find_fde(&w, cfi, &h, pc, &f) &&
	       stk_cfi_run(&w, &f.cie, arch, f.insn, f.end, f.start, pc, ret);
}

bool stk_cfi_is_sorted(const struct stk_cfi *cfi)
{
	struct stk_win w;
	struct hdr h;

	w.mem = cfi->mem;
	return cfi->hdr && open_hdr(&w, cfi, &h) && h.sorted;
}

bool stk_cfi_next(const struct stk_cfi *cfi, uint64_t *at, struct stk_cfi_entry *ret)
{
	struct stk_win w;
	struct fde f = {.cie_at = UINT64_MAX};
	struct entry e;

	w.mem = cfi->mem;
	*ret = (struct stk_cfi_entry){.at = *at};
	if (*at >= cfi->frames + cfi->frames_len || !open_entry(&w, cfi, *at, &e))
		return false;
	*at = e.end;
	if (!e.is_cie && open_fde(&w, cfi, ret->at, &f)) {
		ret->start = f.start;
		ret->len = f.len;
	}
	return true;
}

bool stk_cfi_row_of(const struct stk_cfi *cfi, const struct stk_arch *arch, uint64_t at,
		    uint64_t pc, struct stk_cfi_row *ret)
{
	struct stk_win w;
	struct fde f = {.cie_at = UINT64_MAX};

	w.mem = cfi->mem;
	return open_fde(&w, cfi, at, &f) && holds(&f, pc) &&
	       stk_cfi_run(&w, &f.cie, arch, f.insn, f.end, f.start, pc, ret);
}
