/* An arena: everything allocated lives until the pool is done. Its bytes come from a budget, which
 * is here because whoever allocates works, too. Normal context only. */
#ifndef STK_TARGET_POOL_H
#define STK_TARGET_POOL_H

#include <stddef.h>

#include "targets/budget.h"

struct stk_pool_block;
struct stk_pool {
	struct stk_pool_block *head;
	size_t used; /* in head */
	struct stk_budget budget;
};

/* Zeroed memory aligned to 16; NULL when memory is exhausted. */
void *stk_pool_alloc(struct stk_pool *p, size_t size);
char *stk_pool_strdup(struct stk_pool *p, const char *s);
char *stk_pool_strndup(struct stk_pool *p, const char *s, size_t n);
/* A string from the format of stk_printf(), at most 4095 bytes. */
char *stk_pool_printf(struct stk_pool *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void stk_pool_done(struct stk_pool *p);

#endif
