// The public functions from C++, in a program that installs by itself: `api HOW`.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <unistd.h>

#include "libstack.h"

LIBSTACK_MANUAL;

static const char *action()
{
	struct sigaction sa;
	sigaction(SIGSEGV, nullptr, &sa);
	return sa.sa_handler == SIG_DFL ? "DFL" : sa.sa_handler == SIG_IGN ? "IGN" : "mine";
}

static void mine(int)
{
	_exit(7);
}

static int install(struct libstack_options o)
{
	o.size = sizeof(o);
	return libstack_install(&o);
}

static void crash(int depth)
{
	std::string text = "some text";
	*(volatile int *)8 = depth;
}

int main(int argc, char **argv)
{
	std::string how = argc > 1 ? argv[1] : "";
	struct libstack_options o = {};

	if (how == "not")
		crash(1);
	if (how == "plain")
		printf("%d\n", libstack_install(nullptr));
	if (how == "single") {
		o.traceback = "single";
		o.args = "names";
		o.signals = "SEGV";
		printf("%d\n", install(o));
	}
	if (how == "wrong") {
		o.traceback = "loud";
		printf("%d\n", install(o) == -EINVAL);
	}
	if (how == "short") {
		/* A program of an older version: what it does not know is not read. */
		o.traceback = "none";
		o.timeout = 99999;
		o.size = offsetof(struct libstack_options, sigquit);
		o.sigquit = "nonsense";
		printf("%d\n", libstack_install(&o));
	}
	if (how == "again") {
		o.traceback = "none";
		printf("%d", install(o));
		o.traceback = "all";
		printf(" %d\n", install(o));
	}
	if (how == "uninstall") {
		int in = libstack_install(nullptr), out = libstack_uninstall();
		printf("%d %d %d\n", in, out, libstack_uninstall());
	}
	if (how == "mine") {
		signal(SIGSEGV, mine);
		printf("%d\n", libstack_install(nullptr));
	}
	if (how == "blocked") {
		sigset_t s;
		sigfillset(&s);
		sigprocmask(SIG_BLOCK, &s, nullptr);
		libstack_install(nullptr);
		sigprocmask(SIG_BLOCK, nullptr, &s);
		printf("%d\n", sigismember(&s, SIGSEGV));
		fflush(stdout);
		std::thread([] { crash(2); }).join();
	}
	if (how == "dump") {
		printf("%s %d\n", libstack_version(), libstack_dump(2));
		fflush(stdout);
		_exit(0);
	}
	printf("%s\n", action());
	fflush(stdout);
	crash(1);
}
