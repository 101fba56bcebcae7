/*
 * Arrays that grow: a struct with the members `v` (pointer), `n` (elements in use) and `cap`
 * (elements there is room for), all zero at first, and freed with free(v). Normal context only:
 * realloc(3).
 */
#ifndef STK_BASE_VEC_H
#define STK_BASE_VEC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define STK_VEC_MAX UINT32_MAX /* elements */

/* Room for `more` elements behind the last. false: no memory, and the array is as before. */
#define STK_VEC_RESERVE(a, more)                                                                   \
	({                                                                                         \
		__typeof__(a) a_ = (a);                                                            \
		size_t more_ = (more);                                                             \
		if (a_->cap - a_->n < more_) {                                                     \
			size_t cap_ = more_ < STK_VEC_MAX ? 2 * (a_->n + more_) + 30 : SIZE_MAX;   \
			void *v_ = stk_vec_resize(a_->v, cap_, sizeof(*a_->v));                    \
			if (v_) {                                                                  \
				a_->v = v_;                                                        \
				a_->cap = (__typeof__(a_->cap))cap_;                               \
			}                                                                          \
		}                                                                                  \
		a_->cap - a_->n >= more_;                                                          \
	})

/* Append the element that stands behind the array. false: as above. */
#define STK_VEC_PUSH(a, ...) (STK_VEC_RESERVE(a, 1) && ((a)->v[(a)->n++] = (__VA_ARGS__), true))

static inline void *stk_vec_resize(void *v, size_t cap, size_t size)
{
	return cap <= STK_VEC_MAX && cap < SIZE_MAX / size ? realloc(v, cap * size) : NULL;
}

#endif
