#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* As many digits as fit below `max`. */
static long number(const char *s, long max)
{
	long n = 0;

	for (; is_digit(*s) && n <= (max - 9) / 10; s++)
		n = 10 * n + (*s - '0');
	return n;
}

int stk_number(const char *s)
{
	return (int)number(s, INT32_MAX);
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

long stk_last_number(const char *s)
{
	long n = 0;

	for (bool inside = false; *s && *s != '\n'; s++) {
		if (is_digit(*s) && !inside)
			n = number(s, INT64_MAX);
		inside = is_digit(*s);
	}
	return n;
}

uint64_t stk_hex(const char *s)
{
	uint64_t n = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	for (;; s++) {
		if (is_digit(*s))
			n = n << 4 | (uint64_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			n = n << 4 | (uint64_t)(*s - 'a' + 10);
		else
			return n;
	}
}

const char *stk_stat_state(const char *text)
{
	const char *end = NULL;

	/* The name in parentheses may hold anything: the last one closes it. */
	for (; *text; text++)
		end = *text == ')' ? text : end;
	return end && end[1] == ' ' && end[2] ? end + 2 : NULL;
}
