/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "operands.h"

#include "cores.h"
#include "targets/target.h"

/* The operand of digits alone is the process, unless -p names it; the other one is the program. */
int operands_process(struct options *o)
{
	if (o->core)
		return options_wrong(o, "a core and a process", o->core);
	for (unsigned i = 0; i < o->noperands; i++) {
		const char *text = o->operands[i];
		int pid = o->pid ? 0 : options_pid(text);
		if (pid)
			o->pid = pid;
		else if (!o->bin)
			o->bin = text;
		else
			return options_wrong(o, "too many files", text);
	}
	if (o->pid)
		return 0;
	return o->bin ? options_wrong(o, "not a process id", o->bin)
		      : options_wrong(o, "no process given", NULL);
}

int operands_only_process(struct options *o)
{
	for (unsigned i = 0; i < o->noperands; i++) {
		int pid = options_pid(o->operands[i]);
		if (!pid || o->pid)
			return options_wrong(o, pid ? "more than one process" : "not a process id",
					     o->operands[i]);
		o->pid = pid;
	}
	return o->pid ? 0 : options_wrong(o, "no process given", NULL);
}

static bool is_program(const char *path)
{
	return stk_elf_kind(path, NULL) == 'x';
}

/* The core is the one whose ELF type says so; of two that are none, it is the one that is no
 * program, else the first, so that opening it tells what is wrong with it. */
static int files(struct options *o, bool search)
{
	const char *rest[2];
	unsigned n = 0;

	if (o->hold)
		return options_wrong(o, "--hold is for a live process", NULL);
	for (unsigned i = 0; i < o->noperands; i++) {
		const char *path = o->operands[i];
		bool core = cores_is_core(path);
		if (core && o->core)
			return options_wrong(o, "more than one core", path);
		if (core)
			o->core = path;
		else if (n < 2)
			rest[n++] = path;
		else
			return options_wrong(o, "too many files", path);
	}
	/* What is neither a core nor a program is no program. */
	if (search && !o->core && n == 1 && stk_elf_kind(rest[0], NULL) == '?')
		o->core = rest[0], n = 0;
	o->searched = search && !o->core && n < 2;
	if (o->searched)
		o->core = cores_newest();
	const char **next = rest;
	if (!o->core && n == 2 && is_program(rest[0]) && !is_program(rest[1])) {
		o->core = rest[1];
		n = 1;
	}
	if (!o->core && n)
		o->core = *next++, n--;
	if (n > 1)
		return options_wrong(o, "more than one program", next[1]);
	o->bin = n ? *next : NULL;
	return o->core ? 0 : options_wrong(o, "no core or process given", NULL);
}

int operands_any(struct options *o)
{
	bool process = o->pid;

	for (unsigned i = 0; i < o->noperands; i++)
		process |= options_pid(o->operands[i]) != 0;
	return process ? operands_process(o) : files(o, false);
}

int operands_core(struct options *o)
{
	return o->pid ? operands_process(o) : files(o, true);
}
