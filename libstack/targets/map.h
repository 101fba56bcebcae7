/* A table from a 64-bit key (a pc, an address of ours) to a pointer. Normal context only. */
#ifndef STK_TARGET_MAP_H
#define STK_TARGET_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct stk_map_slot;
struct stk_map {
	struct stk_map_slot *slots; /* open addressing; a power of two, at most half full */
	unsigned n, cap;
};

/* The value put under `key`; NULL: none. */
void *stk_map_get(const struct stk_map *m, uint64_t key);

/* Put a value (not NULL) under `key`, in the place of an older one. false: memory is exhausted and
 * the map is as before. The map does not own its values. */
bool stk_map_put(struct stk_map *m, uint64_t key, void *value);

void stk_map_done(struct stk_map *m);

#endif
