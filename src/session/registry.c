#include "session/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Row keys are unique over applications, so a key alone names a user or a channel. Users and channels have shards of their own: no call
 * holds two locks. */
#define SHARDS 16

struct online {
	uint32_t sessions;
};
struct watcher {
	int64_t user;
	uint32_t sessions;
	bool visible;
};
struct watched {
	struct watcher *items; /* in order of their coming */
	uint32_t n, cap;
	uint32_t visible;
	int64_t announced_us;
};
struct counter {
	int64_t now, peak;
};
struct shard {
	pthread_mutex_t lock;
	struct u64map users;    /* struct online */
	struct u64map channels; /* struct watched */
	struct u64map watching; /* user -> struct u64map of channels, to find them when he becomes invisible */
};
struct registry {
	struct shard shards[SHARDS];
	pthread_mutex_t lock; /* what follows */
	struct u64map apps;   /* struct counter */
	struct counter total;
	struct u64map seen; /* user -> struct registry_seen */
};

static struct shard *shard_of(struct registry *r, int64_t key)
{
	uint64_t h = (uint64_t)key * 0x9e3779b97f4a7c15u;
	return &r->shards[h >> 60];
}

struct registry *registry_create(const struct rng *rng)
{
	(void)rng;
	struct registry *r = calloc(1, sizeof *r);
	if (!r) return NULL;
	pthread_mutex_init(&r->lock, NULL);
	u64map_init(&r->apps);
	u64map_init(&r->seen);
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&r->shards[i].lock, NULL);
		u64map_init(&r->shards[i].users);
		u64map_init(&r->shards[i].channels);
		u64map_init(&r->shards[i].watching);
	}
	return r;
}

static void free_values(struct u64map *m)
{
	size_t it = 0;
	void *v;
	while ((v = u64map_next(m, &it, NULL)) != NULL)
		free(v);
	u64map_deinit(m);
}

static void free_shard(struct shard *s)
{
	size_t it = 0;
	struct watched *w;
	while ((w = u64map_next(&s->channels, &it, NULL)) != NULL)
		free(w->items);
	free_values(&s->channels);
	free_values(&s->users);
	it = 0;
	struct u64map *m;
	while ((m = u64map_next(&s->watching, &it, NULL)) != NULL)
		u64map_deinit(m);
	free_values(&s->watching);
	pthread_mutex_destroy(&s->lock);
}

void registry_destroy(struct registry *r)
{
	if (!r) return;
	for (int i = 0; i < SHARDS; i++)
		free_shard(&r->shards[i]);
	free_values(&r->apps);
	free_values(&r->seen);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *get_or_make(struct u64map *m, int64_t key, size_t size)
{
	void *v = u64map_get(m, (uint64_t)key);
	if (v) return v;
	v = calloc(1, size);
	if (v && !u64map_put(m, (uint64_t)key, v)) {
		free(v);
		return NULL;
	}
	return v;
}

/* ---- sessions ---- */
static void count(struct registry *r, int64_t app, int64_t delta)
{
	pthread_mutex_lock(&r->lock);
	struct counter *c = get_or_make(&r->apps, app, sizeof *c);
	struct counter *both[] = { c, &r->total };
	for (int i = c ? 0 : 1; i < 2; i++) {
		both[i]->now += delta;
		if (both[i]->now > both[i]->peak) both[i]->peak = both[i]->now;
	}
	pthread_mutex_unlock(&r->lock);
}

bool registry_connect(struct registry *r, int64_t app, int64_t user, int64_t limit, bool *first)
{
	*first = false;
	if (user > 0) {
		struct shard *s = shard_of(r, user);
		pthread_mutex_lock(&s->lock);
		struct online *o = get_or_make(&s->users, user, sizeof *o);
		bool ok = o && (limit == 0 || o->sessions < limit);
		if (ok) *first = o->sessions++ == 0;
		pthread_mutex_unlock(&s->lock);
		if (!ok) return false;
	}
	count(r, app, 1);
	return true;
}

void registry_disconnect(struct registry *r, int64_t app, int64_t user, bool *last)
{
	*last = false;
	if (user > 0) {
		struct shard *s = shard_of(r, user);
		pthread_mutex_lock(&s->lock);
		struct online *o = u64map_get(&s->users, (uint64_t)user);
		if (o && --o->sessions == 0) {
			*last = true;
			free(u64map_remove(&s->users, (uint64_t)user));
		}
		pthread_mutex_unlock(&s->lock);
	}
	count(r, app, -1);
}

int64_t registry_sessions(struct registry *r, int64_t app, int64_t user)
{
	(void)app;
	struct shard *s = shard_of(r, user);
	pthread_mutex_lock(&s->lock);
	struct online *o = u64map_get(&s->users, (uint64_t)user);
	int64_t n = o ? o->sessions : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool registry_is_online(struct registry *r, int64_t app, int64_t user) { return user > 0 && registry_sessions(r, app, user) > 0; }

int64_t registry_concurrent(struct registry *r, int64_t app)
{
	pthread_mutex_lock(&r->lock);
	struct counter *c = app ? u64map_get(&r->apps, (uint64_t)app) : &r->total;
	int64_t n = c ? c->now : 0;
	pthread_mutex_unlock(&r->lock);
	return n;
}

int64_t registry_peak(struct registry *r, int64_t app, bool reset)
{
	pthread_mutex_lock(&r->lock);
	struct counter *c = app ? u64map_get(&r->apps, (uint64_t)app) : &r->total;
	int64_t n = c ? c->peak : 0;
	if (c && reset) c->peak = c->now;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* ---- watching ---- */
static struct watcher *find(struct watched *w, int64_t user)
{
	for (uint32_t i = 0; w && i < w->n; i++)
		if (w->items[i].user == user) return &w->items[i];
	return NULL;
}

static struct watcher *add(struct watched *w, int64_t user)
{
	if (w->n == w->cap) {
		uint32_t cap = w->cap ? w->cap * 2 : 4;
		struct watcher *items = realloc(w->items, cap * sizeof *items);
		if (!items) return NULL;
		w->items = items;
		w->cap = cap;
	}
	w->items[w->n] = (struct watcher){ .user = user };
	return &w->items[w->n++];
}

static void drop_if_empty(struct shard *s, int64_t channel, struct watched *w)
{
	if (w->n) return;
	u64map_remove(&s->channels, (uint64_t)channel);
	free(w->items);
	free(w);
}

/* Which channels a user watches, for registry_set_visible. */
static void note_watching(struct registry *r, int64_t user, int64_t channel, bool on)
{
	static char present;
	struct shard *s = shard_of(r, user);
	pthread_mutex_lock(&s->lock);
	struct u64map *m = on ? get_or_make(&s->watching, user, sizeof *m) : u64map_get(&s->watching, (uint64_t)user);
	if (m && on) {
		if (!u64map_put(m, (uint64_t)channel, &present)) {} /* without memory: visibility is then corrected at the next watch */
	} else if (m) {
		u64map_remove(m, (uint64_t)channel);
		if (m->count == 0) {
			u64map_remove(&s->watching, (uint64_t)user);
			u64map_deinit(m);
			free(m);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

bool registry_watch(struct registry *r, int64_t app, int64_t channel, int64_t user, bool visible, bool *first, int64_t *count_out)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	pthread_mutex_lock(&s->lock);
	struct watched *w = get_or_make(&s->channels, channel, sizeof *w);
	struct watcher *me = find(w, user);
	*first = false;
	if (w && !me) {
		me = add(w, user);
		if (me) {
			me->visible = visible;
			w->visible += visible;
			*first = true;
		} else {
			drop_if_empty(s, channel, w);
		}
	}
	if (me) {
		me->sessions++;
		*count_out = w->visible;
	}
	pthread_mutex_unlock(&s->lock);
	if (*first && user > 0) note_watching(r, user, channel, true);
	return me != NULL;
}

void registry_unwatch(struct registry *r, int64_t app, int64_t channel, int64_t user, bool *last, int64_t *count_out)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	*last = false;
	*count_out = 0;
	pthread_mutex_lock(&s->lock);
	struct watched *w = u64map_get(&s->channels, (uint64_t)channel);
	struct watcher *me = find(w, user);
	if (me && --me->sessions == 0) {
		*last = true;
		w->visible -= me->visible;
		memmove(me, me + 1, (size_t)(w->items + w->n - (me + 1)) * sizeof *me);
		w->n--;
	}
	if (w) {
		*count_out = w->visible;
		drop_if_empty(s, channel, w);
	}
	pthread_mutex_unlock(&s->lock);
	if (*last && user > 0) note_watching(r, user, channel, false);
}

int64_t registry_watcher_count(struct registry *r, int64_t app, int64_t channel)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	pthread_mutex_lock(&s->lock);
	struct watched *w = u64map_get(&s->channels, (uint64_t)channel);
	int64_t n = w ? w->visible : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t registry_watchers(struct registry *r, int64_t app, int64_t channel, int64_t offset, int64_t limit, struct arena *a, int64_t **users)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	pthread_mutex_lock(&s->lock);
	struct watched *w = u64map_get(&s->channels, (uint64_t)channel);
	size_t n = 0, want = w && limit > 0 ? (w->n < (uint64_t)limit ? w->n : (size_t)limit) : 0;
	*users = arena_array(a, int64_t, want ? want : 1);
	for (uint32_t i = 0; w && *users && i < w->n && n < want; i++) {
		if (!w->items[i].visible || w->items[i].user <= 0) continue;
		if (offset > 0) {
			offset--;
		} else {
			(*users)[n++] = w->items[i].user;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool registry_is_watching(struct registry *r, int64_t app, int64_t channel, int64_t user)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	pthread_mutex_lock(&s->lock);
	bool is = find(u64map_get(&s->channels, (uint64_t)channel), user) != NULL;
	pthread_mutex_unlock(&s->lock);
	return is;
}

void registry_set_visible(struct registry *r, int64_t app, int64_t user, bool visible)
{
	(void)app;
	struct shard *own = shard_of(r, user);
	uint64_t *channels = NULL;
	size_t n = 0, it = 0;
	pthread_mutex_lock(&own->lock);
	struct u64map *m = u64map_get(&own->watching, (uint64_t)user);
	if (m) channels = malloc(m->count * sizeof *channels);
	while (channels && u64map_next(m, &it, &channels[n]) != NULL && ++n < m->count) {}
	pthread_mutex_unlock(&own->lock);
	for (size_t i = 0; i < n; i++) {
		struct shard *s = shard_of(r, (int64_t)channels[i]);
		pthread_mutex_lock(&s->lock);
		struct watched *w = u64map_get(&s->channels, channels[i]);
		struct watcher *me = find(w, user);
		if (me && me->visible != visible) {
			me->visible = visible;
			w->visible += visible ? 1u : (uint32_t)-1;
		}
		pthread_mutex_unlock(&s->lock);
	}
	free(channels);
}

bool registry_may_announce(struct registry *r, int64_t app, int64_t channel, int64_t mono_us)
{
	(void)app;
	struct shard *s = shard_of(r, channel);
	pthread_mutex_lock(&s->lock);
	struct watched *w = u64map_get(&s->channels, (uint64_t)channel);
	bool may = !w || w->announced_us == 0 || mono_us - w->announced_us >= 5000000;
	if (w && may) w->announced_us = mono_us;
	pthread_mutex_unlock(&s->lock);
	return may;
}

/* ---- seen ---- */
void registry_mark_seen(struct registry *r, int64_t app, int64_t user, int64_t wall_us)
{
	if (user <= 0) return;
	pthread_mutex_lock(&r->lock);
	struct registry_seen *s = get_or_make(&r->seen, user, sizeof *s);
	if (s) *s = (struct registry_seen){ .app = app, .user = user, .at_us = wall_us };
	pthread_mutex_unlock(&r->lock);
}

size_t registry_take_seen(struct registry *r, struct registry_seen *out, size_t cap)
{
	size_t n = 0, it = 0;
	pthread_mutex_lock(&r->lock);
	struct registry_seen *s;
	while (n < cap && (s = u64map_next(&r->seen, &it, NULL)) != NULL)
		out[n++] = *s;
	for (size_t i = 0; i < n; i++)
		free(u64map_remove(&r->seen, (uint64_t)out[i].user));
	pthread_mutex_unlock(&r->lock);
	return n;
}
