/* Binary search. Any context. */
#ifndef STK_BASE_SEARCH_H
#define STK_BASE_SEARCH_H

#include <stddef.h>

/*
 * How many of the indexes 0 … n - 1 come before the first for which `cond`, an expression of the
 * index `i`, is false. It must be true for all of these and false for all others, as `v[i].start <=
 * addr` is in an array sorted by start: the element that may hold `addr` is then the one before the
 * result.
 */
#define STK_PARTITION_POINT(count, i, cond)                                                        \
	({                                                                                         \
		__typeof__((count) + 0) i##_lo_ = 0, i##_hi_ = (count);                            \
		while (i##_lo_ < i##_hi_) {                                                        \
			const __typeof__((count) + 0) i = i##_lo_ + (i##_hi_ - i##_lo_) / 2;       \
			if (cond)                                                                  \
				i##_lo_ = i + 1;                                                   \
			else                                                                       \
				i##_hi_ = i;                                                       \
		}                                                                                  \
		i##_lo_;                                                                           \
	})

#endif
