#include "base/map.h"

#include <stdlib.h>

/* Linear probing over a power of two, at most three quarters used; a removed slot stays as a tombstone until the next rehash so
 * that probes walk over it. */
#define MAP_TOMB ((void *)(uintptr_t)1)
enum { MAP_FIRST = 8 };

static uint64_t rotate(uint64_t v, int bits) { return v << bits | v >> (64 - bits); }

static uint64_t load_le64(const uint8_t *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	for (int i = 0; i < rounds; i++) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t map_siphash(const uint64_t seed[2], struct span key)
{
	uint64_t v[4] = { seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573) };
	const uint8_t *p = (const uint8_t *)key.p;
	size_t n = key.n;
	for (; n >= 8; p += 8, n -= 8) sip_word(v, load_le64(p, 8));
	sip_word(v, (n ? load_le64(p, n) : 0) | (uint64_t)key.n << 56);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Capacity for `count` entries: at most half full, so that a rehash also shrinks. 0 when it does not fit a size. */
static size_t capacity_for(size_t count)
{
	size_t cap = MAP_FIRST;
	while (cap / 2 < count) {
		if (cap > SIZE_MAX / 4) return 0;
		cap *= 2;
	}
	return cap;
}

void map_init(struct map *m, const uint64_t seed[2]) { *m = (struct map){ .seed = { seed[0], seed[1] } }; }

void map_deinit(struct map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->count = m->used = m->cap = 0;
}

static struct map_slot *map_find(const struct map *m, uint64_t hash, struct span key)
{
	if (m->cap == 0) return NULL;
	for (size_t i = (size_t)hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct map_slot *s = &m->slots[i];
		if (!s->value) return NULL;
		if (s->value != MAP_TOMB && s->hash == hash && span_eq(s->key, key)) return s;
	}
}

void *map_get(const struct map *m, struct span key)
{
	if (m->count == 0) return NULL;
	struct map_slot *s = map_find(m, map_siphash(m->seed, key), key);
	return s ? s->value : NULL;
}

static void map_place(struct map_slot *slots, size_t cap, struct map_slot entry)
{
	size_t i = (size_t)entry.hash & (cap - 1);
	while (slots[i].value) i = (i + 1) & (cap - 1);
	slots[i] = entry;
}

static bool map_make_room(struct map *m)
{
	if (m->used + 1 <= m->cap / 4 * 3) return true;
	size_t cap = capacity_for(m->count + 1);
	struct map_slot *slots = cap ? calloc(cap, sizeof *slots) : NULL;
	if (!slots) return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value && m->slots[i].value != MAP_TOMB) map_place(slots, cap, m->slots[i]);
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	m->used = m->count;
	return true;
}

bool map_put(struct map *m, struct span key, void *value)
{
	BECK_ASSERT(value && value != MAP_TOMB);
	uint64_t hash = map_siphash(m->seed, key);
	struct map_slot *s = map_find(m, hash, key);
	if (s) {
		s->key = key;
		s->value = value;
		return true;
	}
	if (!map_make_room(m)) return false;
	map_place(m->slots, m->cap, (struct map_slot){ hash, key, value });
	m->count++;
	m->used++;
	return true;
}

void *map_remove(struct map *m, struct span key)
{
	struct map_slot *s = m->count ? map_find(m, map_siphash(m->seed, key), key) : NULL;
	if (!s) return NULL;
	void *old = s->value;
	*s = (struct map_slot){ .value = MAP_TOMB };
	if (--m->count == 0) map_deinit(m); /* what is empty costs nothing */
	return old;
}

void *map_next(const struct map *m, size_t *it)
{
	while (*it < m->cap) {
		void *v = m->slots[(*it)++].value;
		if (v && v != MAP_TOMB) return v;
	}
	return NULL;
}

/* Row numbers are the server's own, so mixing needs no secret; it only has to spread neighbours. */
static size_t u64_hash(uint64_t k)
{
	k ^= k >> 31;
	k *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(k ^ k >> 32);
}

void u64map_init(struct u64map *m) { *m = (struct u64map){ 0 }; }

void u64map_deinit(struct u64map *m)
{
	free(m->slots);
	u64map_init(m);
}

static struct u64map_slot *u64map_find(const struct u64map *m, uint64_t key)
{
	if (m->cap == 0) return NULL;
	for (size_t i = u64_hash(key) & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		struct u64map_slot *s = &m->slots[i];
		if (!s->value) return NULL;
		if (s->key == key && s->value != MAP_TOMB) return s;
	}
}

void *u64map_get(const struct u64map *m, uint64_t key)
{
	struct u64map_slot *s = u64map_find(m, key);
	return s ? s->value : NULL;
}

static void u64map_place(struct u64map_slot *slots, size_t cap, struct u64map_slot entry)
{
	size_t i = u64_hash(entry.key) & (cap - 1);
	while (slots[i].value) i = (i + 1) & (cap - 1);
	slots[i] = entry;
}

static bool u64map_make_room(struct u64map *m)
{
	if (m->used + 1 <= m->cap / 4 * 3) return true;
	size_t cap = capacity_for(m->count + 1);
	struct u64map_slot *slots = cap ? calloc(cap, sizeof *slots) : NULL;
	if (!slots) return false;
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value && m->slots[i].value != MAP_TOMB) u64map_place(slots, cap, m->slots[i]);
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	m->used = m->count;
	return true;
}

bool u64map_put(struct u64map *m, uint64_t key, void *value)
{
	BECK_ASSERT(value && value != MAP_TOMB);
	struct u64map_slot *s = u64map_find(m, key);
	if (s) {
		s->value = value;
		return true;
	}
	if (!u64map_make_room(m)) return false;
	u64map_place(m->slots, m->cap, (struct u64map_slot){ key, value });
	m->count++;
	m->used++;
	return true;
}

void *u64map_remove(struct u64map *m, uint64_t key)
{
	struct u64map_slot *s = u64map_find(m, key);
	if (!s) return NULL;
	void *old = s->value;
	s->value = MAP_TOMB;
	if (--m->count == 0) u64map_deinit(m);
	return old;
}

void *u64map_next(const struct u64map *m, size_t *it, uint64_t *key)
{
	while (*it < m->cap) {
		const struct u64map_slot *s = &m->slots[(*it)++];
		if (!s->value || s->value == MAP_TOMB) continue;
		if (key) *key = s->key;
		return s->value;
	}
	return NULL;
}
