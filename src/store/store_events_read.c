/* Reading the log for one user: the rows of his channels and his own stream, in order of position.
 *
 * Positions are gathered first, channel by channel through (channel_pk, pos), into a heap that keeps the `limit` lowest; once it
 * is full its highest bounds every further seek, so a busy channel costs no more than what is returned. The rows are fetched
 * last, by position. When the stretch of the log is shorter than the list of channels, it is read straight through instead. */
#include <stdio.h>

#include "store/sql.h"

#define EVENT_COLUMNS                                                                                                            \
	"e.pos, e.app, e.type, e.channel_pk, e.user_pk, e.context_pk, e.actor_pk, e.message_pk, e.data, e.created_at"

#define FOLLOWED "type IN ('user.updated', 'user.deleted')" /* as the index says it */

enum { SEEK_WORTH_ROWS = 4 }; /* one seek costs about as much as reading so many rows in a run */

struct gather {
	struct store_tx *tx;
	struct arena *a;
	int64_t app, user_pk, after, upto;
	int64_t *channels, *users; /* sorted, no doubles; users: of whom only FOLLOWED rows count */
	size_t channel_count, user_count;
	bool own_context_only; /* own rows count only when they speak of one of the channels */
	int64_t *heap;         /* highest first */
	size_t n, limit;
};

static void row_read(struct sql_stmt *s, struct arena *a, struct store_event *out)
{
	*out = (struct store_event){
		.pos = sql_col_int(s, 0),
		.app = sql_col_int(s, 1),
		.type = sql_col_text(s, a, 2),
		.channel_pk = sql_col_int(s, 3),
		.user_pk = sql_col_int(s, 4),
		.context_pk = sql_col_int(s, 5),
		.actor_pk = sql_col_int(s, 6),
		.message_pk = sql_col_int(s, 7),
		.data = sql_col_text(s, a, 8),
		.created_at = sql_col_int(s, 9),
	};
}

/* ---- channels ---- */
static int by_value(const void *x, const void *y)
{
	int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
	return (a > b) - (a < b);
}

static bool has_key(const int64_t *keys, size_t n, int64_t pk)
{
	return pk != 0 && n > 0 && bsearch(&pk, keys, n, sizeof pk, by_value) != NULL;
}

static bool has_channel(const struct gather *g, int64_t pk) { return has_key(g->channels, g->channel_count, pk); }

static void sort_keys(int64_t *keys, size_t *count)
{
	if (*count == 0) return;
	qsort(keys, *count, sizeof *keys, by_value);
	size_t n = 1;
	for (size_t i = 1; i < *count; i++)
		if (keys[i] != keys[n - 1]) keys[n++] = keys[i];
	*count = n;
}

static enum err load_channels(struct gather *g, const struct store_interest *in)
{
	int64_t count = 0;
	struct sql_stmt *s = sql_prepare(g->tx, "SELECT count(*) FROM members WHERE user_pk = ?1");
	sql_int(s, 1, g->user_pk);
	enum err e = sql_get_int(s, &count, NULL);
	if (e != ERR_OK) return e;
	g->channels = arena_array(g->a, int64_t, (size_t)count + in->channel_count + 1);
	if (!g->channels) return ERR_UNAVAILABLE;
	s = sql_prepare(g->tx, "SELECT channel_pk FROM members WHERE user_pk = ?1");
	sql_int(s, 1, g->user_pk);
	while (g->channel_count < (size_t)count && sql_step(s) == SQL_ROW) g->channels[g->channel_count++] = sql_col_int(s, 0);
	e = sql_done(s);
	if (e != ERR_OK) return e;
	for (size_t i = 0; i < in->channel_count; i++) g->channels[g->channel_count++] = in->channels[i];
	sort_keys(g->channels, &g->channel_count);
	return ERR_OK;
}

/* His own stream is read whole already. */
static enum err load_users(struct gather *g, const struct store_interest *in)
{
	g->users = arena_array(g->a, int64_t, in->user_count + 1);
	if (!g->users) return ERR_UNAVAILABLE;
	for (size_t i = 0; i < in->user_count; i++)
		if (in->users[i] != g->user_pk) g->users[g->user_count++] = in->users[i];
	sort_keys(g->users, &g->user_count);
	return ERR_OK;
}

/* ---- the heap of lowest positions ---- */
static void sift_down(int64_t *h, size_t n, size_t i)
{
	for (;;) {
		size_t top = i, left = 2 * i + 1, right = left + 1;
		if (left < n && h[left] > h[top]) top = left;
		if (right < n && h[right] > h[top]) top = right;
		if (top == i) return;
		int64_t t = h[i];
		h[i] = h[top];
		h[top] = t;
		i = top;
	}
}

static void sift_up(int64_t *h, size_t i)
{
	while (i > 0 && h[(i - 1) / 2] < h[i]) {
		int64_t t = h[i];
		h[i] = h[(i - 1) / 2];
		h[(i - 1) / 2] = t;
		i = (i - 1) / 2;
	}
}

/* False when the position, and so every later one of its stream, is beyond what will be returned. */
static bool offer(struct gather *g, int64_t pos)
{
	if (g->n < g->limit) {
		g->heap[g->n] = pos;
		sift_up(g->heap, g->n++);
		return true;
	}
	if (pos >= g->heap[0]) return false;
	g->heap[0] = pos;
	sift_down(g->heap, g->n, 0);
	return true;
}

static int64_t bound(const struct gather *g) { return g->n == g->limit ? g->heap[0] - 1 : g->upto; }

/* ---- seeks ---- */
static enum err seek_stream(struct gather *g, struct sql_stmt *s, int64_t key, bool is_own)
{
	sql_int(s, 1, key);
	sql_int(s, 2, g->after);
	sql_int(s, 3, bound(g));
	while (sql_step(s) == SQL_ROW) {
		if (is_own && g->own_context_only && !has_channel(g, sql_col_int(s, 1))) continue;
		if (!offer(g, sql_col_int(s, 0))) break;
	}
	return sql_done(s);
}

static enum err seek_all(struct gather *g)
{
	/* The conditions on 0 repeat those of the partial indexes. */
	enum err e = seek_stream(g,
		sql_prepare(g->tx, g->own_context_only ? "SELECT pos, context_pk FROM events WHERE user_pk = ?1 AND user_pk <> 0 "
							 "AND pos > ?2 AND pos <= ?3 "
							 "ORDER BY pos"
						       : "SELECT pos FROM events WHERE user_pk = ?1 AND user_pk <> 0 AND pos > "
							 "?2 AND pos <= ?3 ORDER BY pos"),
		g->user_pk, true);
	for (size_t i = 0; e == ERR_OK && i < g->channel_count; i++)
		e = seek_stream(g,
			sql_prepare(g->tx, "SELECT pos FROM events WHERE channel_pk = ?1 AND channel_pk <> 0 AND pos > ?2 AND "
					   "pos <= ?3 ORDER BY pos"),
			g->channels[i], false);
	for (size_t i = 0; e == ERR_OK && i < g->user_count; i++)
		e = seek_stream(g,
			sql_prepare(g->tx, "SELECT pos FROM events WHERE user_pk = ?1 AND " FOLLOWED
					   " AND pos > ?2 AND pos <= ?3 ORDER BY pos"),
			g->users[i], false);
	return e;
}

static enum err fetch(struct gather *g, struct store_event **out, size_t *n)
{
	struct store_event *rows = g->n ? arena_array(g->a, struct store_event, g->n) : NULL;
	if (g->n && !rows) return ERR_UNAVAILABLE;
	if (g->n) qsort(g->heap, g->n, sizeof *g->heap, by_value);
	size_t got = 0;
	for (size_t i = 0; i < g->n; i++) {
		struct sql_stmt *s = sql_prepare(g->tx, "SELECT " EVENT_COLUMNS " FROM events e WHERE e.pos = ?1");
		sql_int(s, 1, g->heap[i]);
		if (sql_step(s) == SQL_ROW) row_read(s, g->a, &rows[got++]);
		enum err e = sql_done(s);
		if (e != ERR_OK) return e;
	}
	*out = rows;
	*n = got;
	return ERR_OK;
}

static enum err by_seeks(struct gather *g, struct store_event **out, size_t *n)
{
	g->heap = arena_array(g->a, int64_t, g->limit);
	if (!g->heap) return ERR_UNAVAILABLE;
	enum err e = seek_all(g);
	return e == ERR_OK ? fetch(g, out, n) : e;
}

/* ---- straight through ---- */
static bool is_followed(const struct gather *g, struct sql_stmt *s)
{
	if (!has_key(g->users, g->user_count, sql_col_int(s, 4))) return false;
	struct span type = sql_col_text(s, g->a, 2);
	return span_is(type, "user.updated") || span_is(type, "user.deleted");
}

static bool concerns(const struct gather *g, struct sql_stmt *s)
{
	int64_t user_pk = sql_col_int(s, 4);
	if (user_pk == 0) return has_channel(g, sql_col_int(s, 3));
	if (user_pk == g->user_pk) return !g->own_context_only || has_channel(g, sql_col_int(s, 5));
	return is_followed(g, s);
}

static enum err by_scan(struct gather *g, struct store_event **out, size_t *n)
{
	struct store_event *rows = arena_array(g->a, struct store_event, g->limit);
	if (!rows) return ERR_UNAVAILABLE;
	struct sql_stmt *s =
		sql_prepare(g->tx, "SELECT " EVENT_COLUMNS " FROM events e WHERE e.pos > ?1 AND e.pos <= ?2 ORDER BY e.pos");
	sql_int(s, 1, g->after);
	sql_int(s, 2, g->upto);
	size_t got = 0;
	while (got < g->limit && sql_step(s) == SQL_ROW)
		if (concerns(g, s)) row_read(s, g->a, &rows[got++]);
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	*out = rows;
	*n = got;
	return ERR_OK;
}

static enum err gather_run(struct gather *g, struct store_event **out, size_t *n)
{
	if (g->limit == 0 || g->after >= g->upto) {
		*n = 0;
		return ERR_OK;
	}
	bool is_short = g->upto - g->after <= (int64_t)(g->channel_count + g->user_count + 1) * SEEK_WORTH_ROWS;
	return is_short ? by_scan(g, out, n) : by_seeks(g, out, n);
}

enum err store_events_for_user(struct store_tx *tx, int64_t app, int64_t user_pk, const struct store_interest *in, int64_t after,
	int64_t upto, int64_t limit, struct arena *a, struct store_event **out, size_t *n)
{
	struct gather g = { .tx = tx, .a = a, .app = app, .user_pk = user_pk, .after = after < 0 ? 0 : after, .upto = upto };
	g.limit = limit > 0 ? (size_t)limit : 0;
	enum err e = load_channels(&g, in);
	if (e == ERR_OK) e = load_users(&g, in);
	return e == ERR_OK ? gather_run(&g, out, n) : e;
}

enum err store_events_since(struct store_tx *tx, int64_t app, int64_t user_pk, const int64_t *channels, size_t channel_n,
	int64_t since_us, int64_t limit, struct arena *a, struct store_event **out, size_t *n)
{
	struct gather g = { .tx = tx, .a = a, .app = app, .user_pk = user_pk, .own_context_only = true };
	g.limit = limit > 0 ? (size_t)limit : 0;
	g.channels = arena_array(a, int64_t, channel_n + 1);
	if (!g.channels) return ERR_UNAVAILABLE;
	for (size_t i = 0; i < channel_n; i++) g.channels[g.channel_count++] = channels[i];
	sort_keys(g.channels, &g.channel_count);
	/* The log's time never falls: the first row at or after the time begins the stretch. */
	struct sql_stmt *s = sql_prepare(tx, "SELECT pos FROM events WHERE created_at >= ?1 ORDER BY created_at, pos LIMIT 1");
	sql_int(s, 1, since_us);
	int64_t first = 0;
	bool found = false;
	enum err e = sql_get_int(s, &first, &found);
	if (e == ERR_OK) e = store_event_head(tx, &g.upto);
	if (e != ERR_OK) return e;
	g.after = found ? first - 1 : g.upto;
	return gather_run(&g, out, n);
}

enum err store_users_gone(struct store_tx *tx, int64_t app, struct span id, int64_t after, size_t max, int64_t *pks, size_t *n)
{
	char from[320], to[320];
	int a = snprintf(from, sizeof from, "{\"id\":\"%.*s\",", SPAN_FMT(id));
	int b = snprintf(to, sizeof to, "{\"id\":\"%.*s\"-", SPAN_FMT(id)); /* the sign after the comma */
	size_t got = 0;
	*n = 0;
	if (a <= 0 || b <= 0 || (size_t)a >= sizeof from || (size_t)b >= sizeof to) return ERR_OK; /* no user's id */
	struct sql_stmt *s = sql_prepare(tx, "SELECT user_pk FROM events WHERE app = ?1 AND type = 'user.deleted' AND data >= ?2 "
					     "AND data < ?3 AND pos > ?4 ORDER BY pos DESC LIMIT ?5");
	sql_int(s, 1, app);
	sql_text(s, 2, span_make(from, (size_t)a));
	sql_text(s, 3, span_make(to, (size_t)b));
	sql_int(s, 4, after);
	sql_int(s, 5, (int64_t)max);
	while (got < max && sql_step(s) == SQL_ROW) pks[got++] = sql_col_int(s, 0);
	enum err e = sql_done(s);
	if (e == ERR_OK) *n = got;
	return e;
}
