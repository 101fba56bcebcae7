/*
 * libstack: on a fatal signal, or SIGQUIT (Ctrl+\), every thread's stack with argument words and
 * registers on stderr. Linking or preloading the library is enough; this header is for programs
 * that want to steer it. C and C++. Prefix libstack_.
 *
 * Configuration stands in the environment (libstack(7)): LIBSTACK_TRACEBACK, LIBSTACK_SIGQUIT,
 * LIBSTACK_OUTPUT, LIBSTACK_SIGNALS, LIBSTACK_TIMEOUT, LIBSTACK_ARGS, LIBSTACK_HELPER,
 * LIBSTACK_FOLLOW, LIBSTACK_CORE.
 */
#ifndef LIBSTACK_H
#define LIBSTACK_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBSTACK_VERSION_MAJOR 0
#define LIBSTACK_VERSION_MINOR 1

#define LIBSTACK_API __attribute__((visibility("default")))

/*
 * What the program wants. Each string has the form of the environment variable of that name; NULL:
 * the default. The environment wins over these, so that whoever runs the program has the last word;
 * only LIBSTACK_TRACEBACK=off, which keeps the library from installing itself, does not undo an
 * explicit libstack_install(). Strings are copied.
 */
struct libstack_options {
	size_t size;           /* sizeof(struct libstack_options) */
	const char *traceback; /* "none" "single" "all" "system" "crash" */
	const char *sigquit;   /* "die" "continue" "exit" "off" */
	const char *output;    /* a path with %p %e %t; NULL: stderr */
	const char *signals;   /* "SEGV,BUS,…"; NULL: SEGV BUS FPE ILL ABRT SYS TRAP QUIT */
	const char *args;      /* "words" "names" "none" */
	const char *helper;    /* path of the helper; NULL: the embedded or installed one */
	unsigned timeout;      /* seconds for a whole report; 0: 10 */
};

/*
 * Install the handlers. `o` NULL: the defaults and the environment. Signals that the program
 * already handles or ignores are left alone. A second call takes the new options. Thread-safe with
 * itself. 0, or a negative errno value: -EINVAL for a string that is not known (nothing is
 * changed).
 */
LIBSTACK_API int libstack_install(const struct libstack_options *o);

/* Take the handlers out again: signals that still have ours get the default action. 0. */
LIBSTACK_API int libstack_uninstall(void);

/*
 * Write the report of every thread to `fd` now; the program goes on. May be called from any thread
 * and, once the library is installed, from a signal handler. 0, or a negative errno value: -EBADF,
 * -EIO when it could not be written, -ETIMEDOUT when it was cut short, -EBUSY from inside a report
 * of the same thread.
 */
LIBSTACK_API int libstack_dump(int fd);

/* "0.1.0". */
LIBSTACK_API const char *libstack_version(void);

/*
 * Put this once at file level in a program that calls libstack_install() itself: the library then
 * does not install itself when it is loaded.
 */
#define LIBSTACK_MANUAL                                                                            \
	extern LIBSTACK_API const int libstack_manual;                                             \
	const int libstack_manual = 1

#ifdef __cplusplus
}
#endif
#endif
