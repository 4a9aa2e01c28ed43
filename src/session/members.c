#include "session/members.h"

struct member_channel {
	int64_t pk;
	struct idset users;
};

static struct member_channel *channel_at(const struct member_index *x, uint32_t handle) { return slab_get(&x->channels, handle); }

static uint32_t home(int64_t pk, uint32_t cap)
{
	uint64_t k = (uint64_t)pk * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(k >> 32) & (cap - 1);
}

void member_index_init(struct member_index *x)
{
	*x = (struct member_index){ 0 };
	slab_init(&x->channels, sizeof(struct member_channel));
}

void member_index_deinit(struct member_index *x)
{
	for (uint32_t i = 0; i < x->cap; i++)
		if (x->slots[i]) idset_deinit(&channel_at(x, x->slots[i])->users);
	free(x->slots);
	slab_deinit(&x->channels);
	member_index_init(x);
}

/* Its slot, or the free one where it would be. */
static uint32_t slot_of(const struct member_index *x, int64_t pk)
{
	uint32_t i = home(pk, x->cap);
	while (x->slots[i] && channel_at(x, x->slots[i])->pk != pk) i = (i + 1) & (x->cap - 1);
	return i;
}

static bool resize(struct member_index *x, uint32_t cap)
{
	struct member_index old = *x;
	uint32_t *slots = calloc(cap, sizeof *slots);
	if (!slots) return false;
	x->slots = slots;
	x->cap = cap;
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i]) slots[slot_of(x, channel_at(x, old.slots[i])->pk)] = old.slots[i];
	free(old.slots);
	return true;
}

static bool make_room(struct member_index *x)
{
	if (x->count + 1 <= x->cap / 4 * 3) return true;
	return x->cap <= UINT32_MAX / 4 && resize(x, x->cap ? x->cap * 2 : 64);
}

/* Closes the hole so that no probe stops at it. */
static void remove_slot(struct member_index *x, uint32_t hole)
{
	uint32_t mask = x->cap - 1;
	idset_deinit(&channel_at(x, x->slots[hole])->users);
	slab_free(&x->channels, x->slots[hole]);
	for (uint32_t i = (hole + 1) & mask; x->slots[i]; i = (i + 1) & mask) {
		uint32_t want = home(channel_at(x, x->slots[i])->pk, x->cap);
		if (((i - want) & mask) < ((i - hole) & mask)) continue;
		x->slots[hole] = x->slots[i];
		hole = i;
	}
	x->slots[hole] = 0;
	x->count--;
	if (x->cap > 64 && x->count < x->cap / 8) (void)resize(x, x->cap / 2); /* without memory it stays large */
}

bool member_index_add(struct member_index *x, int64_t channel, uint32_t user)
{
	if (!make_room(x)) return false;
	uint32_t at = slot_of(x, channel);
	bool is_new = x->slots[at] == 0;
	if (is_new) {
		uint32_t handle;
		struct member_channel *c = slab_alloc(&x->channels, &handle);
		if (!c) return false;
		c->pk = channel;
		x->slots[at] = handle;
		x->count++;
	}
	if (idset_add(&channel_at(x, x->slots[at])->users, user)) return true;
	if (is_new) remove_slot(x, at);
	return false;
}

void member_index_remove(struct member_index *x, int64_t channel, uint32_t user)
{
	if (!x->cap) return;
	uint32_t at = slot_of(x, channel);
	if (!x->slots[at]) return;
	struct member_channel *c = channel_at(x, x->slots[at]);
	idset_remove(&c->users, user);
	if (c->users.n == 0) remove_slot(x, at);
}

const struct idset *member_index_get(const struct member_index *x, int64_t channel)
{
	if (!x->cap) return NULL;
	uint32_t at = slot_of(x, channel);
	return x->slots[at] ? &channel_at(x, x->slots[at])->users : NULL;
}
