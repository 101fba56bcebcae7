/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options. getopt_long_only(3) reads the arguments in order, by the names of the table, and
 * each option goes to its field. The first operand may be a verb; once a verb that takes a program
 * has its first operand, the rest belongs to that program. At the end each option that was given
 * must be one of the verb's. Help is written from the same table.
 */
#include "options.h"
#include "say.h"

#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct row {
	const char *name;  /* as help shows it; one dash and two are the same */
	const char *alias; /* another name, without dashes; NULL: none */
	const char *value; /* what it takes; NULL: nothing */
	unsigned verbs;
	size_t
	    at; /* in struct options: a bool, or a string where there is a value; 0: see `take` */
	int (*take)(struct options *o, const char *value);
	const char *help; /* NULL: not shown */
};

static int take_command(struct options *o, const char *value)
{
	o->commands[o->ncommands++] = value;
	return 0;
}

static int take_file(struct options *o, const char *value)
{
	o->is_file[o->ncommands] = true;
	return take_command(o, value);
}

static int take_pid(struct options *o, const char *value)
{
	o->pid = options_pid(value);
	return o->pid ? 0 : options_wrong(o, "-p takes the number of a process, not", value);
}

static int take_color(struct options *o, const char *value)
{
	return screen_parse_color(value, &o->color)
		   ? 0
		   : options_wrong(o, "--color takes auto, always or never, not", value);
}

#define AT(field) offsetof(struct options, field)

static const struct row rows[] = {
    {"-batch", NULL, NULL, FOR_LOOKS | FOR_OTHERS, AT(batch), NULL,
     "no prompt: run the commands given and leave"},
    {"-ex", "eval-command", "COMMAND", FOR_CORE | FOR_ATTACH, 0, take_command,
     "run a command (may be repeated)"},
    {"-x", "command", "FILE", FOR_CORE | FOR_ATTACH, 0, take_file, "run the commands of a file"},
    {"-c", "core", "CORE", FOR_CORE | FOR_STACK, AT(core), NULL, "the core, in gdb's spelling"},
    {"-p", "pid", "PID", FOR_LOOKS | FOR_GCORE, 0, take_pid, "the process, in gdb's spelling"},
    {"--hold", NULL, NULL, FOR_LOOKS, AT(hold), NULL,
     "keep a live process stopped until `detach' or the end"},
    {"--debug-dir", NULL, "DIR", FOR_LOOKS | FOR_OTHERS, AT(debug_dir), NULL,
     "search DIR for debug files before /usr/lib/debug"},
    {"--sysroot", NULL, "DIR", FOR_LOOKS | FOR_OTHERS, AT(sysroot), NULL,
     "put DIR before the paths of the target"},
    {"--no-cache", NULL, NULL, FOR_LOOKS | FOR_OTHERS, AT(no_cache), NULL,
     "neither use nor keep inflated debug files"},
    {"--no-sandbox", NULL, NULL, FOR_LOOKS | FOR_GCORE | FOR_OTHERS, AT(no_sandbox), NULL,
     "keep the rights that corectl was started with"},
    {"--color", NULL, "WHEN", FOR_LOOKS | FOR_OTHERS, 0, take_color,
     "colours: auto, always or never"},
    {"--help", "h", NULL, FOR_ALL, AT(help), NULL,
     "print this; `corectl VERB --help' explains one verb"},
    {"--version", NULL, NULL, FOR_ALL, AT(version), NULL, "print the version"},
    {"--dump-commands", NULL, NULL, FOR_ALL, AT(dump_commands), NULL, NULL},
    {"--all", NULL, NULL, FOR_STACK, AT(all), NULL,
     "show the runtime's frames too, and fp, sp, pc of each"},
    {"-o", NULL, "FILE", FOR_GCORE, AT(out), NULL,
     "where to (default core.PID); FILE.zst is compressed"},
    {"--full", NULL, NULL, FOR_GCORE, AT(full), NULL,
     "all memory, whatever coredump_filter and MADV_DONTDUMP say"},
    {"--stacks-only", NULL, NULL, FOR_GCORE, AT(stacks_only), NULL,
     "registers, stacks and what they point into: a small core"},
    {"--short-pause", NULL, NULL, FOR_GCORE, AT(short_pause), NULL,
     "stop the process for its stacks only: the rest may be newer"},
    {"--no-follow", NULL, NULL, FOR_RUN, AT(no_follow), NULL,
     "the processes that PROG starts run without libstack"},
};

#define ROWS    (sizeof(rows) / sizeof(*rows))
#define OPERAND 1   /* what getopt_long_only() returns for one, because of the '-' */
#define ROW_0   256 /* what it returns for rows[0] */

int options_wrong(const struct options *o, const char *what, const char *arg)
{
	const char *verb = o->verb->name;

	say("%s%s%s%s%s; see corectl %s%s--help", verb ? verb : "", verb ? ": " : "", what,
	    arg ? ": " : "", arg ? arg : "", verb ? verb : "", verb ? " " : "");
	return 64;
}

int options_pid(const char *text)
{
	size_t n = strlen(text);

	return n && n < 10 && strspn(text, "0123456789") == n ? (int)strtol(text, NULL, 10) : 0;
}

static const char *without_dashes(const char *name)
{
	name += *name == '-';
	return name + (*name == '-');
}

/* getopt takes a prefix for the name where no other name begins so. The next option that does would
 * end that: names are to be written out. */
static bool written_out(const struct row *row, const char *given)
{
	const char *text = without_dashes(given), *name = without_dashes(row->name);
	size_t n = strcspn(text, "=");

	return (strlen(name) == n && !memcmp(text, name, n)) ||
	       (row->alias && strlen(row->alias) == n && !memcmp(text, row->alias, n));
}

/* What getopt_long_only() returned for the argument `given`. */
static int take(struct options *o, int found, const char *given, const char *value)
{
	if (found == ':')
		return options_wrong(o, "the option needs a value", given);
	if (found == '?' && optopt >= ROW_0)
		return options_wrong(o, "the option takes no value", given);
	const struct row *row = found == '?' ? NULL : &rows[found - ROW_0];
	if (!row || !written_out(row, given))
		return options_wrong(o, "unknown option", given);
	o->given |= 1U << (found - ROW_0);
	if (row->at == AT(core) && row->value && o->core)
		return options_wrong(o, "more than one core", value);
	if (row->take)
		return row->take(o, value);
	if (row->value)
		*(const char **)((char *)o + row->at) = value;
	else
		*(bool *)((char *)o + row->at) = true;
	return 0;
}

/* The first operand may name the verb. */
static void operand(struct options *o, const struct verb *verbs, const char *text)
{
	if (!o->noperands && o->verb == verbs)
		for (const struct verb *v = verbs + 1; v->run; v++)
			if (!strcmp(v->name, text)) {
				o->verb = v;
				return;
			}
	o->operands[o->noperands++] = text;
}

static int check_given(const struct options *o)
{
	for (unsigned i = 0; i < ROWS; i++)
		if ((o->given >> i & 1) && !(rows[i].verbs & (o->verb->bit | FOR_OTHERS)))
			return options_wrong(o, "the option has no meaning here", rows[i].name);
	return 0;
}

int options_parse(struct options *o, const struct verb *verbs, int argc, char **argv)
{
	struct option names[2 * ROWS + 1] = {0}, *name = names;
	int found, r = 0;

	o->verb = verbs;
	o->operands = calloc((size_t)argc + 1, sizeof(*o->operands));
	o->commands = calloc((size_t)argc + 1, sizeof(*o->commands));
	o->is_file = calloc((size_t)argc + 1, sizeof(*o->is_file));
	if (!o->operands || !o->commands || !o->is_file)
		return options_wrong(o, "out of memory", NULL);
	for (int i = 0; i < (int)ROWS; i++) {
		int has = rows[i].value ? required_argument : no_argument;
		*name++ = (struct option){without_dashes(rows[i].name), has, NULL, ROW_0 + i};
		if (rows[i].alias)
			*name++ = (struct option){rows[i].alias, has, NULL, ROW_0 + i};
	}
	while (!r && !(o->verb->program && o->noperands)) {
		const char *given = argv[optind];
		found = getopt_long_only(argc, argv, "-:", names, NULL);
		if (found == -1)
			break;
		if (found == OPERAND)
			operand(o, verbs, optarg);
		else
			r = take(o, found, given, optarg);
	}
	while (!r && optind < argc) /* what stands behind `--', or belongs to the program */
		o->operands[o->noperands++] = argv[optind++];
	return r ? r : check_given(o);
}

void options_done(struct options *o)
{
	free(o->operands);
	free(o->commands);
	free(o->is_file);
}

static void put_row(FILE *out, const struct row *row)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s%s", row->name, row->value ? " " : "",
		 row->value ? row->value : "");
	if (row->help)
		fprintf(out, "  %-17s %s\n", name, row->help);
}

/* The rows that are for one of `verbs`; `own`: those that are for one verb alone, or those that are
 * not. `head` goes before the first, unless it is NULL. */
static void put_rows(FILE *out, unsigned verbs, bool own, const char *head)
{
	for (unsigned i = 0; i < ROWS; i++) {
		unsigned whose = rows[i].verbs & FOR_ALL;
		if (!(whose & verbs) || !(whose & (whose - 1)) != own)
			continue;
		if (head)
			fprintf(out, "options of %s:\n", head);
		head = NULL;
		put_row(out, &rows[i]);
	}
}

void options_usage(FILE *out, const struct options *o, const struct verb *verbs)
{
	bool all = o->verb == verbs;
	const char *head = "usage:";

	for (const struct verb *v = verbs; v->run; v++) {
		char text[64];
		if (!all && v != o->verb)
			continue;
		snprintf(text, sizeof(text), "%s%s%s", v->name ? v->name : "", v->name ? " " : "",
			 v->synopsis);
		fprintf(out, "%-6s corectl [OPTIONS] %-22s %s\n", head, text, v->help);
		head = "";
	}
	fputs("options:\n", out);
	if (!all)
		put_rows(out, o->verb->bit, true, NULL);
	put_rows(out, all ? FOR_ALL : o->verb->bit, false, NULL);
	for (const struct verb *v = verbs + 1; all && v->run; v++)
		put_rows(out, v->bit, true, v->name);
}
