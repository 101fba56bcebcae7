/* The list of images that the program's loader keeps for debuggers (link.h, struct r_debug). */
#ifndef STK_SYMBOLS_LINKMAP_H
#define STK_SYMBOLS_LINKMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "targets/target.h"

struct stk_link {
	uint64_t bias;    /* l_addr */
	uint64_t dynamic; /* l_ld: where its dynamic section lies */
	const char *path; /* l_name: "" for the program */
	bool program;     /* the first of the first namespace */
};

/* Every image of every namespace (dlmopen(3)) of the r_debug at `addr`, which DT_DEBUG tells; their
 * number. What can be read of a damaged list is given. `ret`: of the target's pool. */
unsigned stk_links_read(struct stk_target *t, uint64_t addr, struct stk_link **ret);

#endif
