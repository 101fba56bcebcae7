/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cores.h"
#include "session.h"

void options_usage(FILE *out)
{
	fputs(
	    "usage: corectl [OPTIONS] CORE [BIN]             open a core (either order)\n"
	    "       corectl [OPTIONS] core [BIN] [CORE]      the same; CORE is ./core by default\n"
	    "       corectl [OPTIONS] -p PID [BIN]           look at a process; also attach PID\n"
	    "       corectl [OPTIONS] stack CORE|PID [BIN]   print every thread and leave\n"
	    "       corectl gcore [OPTIONS] PID              write the core of a process; gcore "
	    "--help\n"
	    "       corectl run [--no-follow] PROG ARGS      run PROG with libstack preloaded; "
	    "with\n"
	    "                         --no-follow its children run without\n"
	    "options:\n"
	    "  -batch            no prompt: run the commands given and leave\n"
	    "  -ex COMMAND       run a command (may be repeated)\n"
	    "  -x FILE           run the commands of a file\n"
	    "  -c CORE           the core, as debuggers take it\n"
	    "  --hold            a live process stays stopped until `detach' or the end\n"
	    "  --all             stack: frames of the runtime too, and fp, sp, pc of each\n"
	    "  --debug-dir DIR   search DIR for debug files before /usr/lib/debug\n"
	    "  --sysroot DIR     put DIR before the paths of the target\n"
	    "  --no-cache        neither use nor keep inflated debug files\n"
	    "  --color WHEN      auto, always or never\n"
	    "  --help, --version\n",
	    out);
}

static int usage(const char *what, const char *arg)
{
	fprintf(stderr, "corectl: %s%s%s; see corectl --help\n", what, arg ? ": " : "",
		arg ? arg : "");
	return 64;
}

/* Options with a value: "--name VALUE", "--name=VALUE", with one dash or two. */
static const char *value_of(const char *name, char **argv, int argc, int *i, bool *missing)
{
	const char *a = argv[*i];
	size_t n = strlen(name);

	a += *a == '-';
	a += *a == '-';
	if (strncmp(a, name, n) != 0)
		return NULL;
	if (a[n] == '=' && n > 1)
		return a + n + 1;
	if (a[n])
		return NULL;
	if (*i + 1 >= argc) {
		*missing = true;
		return NULL;
	}
	return argv[++*i];
}

static bool flag(const char *name, const char *a)
{
	a += *a == '-';
	a += *a == '-';
	return !strcmp(a, name);
}

static void add_command(struct options *o, const char *text, bool is_file)
{
	o->commands[o->ncommands] = text;
	o->is_file[o->ncommands++] = is_file;
}

/* Digits alone; 0: something else. */
static int pid_of(const char *text)
{
	size_t n = strlen(text);

	return n && n < 10 && strspn(text, "0123456789") == n ? (int)strtol(text, NULL, 10) : 0;
}

static int parse_option(struct options *o, int argc, char **argv, int *i)
{
	bool missing = false;
	const char *v, *a = argv[*i];

	if ((v = value_of("ex", argv, argc, i, &missing)) ||
	    (v = value_of("eval-command", argv, argc, i, &missing)))
		add_command(o, v, false);
	else if (!missing && ((v = value_of("x", argv, argc, i, &missing)) ||
			      (v = value_of("command", argv, argc, i, &missing))))
		add_command(o, v, true);
	else if (!missing && ((v = value_of("c", argv, argc, i, &missing)) ||
			      (v = value_of("core", argv, argc, i, &missing))))
		o->core = v;
	else if (!missing && (v = value_of("debug-dir", argv, argc, i, &missing)))
		o->debug_dir = v;
	else if (!missing && (v = value_of("sysroot", argv, argc, i, &missing)))
		o->sysroot = v;
	else if (!missing && ((v = value_of("p", argv, argc, i, &missing)) ||
			      (v = value_of("pid", argv, argc, i, &missing))))
		return (o->pid = pid_of(v)) ? 0 : usage("-p takes the number of a process, not", v);
	else if (!missing && (v = value_of("color", argv, argc, i, &missing)))
		return screen_parse_color(v, &o->color)
			   ? 0
			   : usage("--color takes auto, always or never, not", v);
	else if (missing)
		return usage("the option needs a value", a);
	else if (flag("batch", a))
		o->batch = true;
	else if (flag("no-cache", a))
		o->no_cache = true;
	else if (flag("help", a) || flag("h", a))
		o->help = true;
	else if (flag("version", a))
		o->version = true;
	else if (flag("dump-commands", a))
		o->dump_commands = true;
	else if (flag("hold", a))
		o->hold = true;
	else if (flag("all", a))
		o->all = true;
	else
		return usage("unknown option", a);
	return 0;
}

static bool verb_is(const struct options *o, const char *verb)
{
	return o->verb && !strcmp(o->verb, verb);
}

/* An operand of digits alone is a process, also where a file has that name (./4242), except after
 * the verb `core`. What is left over is the program. */
static int process_operands(struct options *o, const char **v, unsigned n)
{
	if (o->core)
		return usage("a core and a process", o->core);
	for (unsigned i = 0; i < n; i++) {
		int pid = o->pid ? 0 : pid_of(v[i]);
		if (pid)
			o->pid = pid;
		else if (!o->bin)
			o->bin = v[i];
		else
			return usage("too many files", v[i]);
	}
	return o->pid ? 0 : usage("attach takes the number of a process", n ? v[0] : NULL);
}

static bool names_process(const struct options *o, const char **v, unsigned n)
{
	bool any = o->pid || verb_is(o, "attach");

	for (unsigned i = 0; i < n && !verb_is(o, "core"); i++)
		any |= pid_of(v[i]) != 0;
	return any;
}

/* Which operand is the core: the one whose ELF type says so. */
static int sort_operands(struct options *o, const char **v, unsigned n)
{
	const char *rest[2];
	unsigned k = 0;

	if (names_process(o, v, n))
		return process_operands(o, v, n);
	if (o->hold)
		return usage("--hold is for a live process", NULL);
	for (unsigned i = 0; i < n; i++) {
		bool core = cores_is_core(v[i]);
		if (core && o->core)
			return usage("more than one core", v[i]);
		if (core)
			o->core = v[i];
		else if (k < 2)
			rest[k++] = v[i];
		else
			return usage("too many files", v[i]);
	}
	if (!o->core && k == 2)
		o->core = rest[0], rest[0] = rest[1], k = 1;
	if (!o->core && verb_is(o, "core")) {
		o->core = cores_newest();
		o->searched = true;
	}
	if (!o->core && k) {
		o->core = rest[0];
		k = 0;
	}
	if (k == 2)
		return usage("more than one program", rest[1]);
	if (k)
		o->bin = rest[0];
	return o->core ? 0 : usage("no core or process given", NULL);
}

int options_parse(struct options *o, int argc, char **argv)
{
	const char *v[3];
	unsigned n = 0;
	bool only_files = false;

	o->commands = calloc((size_t)argc, sizeof(*o->commands));
	o->is_file = calloc((size_t)argc, sizeof(*o->is_file));
	if (!o->commands || !o->is_file)
		return usage("out of memory", NULL);
	for (int i = 1; i < argc; i++) {
		if (!only_files && !strcmp(argv[i], "--")) {
			only_files = true;
			continue;
		}
		if (!only_files && argv[i][0] == '-' && argv[i][1]) {
			int r = parse_option(o, argc, argv, &i);
			if (r)
				return r;
			continue;
		}
		bool first = !n && !o->verb && !only_files;
		if (first && (!strcmp(argv[i], "core") || !strcmp(argv[i], "stack") ||
			      !strcmp(argv[i], "attach"))) {
			o->verb = argv[i];
			continue;
		}
		if (first && !strcmp(argv[i], "run"))
			return run_parse(&o->run, argv + i + 1, &o->help) ? 0 : 64;
		if (n == 3)
			return usage("too many files", argv[i]);
		v[n++] = argv[i];
	}
	if (o->help || o->version || o->dump_commands)
		return 0;
	return sort_operands(o, v, n);
}
