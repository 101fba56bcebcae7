#include "signal/kernel/status.h"

#include <fcntl.h>

#include "base/mem.h"
#include "base/status.h"
#include "signal/kernel/sys.h"

#define READS_MAX 4096

long stk_read_small(const char *path, char *buf, size_t cap)
{
	long fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : sys3(SYS_read, fd, buf, cap - 1);

	if (fd >= 0)
		sys1(SYS_close, fd);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

/* A line of groups may be longer than any buffer, and those behind it are wanted, too. */
const char *stk_status_find(const char *path, const char *key, char *line, size_t cap)
{
	char buf[512];
	size_t n = 0, keylen = stk_len(key);
	long got = -1, fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	bool found = false;

	for (unsigned reads = 0; fd >= 0 && !found && reads < READS_MAX; reads++) {
		got = sys3(SYS_read, fd, buf, sizeof(buf));
		for (long i = 0; i < got && !found; i++) {
			if (buf[i] != '\n') {
				if (n + 1 < cap)
					line[n++] = buf[i];
				continue;
			}
			line[n] = 0;
			found = n >= keylen && !memcmp(line, key, keylen);
			n = 0;
		}
		if (got <= 0)
			break;
	}
	if (fd >= 0)
		sys1(SYS_close, fd);
	return found ? line + keylen : 0;
}

int stk_status_number(const char *path, const char *key)
{
	char line[256];
	const char *rest = stk_status_find(path, key, line, sizeof(line));

	return rest ? (int)stk_last_number(rest) : 0;
}
