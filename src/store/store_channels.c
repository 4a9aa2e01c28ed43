#include "store/store_channels.h"

#include "store/channel_row.h"

static enum err read_one(struct sql_stmt *s, struct arena *a, struct channel *out)
{
	struct channel c = { 0 };
	bool found = sql_step(s) == SQL_ROW;
	if (found) channel_row_read(s, 0, a, &c);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (!found) return ERR_NOT_FOUND;
	if (arena_failed(a)) return ERR_UNAVAILABLE;
	*out = c;
	return ERR_OK;
}

enum err store_channel_get(
	struct store_tx *tx, int64_t app, struct span type, struct span id, struct arena *a, struct channel *out)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT " CHANNEL_COLUMNS " FROM channels c WHERE c.app = ?1 AND c.type = ?2 AND c.id = ?3");
	sql_int(s, 1, app);
	sql_text(s, 2, type);
	sql_text(s, 3, id);
	return read_one(s, a, out);
}

enum err store_channel_next(
	struct store_tx *tx, int64_t app, struct span type, struct span after, struct arena *a, struct span *id, bool *found)
{
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT id FROM channels WHERE app = ?1 AND type = ?2 AND id > ?3 AND deleted_at = 0 "
				"ORDER BY id LIMIT 1");
	sql_int(s, 1, app);
	sql_text(s, 2, type);
	sql_text(s, 3, after);
	*found = sql_step(s) == SQL_ROW;
	if (*found) *id = sql_col_text(s, a, 0);
	return sql_done(s);
}

enum err store_channel_get_pk(struct store_tx *tx, int64_t pk, struct arena *a, struct channel *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " CHANNEL_COLUMNS " FROM channels c WHERE c.pk = ?1");
	sql_int(s, 1, pk);
	return read_one(s, a, out);
}

enum err store_channel_insert(struct store_tx *tx, int64_t app, struct channel *c, struct span name_folded, struct arena *a)
{
	struct sql_stmt *s =
		sql_prepare(tx, "INSERT INTO channels (app, type, id, created_by, team, custom, config_overrides, filter_tags, "
				"name_folded, frozen, disabled, "
				"cooldown_s, member_count, created_at, updated_at, sort_at, truncated_at, truncated_by) "
				"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?14, ?16, ?17)");
	sql_int(s, 1, app);
	sql_text(s, 2, c->type);
	sql_text(s, 3, c->id);
	sql_int(s, 4, c->created_by.pk);
	sql_text(s, 5, c->team);
	sql_text(s, 6, c->custom);
	sql_text(s, 7, c->config_overrides);
	sql_text(s, 8, c->filter_tags);
	sql_text(s, 9, name_folded);
	sql_int(s, 10, c->frozen);
	sql_int(s, 11, c->disabled);
	sql_int(s, 12, c->cooldown_s);
	sql_int(s, 13, c->member_count);
	sql_int(s, 14, c->created_at);
	sql_int(s, 15, c->updated_at);
	sql_int(s, 16, c->truncated_at);
	sql_int(s, 17, c->truncated_by.pk);
	enum err e = sql_run(s);
	if (e != ERR_OK) return e;
	c->pk = sql_last_pk(tx);
	c->cid = arena_printf(a, "%.*s:%.*s", SPAN_FMT(c->type), SPAN_FMT(c->id));
	return span_given(c->cid) ? ERR_OK : ERR_UNAVAILABLE;
}

enum err store_channel_put(struct store_tx *tx, const struct channel *c, struct span name_folded)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET created_by = ?2, team = ?3, custom = ?4, config_overrides = "
					     "?5, filter_tags = ?6, name_folded = ?7, "
					     "frozen = ?8, disabled = ?9, cooldown_s = ?10, updated_at = ?11, deleted_at = ?12, "
					     "truncated_at = ?13, truncated_by = ?14, "
					     "keep_history = ?15 WHERE pk = ?1");
	sql_int(s, 1, c->pk);
	sql_int(s, 2, c->created_by.pk);
	sql_text(s, 3, c->team);
	sql_text(s, 4, c->custom);
	sql_text(s, 5, c->config_overrides);
	sql_text(s, 6, c->filter_tags);
	sql_text(s, 7, name_folded);
	sql_int(s, 8, c->frozen);
	sql_int(s, 9, c->disabled);
	sql_int(s, 10, c->cooldown_s);
	sql_int(s, 11, c->updated_at);
	sql_int(s, 12, c->deleted_at);
	sql_int(s, 13, c->truncated_at);
	sql_int(s, 14, c->truncated_by.pk);
	sql_int(s, 15, c->keep_history);
	return sql_run(s);
}

enum err store_channel_retire_name(struct store_tx *tx, int64_t pk)
{
	/* '~' is in no id that a caller can write, and pk is unique. */
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET id = '~' || pk WHERE pk = ?1");
	sql_int(s, 1, pk);
	return sql_run(s);
}

enum err store_channel_add_members(struct store_tx *tx, int64_t pk, int64_t delta)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET member_count = member_count + ?2 WHERE pk = ?1");
	sql_int(s, 1, pk);
	sql_int(s, 2, delta);
	return sql_run(s);
}

/* ---------- history ---------- */

/* What stands after a cut: the first counted sequence (0 = none), how many messages, the time of the newest that moves the
 * channel. */
struct remains {
	int64_t first_seq, count, last_at;
};

static enum err look_after(struct store_tx *tx, int64_t pk, int64_t cut, struct remains *out)
{
	struct sql_stmt *s = sql_prepare(tx,
		"SELECT min(CASE WHEN seq <> 0 THEN seq END), sum(CASE WHEN deleted_at = 0 AND shadowed = 0 THEN 1 ELSE 0 END), "
		"max(CASE WHEN shadowed = 0 AND restricted IS NULL THEN created_at END) FROM messages "
		"WHERE channel_pk = ?1 AND created_at > ?2 AND (parent_pk = 0 OR show_in_channel = 1)");
	sql_int(s, 1, pk);
	sql_int(s, 2, cut);
	struct remains r = { 0 };
	if (sql_step(s) == SQL_ROW) {
		r.first_seq = sql_col_int(s, 0);
		r.count = sql_col_int(s, 1);
		r.last_at = sql_col_int(s, 2);
	}
	enum err e = sql_done(s);
	if (e == ERR_OK) *out = r;
	return e;
}

enum err store_channel_newest(struct store_tx *tx, int64_t pk, int64_t *at)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET last_created_at = CASE WHEN last_created_at > ?2 THEN "
					     "last_created_at ELSE ?2 END WHERE pk = ?1 "
					     "RETURNING last_created_at");
	sql_int(s, 1, pk);
	sql_int(s, 2, *at);
	int64_t newest = *at;
	bool found = false;
	enum err e = sql_get_int(s, &newest, &found);
	if (e == ERR_OK && found) *at = newest;
	return e;
}

static enum err write_cut(struct store_tx *tx, const struct channel *c)
{
	struct sql_stmt *s = sql_prepare(tx, "UPDATE channels SET truncated_at = ?2, truncated_by = ?3, floor_seq = ?4, "
					     "message_count = ?5, last_message_at = ?6, "
					     "sort_at = CASE WHEN ?6 > created_at THEN ?6 ELSE created_at END WHERE pk = ?1");
	sql_int(s, 1, c->pk);
	sql_int(s, 2, c->truncated_at);
	sql_int(s, 3, c->truncated_by.pk);
	sql_int(s, 4, c->floor_seq);
	sql_int(s, 5, c->message_count);
	sql_int(s, 6, c->last_message_at);
	return sql_run(s);
}

enum err store_channel_truncate(struct store_tx *tx, struct channel *c, int64_t cut, bool everything, int64_t by, bool *whole)
{
	struct remains r;
	enum err e = everything ? store_channel_newest(tx, c->pk, &cut) : ERR_OK;
	if (cut < c->truncated_at) cut = c->truncated_at; /* what is gone stays gone */
	if (e == ERR_OK) e = look_after(tx, c->pk, cut, &r);
	if (e != ERR_OK) return e;
	struct channel after = *c;
	/* Everything below the first message that is left is nobody's unread, holes included. */
	int64_t floor_seq = r.first_seq != 0 ? r.first_seq - 1 : c->counted_seq;
	if (floor_seq > c->floor_seq) after.floor_seq = floor_seq;
	after.truncated_at = cut;
	after.truncated_by = (struct user){ .pk = by };
	after.message_count = r.count;
	after.last_message_at = r.last_at;
	e = write_cut(tx, &after);
	if (e != ERR_OK) return e;
	*c = after;
	*whole = r.first_seq == 0;
	return ERR_OK;
}

enum err store_erasure_add(struct store_tx *tx, int64_t app, struct span kind, struct span id, int64_t at)
{
	store_erased(tx);
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO erasures (app, kind, id, at) VALUES (?1, ?2, ?3, ?4)");
	sql_int(s, 1, app);
	sql_text(s, 2, kind);
	sql_text(s, 3, id);
	sql_int(s, 4, at);
	return sql_run(s);
}
