/* NORMAL context, all of it. */
#include "signal/state/options.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/signals.h"
#include "signal/state/action.h"

#define BIT(sig) (1ULL << ((sig)-1))

struct word {
	const char *text;
	unsigned value;
};

static int find_word(const struct word *w, unsigned n, const char *s, uint8_t *ret)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(w[i].text, s)) {
			*ret = (uint8_t)w[i].value;
			return 0;
		}
	return -EINVAL;
}

#define FIND(words, s, ret) find_word(words, sizeof(words) / sizeof(*(words)), s, ret)

static int set_traceback(struct stk_options *o, const char *s)
{
	static const struct word words[] = {
	    {"none", STK_LEVEL_NONE},     {"0", STK_LEVEL_NONE},      {"single", STK_LEVEL_SINGLE},
	    {"1", STK_LEVEL_SINGLE},      {"all", STK_LEVEL_ALL},     {"2", STK_LEVEL_ALL},
	    {"system", STK_LEVEL_SYSTEM}, {"crash", STK_LEVEL_CRASH}, {"off", STK_LEVEL_OFF}};

	return FIND(words, s, &o->level);
}

static int set_sigquit(struct stk_options *o, const char *s)
{
	static const struct word words[] = {{"die", STK_SIGQUIT_DIE},
					    {"continue", STK_SIGQUIT_CONTINUE},
					    {"exit", STK_SIGQUIT_EXIT},
					    {"off", STK_SIGQUIT_OFF}};

	return FIND(words, s, &o->sigquit);
}

static int set_args(struct stk_options *o, const char *s)
{
	static const struct word words[] = {{"words", 0}, {"names", 1}, {"none", 2}};

	return FIND(words, s, &o->args);
}

/* Names with or without SIG, separated by commas or blanks. */
static int set_signals(struct stk_options *o, const char *s)
{
	uint64_t set = 0;

	while (*s) {
		char name[24] = "SIG";
		size_t n = strcspn(s, ", ");
		size_t at = n > 3 && !strncmp(s, "SIG", 3) ? 0 : 3;
		if (n && at + n < sizeof(name)) {
			memcpy(name + at, s, n);
			name[at + n] = 0;
		}
		int sig = n ? stk_signal_number(name, (unsigned)strlen(name)) : 0;
		if (n && (!sig || sig > 31 || !(BIT(sig) & stk_signals_all())))
			return -EINVAL;
		if (n)
			set |= BIT(sig);
		s += n;
		s += strspn(s, ", ");
	}
	o->signals = set;
	return 0;
}

static int set_path(char *to, size_t cap, const char *s)
{
	if (strlen(s) >= cap)
		return -EINVAL;
	strcpy(to, s);
	return 0;
}

static int set_output(struct stk_options *o, const char *s)
{
	return set_path(o->output, sizeof(o->output), s);
}

static int set_helper(struct stk_options *o, const char *s)
{
	return set_path(o->helper, sizeof(o->helper), s);
}

static int set_core(struct stk_options *o, const char *s)
{
	return set_path(o->core, sizeof(o->core), s);
}

/* Seconds, "10" or "0.5": strtod(3) would want the comma of the program's locale. */
static int set_timeout(struct stk_options *o, const char *s)
{
	unsigned long ms = 0, unit = 1000;
	bool above = false, digits = false;
	const char *p = s;

	for (; *p >= '0' && *p <= '9' && ms <= 3600000; p++) {
		ms = 10 * ms + (unsigned)(*p - '0') * 1000;
		digits = true;
		above |= *p != '0';
	}
	for (p += *p == '.'; *p >= '0' && *p <= '9'; p++) {
		ms += (unsigned)(*p - '0') * (unit /= 10);
		digits = true;
		above |= *p != '0';
	}
	if (*p || !digits || !above || ms > 3600000)
		return -EINVAL;
	o->timeout_ms = ms < 100 ? 100 : (unsigned)ms;
	return 0;
}

struct variable {
	const char *name, *expected;
	int (*set)(struct stk_options *o, const char *s);
	size_t member; /* of struct libstack_options; 0: none */
};

static const struct variable variables[] = {
    {"LIBSTACK_TRACEBACK", "none, single, all, system, crash or off", set_traceback,
     offsetof(struct libstack_options, traceback)},
    {"LIBSTACK_SIGQUIT", "die, continue, exit or off", set_sigquit,
     offsetof(struct libstack_options, sigquit)},
    {"LIBSTACK_OUTPUT", "a path of at most 511 bytes", set_output,
     offsetof(struct libstack_options, output)},
    {"LIBSTACK_SIGNALS", "names out of SEGV BUS FPE ILL ABRT SYS TRAP QUIT", set_signals,
     offsetof(struct libstack_options, signals)},
    {"LIBSTACK_ARGS", "words, names or none", set_args, offsetof(struct libstack_options, args)},
    {"LIBSTACK_HELPER", "a path of at most 511 bytes", set_helper,
     offsetof(struct libstack_options, helper)},
    {"LIBSTACK_CORE", "a path of at most 511 bytes", set_core, 0},
    {"LIBSTACK_TIMEOUT", "seconds, above 0, at most 3600", set_timeout, 0},
};

#define VARIABLES (sizeof(variables) / sizeof(*variables))

int stk_options_read(const struct libstack_options *o, struct stk_options *ret)
{
	*ret = (struct stk_options){
	    .level = STK_LEVEL_ALL, .signals = stk_signals_all(), .timeout_ms = 10000};
	for (unsigned i = 0; o && i < VARIABLES; i++) {
		const struct variable *v = &variables[i];
		if (!v->member || v->member + sizeof(char *) > o->size)
			continue;
		const char *s = *(const char *const *)((const char *)o + v->member);
		if (s && v->set(ret, s))
			return -EINVAL;
	}
	if (o && o->size >= sizeof(*o) && o->timeout)
		ret->timeout_ms = (o->timeout > 3600 ? 3600 : o->timeout) * 1000;
	for (unsigned i = 0; i < VARIABLES; i++) {
		const char *s = secure_getenv(variables[i].name);
		if (s && *s && variables[i].set(ret, s))
			fprintf(stderr,
				"libstack: %s=%s is not known, using the default; it takes %s\n",
				variables[i].name, s, variables[i].expected);
	}
	/* Who may not read a set-uid program's memory must not read of it in a report either. */
	ret->secure = getauxval(AT_SECURE) != 0;
	return 0;
}
