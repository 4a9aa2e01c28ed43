/* Users and their sessions, counters, and who was seen. Watching is in registry_watch.c. */
#include <stdlib.h>

#include "session/registry_tables.h"

struct reg_shard *registry_lock_shard(struct reg_shard *shards, int64_t key)
{
	struct reg_shard *s = &shards[((uint64_t)key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (REGISTRY_SHARDS - 1)];
	pthread_mutex_lock(&s->lock);
	return s;
}

static void shard_init(struct reg_shard *s)
{
	BECK_ASSERT(pthread_mutex_init(&s->lock, NULL) == 0);
	u64map_init(&s->map);
}

struct registry *registry_create(const struct rng *rng)
{
	(void)rng; /* keys are row numbers of ours, no peer chooses them */
	struct registry *r = calloc(1, sizeof *r);
	if (!r) return NULL;
	for (int i = 0; i < REGISTRY_SHARDS; i++) {
		shard_init(&r->users[i]);
		shard_init(&r->channels[i]);
	}
	BECK_ASSERT(pthread_mutex_init(&r->lock, NULL) == 0);
	return r;
}

static void free_users(struct reg_shard *s)
{
	struct reg_user *u;
	size_t it = 0;
	while ((u = u64map_next(&s->map, &it, NULL))) {
		free(u->watched);
		free(u);
	}
	u64map_deinit(&s->map);
	pthread_mutex_destroy(&s->lock);
}

static void free_channels(struct reg_shard *s)
{
	struct reg_channel *c;
	size_t it = 0;
	while ((c = u64map_next(&s->map, &it, NULL))) registry_channel_free(c);
	u64map_deinit(&s->map);
	pthread_mutex_destroy(&s->lock);
}

static void free_values(struct u64map *m)
{
	void *v;
	size_t it = 0;
	while ((v = u64map_next(m, &it, NULL))) free(v);
	u64map_deinit(m);
}

void registry_destroy(struct registry *r)
{
	if (!r) return;
	for (int i = 0; i < REGISTRY_SHARDS; i++) {
		free_users(&r->users[i]);
		free_channels(&r->channels[i]);
	}
	free_values(&r->apps);
	free_values(&r->seen);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- users ---- */

struct reg_user *registry_user(struct reg_shard *s, int64_t user, bool may_make)
{
	struct reg_user *u = u64map_get(&s->map, (uint64_t)user);
	if (u || !may_make) return u;
	u = calloc(1, sizeof *u);
	if (!u) return NULL;
	*u = (struct reg_user){ .user = user, .is_visible = true };
	if (u64map_put(&s->map, (uint64_t)user, u)) return u;
	free(u);
	return NULL;
}

void registry_user_leave(struct reg_shard *s, struct reg_user *u)
{
	if (u->sessions || u->watched_n) return;
	u64map_remove(&s->map, (uint64_t)u->user);
	free(u->watched);
	free(u);
}

static struct reg_count *app_count(struct registry *r, int64_t app)
{
	struct reg_count *c = u64map_get(&r->apps, (uint64_t)app);
	if (c) return c;
	c = calloc(1, sizeof *c);
	if (!c || u64map_put(&r->apps, (uint64_t)app, c)) return c;
	free(c);
	return NULL;
}

static void raise_count(struct reg_count *c)
{
	if (++c->now > c->peak) c->peak = c->now;
}

/* anonymous_most: 0 = no limit. */
static bool count_in(struct registry *r, int64_t app, bool is_anonymous, int64_t anonymous_most)
{
	pthread_mutex_lock(&r->lock);
	struct reg_count *c = app_count(r, app);
	bool ok = c && (!is_anonymous || anonymous_most <= 0 || c->anonymous < anonymous_most);
	if (ok) {
		c->anonymous += is_anonymous;
		raise_count(c);
		raise_count(&r->all);
	}
	pthread_mutex_unlock(&r->lock);
	return ok;
}

static void count_out(struct registry *r, int64_t app, bool is_anonymous)
{
	pthread_mutex_lock(&r->lock);
	struct reg_count *c = app_count(r, app);
	if (c) {
		c->now--;
		c->anonymous -= is_anonymous;
	}
	r->all.now--;
	pthread_mutex_unlock(&r->lock);
}

bool registry_connect(struct registry *r, int64_t app, int64_t user, int64_t limit, bool *first)
{
	*first = false;
	if (!user) return count_in(r, app, true, limit);
	struct reg_shard *s = registry_lock_shard(r->users, user);
	struct reg_user *u = registry_user(s, user, true);
	bool ok = u && (limit <= 0 || u->sessions < limit) && count_in(r, app, false, 0);
	if (ok) *first = u->sessions++ == 0;
	if (u && !ok) registry_user_leave(s, u);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void registry_disconnect(struct registry *r, int64_t app, int64_t user, bool *last)
{
	*last = false;
	count_out(r, app, !user);
	if (!user) return;
	struct reg_shard *s = registry_lock_shard(r->users, user);
	struct reg_user *u = registry_user(s, user, false);
	if (u && u->sessions) *last = --u->sessions == 0;
	if (u) registry_user_leave(s, u);
	pthread_mutex_unlock(&s->lock);
}

int64_t registry_sessions(struct registry *r, int64_t app, int64_t user)
{
	(void)app;
	struct reg_shard *s = registry_lock_shard(r->users, user);
	const struct reg_user *u = registry_user(s, user, false);
	int64_t n = u ? u->sessions : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

bool registry_is_online(struct registry *r, int64_t app, int64_t user) { return user && registry_sessions(r, app, user) > 0; }

bool registry_is_visible(struct registry *r, int64_t app, int64_t user)
{
	(void)app;
	struct reg_shard *s = registry_lock_shard(r->users, user);
	const struct reg_user *u = registry_user(s, user, false);
	bool is = u && u->is_visible;
	pthread_mutex_unlock(&s->lock);
	return is;
}

int64_t registry_concurrent(struct registry *r, int64_t app)
{
	pthread_mutex_lock(&r->lock);
	const struct reg_count *c = app ? u64map_get(&r->apps, (uint64_t)app) : &r->all;
	int64_t n = c ? c->now : 0;
	pthread_mutex_unlock(&r->lock);
	return n;
}

int64_t registry_peak(struct registry *r, int64_t app, bool reset)
{
	pthread_mutex_lock(&r->lock);
	struct reg_count *c = app ? u64map_get(&r->apps, (uint64_t)app) : &r->all;
	int64_t n = c ? c->peak : 0;
	if (c && reset) c->peak = c->now;
	pthread_mutex_unlock(&r->lock);
	return n;
}

/* ---- seen ---- */

void registry_mark_seen(struct registry *r, int64_t app, int64_t user, int64_t wall_us)
{
	if (!user) return;
	pthread_mutex_lock(&r->lock);
	struct registry_seen *s = u64map_get(&r->seen, (uint64_t)user);
	if (!s) {
		s = calloc(1, sizeof *s);
		/* Without memory one mark is lost, as by a crash. */
		if (s && !u64map_put(&r->seen, (uint64_t)user, s)) {
			free(s);
			s = NULL;
		}
	}
	if (s && (s->user == 0 || wall_us > s->at_us)) *s = (struct registry_seen){ app, user, wall_us };
	pthread_mutex_unlock(&r->lock);
}

int64_t registry_seen_at(struct registry *r, int64_t user)
{
	pthread_mutex_lock(&r->lock);
	const struct registry_seen *s = user ? u64map_get(&r->seen, (uint64_t)user) : NULL;
	int64_t at = s ? s->at_us : 0;
	pthread_mutex_unlock(&r->lock);
	return at;
}

size_t registry_seen_count(struct registry *r)
{
	pthread_mutex_lock(&r->lock);
	size_t n = r->seen.count;
	pthread_mutex_unlock(&r->lock);
	return n;
}

size_t registry_list_seen(struct registry *r, struct registry_seen *out, size_t cap)
{
	struct registry_seen *s;
	size_t n = 0, it = 0;
	pthread_mutex_lock(&r->lock);
	while (n < cap && (s = u64map_next(&r->seen, &it, NULL))) out[n++] = *s;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void registry_forget_seen(struct registry *r, const struct registry_seen *seen, size_t n)
{
	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < n; i++) {
		const struct registry_seen *s = u64map_get(&r->seen, (uint64_t)seen[i].user);
		if (s && s->at_us == seen[i].at_us) free(u64map_remove(&r->seen, (uint64_t)seen[i].user));
	}
	pthread_mutex_unlock(&r->lock);
}
