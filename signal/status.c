#include "status.h"

#include <fcntl.h>
#include <stdbool.h>

#include "base/mem.h"
#include "sys.h"

int stk_number(const char *s)
{
	int n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = 10 * n + (*s - '0');
	return n;
}

/* Behind `key` where it begins a line of the text; NULL: nowhere. */
static const char *line_of(const char *text, const char *key)
{
	for (const char *p = text; *p; p++) {
		const char *k = key, *q = p;
		while (*k && *q == *k)
			q++, k++;
		if (!*k && (p == text || p[-1] == '\n'))
			return q;
	}
	return 0;
}

int stk_status_number(const char *path, const char *key)
{
	static char buf[4096];
	long fd = sys3(SYS_open, path, O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? 0 : sys3(SYS_read, fd, buf, sizeof(buf) - 1);
	int ret = 0;

	if (fd >= 0)
		sys1(SYS_close, fd);
	buf[n > 0 ? n : 0] = 0;
	const char *p = line_of(buf, key);
	for (bool inside = false; p && *p && *p != '\n'; p++) {
		bool digit = *p >= '0' && *p <= '9';
		if (digit && !inside)
			ret = stk_number(p);
		inside = digit;
	}
	return ret;
}
