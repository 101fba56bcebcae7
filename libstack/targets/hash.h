/* A hash table from a 64-bit key (a pc, an address of ours) to a pointer. Normal context only. */
#ifndef STK_TARGET_HASH_H
#define STK_TARGET_HASH_H

#include <stdbool.h>
#include <stdint.h>

struct stk_hash_slot;
struct stk_hash {
	struct stk_hash_slot *slots; /* open addressing; a power of two, at most half full */
	unsigned n, cap;
};

/* The value put under `key`; NULL: none. */
void *stk_hash_get(const struct stk_hash *m, uint64_t key);

/* Put a value (not NULL) under `key`, in the place of an older one. false: memory is exhausted and
 * the table is as before. It does not own its values. */
bool stk_hash_put(struct stk_hash *m, uint64_t key, void *value);

void stk_hash_done(struct stk_hash *m);

#endif
