/* Who watches what. Anonymous sessions are a number: nobody lists them. */
#include <stdlib.h>

#include "session/registry_tables.h"

enum { SCAN_MAX = 16, THIN_US = 5000000 };

void registry_channel_free(struct reg_channel *c)
{
	u64map_deinit(&c->places);
	free(c->items);
	free(c);
}

static int64_t count_of(const struct reg_channel *c) { return c ? (int64_t)c->visible + c->anonymous : 0; }

static struct reg_watcher *find(const struct reg_channel *c, int64_t user)
{
	if (c->places.count) {
		uintptr_t at = (uintptr_t)u64map_get(&c->places, (uint64_t)user);
		return at ? &c->items[at - 2] : NULL;
	}
	for (uint32_t i = 0; i < c->n; i++)
		if (c->items[i].user == user) return &c->items[i];
	return NULL;
}

/* False without memory: then there is none, and lists are searched. */
static bool build_places(struct reg_channel *c)
{
	u64map_deinit(&c->places);
	for (uint32_t i = 0; i < c->n; i++) {
		if (u64map_put(&c->places, (uint64_t)c->items[i].user, (void *)(uintptr_t)(i + 2))) continue;
		u64map_deinit(&c->places);
		return false;
	}
	return true;
}

static void pack(struct reg_channel *c)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->n; i++)
		if (c->items[i].user) c->items[n++] = c->items[i];
	c->n = n;
	if (n > SCAN_MAX) {
		(void)build_places(c);
	} else {
		u64map_deinit(&c->places);
	}
}

static bool make_room(struct reg_channel *c)
{
	if (c->n < c->cap) return true;
	if (c->n > SCAN_MAX && c->live < c->n / 4 * 3) {
		pack(c);
		return true;
	}
	uint32_t cap = c->cap ? c->cap * 2 : 2;
	struct reg_watcher *more = realloc(c->items, cap * sizeof *more);
	if (!more) return false;
	c->items = more;
	c->cap = cap;
	return true;
}

static struct reg_watcher *add(struct reg_channel *c, int64_t user)
{
	if (!make_room(c)) return NULL;
	c->items[c->n] = (struct reg_watcher){ .user = user };
	bool is_mapped = c->places.count > 0;
	if (is_mapped && !u64map_put(&c->places, (uint64_t)user, (void *)(uintptr_t)(c->n + 2))) return NULL;
	c->n++;
	c->live++;
	if (!is_mapped && c->n == SCAN_MAX + 1) pack(c);
	return find(c, user);
}

static void take_out(struct reg_channel *c, struct reg_watcher *w)
{
	if (c->places.count) u64map_remove(&c->places, (uint64_t)w->user);
	c->visible -= w->is_visible;
	c->live--;
	*w = (struct reg_watcher){ 0 };
	if (c->n <= SCAN_MAX || c->live < c->n / 4) pack(c);
}

static struct reg_channel *channel(struct reg_shard *s, int64_t pk, bool may_make)
{
	struct reg_channel *c = u64map_get(&s->map, (uint64_t)pk);
	if (c || !may_make) return c;
	c = calloc(1, sizeof *c);
	if (!c) return NULL;
	c->channel = pk;
	if (u64map_put(&s->map, (uint64_t)pk, c)) return c;
	free(c);
	return NULL;
}

static void channel_leave(struct reg_shard *s, struct reg_channel *c)
{
	if (c->live || c->anonymous) return;
	u64map_remove(&s->map, (uint64_t)c->channel);
	registry_channel_free(c);
}

/* ---- the user's side ---- */

static bool note(struct reg_user *u, int64_t channel_pk)
{
	if (u->watched_n == u->watched_cap) {
		uint32_t cap = u->watched_cap ? u->watched_cap * 2 : 4;
		int64_t *more = realloc(u->watched, cap * sizeof *more);
		if (!more) return false;
		u->watched = more;
		u->watched_cap = cap;
	}
	u->watched[u->watched_n++] = channel_pk;
	return true;
}

/* From the end: a session that ends lets go in the reverse order. */
static void forget(struct reg_user *u, int64_t channel_pk)
{
	uint32_t i = u->watched_n;
	while (i && u->watched[i - 1] != channel_pk) i--;
	if (i) u->watched[i - 1] = u->watched[--u->watched_n];
}

/* ---- watching ---- */

static bool watch_anonymous(struct registry *r, int64_t channel_pk, bool *first, int64_t *count)
{
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	struct reg_channel *c = channel(s, channel_pk, true);
	if (c) {
		c->anonymous++;
		*first = true;
		*count = count_of(c);
	}
	pthread_mutex_unlock(&s->lock);
	return c != NULL;
}

/* With the user's shard locked. */
static bool watch_user(struct registry *r, struct reg_user *u, int64_t channel_pk, bool visible, bool *first, int64_t *count)
{
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	struct reg_channel *c = channel(s, channel_pk, true);
	struct reg_watcher *w = c ? find(c, u->user) : NULL;
	if (c && !w && note(u, channel_pk)) {
		w = add(c, u->user);
		if (w) {
			w->is_visible = visible && u->is_visible;
			c->visible += w->is_visible;
			*first = true;
		} else {
			forget(u, channel_pk);
		}
	}
	if (w) {
		w->sessions++;
		*count = count_of(c);
	} else if (c) {
		channel_leave(s, c);
	}
	pthread_mutex_unlock(&s->lock);
	return w != NULL;
}

bool registry_watch(struct registry *r, int64_t app, int64_t channel_pk, int64_t user, bool visible, bool *first, int64_t *count)
{
	(void)app;
	*first = false;
	if (!user) return watch_anonymous(r, channel_pk, first, count);
	struct reg_shard *s = registry_lock_shard(r->users, user);
	struct reg_user *u = registry_user(s, user, true);
	bool ok = u && watch_user(r, u, channel_pk, visible, first, count);
	if (u) registry_user_leave(s, u);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void unwatch_in(struct reg_channel *c, int64_t user, bool *last)
{
	if (!user) {
		*last = c->anonymous > 0;
		c->anonymous -= *last;
		return;
	}
	struct reg_watcher *w = find(c, user);
	if (!w || --w->sessions) return;
	*last = true;
	take_out(c, w);
}

void registry_unwatch(struct registry *r, int64_t app, int64_t channel_pk, int64_t user, bool *last, int64_t *count)
{
	(void)app;
	*last = false;
	*count = 0;
	struct reg_shard *us = user ? registry_lock_shard(r->users, user) : NULL;
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	struct reg_channel *c = channel(s, channel_pk, false);
	if (c) {
		unwatch_in(c, user, last);
		*count = count_of(c);
		channel_leave(s, c);
	}
	pthread_mutex_unlock(&s->lock);
	struct reg_user *u = us ? registry_user(us, user, false) : NULL;
	if (u && *last) forget(u, channel_pk);
	if (u) registry_user_leave(us, u);
	if (us) pthread_mutex_unlock(&us->lock);
}

void registry_set_visible(struct registry *r, int64_t app, int64_t user, bool visible)
{
	(void)app;
	if (!user) return;
	struct reg_shard *us = registry_lock_shard(r->users, user);
	struct reg_user *u = registry_user(us, user, false);
	if (u) u->is_visible = visible;
	for (uint32_t i = 0; u && i < u->watched_n; i++) {
		struct reg_shard *s = registry_lock_shard(r->channels, u->watched[i]);
		struct reg_channel *c = channel(s, u->watched[i], false);
		struct reg_watcher *w = c ? find(c, user) : NULL;
		if (w && w->is_visible != visible) {
			w->is_visible = visible;
			c->visible = visible ? c->visible + 1 : c->visible - 1;
		}
		pthread_mutex_unlock(&s->lock);
	}
	pthread_mutex_unlock(&us->lock);
}

/* ---- looking ---- */

int64_t registry_watcher_count(struct registry *r, int64_t app, int64_t channel_pk)
{
	(void)app;
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	int64_t n = count_of(channel(s, channel_pk, false));
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t registry_watchers(
	struct registry *r, int64_t app, int64_t channel_pk, int64_t offset, int64_t limit, struct arena *a, int64_t **users)
{
	(void)app;
	size_t n = 0;
	*users = NULL;
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	const struct reg_channel *c = channel(s, channel_pk, false);
	size_t most = c && limit > 0 ? (c->visible < (uint64_t)limit ? c->visible : (size_t)limit) : 0;
	if (most) *users = arena_array(a, int64_t, most);
	for (uint32_t i = 0; *users && i < c->n && n < most; i++) {
		if (!c->items[i].user || !c->items[i].is_visible || offset-- > 0) continue;
		(*users)[n++] = c->items[i].user;
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool registry_is_watching(struct registry *r, int64_t app, int64_t channel_pk, int64_t user)
{
	(void)app;
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	const struct reg_channel *c = channel(s, channel_pk, false);
	bool is = user && c && find(c, user);
	pthread_mutex_unlock(&s->lock);
	return is;
}

bool registry_may_announce(struct registry *r, int64_t app, int64_t channel_pk, int64_t mono_us)
{
	(void)app;
	struct reg_shard *s = registry_lock_shard(r->channels, channel_pk);
	struct reg_channel *c = channel(s, channel_pk, false);
	bool may = !c || !c->announced_us || mono_us - c->announced_us >= THIN_US;
	if (c && may) c->announced_us = mono_us ? mono_us : 1;
	pthread_mutex_unlock(&s->lock);
	return may;
}
