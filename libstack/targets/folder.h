/*
 * Our own folders: what is kept for the user below the home (cache, history). Normal context.
 *
 * Another user may own the home that we are pointed to (sudo that keeps HOME), and may have put
 * links there. So no link is followed below the base, nor on the way to it but those that root has
 * put into folders of root's, and every folder from the base on belongs to whom we run as. If not,
 * nothing is kept.
 */
#ifndef STK_TARGET_FOLDER_H
#define STK_TARGET_FOLDER_H

#include <stdbool.h>
#include <sys/stat.h>

struct stk_folder {
	const char *base;  /* absolute; it is never made. NULL: there is none */
	const char *below; /* relative; made where it is missing, 0700 */
};

/* A descriptor of the folder; -1: it is not there, or not ours alone. `make`: make it. */
int stk_folder_open(const struct stk_folder *f, bool make);

/* Is this open file of that type (S_IF…) ours, and writable by nobody else? */
bool stk_folder_is_ours(int fd, mode_t type, struct stat *st);

#endif
