/* Any bytes as a compressed core, unpacked up to a size. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (16UL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rlimit limit = {OUT_MAX, RLIM_INFINITY};
	int in = memfd_create("packed", MFD_CLOEXEC);
	const char *why;
	struct stk_err err;
	char path[64];

	if (in < 0)
		return 0;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	if (write(in, data, size) == (ssize_t)size && unpack_is_packed(path)) {
		int out = unpack(path, false, &why, &err);
		if (out >= 0)
			close(out);
	}
	close(in);
	return 0;
}
