/* Two hash tables, open addressing, keyed hash (SipHash with a random key: peers choose the keys).
 * Not thread-safe. Values are pointers owned by the caller. The string map borrows its keys: they must live as long as the
 * entry (normally inside the value). Iteration order is unspecified but the same for the same seed and history; entries
 * must not be added or removed while iterating. `put` returns false without memory and changes nothing. */
#ifndef BECK_BASE_MAP_H
#define BECK_BASE_MAP_H

#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

struct map_slot {
	uint64_t hash; /* u64 map: the key itself */
	struct span key;
	void *value; /* NULL = free, MAP_TOMB = deleted */
};
struct map {
	struct map_slot *slots;
	size_t count, used, cap; /* used counts tombstones too; cap is 0 or a power of two */
	uint64_t seed[2];
};

/* SipHash-2-4 of a key. */
uint64_t map_siphash(const uint64_t seed[2], struct span key);

void map_init(struct map *m, const uint64_t seed[2]);
void map_deinit(struct map *m);
void *map_get(const struct map *m, struct span key);
bool map_put(struct map *m, struct span key, void *value) BECK_WARN_UNUSED; /* replaces key and value */
void *map_remove(struct map *m, struct span key);                           /* the old value or NULL */
/* size_t it = 0; while ((v = map_next(m, &it))) ... */
void *map_next(const struct map *m, size_t *it);

/* Keys are integers (row numbers). Compact: 16 bytes per slot. */
struct u64map_slot {
	uint64_t key;
	void *value;
};
struct u64map {
	struct u64map_slot *slots;
	size_t count, used, cap;
};
void u64map_init(struct u64map *m);
void u64map_deinit(struct u64map *m);
void *u64map_get(const struct u64map *m, uint64_t key);
bool u64map_put(struct u64map *m, uint64_t key, void *value) BECK_WARN_UNUSED;
void *u64map_remove(struct u64map *m, uint64_t key);
void *u64map_next(const struct u64map *m, size_t *it, uint64_t *key);

#endif
