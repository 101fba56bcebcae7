/* A file that appears under its name only when it is whole. Normal context. */
#ifndef STK_TARGET_DUMP_FILE_H
#define STK_TARGET_DUMP_FILE_H

#include "base/err.h"

struct stk_dump_file {
	int fd;
	const char *path;
	char real[4096]; /* PATH_MAX */
	char tmp[4128];  /* the name while it is not whole; empty: it has none */
};

/* 0600, in the folder of `path`. STK_ESYS. */
int stk_dump_file_open(struct stk_dump_file *f, const char *path, struct stk_err *err);

/* Make it `size` bytes long and give it its name, in the place of an older file of that name. */
int stk_dump_file_commit(struct stk_dump_file *f, uint64_t size, struct stk_err *err);

/* Drop it. After a commit: nothing. */
void stk_dump_file_drop(struct stk_dump_file *f);

#endif
