/*
 * The functions that wait for children: one that is ours is taken out of the program's sight, and
 * the call is made again. Only those with __WALL or __WCLONE can see it (clones.h). ANY context.
 */
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "signal/program/real.h"
#include "signal/state/clones.h"

#ifdef STK_WRAP
/* This file is in the program only if the program is linked with --wrap. */
#undef STK_REAL
#define STK_REAL(name) __real_##name
#endif

static bool may_see_ours(int options)
{
	return options & (__WALL | __WCLONE);
}

/* That it was stopped is not its end. */
static void note_end(int pid, int status)
{
	if (WIFEXITED(status) || WIFSIGNALED(status))
		stk_clone_taken(pid, status);
}

/* What was only looked at (WNOWAIT) must not be seen again. */
static void take(int pid)
{
	int status = 0;

	if (STK_REAL(waitpid)(pid, &status, __WALL | WNOHANG | WUNTRACED | WCONTINUED) == pid)
		note_end(pid, status);
}

/* true: the child that a wait has told of is ours. What was told of it is not left behind: the
 * kernel has written there, so can we. */
static bool swallow(pid_t pid, int *status, struct rusage *usage)
{
	if (pid <= 0 || !stk_clone_is(pid))
		return false;
	note_end(pid, *status);
	*status = 0;
	if (usage)
		memset(usage, 0, sizeof(*usage));
	return true;
}

LIBSTACK_API pid_t STK_NAME(waitpid)(pid_t pid, int *status, int options)
{
	int unwanted = 0, *told = status ? status : &unwanted;
	pid_t r;

	if (!may_see_ours(options))
		return STK_REAL(waitpid)(pid, status, options);
	do
		r = STK_REAL(waitpid)(pid, told, options);
	while (swallow(r, told, NULL));
	return r;
}

LIBSTACK_API pid_t STK_NAME(wait4)(pid_t pid, int *status, int options, struct rusage *usage)
{
	int unwanted = 0, *told = status ? status : &unwanted;
	pid_t r;

	if (!may_see_ours(options))
		return STK_REAL(wait4)(pid, status, options, usage);
	do
		r = STK_REAL(wait4)(pid, told, options, usage);
	while (swallow(r, told, usage));
	return r;
}

LIBSTACK_API pid_t STK_NAME(wait3)(int *status, int options, struct rusage *usage)
{
	return STK_NAME(wait4)(-1, status, options, usage);
}

/* waitid(2) tells of the end in two words. */
static bool swallow_info(siginfo_t *si, int options)
{
	int pid = si->si_pid, code = si->si_status;

	if (!pid || !stk_clone_is(pid))
		return false;
	if (options & WNOWAIT)
		take(pid);
	else if (si->si_code == CLD_EXITED)
		stk_clone_taken(pid, W_EXITCODE(code, 0));
	else if (si->si_code == CLD_KILLED || si->si_code == CLD_DUMPED)
		stk_clone_taken(pid, W_EXITCODE(0, code));
	/* As the kernel does where there is no child to tell of (kernel/exit.c). */
	si->si_signo = si->si_errno = si->si_code = 0;
	si->si_pid = si->si_status = 0;
	si->si_uid = 0;
	return true;
}

LIBSTACK_API int STK_NAME(waitid)(idtype_t type, id_t id, siginfo_t *si, int options)
{
	siginfo_t unwanted, *told = si ? si : &unwanted;
	int r;

	if (!may_see_ours(options))
		return STK_REAL(waitid)(type, id, si, options);
	do
		r = STK_REAL(waitid)(type, id, told, options);
	while (!r && swallow_info(told, options));
	return r;
}
