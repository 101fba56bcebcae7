/* What the environment and libstack_install() ask for. NORMAL context. */
#ifndef SIGNAL_OPTIONS_H
#define SIGNAL_OPTIONS_H

#include <stdint.h>

#include "include/libstack.h"

enum stk_level {
	STK_LEVEL_NONE,
	STK_LEVEL_SINGLE,
	STK_LEVEL_ALL,
	STK_LEVEL_SYSTEM,
	STK_LEVEL_CRASH,
	STK_LEVEL_OFF,
};

enum stk_sigquit { STK_SIGQUIT_DIE, STK_SIGQUIT_CONTINUE, STK_SIGQUIT_EXIT, STK_SIGQUIT_OFF };

struct stk_options {
	uint8_t level, sigquit, args; /* args: enum stk_args_mode of output/report.h */
	uint8_t secure;   /* the program is set-uid or its like: nothing of its memory is told */
	uint64_t signals; /* bit n−1 for signal n */
	unsigned timeout_ms;
	char output[512]; /* empty: stderr */
	char helper[512]; /* empty: the default */
	char core[512];   /* empty: core.%p in the working directory */
};

/*
 * Fill `ret` from the program's options (may be NULL) and then the environment (secure_getenv).
 * Unknown values of the environment: a warning line on stderr and the default; of `o`: -EINVAL.
 */
int stk_options_read(const struct libstack_options *o, struct stk_options *ret);

#endif
