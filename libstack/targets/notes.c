#include "targets/notes.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/signals.h"
#include "targets/dump.h"

#define NT_SIGINFO_ 0x53494749 /* "SIGI", include/uapi/linux/elf.h */
#define NT_FILE_    0x46494c45 /* "FILE" */

static struct stk_thread *add_thread(struct stk_target *t)
{
	/* Room doubles at powers of two. */
	if (!(t->nthreads & (t->nthreads - 1))) {
		unsigned cap = t->nthreads ? 2 * t->nthreads : 1;
		struct stk_thread *v = stk_pool_alloc(&t->pool, cap * sizeof(*v));
		if (!v)
			return NULL;
		if (t->nthreads)
			memcpy(v, t->threads, t->nthreads * sizeof(*v));
		t->threads = v;
	}
	return &t->threads[t->nthreads++];
}

static void note_prstatus(struct stk_target *t, const uint8_t *p, size_t len)
{
	const struct stk_arch *a = t->arch;
	struct stk_cur c = stk_cur_init(p, len);
	struct stk_cur sig = stk_cur_sub(&c, a->prstatus_cursig, 2);
	struct stk_cur pid = stk_cur_sub(&c, a->prstatus_pid, 4);
	struct stk_thread *th = add_thread(t);

	if (!th)
		return;
	*th = (struct stk_thread){0};
	th->cursig = stk_cur_u16(&sig);
	th->tid = (int)stk_cur_u32(&pid);
	if (len > a->prstatus_reg)
		th->gregs = (struct stk_bytes){p + a->prstatus_reg, len - a->prstatus_reg};
	if (len < a->prstatus_size)
		stk_remark(t, true, "the registers of thread %d are cut off in the core", th->tid);
}

static const char *fixed_string(struct stk_target *t, const uint8_t *p, size_t len)
{
	return stk_pool_strndup(&t->pool, (const char *)p, strnlen((const char *)p, len));
}

static void note_prpsinfo(struct stk_target *t, const uint8_t *p, size_t len)
{
	const struct stk_arch *a = t->arch;
	struct stk_cur c = stk_cur_init(p, len);

	if (len < a->prpsinfo_size || t->psinfo.present)
		return;
	struct stk_cur pid = stk_cur_sub(&c, a->prpsinfo_pid, 4);
	struct stk_cur uid = stk_cur_sub(&c, a->prpsinfo_uid, 4);
	t->psinfo.present = true;
	t->psinfo.pid = (int)stk_cur_u32(&pid);
	t->psinfo.uid = stk_cur_u32(&uid);
	t->psinfo.fname = fixed_string(t, p + a->prpsinfo_fname, 16);
	t->psinfo.args = fixed_string(t, p + a->prpsinfo_args, 80);
	char *args = (char *)t->psinfo.args;
	for (size_t n = args ? strlen(args) : 0; n && args[n - 1] == ' '; n--)
		args[n - 1] = 0;
}

/* siginfo_t of LP64 (include/uapi/asm-generic/siginfo.h): signo, errno, code, pad, union at 16. */
static void note_siginfo(struct stk_target *t, const uint8_t *p, size_t len)
{
	struct stk_cur c = stk_cur_init(p, len);
	struct stk_siginfo *s = &t->siginfo;

	if (s->present)
		return; /* the first thread's: the one that crashed */
	s->signo = (int)stk_cur_u32(&c);
	s->err = (int)stk_cur_u32(&c);
	s->code = (int)stk_cur_u32(&c);
	stk_cur_skip(&c, 4);
	struct stk_cur u = c;
	s->addr = stk_cur_u64(&c);
	s->pid = (int)stk_cur_u32(&u);
	s->uid = stk_cur_u32(&u);
	s->present = !c.bad;
}

static int by_start(const void *a, const void *b)
{
	const struct stk_mapping *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Offsets are in pages; some writers (.NET's createdump once) give bytes and the page size all the
 * same: then all are whole pages, of which hardly any file has that many. */
static uint64_t offset_unit(struct stk_cur c, uint64_t n, uint64_t page)
{
	bool whole = false;

	for (uint64_t i = 0; i < n && page > 1; i++) {
		stk_cur_skip(&c, 16);
		uint64_t off = stk_cur_u64(&c);
		if (off % page)
			return page;
		whole |= off != 0;
	}
	return whole ? 1 : page;
}

/* NT_FILE: count, page size, count × {start, end, page offset}, then count strings. */
static void note_file(struct stk_target *t, const uint8_t *p, size_t len)
{
	struct stk_cur c = stk_cur_init(p, len);
	uint64_t n = stk_cur_u64(&c), page = stk_cur_u64(&c);

	if (t->mappings)
		return; /* twice the same is no damage */
	if (c.bad || n > len / 24 || page > (1U << 30)) {
		stk_remark(t, true, "the list of mapped files in the core is damaged");
		return;
	}
	struct stk_cur names = stk_cur_sub(&c, n * 24, stk_cur_left(&c) - n * 24);
	struct stk_mapping *v = stk_pool_alloc(&t->pool, (n + 1) * sizeof(*v));
	unsigned used = 0;
	uint64_t unit = offset_unit(c, n, page);
	for (uint64_t i = 0; v && i < n && stk_spend(&t->pool.budget, 1); i++) {
		v[used].start = stk_cur_u64(&c);
		v[used].end = stk_cur_u64(&c);
		v[used].file_off = stk_cur_u64(&c) * unit;
		const char *name = stk_cur_str(&names);
		if (c.bad || !name) {
			stk_remark(t, true, "the list of mapped files in the core is cut off");
			break;
		}
		v[used].path = stk_pool_strdup(&t->pool, name);
		if (v[used].path && v[used].start < v[used].end)
			used++;
	}
	if (v)
		qsort(v, used, sizeof(*v), by_start);
	t->mappings = v;
	t->nmappings = used;
}

/* What our own writer says of the core: lines, padded with NULs. */
static void note_remark(struct stk_target *t, const uint8_t *p, size_t len)
{
	char *save = NULL, *text = stk_pool_strndup(&t->pool, (const char *)p, len);

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l;
	     l = strtok_r(NULL, "\n", &save))
		stk_remark(t, false, "%s: %s", t->path, l);
}

static void note_names(struct stk_target *t, const uint8_t *p, size_t len)
{
	struct stk_cur c = stk_cur_init(p, len);

	while (stk_cur_left(&c) >= 20 && stk_spend(&t->pool.budget, 1 + t->nthreads / 64)) {
		struct stk_thread *th = stk_thread_by_tid(t, (int)stk_cur_u32(&c));
		const uint8_t *name = stk_cur_bytes(&c, 16);
		if (th && name)
			th->name = fixed_string(t, name, 16);
	}
}

static void note_own(struct stk_target *t, uint32_t type, const uint8_t *p, size_t len)
{
	if (type == STK_NOTE_REMARK)
		note_remark(t, p, len);
	else if (type == STK_NOTE_NAMES)
		note_names(t, p, len);
}

static void note_one(struct stk_target *t, uint32_t type, const uint8_t *p, size_t len)
{
	struct stk_thread *th = t->nthreads ? &t->threads[t->nthreads - 1] : NULL;
	struct stk_bytes b = {p, len};

	switch (type) {
	case NT_PRSTATUS:
		note_prstatus(t, p, len);
		break;
	case NT_PRPSINFO:
		note_prpsinfo(t, p, len);
		break;
	case NT_AUXV:
		if (!t->auxv.p)
			t->auxv = b;
		break;
	case NT_SIGINFO_:
		note_siginfo(t, p, len);
		break;
	case NT_FILE_:
		note_file(t, p, len);
		break;
	case NT_FPREGSET:
		if (th)
			th->fpregs = b;
		break;
	default:
		if (th && type == t->arch->extended_note)
			th->xstate = b;
		break;
	}
}

static bool is_owner(const char *owner, const uint8_t *name, uint32_t namesz)
{
	size_t n = strlen(owner);

	/* Some writers leave the NUL out. */
	return (namesz == n || (namesz == n + 1 && !name[n])) && !memcmp(name, owner, n);
}

/* The owner's name says what a type means; what others put into a core is theirs. */
static void note_by_owner(struct stk_target *t, const uint8_t *name, uint32_t namesz, uint32_t type,
			  const uint8_t *desc, uint32_t descsz)
{
	static const char *const systems[] = {"FreeBSD", "NetBSD-CORE", "OpenBSD"};

	if (is_owner("CORE", name, namesz) || is_owner("LINUX", name, namesz)) {
		note_one(t, type, desc, descsz);
		return;
	}
	if (is_owner(STK_NOTE_OWNER, name, namesz)) {
		note_own(t, type, desc, descsz);
		return;
	}
	/* NetBSD's notes of a thread are of NetBSD-CORE@1. */
	for (unsigned i = 0; i < sizeof(systems) / sizeof(*systems); i++)
		if (namesz >= strlen(systems[i]) && !memcmp(name, systems[i], strlen(systems[i])))
			t->system = systems[i];
}

/* gABI, "Note Section": name and contents are padded to the alignment of the header, which is 4 or
 * 8. */
static bool parse(struct stk_target *t, const uint8_t *bytes, size_t len, unsigned align, bool dry)
{
	struct stk_cur c = stk_cur_init(bytes, len);
	uint64_t mask = align - 1;

	while (stk_cur_left(&c) >= 12 && stk_spend(&t->pool.budget, 1)) {
		uint32_t namesz = stk_cur_u32(&c), descsz = stk_cur_u32(&c), type = stk_cur_u32(&c);
		uint64_t name_len = ((12 + (uint64_t)namesz + mask) & ~mask) - 12;
		const uint8_t *name = stk_cur_bytes(&c, name_len);
		const uint8_t *desc = stk_cur_bytes(&c, descsz);
		if (c.bad || !desc)
			return false;
		uint64_t pad = -(uint64_t)descsz & mask;
		stk_cur_skip(&c, pad <= stk_cur_left(&c) ? pad : stk_cur_left(&c));
		if (!dry)
			note_by_owner(t, name, namesz, type, desc, descsz);
	}
	return true;
}

void stk_notes_parse(struct stk_target *t, const uint8_t *bytes, size_t len, uint64_t align)
{
	/* Many say 8 and pad to 4. */
	unsigned unit = align == 8 && parse(t, bytes, len, 8, true) ? 8 : 4;

	if (!parse(t, bytes, len, unit, false))
		stk_remark(t, true, "the notes of the core are damaged or cut off");
}

static int by_tid(const void *a, const void *b)
{
	const struct stk_thread *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Writers other than the kernel may leave pr_pid out. */
static void number_unknown(struct stk_target *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->nthreads; i++)
		n += !t->threads[i].tid;
	if (n == 1 && t->nthreads == 1 && t->psinfo.pid)
		t->threads[0].tid = t->psinfo.pid; /* the only thread of a process is its leader */
	else if (n)
		stk_remark(
		    t, true,
		    "the core does not tell the numbers of %u of its %u threads: tid 0 stands "
		    "for what is not known",
		    n, t->nthreads);
}

void stk_notes_number_threads(struct stk_target *t)
{
	number_unknown(t);
	if (t->nthreads > 2)
		qsort(t->threads + 1, t->nthreads - 1, sizeof(*t->threads), by_tid);
	for (unsigned i = 0; i < t->nthreads; i++) {
		t->threads[i].num = (int)i + 1;
		/* pr_fname is the comm of the thread group's leader (fill_psinfo()). */
		if (t->psinfo.present && t->threads[i].tid == t->psinfo.pid)
			t->threads[i].name = t->psinfo.fname;
	}
}
