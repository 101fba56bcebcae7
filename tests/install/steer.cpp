// libstack.h is C++ too: the macro, the options, every function.
#include <csignal>
#include <cstdio>

#include "libstack.h"

LIBSTACK_MANUAL;

namespace place
{
struct Thing {
	__attribute__((noinline)) int crash(int x)
	{
		raise(SIGSEGV);
		return x + 1;
	}
};
} // namespace place

int main()
{
	libstack_options o = {};

	o.size = sizeof(o);
	o.timeout = 5;
	std::printf("%s %d\n", libstack_version(), libstack_install(&o));
	std::printf("%d\n", libstack_dump(77));
	std::fflush(stdout);
	return place::Thing().crash(7) + libstack_uninstall();
}
