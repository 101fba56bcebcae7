/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command table: dispatch, help, completion and docs/commands.md come from its rows. */
#ifndef CORECTL_COMMAND_H
#define CORECTL_COMMAND_H

#include "session.h"

enum completion {
	COMPLETE_NONE,
	COMPLETE_FUNCTION, /* functions, symbols, source files */
	COMPLETE_COMMAND,
	COMPLETE_SETTING,
	COMPLETE_INFO,
};

/* What must be there before a command runs; dispatch checks it and says what is not. */
enum needs {
	NEEDS_NOTHING,
	NEEDS_THREAD,
	NEEDS_FRAME,
	NEEDS_FRAME_ALONE, /* a frame, where no argument names a place */
	NEEDS_SIGNAL,
	NEEDS_PROCESS,
};

struct command {
	const char *names; /* separated by blanks, the first is the one shown */
	const char *group;
	const char *synopsis; /* of the arguments */
	const char *brief;    /* one line */
	const char *more;     /* further help, or NULL */
	enum completion completion;
	enum needs needs;
	void (*run)(struct session *s, const char *args);
};

/* The tables of the groups; each ends with an empty row. answer.c lists them for the session: so
 * command.c calls no group, and the groups may call it. */
extern const struct command stack_commands[], source_commands[], data_commands[], info_commands[],
    process_commands[], help_commands[];

/* Run one line. */
void command_line(struct session *s, const char *line);

/* Run a command of the table, or tell what it needs and does not have. */
void command_run(struct session *s, const struct command *c, const char *args);

/* After a command: show what it learned of the target and the rest of its answer, and see whether
 * anybody still reads the answers. */
void command_finish(struct session *s);

/* Find by name or unique prefix; NULL: none, or ambiguous; the user is told unless `quiet`. */
const struct command *command_find(struct session *s, const char *name, size_t len, bool quiet);

/* What stands between the name and the synopsis: x/FMT is written together. */
const char *command_gap(const struct command *c);

/* The words that `set` and `info` take, by index; NULL at the end. */
const char *command_setting(unsigned i);
const char *command_info(unsigned i);

/* Write docs/commands.md. */
void command_dump(struct stk_text *out, const struct command *const *tables);

#endif
