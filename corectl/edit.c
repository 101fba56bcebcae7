/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The prompt: line editing, history, completion (readline). edit_loop() reads a line, runs it, and
 * so on. While it waits for a key, read_key() alone lets signals in: Ctrl-C drops the line, Ctrl-Z
 * gives the terminal back first, and after fg the line is shown again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "command.h"
#include "edit.h"
#include "history.h"
#include "interrupt.h"
#include "symbols/scope.h"
#include "symbols/symtab.h"

#define CANDIDATES_MAX 4096

static struct session *current; /* readline's callbacks take no argument */
static char *candidates[CANDIDATES_MAX];
static unsigned ncandidates;

/* Names come from files of others, and readline shows them as they are: one that must not reach the
 * terminal cannot be typed either. */
static bool can_be_shown(const char *name)
{
	int n = 1;

	for (; *name && n > 0; name += n)
		n = stk_text_passes(name, 4);
	return n > 0;
}

static bool add_candidate(void *arg, const char *name)
{
	(void)arg;
	if (ncandidates == CANDIDATES_MAX)
		return false;
	if (!can_be_shown(name))
		return true;
	candidates[ncandidates] = strdup(name);
	ncandidates += candidates[ncandidates] != NULL;
	return true;
}

/* The first of blank-separated names that begins with `text`. */
static void complete_command(const char *names, const char *text)
{
	size_t n;

	for (const char *p = names; *p; p += n + (p[n] == ' ')) {
		char name[64];
		n = strcspn(p, " ");
		if (n >= sizeof(name) || strncmp(p, text, strlen(text)) != 0)
			continue;
		memcpy(name, p, n);
		name[n] = 0;
		add_candidate(NULL, name);
		return;
	}
}

static void complete_commands(const char *text)
{
	for (unsigned i = 0; current->commands[i]; i++)
		for (const struct command *c = current->commands[i]; c->names; c++)
			complete_command(c->names, text);
}

static void complete_words(const char *(*word)(unsigned), const char *text)
{
	const char *w;

	for (unsigned i = 0; (w = word(i)); i++)
		if (!strncmp(w, text, strlen(text)))
			add_candidate(NULL, w);
}

static bool add_symbol(void *arg, const struct stk_symbol *sym)
{
	return add_candidate(arg, sym->name);
}

/* Functions with debug information; symbols and files once a letter says which. */
static void complete_places(const char *text)
{
	rl_completion_suppress_append = 1; /* :LINE or +N may follow */
	stk_function_each(current->modules, text, add_candidate, NULL);
	if (!*text)
		return;
	stk_source_each(current->modules, text, add_candidate, NULL);
	for (unsigned i = 0; i < current->modules->n; i++)
		stk_symbol_each(current->modules->v[i], text, add_symbol, NULL);
}

static char *next_candidate(const char *text, int state)
{
	static unsigned at;

	(void)text;
	if (!state)
		at = 0;
	return at < ncandidates ? candidates[at++] : NULL;
}

static char **complete(const char *text, int start, int end)
{
	const char *line = rl_line_buffer + strspn(rl_line_buffer, " \t");
	const struct command *c = NULL;

	(void)end;
	rl_attempted_completion_over = 1;
	ncandidates = 0;
	if (start > line - rl_line_buffer)
		c = command_find(current, line, strcspn(line, " /\t"), true);
	if (start <= line - rl_line_buffer || (c && c->completion == COMPLETE_COMMAND)) {
		complete_commands(text);
		if (c && !strncmp(c->names, "thread", 6) && !strncmp("apply", text, strlen(text)))
			add_candidate(NULL, "apply");
	} else if (c && c->completion == COMPLETE_FUNCTION) {
		complete_places(text);
	} else if (c && c->completion == COMPLETE_SETTING) {
		complete_words(command_setting, text);
	} else if (c && c->completion == COMPLETE_INFO) {
		complete_words(command_info, text);
	}
	return rl_completion_matches(text, next_candidate);
}

/* Set by SIGCONT, which may come at any place: we were stopped and run again. */
static volatile sig_atomic_t continued;

static void on_continue(int sig)
{
	(void)sig;
	continued = 1;
}

/* The shell has used the terminal meanwhile: take it back, and show the line again. */
static void show_again(void)
{
	continued = 0;
	rl_deprep_terminal();
	rl_prep_terminal(1);
	rl_on_new_line();
	rl_redisplay();
}

/* Wait for a key; returns as ppoll(2) does. The signals that readline handles come in only here:
 * one that came between the check and the wait would be seen a key too late. */
static int wait_key(struct pollfd *p)
{
	sigset_t block, before;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigaddset(&block, SIGTSTP);
	sigaddset(&block, SIGCONT);
	sigprocmask(SIG_BLOCK, &block, &before);
	errno = EINTR;
	int n =
	    interrupt_pending || continued || rl_pending_signal() ? -1 : ppoll(p, 1, NULL, &before);
	int err = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = err;
	return n;
}

/* Our handler for Ctrl-C stays at the prompt. That of readline would free the completions or the
 * search inside which we wait for the key, and readline would go on with them afterwards. */
static int keep_interrupt(void)
{
	interrupt_catch();
	return 0;
}

/* Something inside a line waits for the key: a question, a search, a second key. */
#define INSIDE_LINE                                                                                \
	(RL_STATE_MOREINPUT | RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_SEARCH |              \
	 RL_STATE_NUMERICARG | RL_STATE_MULTIKEY | RL_STATE_METANEXT | RL_STATE_COMPLETING |       \
	 RL_STATE_VIMOTION | RL_STATE_CHARSEARCH)

static void drop_line(void)
{
	interrupt_pending = 0;
	RL_UNSETSTATE(INSIDE_LINE); /* an aborted completion leaves its own */
	rl_echo_signal_char(SIGINT);
	fputc('\n', rl_outstream);
	rl_replace_line("", 0);
	rl_point = rl_end = 0;
	rl_on_new_line();
	rl_redisplay();
}

/* readline reads through this. Its own handlers give the terminal back before a signal ends or
 * stops the program; a Ctrl-C drops the line and shows a new prompt. */
static int read_key(FILE *f)
{
	static bool aborted;
	struct pollfd p = {.fd = fileno(f), .events = POLLIN};
	unsigned char c;

	for (;;) {
		int n = wait_key(&p), err = errno;
		if (rl_pending_signal())
			rl_check_signals();
		if (continued)
			show_again();
		if (interrupt_pending && RL_ISSTATE(INSIDE_LINE) && !aborted) {
			aborted = true;
			return CTRL('G'); /* ends what waits; the next key's call drops the line */
		}
		if (interrupt_pending) {
			aborted = false;
			drop_line();
			continue;
		}
		if (n > 0) {
			/* Ctrl-C empties the terminal's queue (termios(3), NOFLSH unset): what poll
			 * saw may be gone, so the read must not wait. */
			int flags = fcntl(fileno(f), F_GETFL);
			fcntl(fileno(f), F_SETFL, flags | O_NONBLOCK);
			ssize_t k = read(fileno(f), &c, 1);
			err = errno;
			fcntl(fileno(f), F_SETFL, flags);
			if (k == 1)
				return c;
			if (k == 0 || (err != EAGAIN && err != EINTR))
				return EOF;
			continue;
		}
		if (n < 0 && err != EINTR)
			return EOF;
		if (n < 0)
			rl_resize_terminal(); /* the other signal that comes is a resize */
	}
}

void edit_loop(struct session *s)
{
	char *line;

	current = s;
	rl_readline_name = "corectl";
	rl_attempted_completion_function = complete;
	rl_getc_function = read_key;
	rl_catch_signals = 1; /* see read_key() */
	rl_startup_hook = keep_interrupt;
	sigaction(SIGCONT, &(struct sigaction){.sa_handler = on_continue}, NULL);
	rl_catch_sigwinch = 1;
	using_history();
	stifle_history(1000);
	history_read();
	stk_text_flush(&s->out);
	while (!s->quit && (line = readline("(corectl) "))) {
		if (*line && line[strspn(line, " \t")])
			add_history(line);
		command_line(s, line);
		free(line);
		interrupt_pending = 0; /* it ended the command, not the line to come */
	}
	if (!s->quit)
		putchar('\n');
	history_write();
	clear_history();
}
