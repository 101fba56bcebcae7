/* The line number program of this program itself, against libdw's reading; cut and flipped. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <dwarf.h>
#include <elfutils/libdw.h>

#include "symbols/lines.h"

static Dwarf *dw;
static struct stk_cur section;

static int begin(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	size_t names;

	(void)state;
	dw = dwarf_begin(fd, DWARF_C_READ);
	if (!dw || elf_getshdrstrndx(dwarf_getelf(dw), &names))
		return -1;
	while ((scn = elf_nextscn(dwarf_getelf(dw), scn)))
		if (gelf_getshdr(scn, &sh) &&
		    !strcmp(elf_strptr(dwarf_getelf(dw), names, sh.sh_name), ".debug_line")) {
			Elf_Data *d = elf_getdata(scn, NULL);
			section = stk_cur_init(d->d_buf, d->d_size);
		}
	return section.p ? 0 : -1;
}

/* Calls `fn` with each unit that has a program. */
static unsigned each_unit(void (*fn)(Dwarf_Die *cu, uint64_t off))
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die cu;
	Dwarf_Attribute a;
	Dwarf_Word off;
	unsigned n = 0;

	while (!dwarf_get_units(dw, unit, &unit, NULL, NULL, &cu, NULL))
		if (!dwarf_formudata(dwarf_attr(&cu, DW_AT_stmt_list, &a), &off)) {
			fn(&cu, off);
			n++;
		}
	return n;
}

static unsigned compared;

/* Each row of libdw's is among ours, in the sequence that its function begins in. */
static struct stk_budget budget;

static void same(Dwarf_Die *cu, uint64_t off)
{
	struct stk_lines ls = {0};
	Dwarf_Lines *lines;
	Dwarf_Files *files;
	size_t n, nfiles, rows = 0;

	assert_int_equal(dwarf_getsrclines(cu, &lines, &n), 0);
	assert_int_equal(dwarf_getsrcfiles(cu, &files, &nfiles), 0);
	assert_int_equal(stk_lines_read(&section, off, &budget, &ls), n > 0);
	for (size_t i = 0; i < n; i++) {
		Dwarf_Line *l = dwarf_onesrcline(lines, i);
		Dwarf_Addr addr;
		int line, column;
		bool stmt, end, found = false;
		dwarf_lineaddr(l, &addr);
		dwarf_lineno(l, &line);
		dwarf_linecol(l, &column);
		dwarf_linebeginstatement(l, &stmt);
		dwarf_lineendsequence(l, &end);
		if (end)
			continue;
		rows++;
		const struct stk_line_seq *seq = stk_lines_seq(&ls, addr, 0);
		for (size_t k = 0; k < ls.n && !found; k++) {
			const struct stk_line *r = &ls.v[k];
			found = r->addr == addr && r->line == (uint32_t)line &&
				r->column == column && r->stmt == stmt && r->file < nfiles &&
				!strcmp(dwarf_filesrc(files, r->file, NULL, NULL),
					dwarf_linesrc(l, NULL, NULL));
		}
		assert_true(found);
		/* A row at the end of its sequence holds no address. */
		if (seq)
			assert_int_equal(stk_lines_row(&ls, seq, addr)->addr, addr);
		compared++;
	}
	assert_int_equal(ls.n, rows);
	stk_lines_done(&ls);
}

static void as_libdw(void **state)
{
	(void)state;
	assert_true(each_unit(same) > 0);
	assert_true(compared > 100);
}

static void hurt(Dwarf_Die *cu, uint64_t off)
{
	size_t left = stk_cur_left(&section) - off, len = left < 4000 ? left : 4000;
	uint8_t *copy = malloc(len);

	(void)cu;
	for (size_t cut = 0; cut < len; cut += 7) {
		struct stk_lines ls = {0};
		struct stk_cur c = stk_cur_init(section.p + off, cut);
		stk_lines_read(&c, 0, &budget, &ls);
		stk_lines_done(&ls);
	}
	for (size_t i = 0; i < 200 && i < len; i++) {
		struct stk_lines ls = {0};
		struct stk_cur c = stk_cur_init(copy, len);
		memcpy(copy, section.p + off, len);
		copy[i] ^= 0xff;
		stk_lines_read(&c, 0, &budget, &ls);
		for (size_t k = 0; k < ls.seqs.n; k++)
			assert_true(ls.seqs.v[k].first + ls.seqs.v[k].n <= ls.n);
		stk_lines_done(&ls);
	}
	free(copy);
}

static void damaged(void **state)
{
	(void)state;
	assert_true(each_unit(hurt) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(as_libdw), cmocka_unit_test(damaged)};

	return cmocka_run_group_tests(tests, begin, NULL);
}
