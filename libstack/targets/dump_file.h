/* A file that appears under its name only when it is whole. Normal context. */
#ifndef STK_TARGET_DUMP_FILE_H
#define STK_TARGET_DUMP_FILE_H

#include <stdbool.h>

#include "base/err.h"

/* Everything is done in the folder that was opened first, whatever its path leads to later. */
struct stk_dump_file {
	int fd, folder;
	char path[4096];  /* PATH_MAX; links that were followed are resolved */
	const char *name; /* its last part */
	char tmp[40];     /* the name while it is not whole; empty: it has none */
};

/*
 * 0600, in the folder of `path`. A link that stands at `path` is not followed: as with the cores of
 * the kernel, the file takes its place. With `named` the user has named this very path: then links
 * are followed that are the user's own or root's. STK_ESYS, STK_EARG: something stands there that
 * is no regular file.
 */
int stk_dump_file_open(struct stk_dump_file *f, const char *path, bool named, struct stk_err *err);

/* Make it `size` bytes long and give it its name, in the place of an older file of that name. */
int stk_dump_file_commit(struct stk_dump_file *f, uint64_t size, struct stk_err *err);

/* Drop it. After a commit: nothing. */
void stk_dump_file_drop(struct stk_dump_file *f);

#endif
