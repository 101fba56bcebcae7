/* What the parts of the crasher share. */
#ifndef TORTURE_CRASHER_H
#define TORTURE_CRASHER_H

#include <signal.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline))
#else
#define NOINLINE __attribute__((noinline, noclone))
#endif

/* The arguments of the scenario; the one at `i`, or another where there are fewer. */
extern int nargs;
extern char **args;
const char *arg(int i, const char *otherwise);

/* Else it ends with status 99: the place is not as the scenario needs it. */
void must(int holds, const char *what);

/* Block everything by this function, and crash. */
void block(int (*how)(int, const sigset_t *, sigset_t *));

/* A stack that the library knows nothing of. */
char *own_stack(unsigned long size);

/* Another thread, which sits in rest() from then on. */
void start_resting(void);

/* clang-format off */
#define SCENARIOS(X) \
	X(plain) X(overflow_main) X(overflow_pthread) X(overflow_thrd) X(overflow_attr) \
	X(overflow_clone) X(overflow_handled) X(overflow_handled_pthread) \
	X(stack_nowhere) X(handled_once) X(crash_clone) X(smashed) X(smashed_return) X(jump_null) \
	X(jump_nowhere) X(malloc_crash) X(malloc_abort) X(in_dlopen) X(in_handler) \
	X(abort_handled) X(abort_handled_once) X(abort_ignored) \
	X(in_handler_altstack) X(in_handler_onstack) X(in_fork) X(in_vfork) X(after_vfork) X(eight) \
	X(blocked_process) X(blocked_thread) X(blocked_exec) X(closed) X(reused) X(no_files) \
	X(no_memory) X(no_data) X(no_processes) X(no_file_size) X(undumpable) \
	X(undumpable_threads) X(filtered) X(inherited) X(filtered_threads) X(threads) \
	X(leaderless) X(deep) X(spoilt) X(spoilt_threads) X(spoilt_dump) X(spoilt_quit) \
	X(vfork_resets) X(foreign_tls) X(no_tls) X(unexported) \
	X(own_memory) X(alignment_check) X(misaligned) X(no_queue) X(landlock) X(new_namespace) \
	X(sent_to_init)
/* clang-format on */

#define DECLARE(name) void name(void);
SCENARIOS(DECLARE)
#undef DECLARE

#endif
