/* Lines: pc → file and line, prologue ends, source files by name. */
#include <dwarf.h>
#include <string.h>

#include "symbols/debug.h"

/* The last row at or below `addr`; rows are sorted by address, an end of sequence before what
 * begins there. */
static Dwarf_Line *row_at(Dwarf_Lines *lines, size_t n, uint64_t addr, size_t *ret_i)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		Dwarf_Addr a = 0;
		dwarf_lineaddr(dwarf_onesrcline(lines, mid), &a);
		if (a <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	*ret_i = lo - 1;
	return dwarf_onesrcline(lines, lo - 1);
}

/* Among rows of one address the statement is meant (DWARF 5 §6.2.2, is_stmt). */
static Dwarf_Line *prefer_stmt(Dwarf_Lines *lines, size_t i, Dwarf_Line *row)
{
	Dwarf_Addr a = 0, b;
	bool stmt = true;
	int no;

	dwarf_lineaddr(row, &a);
	for (Dwarf_Line *r = row;; r = dwarf_onesrcline(lines, --i)) {
		b = 0;
		if (!r || dwarf_lineaddr(r, &b) || a != b || dwarf_lineno(r, &no) || !no)
			return row;
		if (!dwarf_linebeginstatement(r, &stmt) && stmt)
			return r;
		if (!i)
			return row;
	}
}

bool stk_unit_line(struct stk_unit *u, uint64_t addr, const char **file, unsigned *line,
		   unsigned *column)
{
	Dwarf_Lines *lines;
	size_t n, i;
	bool end = false;
	int no = 0, col = 0;

	if (dwarf_getsrclines(&u->die, &lines, &n))
		return false;
	Dwarf_Line *row = row_at(lines, n, addr, &i);
	if (!row || dwarf_lineendsequence(row, &end) || end)
		return false;
	row = prefer_stmt(lines, i, row);
	const char *name = dwarf_linesrc(row, NULL, NULL);
	if (!name || dwarf_lineno(row, &no) || no <= 0)
		return false;
	dwarf_linecol(row, &col);
	*file = name;
	*line = (unsigned)no;
	if (column)
		*column = (unsigned)col;
	return true;
}

uint64_t stk_unit_prologue_end(struct stk_unit *u, uint64_t entry, uint64_t end)
{
	Dwarf_Lines *lines;
	size_t n, i;
	Dwarf_Addr a, second = 0;

	if (dwarf_getsrclines(&u->die, &lines, &n) || !row_at(lines, n, entry, &i))
		return 0;
	for (; i < n; i++) {
		Dwarf_Line *row = dwarf_onesrcline(lines, i);
		bool mark = false;
		if (dwarf_lineaddr(row, &a) || a >= end)
			break;
		dwarf_lineprologueend(row, &mark);
		if (mark)
			return a;
		if (!second && a > entry)
			second = a;
	}
	/* gcc marks no prologue end: its second row is where the body begins. */
	return second;
}

/* dwarf_decl_file() fails an assertion on split units (elfutils 0.188). */
const char *stk_die_decl_file(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	Dwarf_Word number;
	Dwarf_Die unit;
	Dwarf_Files *files;
	size_t n;

	if (dwarf_formudata(dwarf_attr_integrate(die, DW_AT_decl_file, &a), &number) ||
	    !dwarf_cu_die(a.cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL) ||
	    dwarf_getsrcfiles(&unit, &files, &n))
		return NULL;
	return dwarf_filesrc(files, number, NULL, NULL);
}

bool stk_line_at(struct stk_module *m, uint64_t pc, const char **ret_file, unsigned *ret_line)
{
	struct stk_debug *d = stk_debug_get(m);
	struct stk_unit *u = d ? stk_unit_at(d, pc - m->bias) : NULL;

	return u && stk_unit_line(u, pc - m->bias, ret_file, ret_line, NULL);
}

static bool ends_with_path(const char *path, const char *name)
{
	size_t a = strlen(path), b = strlen(name);

	return a >= b && !strcmp(path + a - b, name) &&
	       (a == b || path[a - b - 1] == '/' || name[0] == '/');
}

/* Call `fn` for each source file of each unit until it returns false. */
static void each_source(struct stk_modules *ms, bool (*fn)(void *arg, const char *path), void *arg)
{
	for (unsigned i = 0; i < ms->n; i++) {
		struct stk_debug *d = stk_debug_get(ms->v[i]);
		for (unsigned j = 0; d && j < d->nunits; j++) {
			Dwarf_Files *files;
			size_t n;
			if (dwarf_getsrcfiles(&d->units[j].die, &files, &n))
				continue;
			for (size_t k = 0; k < n; k++) {
				const char *path = dwarf_filesrc(files, k, NULL, NULL);
				if (path && !fn(arg, path))
					return;
			}
		}
	}
}

struct find {
	const char *name;
	const char *found;
};

static bool find_one(void *arg, const char *path)
{
	struct find *f = arg;

	if (ends_with_path(path, f->name))
		f->found = path;
	return !f->found;
}

const char *stk_source_find(struct stk_modules *ms, const char *name)
{
	struct find f = {.name = name};

	each_source(ms, find_one, &f);
	return f.found;
}

struct each {
	const char *prefix;
	size_t len;
	bool (*fn)(void *arg, const char *path);
	void *arg;
};

static bool each_one(void *arg, const char *path)
{
	struct each *e = arg;
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;

	if (strncmp(base, e->prefix, e->len) == 0)
		return e->fn(e->arg, base);
	return strncmp(path, e->prefix, e->len) != 0 || e->fn(e->arg, path);
}

void stk_source_each(struct stk_modules *ms, const char *prefix,
		     bool (*fn)(void *arg, const char *path), void *arg)
{
	struct each e = {prefix, strlen(prefix), fn, arg};

	each_source(ms, each_one, &e);
}
