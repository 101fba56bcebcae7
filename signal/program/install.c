/* Installing and removing, and the public functions. NORMAL context unless a function says so. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "signal/channel/stderr.h"
#include "signal/images/images.h"
#include "signal/images/snapshot.h"
#include "signal/kernel/context.h"
#include "signal/program/altstack.h"
#include "signal/program/real.h"
#include "signal/program/sigaction.h"
#include "signal/program/sigmask.h"
#include "signal/program/start.h"
#include "signal/report/handler.h"
#include "signal/state/action.h"
#include "signal/state/libc.h"
#include "signal/state/options.h"
#include "signal/state/state.h"
#include "signal/state/view.h"

extern const int libstack_manual __attribute__((weak));

#ifdef STK_WRAP
/* libc's own objects call abort(3), too, and are linked after this archive: with --wrap the
 * function that stands before it must be in the program by then. */
static void (*const bring)(void) __attribute__((used)) = abort;
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ready; /* options and images are there */

/* Put our handler where the action is the default one. The return address of the signal frame
 * (sa_restorer) is libc's: unwinders know it. */
static void install_one(int sig)
{
	struct sigaction sa = {.sa_sigaction = stk_handler,
			       .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER},
			 old;
	uint64_t mask = stk_handler_mask();

	if (STK_REAL(sigaction)(sig, NULL, &old) || old.sa_handler != SIG_DFL)
		return;
	memcpy(&sa.sa_mask, &mask, sizeof(mask));
	if (STK_REAL(sigaction)(sig, &sa, NULL))
		return;
	stk_our_action_is(sig);
	stk_view_ours(sig, true);
}

static void handlers_install(void)
{
	for (int sig = 1; sig < 32; sig++)
		if (stk_g.o.signals & 1ULL << (sig - 1))
			install_one(sig);
}

static void handlers_remove(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL}, now;

	for (int sig = 1; sig < 32; sig++)
		if (!STK_REAL(sigaction)(sig, NULL, &now) && stk_is_ours(&now) &&
		    !STK_REAL(sigaction)(sig, &dfl, NULL))
			stk_view_ours(sig, false);
}

static void collect_images(void)
{
	struct stk_images *im = stk_images_copy();

	if (!im)
		return;
	stk_images_collect(im);
	stk_images_show(im);
}

static int install(const struct libstack_options *o, bool automatic)
{
	struct stk_options opts;
	int r = STK_IS_GLIBC ? stk_options_read(o, &opts) : -ENOSYS;

	stk_stderr_remember();
	if (r || (automatic && opts.level == STK_LEVEL_OFF))
		return r;
	if (opts.level == STK_LEVEL_OFF)
		opts.level = STK_LEVEL_ALL;
	if (opts.sigquit == STK_SIGQUIT_OFF)
		opts.signals &= ~(1ULL << (SIGQUIT - 1));
	if (stk_g.installed)
		handlers_remove();
	stk_g.o = opts;
	collect_images();
	atomic_store(&ready, true);
	stk_altstack_main();
	handlers_install();
	stk_g.installed = true;
	stk_view_adopt();
	/* A blocked fault kills without a word. */
	stk_view_open();
	return 0;
}

LIBSTACK_API int libstack_install(const struct libstack_options *o)
{
	pthread_mutex_lock(&lock);
	int r = install(o, false);
	pthread_mutex_unlock(&lock);
	return r;
}

LIBSTACK_API int libstack_uninstall(void)
{
	pthread_mutex_lock(&lock);
	if (stk_g.installed) {
		handlers_remove();
		stk_g.installed = false;
		stk_view_settle(stk_signals_sync());
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

LIBSTACK_API const char *libstack_version(void)
{
	return STK_VERSION;
}

/* Where the library is not installed, what a report needs is found when one is asked for. */
static void prepare(void)
{
	pthread_mutex_lock(&lock);
	if (!atomic_load(&ready)) {
		stk_options_read(NULL, &stk_g.o);
		collect_images();
		atomic_store(&ready, true);
	}
	pthread_mutex_unlock(&lock);
}

/* ANY context, once the library is or has been installed. */
LIBSTACK_API __attribute__((noinline)) int libstack_dump(int fd)
{
	uint64_t gregs[STK_GREGS_MAX];
	ucontext_t uc;

	if (!STK_IS_GLIBC)
		return -ENOSYS;
	if (!atomic_load(&ready))
		prepare();
	memset(&uc, 0, sizeof(uc));
	if (getcontext(&uc))
		return -errno;
	memset(gregs, 0, sizeof(gregs));
	stk_context_gregs(&uc, gregs);
	return stk_dump(fd, gregs);
}

void stk_install_first(void)
{
	if (!&libstack_manual || !libstack_manual)
		install(NULL, true);
}

#ifdef STK_WRAP
/* In libstack.a: the first of the program's own constructors. Here, for this object is in each
 * program (libstack_version). */
__attribute__((constructor(101))) static void start(void)
{
	stk_begin();
}
#endif
