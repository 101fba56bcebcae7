/* Lines: pc → file and line, prologue ends, source files by name. */
#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

#include "symbols/debug.h"
#include "symbols/lines.h"

/* As libdw gives them, where the unit's own program is not at hand (split debug information). */
static void rows_of_libdw(struct stk_unit *u, struct stk_lines *ls)
{
	Dwarf_Lines *lines;
	size_t n;

	if (dwarf_getsrclines(&u->die, &lines, &n))
		return;
	for (size_t i = 0; i < n && stk_spend(u->budget, 1); i++) {
		Dwarf_Line *l = dwarf_onesrcline(lines, i);
		struct stk_line row = {0};
		Dwarf_Addr addr = 0;
		int line = 0, column = 0;
		bool end = false;
		dwarf_lineaddr(l, &addr);
		dwarf_lineno(l, &line);
		dwarf_linecol(l, &column);
		dwarf_linebeginstatement(l, &row.stmt);
		dwarf_lineprologueend(l, &row.prologue_end);
		dwarf_lineendsequence(l, &end);
		row.addr = addr;
		row.line = (uint32_t)line;
		row.column = (uint16_t)column;
		row.name = dwarf_linesrc(l, NULL, NULL);
		if (!stk_lines_add(ls, &row, end, u->budget))
			break;
	}
	stk_lines_sort(ls);
}

static struct stk_lines *lines_of(struct stk_unit *u)
{
	Dwarf_Attribute a;
	Dwarf_Word off;

	if (u->lines)
		return u->lines;
	u->lines = calloc(1, sizeof(*u->lines));
	if (!u->lines)
		return NULL;
	Dwarf *dw = dwarf_cu_getdwarf(u->die.cu);
	const Elf_Data *d = dw ? stk_dwarf_section(dwarf_getelf(dw), ".debug_line") : NULL;
	if (d && !dwarf_formudata(dwarf_attr(&u->die, DW_AT_stmt_list, &a), &off)) {
		struct stk_cur c = stk_cur_init(d->d_buf, d->d_size);
		if (stk_lines_read(&c, off, u->budget, u->lines))
			return u->lines;
		stk_lines_done(u->lines);
	}
	rows_of_libdw(u, u->lines);
	/* What is not whole could give the line of another address. */
	if (u->budget->over)
		stk_lines_done(u->lines);
	return u->lines;
}

/* Among rows of one address the statement is meant (DWARF 5 §6.2.2, is_stmt). */
static const struct stk_line *prefer_stmt(const struct stk_line *first, const struct stk_line *row)
{
	for (const struct stk_line *r = row; r >= first && r->addr == row->addr && r->line; r--)
		if (r->stmt)
			return r;
	return row;
}

/* Line 0: the compiler could not tell which (§6.2.2). The nearest row before it in the function
 * that has one, else behind it. */
static const struct stk_line *nearest(const struct stk_lines *ls, const struct stk_line_seq *seq,
				      const struct stk_line *row, const struct stk_range *func)
{
	const struct stk_line *first = &ls->v[seq->first], *end = first + seq->n;

	for (const struct stk_line *r = row; r >= first && r->addr >= func->start; r--)
		if (r->line && r->file == row->file)
			return r;
	for (const struct stk_line *r = row; r < end && r->addr < func->end; r++)
		if (r->line && r->file == row->file)
			return r;
	return row;
}

static const char *file_name(struct stk_unit *u, const struct stk_line *row)
{
	Dwarf_Files *files;
	size_t n;

	if (row->name)
		return row->name;
	if (dwarf_getsrcfiles(&u->die, &files, &n) || row->file >= n)
		return NULL;
	return dwarf_filesrc(files, row->file, NULL, NULL);
}

bool stk_unit_line(struct stk_module *m, struct stk_unit *u, uint64_t addr,
		   struct stk_place_line *ret)
{
	struct stk_range func = {0, UINT64_MAX, 0};
	const struct stk_lines *ls = lines_of(u);
	Dwarf_Die die;

	(void)stk_function_die(u, addr, &die, &func);
	const struct stk_line_seq *seq = ls ? stk_lines_seq(ls, addr, func.start) : NULL;
	if (!seq)
		return false;
	const struct stk_line *row = prefer_stmt(&ls->v[seq->first], stk_lines_row(ls, seq, addr));
	const char *name = stk_unit_path(m, &u->die, file_name(u, row));
	bool near = !row->line;
	if (near)
		row = nearest(ls, seq, row, &func);
	if (!name || !row->line)
		return false;
	*ret = (struct stk_place_line){name, row->line, near ? 0 : row->column, near};
	return true;
}

uint64_t stk_unit_prologue_end(struct stk_unit *u, uint64_t entry, uint64_t end)
{
	const struct stk_lines *ls = lines_of(u);
	const struct stk_line_seq *seq = ls ? stk_lines_seq(ls, entry, entry) : NULL;
	uint64_t second = 0;

	if (!seq)
		return 0;
	const struct stk_line *last = &ls->v[seq->first] + seq->n;
	for (const struct stk_line *r = stk_lines_row(ls, seq, entry); r < last && r->addr < end;
	     r++) {
		if (r->prologue_end)
			return r->addr;
		if (!second && r->addr > entry)
			second = r->addr;
	}
	/* gcc marks no prologue end: its second row is where the body begins. */
	return second;
}

unsigned stk_unit_body(struct stk_unit *u, uint64_t entry, uint64_t end, uint64_t *ret,
		       unsigned max)
{
	uint64_t at = stk_unit_prologue_end(u, entry, end);
	const struct stk_lines *ls = lines_of(u);
	const struct stk_line_seq *seq = at ? stk_lines_seq(ls, entry, entry) : NULL;
	unsigned n = 0;

	if (!seq)
		return 0;
	const struct stk_line *last = &ls->v[seq->first] + seq->n;
	for (const struct stk_line *r = stk_lines_row(ls, seq, at);
	     n < max && r < last && r->addr < end; r++)
		if (!n || r->addr > ret[n - 1])
			ret[n++] = r->addr;
	return n;
}

/* dwarf_decl_file() fails an assertion on split units (elfutils 0.188). */
const char *stk_die_decl_file(struct stk_module *m, Dwarf_Die *die)
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
	return stk_unit_path(m, &unit, dwarf_filesrc(files, number, NULL, NULL));
}

bool stk_line_at(struct stk_module *m, uint64_t pc, struct stk_place_line *ret)
{
	struct stk_debug *d = stk_debug_get(m);
	struct stk_unit *u = d ? stk_unit_at(d, pc - m->bias) : NULL;

	return u && stk_unit_line(m, u, pc - m->bias, ret);
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
		for (unsigned j = 0; d && j < d->units.n; j++) {
			Dwarf_Files *files;
			size_t n;
			if (dwarf_getsrcfiles(&d->units.v[j].die, &files, &n))
				continue;
			for (size_t k = 0; k < n && stk_spend(stk_budget_of(ms->target), 1); k++) {
				const char *path =
				    stk_unit_path(ms->v[i], &d->units.v[j].die,
						  dwarf_filesrc(files, k, NULL, NULL));
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
