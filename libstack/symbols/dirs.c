#include "symbols/dirs.h"

#include <string.h>

#include "base/text.h"

#define DEBUG_DIR "/usr/lib/debug"

char *stk_debug_dirs(struct stk_module *m)
{
	const struct stk_symbol_options *o = &m->owner->opts;

	return stk_pool_printf(&m->owner->target->pool, "%s:%s%s:%s",
			       o->debug_dir ? o->debug_dir : "", o->sysroot ? o->sysroot : "",
			       o->sysroot ? DEBUG_DIR : "", DEBUG_DIR);
}

const char *stk_debug_path(struct stk_module *m, const char *dir, const uint8_t *id, size_t len)
{
	char hex[129];
	struct stk_text t;

	if (len < 2)
		return NULL;
	stk_text_init(&t, hex, sizeof(hex));
	stk_put_bytes(&t, id + 1, len - 1);
	return stk_pool_printf(&m->owner->target->pool, "%s/.build-id/%02x/%s.debug", dir, id[0],
			       hex);
}

struct stk_image *stk_debug_by_build_id(struct stk_module *m, const uint8_t *id, size_t len)
{
	struct stk_image *im = NULL;
	char *dirs = len <= 64 ? stk_debug_dirs(m) : NULL;
	uint8_t has[64];

	for (char *save = NULL, *d = dirs ? strtok_r(dirs, ":", &save) : NULL; d && !im;
	     d = strtok_r(NULL, ":", &save)) {
		const char *path = stk_debug_path(m, d, id, len);
		im = path ? stk_image_open(path) : NULL;
		if (im && (stk_image_build_id(im, has) != len || memcmp(has, id, len) != 0)) {
			stk_image_free(im);
			im = NULL;
		}
	}
	return im;
}
