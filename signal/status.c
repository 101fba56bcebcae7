#include "status.h"

#include <fcntl.h>

#include "base/status.h"
#include "sys.h"

long stk_read_small(const char *path, char *buf, size_t cap)
{
	long fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : sys3(SYS_read, fd, buf, cap - 1);

	if (fd >= 0)
		sys1(SYS_close, fd);
	buf[n > 0 ? n : 0] = 0;
	return n;
}

int stk_status_number(const char *path, const char *key)
{
	static char buf[4096];

	stk_read_small(path, buf, sizeof(buf));
	const char *line = stk_status_line(buf, key);
	return line ? (int)stk_last_number(line) : 0;
}
