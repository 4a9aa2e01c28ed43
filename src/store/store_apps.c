/* Applications, their secrets, channel types as data. Few rows, read as a whole by the rules' cache. */
#include "base/compiler.h"
#include "store/sql.h"

/* ---- growing results ---- */
enum { FIRST_ROWS = 8 };

static bool grow(struct arena *a, void **rows, size_t n, size_t *cap, size_t size)
{
	if (n < *cap) return true;
	size_t next = *cap ? *cap * 2 : FIRST_ROWS;
	void *p = arena_realloc(a, *rows, *cap * size, next * size);
	if (!p) return false;
	*rows = p;
	*cap = next;
	return true;
}

static enum err load_secrets(struct store_tx *tx, struct arena *a, struct store_app *app)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT secret FROM app_secrets WHERE app = ?1 AND retired_at = 0 ORDER BY pk DESC");
	sql_int(s, 1, app->pk);
	size_t cap = 0;
	bool ok = true;
	void *rows = NULL;
	while (ok && sql_step(s) == SQL_ROW) {
		ok = grow(a, &rows, app->secret_count, &cap, sizeof *app->secrets);
		app->secrets = rows;
		if (ok) app->secrets[app->secret_count++] = sql_col_text(s, a, 0);
	}
	enum err e = sql_done(s);
	return ok ? e : ERR_UNAVAILABLE;
}

static struct store_app read_app(struct sql_stmt *s, struct arena *a)
{
	return (struct store_app){
		.pk = sql_col_int(s, 0),
		.name = sql_col_text(s, a, 1),
		.key = sql_col_text(s, a, 2),
		.settings = sql_col_text(s, a, 3),
		.created_at = sql_col_int(s, 4),
		.updated_at = sql_col_int(s, 5),
	};
}

enum err store_app_list(struct store_tx *tx, struct arena *a, struct store_app **out, size_t *n)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT pk, name, key, settings, created_at, updated_at FROM apps ORDER BY pk");
	size_t count = 0, cap = 0;
	bool ok = true;
	void *rows = NULL;
	while (ok && sql_step(s) == SQL_ROW) {
		ok = grow(a, &rows, count, &cap, sizeof(struct store_app));
		if (ok) ((struct store_app *)rows)[count++] = read_app(s, a);
	}
	enum err e = sql_done(s);
	if (!ok) e = ERR_UNAVAILABLE;
	struct store_app *apps = rows;
	for (size_t i = 0; e == ERR_OK && i < count; i++) e = load_secrets(tx, a, &apps[i]);
	if (e != ERR_OK) return e;
	*out = apps;
	*n = count;
	return ERR_OK;
}

enum err store_app_create(struct store_tx *tx, const struct store_app *app, int64_t *pk)
{
	struct sql_stmt *s =
		sql_prepare(tx, "INSERT INTO apps (name, key, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)");
	sql_text(s, 1, app->name);
	sql_text(s, 2, app->key);
	sql_text(s, 3, app->settings);
	sql_int(s, 4, app->created_at);
	sql_int(s, 5, app->updated_at);
	enum err e = sql_run(s);
	if (e != ERR_OK) return e;
	int64_t made = sql_last_pk(tx);
	/* newest first in the list, so the last goes in first */
	for (size_t i = app->secret_count; e == ERR_OK && i-- > 0;)
		e = store_app_add_secret(tx, made, app->secrets[i], app->created_at);
	if (e == ERR_OK) *pk = made;
	return e;
}

enum err store_app_set_settings(struct store_tx *tx, int64_t app, struct span settings, int64_t now)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE apps SET settings = ?2, updated_at = ?3 WHERE pk = ?1");
	sql_int(s, 1, app);
	sql_text(s, 2, settings);
	sql_int(s, 3, now);
	enum err e = sql_run(s);
	return e == ERR_OK && sql_changes(tx) == 0 ? ERR_NOT_FOUND : e;
}

enum err store_app_add_secret(struct store_tx *tx, int64_t app, struct span secret, int64_t now)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO app_secrets (app, secret, created_at) VALUES (?1, ?2, ?3)");
	sql_int(s, 1, app);
	sql_text(s, 2, secret);
	sql_int(s, 3, now);
	return sql_run(s);
}

enum err store_app_retire_secrets(struct store_tx *tx, int64_t app, int keep, int64_t now)
{
	struct sql_stmt *s =
		sql_prepare(tx, "UPDATE app_secrets SET retired_at = ?3 WHERE app = ?1 AND retired_at = 0 AND pk NOT IN "
				"(SELECT pk FROM app_secrets WHERE app = ?1 AND retired_at = 0 ORDER BY pk DESC LIMIT ?2)");
	sql_int(s, 1, app);
	sql_int(s, 2, keep);
	sql_int(s, 3, now);
	return sql_run(s);
}

enum err store_app_is_retired(struct store_tx *tx, int64_t app, struct span secret, bool *retired)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT 1 FROM app_secrets WHERE app = ?1 AND secret = ?2 AND retired_at <> 0 AND "
				"NOT EXISTS (SELECT 1 FROM app_secrets WHERE app = ?1 AND secret = ?2 AND retired_at = 0)");
	sql_int(s, 1, app);
	sql_text(s, 2, secret);
	return sql_exists(s, retired);
}

/* ---- channel types ---- */
enum err store_type_list(struct store_tx *tx, int64_t app, struct arena *a, struct store_channel_type **out, size_t *n)
{
	struct sql_stmt *s = sql_prepare(
		tx, "SELECT name, config, grants, created_at, updated_at FROM channel_types WHERE app = ?1 ORDER BY name");
	sql_int(s, 1, app);
	size_t count = 0, cap = 0;
	bool ok = true;
	void *rows = NULL;
	while (ok && sql_step(s) == SQL_ROW) {
		ok = grow(a, &rows, count, &cap, sizeof(struct store_channel_type));
		if (!ok) break;
		((struct store_channel_type *)rows)[count++] = (struct store_channel_type){
			.name = sql_col_text(s, a, 0),
			.config = sql_col_text(s, a, 1),
			.grants = sql_col_text(s, a, 2),
			.created_at = sql_col_int(s, 3),
			.updated_at = sql_col_int(s, 4),
		};
	}
	enum err e = sql_done(s);
	if (!ok) e = ERR_UNAVAILABLE;
	if (e != ERR_OK) return e;
	*out = rows;
	*n = count;
	return ERR_OK;
}

enum err store_type_put(struct store_tx *tx, int64_t app, const struct store_channel_type *t)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO channel_types (app, name, config, grants, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
		"ON CONFLICT (app, name) DO UPDATE SET config = excluded.config, grants = excluded.grants, "
		"created_at = excluded.created_at, updated_at = excluded.updated_at");
	sql_int(s, 1, app);
	sql_text(s, 2, t->name);
	sql_text(s, 3, t->config);
	sql_text(s, 4, t->grants);
	sql_int(s, 5, t->created_at);
	sql_int(s, 6, t->updated_at);
	return sql_run(s);
}

enum err store_type_used(struct store_tx *tx, int64_t app, struct span name, bool *used)
{
	/* An erased channel has a retired name (store_channel_retire_name). */
	struct sql_stmt *s = sql_prepare(tx, "SELECT 1 FROM channels WHERE app = ?1 AND type = ?2 AND id <> '~' || pk LIMIT 1");
	sql_int(s, 1, app);
	sql_text(s, 2, name);
	return sql_exists(s, used);
}

enum err store_type_delete(struct store_tx *tx, int64_t app, struct span name)
{
	struct sql_stmt *s = sql_prepare(tx, "DELETE FROM channel_types WHERE app = ?1 AND name = ?2");
	sql_int(s, 1, app);
	sql_text(s, 2, name);
	return sql_run(s);
}

enum err store_app_mark(struct store_tx *tx, int64_t *mark)
{
	bool found;
	/* Maxima, not sums: a sum of times over a few thousand rows would leave 64 bits. */
	return sql_get_int(
		sql_prepare(tx, "SELECT (SELECT COALESCE(MAX(updated_at), 0) + COUNT(*) FROM apps) * 31"
				" + (SELECT COALESCE(MAX(pk), 0) * 1000003 + COALESCE(MAX(retired_at), 0) FROM app_secrets)"
				" + (SELECT COALESCE(MAX(updated_at), 0) + COUNT(*) FROM channel_types)"),
		mark, &found);
}
