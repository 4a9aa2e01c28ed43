#include <stdlib.h>

#include "session/hub.h"

struct hub_user *user_find(const struct session_hub *h, int64_t pk)
{
	return pk ? u64map_get(&h->user_by_pk, (uint64_t)pk) : NULL;
}

static struct hub_user *user_make(struct session_hub *h, const struct session_start *start)
{
	uint32_t handle;
	struct hub_user *u = slab_alloc(&h->users, &handle);
	if (!u) return NULL;
	*u = (struct hub_user){ .pk = start->user, .app = start->app, .handle = handle, .seen_tick = h->tick };
	if (!u->pk) return u;
	if (!totals_load(h, u, start)) {
		slab_free(&h->users, handle);
		return NULL;
	}
	if (u64map_put(&h->user_by_pk, (uint64_t)u->pk, u)) return u;
	totals_drop(h, u);
	slab_free(&h->users, handle);
	return NULL;
}

struct hub_user *user_acquire(struct session_hub *h, const struct session_start *start, bool *is_new)
{
	struct hub_user *u = user_find(h, start->user);
	*is_new = !u;
	return u ? u : user_make(h, start);
}

void user_release(struct session_hub *h, struct hub_user *u)
{
	BECK_ASSERT(!u->sessions);
	if (u->pk) u64map_remove(&h->user_by_pk, (uint64_t)u->pk);
	totals_drop(h, u);
	slab_free(&h->users, u->handle);
}

void user_add_session(struct hub_user *u, struct session *s)
{
	s->user = u;
	s->sibling = u->sessions;
	u->sessions = s;
}

void user_remove_session(struct hub_user *u, struct session *s)
{
	struct session **at = &u->sessions;
	while (*at != s) at = &(*at)->sibling;
	*at = s->sibling;
	s->sibling = NULL;
	s->user = NULL;
}
