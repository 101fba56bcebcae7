#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int stk_number(const char *s)
{
	int n = 0;

	for (; is_digit(*s) && n <= (INT32_MAX - 9) / 10; s++)
		n = 10 * n + (*s - '0');
	return n;
}

const char *stk_status_line(const char *text, const char *key)
{
	for (const char *p = text; *p; p++) {
		const char *k = key, *q = p;
		while (*k && *q == *k)
			q++, k++;
		if (!*k && (p == text || p[-1] == '\n'))
			return q;
	}
	return NULL;
}

int stk_last_number(const char *s)
{
	int n = 0;

	for (bool inside = false; *s && *s != '\n'; s++) {
		if (is_digit(*s) && !inside)
			n = stk_number(s);
		inside = is_digit(*s);
	}
	return n;
}
