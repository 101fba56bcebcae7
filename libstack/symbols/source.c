#include "symbols/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "targets/foreign.h"

#define SOURCE_MAX (64ULL << 20)

struct rule {
	struct rule *next; /* older */
	char *from, *to;
};

struct stk_source_file {
	struct stk_source_file *next;
	char *name, *path, *text;
	size_t *ends; /* offset of the end of each line */
	unsigned n;
	long long mtime;
	int code, sys;
};

struct stk_sources {
	struct rule *rules;
	struct stk_source_file *files;
};

struct stk_sources *stk_sources_new(void)
{
	return calloc(1, sizeof(struct stk_sources));
}

static void forget_files(struct stk_sources *s)
{
	while (s->files) {
		struct stk_source_file *f = s->files;
		s->files = f->next;
		free(f->name);
		free(f->path);
		free(f->text);
		free(f->ends);
		free(f);
	}
}

static void free_rule(struct rule *r)
{
	free(r->from);
	free(r->to);
	free(r);
}

void stk_sources_free(struct stk_sources *s)
{
	if (!s)
		return;
	forget_files(s);
	while (s->rules) {
		struct rule *r = s->rules;
		s->rules = r->next;
		free_rule(r);
	}
	free(s);
}

int stk_sources_substitute(struct stk_sources *s, const char *from, const char *to)
{
	int gone = 0;

	forget_files(s);
	if (*to) {
		struct rule *r = malloc(sizeof(*r));
		if (!r)
			return STK_ENOMEM;
		*r = (struct rule){s->rules, strdup(from), strdup(to)};
		if (!r->from || !r->to) {
			free_rule(r);
			return STK_ENOMEM;
		}
		s->rules = r;
		return 0;
	}
	for (struct rule **p = &s->rules; *p;) {
		struct rule *r = *p;
		if (strcmp(r->from, from) != 0) {
			p = &r->next;
			continue;
		}
		*p = r->next;
		free_rule(r);
		gone++;
	}
	return gone ? 0 : STK_ENODATA;
}

const char *stk_sources_rule(const struct stk_sources *s, unsigned i, const char **ret_to)
{
	unsigned n = 0;
	const struct rule *r;

	for (r = s->rules; r; r = r->next)
		n++;
	if (i >= n)
		return NULL;
	for (r = s->rules; --n > i;)
		r = r->next;
	*ret_to = r->to;
	return r->from;
}

static char *substituted(const struct stk_sources *s, const char *path)
{
	for (const struct rule *r = s->rules; r; r = r->next) {
		size_t n = strlen(r->from);
		while (n && r->from[n - 1] == '/')
			n--;
		if (strncmp(path, r->from, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		char *p = malloc(strlen(r->to) + strlen(path + n) + 1);
		if (p)
			strcat(strcpy(p, r->to), path + n);
		return p;
	}
	return strdup(path);
}

static int read_text(struct stk_source_file *f, size_t *ret_len)
{
	struct stk_err err = {0};
	struct stat st;
	int fd = stk_foreign_open(f->path, SOURCE_MAX, &st, &err);
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0)
		return f->sys = err.sys, fd;
	f->mtime = st.st_mtime;
	f->text = malloc((size_t)st.st_size + 1);
	while (f->text && have < (size_t)st.st_size &&
	       (n = read(fd, f->text + have, (size_t)st.st_size - have)) > 0)
		have += (size_t)n;
	if (f->text && n < 0)
		f->sys = errno;
	close(fd);
	*ret_len = have;
	if (f->sys)
		return STK_ESYS;
	return f->text ? 0 : STK_ENOMEM;
}

static int split_lines(struct stk_source_file *f, size_t len)
{
	unsigned cap = 1;

	for (size_t i = 0; i < len; i++)
		cap += f->text[i] == '\n';
	f->ends = malloc(cap * sizeof(*f->ends));
	if (!f->ends)
		return STK_ENOMEM;
	for (size_t i = 0; i < len; i++)
		if (f->text[i] == '\n')
			f->ends[f->n++] = i;
	if (len && f->text[len - 1] != '\n')
		f->ends[f->n++] = len;
	return 0;
}

int stk_source_open(struct stk_sources *s, const char *path, struct stk_source_file **ret,
		    struct stk_err *err)
{
	struct stk_source_file *f;
	size_t len = 0;

	for (f = s->files; f; f = f->next)
		if (!strcmp(f->name, path))
			break;
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return stk_fail(err, STK_ENOMEM, "out of memory");
		f->name = strdup(path);
		f->path = substituted(s, path);
		if (!f->name || !f->path) {
			free(f->name);
			free(f->path);
			free(f);
			return stk_fail(err, STK_ENOMEM, "out of memory");
		}
		f->next = s->files;
		s->files = f;
		f->code = read_text(f, &len);
		if (!f->code)
			f->code = split_lines(f, len);
	}
	if (f->code == STK_ESYS)
		return stk_fail_sys(err, f->sys, "%s", f->path);
	if (f->code)
		return stk_fail(err, f->code, "%s: not a text file that can be shown", f->path);
	*ret = f;
	return 0;
}

unsigned stk_source_lines(const struct stk_source_file *f)
{
	return f->n;
}

const char *stk_source_line(const struct stk_source_file *f, unsigned n, size_t *ret_len)
{
	if (!n || n > f->n)
		return NULL;
	size_t start = n > 1 ? f->ends[n - 2] + 1 : 0, end = f->ends[n - 1];
	if (end > start && f->text[end - 1] == '\r')
		end--;
	*ret_len = end - start;
	return f->text + start;
}

const char *stk_source_path(const struct stk_source_file *f)
{
	return f->path;
}

long long stk_source_mtime(const struct stk_source_file *f)
{
	return f->mtime;
}
