/*
 * Debug folders as people have them: a heap of files under any names. All are looked at, once, and
 * only when something is missing. Folders in the layout of /usr/lib/debug are not read through:
 * there the name says all (.build-id, the path of the program).
 */
#include "symbols/folders.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/vec.h"
#include "symbols/image.h"

#define FILES_MAX 20000
#define DEPTH_MAX 6
#define SYSTEM    "/usr/lib/debug"

struct file {
	const char *path;
	uint8_t id[64];
	unsigned len;
	bool code, debug;
};

struct stk_folders {
	struct stk_pool pool;
	struct file *v;
	unsigned n, cap, seen;
};

static void add(struct stk_folders *f, const char *path)
{
	struct stk_image *im = stk_image_open(path);
	if (!im)
		return;
	struct file new = {.path = path};
	new.len = stk_image_build_id(im, new.id);
	new.debug = stk_image_has_debug(im);
	new.code = !stk_image_names_only(im);
	stk_image_free(im);
	if (!new.len)
		return;
	(void)STK_VEC_PUSH(f, new);
}

static void read_folder(struct stk_folders *f, const char *folder, unsigned depth)
{
	DIR *d = opendir(folder);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)) && f->seen < FILES_MAX) {
		struct stat st;
		if (e->d_name[0] == '.') /* .build-id, too */
			continue;
		const char *path = stk_pool_printf(&f->pool, "%s/%s", folder, e->d_name);
		f->seen++;
		if (!path || lstat(path, &st))
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			read_folder(f, path, depth + 1);
		else if (!stat(path, &st) && S_ISREG(st.st_mode))
			add(f, path);
	}
	closedir(d);
}

static bool is_system(const char *folder)
{
	size_t n = strlen(folder), k = strlen(SYSTEM);

	return n >= k && !strcmp(folder + n - k, SYSTEM);
}

static struct stk_folders *folders_read(const char *list)
{
	struct stk_folders *f = calloc(1, sizeof(*f));

	while (f && *list) {
		size_t n = strcspn(list, ":");
		const char *folder = stk_pool_strndup(&f->pool, list, n);
		if (n && folder && !is_system(folder))
			read_folder(f, folder, 0);
		list += n + (list[n] == ':');
	}
	return f;
}

const char *stk_folders_find(struct stk_module *m, bool debug)
{
	struct stk_modules *ms = m->owner;

	if (!m->build_id_len || !ms->opts.debug_dir)
		return NULL;
	if (!ms->folders)
		ms->folders = folders_read(ms->opts.debug_dir);
	for (unsigned i = 0; ms->folders && i < ms->folders->n; i++) {
		const struct file *f = &ms->folders->v[i];
		if ((debug ? f->debug : f->code) && f->len == m->build_id_len &&
		    !memcmp(f->id, m->build_id, f->len))
			return f->path;
	}
	return NULL;
}

void stk_folders_free(struct stk_folders *f)
{
	if (!f)
		return;
	stk_pool_done(&f->pool);
	free(f->v);
	free(f);
}
