/* Inflated debug files kept in a folder, so that the next run maps them and reads the pages that it
 * needs. What cannot be kept is not: no failure here is one of the caller. */
#ifndef STK_SYMBOLS_CACHE_H
#define STK_SYMBOLS_CACHE_H

#include "symbols/image.h"
#include "targets/folder.h"

#define STK_CACHE_MAX (2ULL << 30) /* bytes, of all entries together */

struct stk_cache_job;

/*
 * What stk_cache_store() kept of `source`, a debug file. NULL: there is no folder or no entry, or
 * it is not to be trusted: the folder (targets/folder.h) or the entry belongs to somebody else or
 * can be written by others, the entry is cut, or `source` is no longer the file that it was made
 * from.
 */
struct stk_image *stk_cache_open(const struct stk_folder *in, const struct stk_image *source);

/*
 * Begin to keep `inflated`, made of `source`, in its folder, which is made where it is
 * missing. Both images must stay until stk_cache_wait(). NULL: nothing is kept (there is no folder,
 * the source has no build-id or no file, too small to be worth it, too large).
 */
struct stk_cache_job *stk_cache_store(const struct stk_folder *in, const struct stk_image *source,
				      const struct stk_image *inflated);

/* Wait until the entry is written. Takes NULL. */
void stk_cache_wait(struct stk_cache_job *j);

/* Remove the entries least recently used until the rest takes at most `max` bytes. */
void stk_cache_trim(const struct stk_folder *in, uint64_t max);

#endif
