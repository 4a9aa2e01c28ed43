/* The applications of a server, kept in memory. A snapshot is immutable and shared by reference; a reload makes new ones for what
 * changed and swaps the tables under a lock that is held for a look-up only. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/map.h"
#include "chat/apps.h"
#include "chat/rates.h"

enum { APP_BYTES = 32 << 20 }; /* settings and channel types of one application, parsed */

struct chat_apps {
	pthread_mutex_t lock;
	uint64_t seed[2];
	struct map by_key;       /* values: struct app, one reference each */
	struct u64map by_pk;     /* the same, borrowed */
	_Atomic uint64_t serial; /* of the newest snapshot */
};

struct app *chat_app_ref(struct app *a)
{
	atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
	return a;
}

void chat_app_unref(struct app *a)
{
	if (a == NULL || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1) return;
	arena_deinit(&a->arena);
	rates_unref(a->rates);
	free(a);
}

struct chat_apps *chat_apps_create(const struct rng *rng)
{
	struct chat_apps *c = calloc(1, sizeof *c);
	if (c == NULL) return NULL;
	c->seed[0] = rng_u64(rng);
	c->seed[1] = rng_u64(rng);
	map_init(&c->by_key, c->seed);
	u64map_init(&c->by_pk);
	short_lock_init(&c->lock);
	return c;
}

static void drop_table(struct map *by_key, struct u64map *by_pk)
{
	size_t it = 0;
	struct app *a;
	while ((a = map_next(by_key, &it)) != NULL) chat_app_unref(a);
	map_deinit(by_key);
	u64map_deinit(by_pk);
}

void chat_apps_destroy(struct chat_apps *c)
{
	if (c == NULL) return;
	drop_table(&c->by_key, &c->by_pk);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- building a snapshot ---- */
static bool copy_secrets(struct app *a, const struct store_app *row)
{
	a->secrets = arena_array(&a->arena, struct span, row->secret_count ? row->secret_count : 1);
	if (a->secrets == NULL) return false;
	for (size_t i = 0; i < row->secret_count; i++) a->secrets[i] = arena_dup(&a->arena, row->secrets[i]);
	a->secret_count = row->secret_count;
	return true;
}

static bool copy_types(struct app *a, const struct store_channel_type *rows, size_t n)
{
	a->types = arena_array(&a->arena, struct channel_type, n ? n : 1);
	if (a->types == NULL) return false;
	for (size_t i = 0; i < n; i++)
		if (!channel_type_load(&a->arena, &rows[i], &a->types[i])) return false;
	a->type_count = n;
	return true;
}

/* before: the snapshot that this one replaces, or NULL. */
static struct app *build(struct chat_apps *c, const struct app *before, const struct store_app *row,
	const struct store_channel_type *types, size_t n)
{
	struct app *a = calloc(1, sizeof *a);
	if (a == NULL) return NULL;
	atomic_init(&a->refs, 1);
	arena_init(&a->arena, APP_BYTES);
	a->pk = row->pk;
	a->serial = atomic_fetch_add(&c->serial, 1) + 1;
	a->name = arena_dup(&a->arena, row->name);
	a->key = arena_dup(&a->arena, row->key);
	a->settings_json = arena_dup(&a->arena, row->settings);
	a->rates = before != NULL ? rates_ref(before->rates) : rates_create();
	if (a->rates != NULL && copy_secrets(a, row) && copy_types(a, types, n) && app_settings_load(a) &&
		!arena_failed(&a->arena))
		return a;
	chat_app_unref(a);
	return NULL;
}

static bool same_secrets(const struct app *a, const struct store_app *row)
{
	if (a->secret_count != row->secret_count) return false;
	for (size_t i = 0; i < row->secret_count; i++)
		if (!span_eq(a->secrets[i], row->secrets[i])) return false;
	return true;
}

static bool same_types(const struct app *a, const struct store_channel_type *rows, size_t n)
{
	if (a->type_count != n) return false;
	for (size_t i = 0; i < n; i++)
		if (!span_eq(a->types[i].name, rows[i].name) || a->types[i].updated_at != rows[i].updated_at ||
			!span_eq(a->types[i].config_json, rows[i].config) || !span_eq(a->types[i].grants_json, rows[i].grants))
			return false;
	return true;
}

/* The snapshot there is when nothing of it changed, else a new one. A reference, or NULL. */
static struct app *snapshot_of(struct chat_apps *c, const struct store_app *row, const struct store_channel_type *types, size_t n)
{
	struct app *old = chat_app_by_pk(c, row->pk);
	if (old != NULL && span_eq(old->name, row->name) && span_eq(old->key, row->key) &&
		span_eq(old->settings_json, row->settings) && same_secrets(old, row) && same_types(old, types, n))
		return old;
	struct app *made = build(c, old, row, types, n);
	chat_app_unref(old);
	return made;
}

static enum err add(struct chat_apps *c, struct store_tx *tx, const struct store_app *row, struct arena *a, struct map *by_key,
	struct u64map *by_pk)
{
	struct store_channel_type *types;
	size_t n;
	enum err e = store_type_list(tx, row->pk, a, &types, &n);
	if (e != ERR_OK) return e;
	struct app *app = snapshot_of(c, row, types, n);
	if (app == NULL) return ERR_UNAVAILABLE;
	if (map_put(by_key, app->key, app)) return u64map_put(by_pk, (uint64_t)app->pk, app) ? ERR_OK : ERR_UNAVAILABLE;
	chat_app_unref(app);
	return ERR_UNAVAILABLE;
}

static enum err fill(struct chat_apps *c, struct store_tx *tx, struct arena *a, struct map *by_key, struct u64map *by_pk)
{
	struct arena one; /* the channel types of one application at a time */
	struct store_app *rows;
	size_t n;
	enum err e = store_app_list(tx, a, &rows, &n);
	arena_init(&one, APP_BYTES);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		arena_reset(&one);
		e = add(c, tx, &rows[i], &one, by_key, by_pk);
	}
	arena_deinit(&one);
	return e;
}

enum err chat_apps_load(struct chat_apps *c, struct store_tx *tx)
{
	struct arena a;
	struct map by_key;
	struct u64map by_pk;
	arena_init(&a, APP_BYTES * 4);
	map_init(&by_key, c->seed);
	u64map_init(&by_pk);
	enum err e = fill(c, tx, &a, &by_key, &by_pk);
	if (e == ERR_OK) {
		pthread_mutex_lock(&c->lock);
		struct map old_keys = c->by_key;
		struct u64map old_pks = c->by_pk;
		c->by_key = by_key;
		c->by_pk = by_pk;
		pthread_mutex_unlock(&c->lock);
		by_key = old_keys;
		by_pk = old_pks;
	}
	drop_table(&by_key, &by_pk);
	arena_deinit(&a);
	return e;
}

/* ---- looking up ---- */
struct app *chat_app_by_key(struct chat_apps *c, struct span key)
{
	pthread_mutex_lock(&c->lock);
	struct app *a = map_get(&c->by_key, key);
	if (a != NULL) chat_app_ref(a);
	pthread_mutex_unlock(&c->lock);
	return a;
}

struct app *chat_app_by_pk(struct chat_apps *c, int64_t pk)
{
	pthread_mutex_lock(&c->lock);
	struct app *a = u64map_get(&c->by_pk, (uint64_t)pk);
	if (a != NULL) chat_app_ref(a);
	pthread_mutex_unlock(&c->lock);
	return a;
}

const struct channel_type *chat_app_type(const struct app *a, struct span name)
{
	for (size_t i = 0; i < a->type_count; i++)
		if (span_eq(a->types[i].name, name)) return &a->types[i];
	return NULL;
}

/* ---- a new application ---- */
static struct span random_text(const struct rng *rng, struct arena *a, size_t n)
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	char *p = arena_alloc(a, n);
	if (p == NULL) return SPAN_NONE;
	rng_fill(rng, p, n);
	for (size_t i = 0; i < n; i++) p[i] = letters[(unsigned char)p[i] % 32]; /* 32 of them: 5 even bits a letter */
	return span_make(p, n);
}

enum err chat_app_create(struct store_tx *tx, const struct clock *clock, const struct rng *rng, struct arena *a, struct span name,
	struct span key, struct span secret, struct store_app *out)
{
	enum { KEY_LETTERS = 12, SECRET_LETTERS = 64 };
	int64_t now = clock_wall_us(clock);
	struct span *secrets = arena_array(a, struct span, 1);
	struct store_app app = { .name = span_given(name) && name.n > 0 ? arena_dup(a, name) : SPAN("application"),
		.key = span_given(key) ? arena_dup(a, key) : random_text(rng, a, KEY_LETTERS),
		.settings = SPAN("{}"),
		.secrets = secrets,
		.secret_count = 1,
		.created_at = now,
		.updated_at = now };
	if (secrets != NULL) *secrets = span_given(secret) ? arena_dup(a, secret) : random_text(rng, a, SECRET_LETTERS);
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	enum err e = store_app_create(tx, &app, &app.pk);
	if (e == ERR_OK) e = app_types_create(tx, a, app.pk, now);
	if (e == ERR_OK) *out = app;
	return e;
}
