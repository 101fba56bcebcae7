/* Which memory goes into a core. */
#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/search.h"
#include "base/text.h"
#include "targets/dump_parts.h"

static void parse_field(const char *line, struct stk_vma *v)
{
	if (!strncmp(line, "Anonymous:", 10) || !strncmp(line, "Swap:", 5)) {
		v->touched |= strtoull(strchr(line, ':') + 1, NULL, 10) != 0 && !v->shared;
	} else if (!strncmp(line, "VmFlags:", 8)) {
		v->dontdump = strstr(line, " dd") != NULL;
		v->io = strstr(line, " io") || strstr(line, " pf");
		v->huge = strstr(line, " ht") != NULL;
		v->served = strstr(line, " um") || strstr(line, " ui");
	}
}

static int read_vmas(struct stk_pool *pool, int pid, const char *name, struct stk_vmas *ret,
		     struct stk_err *err)
{
	char *text = stk_proc_read(pool, pid, name, NULL), *save = NULL;
	unsigned cap = 0;

	if (!text || !*text)
		return stk_fail_sys(err, text ? ESRCH : errno, "the memory map of process %d", pid);
	/* A head begins with a small hexadecimal digit, a field with a capital letter. */
	for (const char *p = text; p; p = strchr(p, '\n'))
		p += *p == '\n', cap += isxdigit((unsigned char)*p) && !isupper((unsigned char)*p);
	ret->n = 0;
	ret->v = stk_pool_alloc(pool, (cap + 1) * sizeof(*ret->v));
	if (!ret->v)
		return stk_fail(err, STK_ENOMEM, "out of memory");
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (isupper((unsigned char)*l) && ret->n)
			parse_field(l, &ret->v[ret->n - 1]);
		else if (ret->n < cap && stk_proc_vma(l, &ret->v[ret->n]))
			ret->n++;
	}
	return 0;
}

struct stk_dump_survey {
	struct stk_pool pool;
	struct stk_vmas vmas;
};

struct stk_dump_survey *stk_dump_survey_new(int pid)
{
	struct stk_dump_survey *s = calloc(1, sizeof(*s));

	if (s && read_vmas(&s->pool, stk_proc_mm_tid(pid), "smaps", &s->vmas, NULL)) {
		stk_dump_survey_free(s);
		return NULL;
	}
	return s;
}

void stk_dump_survey_free(struct stk_dump_survey *s)
{
	if (s)
		stk_pool_done(&s->pool);
	free(s);
}

/* A mapping may have grown, or be new: then it was touched. What can be written may have been
 * since, too: that is looked for once more when it is copied. */
static void add_survey(struct stk_vma *v, const struct stk_vmas *before)
{
	const struct stk_vma *b = stk_vma_at(before, v->start);

	v->touched = !v->shared && (!b || b->touched || v->w || b->end != v->end);
	v->dontdump = b && b->dontdump;
	v->io = b ? b->io : !strncmp(v->path, "[vvar", 5);
	v->huge = b && b->huge;
	v->served = b && b->served;
}

int stk_vmas_read(struct stk_dump *d, struct stk_vmas *ret, struct stk_err *err)
{
	const struct stk_dump_survey *s = d->o.survey;
	int r = read_vmas(&d->t->pool, d->mm_tid, s ? "maps" : "smaps", ret, err);

	for (unsigned i = 0; !r && s && i < ret->n; i++)
		add_survey(&ret->v[i], &s->vmas);
	return r;
}

const struct stk_vma *stk_vma_at(const struct stk_vmas *m, uint64_t addr)
{
	unsigned k = STK_PARTITION_POINT(m->n, i, m->v[i].end <= addr);

	return k < m->n && m->v[k].start <= addr ? &m->v[k] : NULL;
}

bool stk_vma_is_file(const struct stk_vma *v)
{
	return v->inode != 0 || v->path[0] == '/';
}

unsigned stk_dump_filter(struct stk_dump *d)
{
	char *s = stk_proc_read(&d->t->pool, d->mm_tid, "coredump_filter", NULL);

	return s && *s ? (unsigned)strtoul(s, NULL, 16) : 0x33; /* the default of core(5) */
}

/* Without a question to the server of a file system that may not answer: the process stands. */
static bool stat_quickly(const char *path, struct statx *st)
{
	return !statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_MODE | STATX_NLINK, st);
}

/* The mapped file, whatever became of its name; where that may not be looked at, by its name. */
static bool stat_file(struct stk_dump *d, const struct stk_vma *v, struct statx *st)
{
	char path[4200];
	struct stk_text t;

	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/map_files/%llx-%llx", d->mm_tid, (unsigned long long)v->start,
		   (unsigned long long)v->end);
	if (stat_quickly(path, st))
		return true;
	stk_text_init(&t, path, sizeof(path));
	stk_printf(&t, "/proc/%d/root%s", d->mm_tid, v->path);
	return v->path[0] == '/' && !t.cut && stat_quickly(path, st);
}

static bool has_no_name(struct stk_dump *d, const struct stk_vma *v)
{
	static const char gone[] = " (deleted)";
	size_t n = strlen(v->path), k = sizeof(gone) - 1;
	struct statx st;

	if (n > k && !strcmp(v->path + n - k, gone))
		return !stat_file(d, v, &st) || st.stx_nlink == 0;
	return !stk_vma_is_file(v) || v->path[0] == '[';
}

/* The page that tells which file this is. */
static bool is_module_head(struct stk_dump *d, const struct stk_vma *v)
{
	uint8_t magic[SELFMAG];
	struct statx st;

	if (v->file_off || !v->r)
		return false;
	if (!stk_mem_read(d->t, v->start, magic, sizeof(magic), NULL) &&
	    !memcmp(magic, ELFMAG, SELFMAG))
		return true;
	return stat_file(d, v, &st) && (st.stx_mode & 0111);
}

/* Code and read-only data of a program or a library that was deleted or replaced since: no file has
 * them any more. (The kernel leaves them out; gdb keeps every private mapping of a deleted file.)
 */
static bool is_lost_image(struct stk_dump *d, const struct stk_vmas *m, const struct stk_vma *v)
{
	const struct stk_vma *first = v, *end = m->v + m->n;

	if (!v->r || v->shared || !stk_vma_is_file(v) || !has_no_name(d, v))
		return false;
	while (first > m->v && !strcmp(first[-1].path, v->path))
		first--;
	for (; first < end && !strcmp(first->path, v->path); first++)
		if (first->x)
			return true;
	return false;
}

/* The bits of coredump_filter. */
enum {
	ANON_PRIVATE = 1,
	ANON_SHARED = 2,
	FILE_PRIVATE = 4,
	FILE_SHARED = 8,
	ELF_HEADERS = 16,
	HUGE_PRIVATE = 32,
	HUGE_SHARED = 64
};

uint64_t stk_vma_wanted(struct stk_dump *d, const struct stk_vmas *m, const struct stk_vma *v,
			unsigned filter)
{
	uint64_t whole = v->end - v->start;

	/* [vvar] is the kernel's own data, [vsyscall] is mostly for execution only: nothing reads
	 * them from outside. The kernel leaves zeros in their place. */
	if (v->io)
		return 0;
	if (v->path[0] == '[' && (v->path[1] == 'v' || !strcmp(v->path, "[uprobes]")))
		return v->r && strncmp(v->path, "[vvar", 5) ? whole : 0;
	if (d->o.full)
		return v->touched || v->shared || v->huge || (stk_vma_is_file(v) && v->r) ? whole
											  : 0;
	if (v->dontdump)
		return 0;
	if (v->huge)
		return filter & (v->shared ? HUGE_SHARED : HUGE_PRIVATE) ? whole : 0;
	if (v->shared)
		return filter & (has_no_name(d, v) ? ANON_SHARED : FILE_SHARED) ? whole : 0;
	if (v->touched && (filter & ANON_PRIVATE))
		return whole;
	if (!stk_vma_is_file(v))
		return 0;
	if ((filter & FILE_PRIVATE) || ((filter & ELF_HEADERS) && is_lost_image(d, m, v)))
		return whole;
	return (filter & ELF_HEADERS) && is_module_head(d, v) ? STK_PAGE : 0;
}
