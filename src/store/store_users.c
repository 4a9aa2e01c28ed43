#include "store/user_row.h"

void user_row_read(struct sql_stmt *s, int i, struct arena *a, struct user *out)
{
	struct user u = { 0 };
	u.pk = sql_col_int(s, i++);
	u.id = sql_col_text(s, a, i++);
	u.role = sql_col_text(s, a, i++);
	u.name = sql_col_text(s, a, i++);
	u.image = sql_col_text(s, a, i++);
	u.language = sql_col_text(s, a, i++);
	u.teams = sql_col_text(s, a, i++);
	u.teams_role = sql_col_text(s, a, i++);
	u.custom = sql_col_text(s, a, i++);
	u.created_at = sql_col_int(s, i++);
	u.updated_at = sql_col_int(s, i++);
	u.last_active = sql_col_int(s, i++);
	u.deactivated_at = sql_col_int(s, i++);
	u.deleted_at = sql_col_int(s, i++);
	u.revoke_before = sql_col_int(s, i++);
	u.ban_expires = sql_col_int(s, i++);
	u.invisible = sql_col_int(s, i++) != 0;
	u.banned = sql_col_int(s, i++) != 0;
	u.shadow_banned = sql_col_int(s, i++) != 0;
	u.privacy_typing = (int8_t)sql_col_int(s, i++);
	u.privacy_read = (int8_t)sql_col_int(s, i++);
	u.privacy_delivery = (int8_t)sql_col_int(s, i++);
	u.invisible_since_last_active = sql_col_int(s, i++);
	*out = u;
}

static enum err read_one(struct sql_stmt *s, struct arena *a, struct user *out)
{
	struct user u;
	enum sql_step step = sql_step(s);
	if (step == SQL_ROW) user_row_read(s, 0, a, &u);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (step != SQL_ROW) return ERR_NOT_FOUND;
	*out = u;
	return ERR_OK;
}

enum err store_user_get(struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct user *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " USER_COLUMNS " FROM users u WHERE u.app = ?1 AND u.id = ?2");
	sql_int(s, 1, app);
	sql_text(s, 2, id);
	return read_one(s, a, out);
}

enum err store_user_get_pk(struct store_tx *tx, int64_t pk, struct arena *a, struct user *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " USER_COLUMNS " FROM users u WHERE u.pk = ?1");
	sql_int(s, 1, pk);
	return read_one(s, a, out);
}

enum err store_users_get(struct store_tx *tx, int64_t app, const struct span *ids, size_t n, struct arena *a, struct user *out)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = store_user_get(tx, app, ids[i], a, &out[i]);
		if (e == ERR_NOT_FOUND) {
			out[i] = (struct user){ 0 };
		} else if (e != ERR_OK) {
			return e;
		}
	}
	return ERR_OK;
}

enum err store_users_get_pk(struct store_tx *tx, const int64_t *pks, size_t n, struct arena *a, struct user *out)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = pks[i] ? store_user_get_pk(tx, pks[i], a, &out[i]) : ERR_NOT_FOUND;
		if (e == ERR_NOT_FOUND) {
			out[i] = (struct user){ 0 };
		} else if (e != ERR_OK) {
			return e;
		}
	}
	return ERR_OK;
}

/* ?1 and ?2 are the caller's; from ?3 on what both statements write. */
static void bind_user(struct sql_stmt *s, const struct user *u, struct span name_folded)
{
	sql_text(s, 3, u->role);
	sql_text(s, 4, u->name);
	sql_text(s, 5, u->image);
	sql_text(s, 6, u->language);
	sql_text(s, 7, u->teams);
	sql_text(s, 8, u->teams_role);
	sql_text(s, 9, u->custom);
	sql_int(s, 10, u->created_at);
	sql_int(s, 11, u->updated_at);
	sql_int(s, 12, u->last_active);
	sql_int(s, 13, u->deactivated_at);
	sql_int(s, 14, u->deleted_at);
	sql_int(s, 15, u->revoke_before);
	sql_int(s, 16, u->ban_expires);
	sql_int(s, 17, u->invisible);
	sql_int(s, 18, u->banned);
	sql_int(s, 19, u->shadow_banned);
	sql_int(s, 20, u->privacy_typing);
	sql_int(s, 21, u->privacy_read);
	sql_int(s, 22, u->privacy_delivery);
	sql_int(s, 23, u->invisible_since_last_active);
	sql_text(s, 24, name_folded);
}

static enum err insert_user(struct store_tx *tx, int64_t app, struct user *u, struct span name_folded)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO users (app, id, role, name, image, language, teams, teams_role, "
					     "custom, created_at, updated_at, last_active, "
					     "deactivated_at, deleted_at, revoke_before, ban_expires, invisible, banned, "
					     "shadow_banned, privacy_typing, privacy_read, "
					     "privacy_delivery, frozen_last_active, name_folded) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
					     "?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
					     "?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)");
	sql_int(s, 1, app);
	sql_text(s, 2, u->id);
	bind_user(s, u, name_folded);
	enum err e = sql_run(s);
	if (e == ERR_OK) u->pk = sql_last_pk(tx);
	return e;
}

enum err store_user_put(struct store_tx *tx, int64_t app, struct user *u, struct span name_folded)
{
	if (u->pk == 0) return insert_user(tx, app, u, name_folded);
	struct sql_stmt *s = sql_prepare(tx, "UPDATE users SET role = ?3, name = ?4, image = ?5, language = ?6, teams = ?7, "
					     "teams_role = ?8, custom = ?9, created_at = ?10, "
					     "updated_at = ?11, last_active = ?12, deactivated_at = ?13, deleted_at = ?14, "
					     "revoke_before = ?15, ban_expires = ?16, "
					     "invisible = ?17, banned = ?18, shadow_banned = ?19, privacy_typing = ?20, "
					     "privacy_read = ?21, privacy_delivery = ?22, "
					     "frozen_last_active = ?23, name_folded = ?24 WHERE pk = ?1 AND app = ?2");
	sql_int(s, 1, u->pk);
	sql_int(s, 2, app);
	bind_user(s, u, name_folded);
	enum err e = sql_run(s);
	return e == ERR_OK && sql_changes(tx) == 0 ? ERR_NOT_FOUND : e;
}

/* Deleted users keep their row, not their claim on a name. */
enum err store_user_name_taken(
	struct store_tx *tx, int64_t app, struct span name_folded, struct span not_id, struct span team, bool *taken)
{
	struct sql_stmt *s;
	if (!span_given(team)) {
		s = sql_prepare(
			tx, "SELECT 1 FROM users WHERE app = ?1 AND name_folded = ?2 AND id <> ?3 AND deleted_at = 0 LIMIT 1");
	} else {
		s = sql_prepare(tx,
			"SELECT 1 FROM users u WHERE u.app = ?1 AND u.name_folded = ?2 AND u.id <> ?3 AND u.deleted_at = 0 "
			"AND EXISTS (SELECT 1 FROM json_each(u.teams) AS j WHERE j.value = ?4) LIMIT 1");
		sql_text(s, 4, team);
	}
	sql_int(s, 1, app);
	sql_text(s, 2, name_folded);
	sql_text(s, 3, span_given(not_id) ? not_id : SPAN(""));
	return sql_exists(s, taken);
}

static enum err remove_by_user(struct store_tx *tx, const char *literal, int64_t pk)
{
	struct sql_stmt *s = sql_prepare(tx, literal);
	sql_int(s, 1, pk);
	return sql_run(s);
}

enum err store_user_remove(struct store_tx *tx, int64_t pk)
{
	store_erased(tx);
	enum err e = remove_by_user(tx, "DELETE FROM devices WHERE user_pk = ?1", pk);
	if (e == ERR_OK)
		e = remove_by_user(tx, "DELETE FROM mau WHERE user_pk = ?1 AND app = (SELECT app FROM users WHERE pk = ?1)", pk);
	if (e == ERR_OK) e = remove_by_user(tx, "DELETE FROM users WHERE pk = ?1", pk);
	return e == ERR_OK && sql_changes(tx) == 0 ? ERR_NOT_FOUND : e;
}

enum err store_user_touch(struct store_tx *tx, int64_t pk, int64_t last_active)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE users SET last_active = ?2 WHERE pk = ?1 AND last_active < ?2");
	sql_int(s, 1, pk);
	sql_int(s, 2, last_active);
	return sql_run(s);
}

/* ---- devices ---- */
enum err store_device_put(struct store_tx *tx, int64_t app, int64_t user_pk, const struct device *d, int64_t keep)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO devices (app, id, user_pk, push_provider, push_provider_name, created_at) VALUES (?1, ?2, ?3, ?4, "
		"?5, ?6) "
		"ON CONFLICT (app, id) DO UPDATE SET user_pk = excluded.user_pk, push_provider = excluded.push_provider, "
		"push_provider_name = excluded.push_provider_name, created_at = excluded.created_at");
	sql_int(s, 1, app);
	sql_text(s, 2, d->id);
	sql_int(s, 3, user_pk);
	sql_text(s, 4, d->push_provider);
	sql_text(s, 5, d->push_provider_name);
	sql_int(s, 6, d->created_at);
	enum err e = sql_run(s);
	if (e != ERR_OK) return e;
	s = sql_prepare(tx, "DELETE FROM devices WHERE app = ?1 AND user_pk = ?2 AND id NOT IN "
			    "(SELECT id FROM devices WHERE user_pk = ?2 ORDER BY created_at DESC, id DESC LIMIT ?3)");
	sql_int(s, 1, app);
	sql_int(s, 2, user_pk);
	sql_int(s, 3, keep);
	return sql_run(s);
}

enum err store_device_list(struct store_tx *tx, int64_t user_pk, struct arena *a, struct device **out, size_t *n)
{
	int64_t count = 0;
	struct sql_stmt *s = sql_prepare(tx, "SELECT count(*) FROM devices WHERE user_pk = ?1");
	sql_int(s, 1, user_pk);
	enum err e = sql_get_int(s, &count, NULL);
	if (e != ERR_OK) return e;
	struct device *rows = count ? arena_array(a, struct device, (size_t)count) : NULL;
	if (count && !rows) return ERR_UNAVAILABLE;
	s = sql_prepare(tx, "SELECT id, push_provider, push_provider_name, created_at FROM devices WHERE user_pk = ?1 ORDER BY "
			    "created_at, id LIMIT ?2");
	sql_int(s, 1, user_pk);
	sql_int(s, 2, count);
	size_t got = 0;
	while (got < (size_t)count && sql_step(s) == SQL_ROW) {
		rows[got].id = sql_col_text(s, a, 0);
		rows[got].push_provider = sql_col_text(s, a, 1);
		rows[got].push_provider_name = sql_col_text(s, a, 2);
		rows[got++].created_at = sql_col_int(s, 3);
	}
	e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = got;
	return ERR_OK;
}
