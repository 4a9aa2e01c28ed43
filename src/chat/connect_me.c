/* The own user of the first health.check. Contract: connection-and-users.md 2.4, 1.6. */
#include "base/limits.h"
#include "chat/connect.h"
#include "chat/user_rules.h"
#include "store/store_messages.h"
#include "store/store_user_data.h"

enum { HIDDEN_SHOWN = 100 };

static enum err write_hidden(struct chat_ctx *c, struct jsonw *w, const struct user *u)
{
	struct span *cids;
	size_t n;
	enum err e = store_user_hidden(c->tx, u->pk, HIDDEN_SHOWN, c->arena, &cids, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (n == 0) return ERR_OK;
	jsonw_key(w, "latest_hidden_channels");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) jsonw_str(w, cids[i]);
	jsonw_arr_end(w);
	return ERR_OK;
}

/* Sums per team. Few teams: found by walking. */
static enum err write_by_team(struct chat_ctx *c, struct jsonw *w, const struct user *u)
{
	struct store_unread_row *rows;
	size_t n;
	enum err e = store_unread_list(c->tx, c->app->pk, u->pk, c->arena, &rows, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	jsonw_key(w, "total_unread_count_by_team");
	jsonw_obj_begin(w);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].team.n == 0) continue;
		int64_t sum = rows[i].unread;
		for (size_t k = i + 1; k < n; k++) {
			if (!span_eq(rows[k].team, rows[i].team)) continue;
			sum += rows[k].unread;
			rows[k].team = SPAN_NONE;
		}
		jsonw_key_span(w, rows[i].team);
		jsonw_int(w, sum);
	}
	jsonw_obj_end(w);
	return ERR_OK;
}

static void write_counts(struct jsonw *w, const struct session_start *t)
{
	jsonw_kint(w, "total_unread_count", t->total_unread);
	jsonw_kint(w, "unread_count", t->total_unread);
	jsonw_kint(w, "unread_channels", t->unread_channels);
	jsonw_kint(w, "unread_threads", t->unread_threads);
}

/* The contract's year 1, without a fraction. */
static void write_never(struct jsonw *w, enum dialect d, const char *key)
{
	jsonw_kraw(w, key, d == DIALECT_1 ? SPAN("\"0001-01-01T00:00:00Z\"") : SPAN("null"));
}

static void write_anonymous(struct jsonw *w, enum dialect d, int64_t now_us, const struct session_start *t)
{
	jsonw_kstr(w, "id", SPAN("!anon"));
	jsonw_kstr(w, "role", SPAN("anonymous"));
	jsonw_kstr(w, "language", SPAN(""));
	jsonw_kraw(w, "teams", SPAN("[]"));
	write_never(w, d, "created_at");
	write_never(w, d, "updated_at");
	jsonw_ktime(w, "last_active", d, now_us);
	jsonw_kbool(w, "banned", false);
	jsonw_kbool(w, "online", true);
	jsonw_kbool(w, "invisible", false);
	jsonw_kraw(w, "devices", SPAN("[]"));
	write_counts(w, t);
}

static enum err write_me(struct chat_ctx *c, struct jsonw *w, const struct user *u, const struct session_start *t)
{
	struct user me = *u;
	enum err e = ERR_OK;
	jsonw_obj_begin(w);
	if (me.pk == 0) {
		write_anonymous(w, c->dialect, c->now_us, t);
	} else {
		chat_user_for_viewer(c, &me);
		me.online = true; /* to himself, also when invisible */
		user_write_members(w, c->dialect, USER_VIEW_SELF, &me);
		e = user_write_devices(c, w, &me);
		write_counts(w, t);
		if (e == ERR_OK && c->app->multi_tenant_enabled) e = write_by_team(c, w, &me);
		if (e == ERR_OK && t->membership_count > 0) e = write_hidden(c, w, &me);
	}
	jsonw_kraw(w, "mutes", SPAN("[]"));
	jsonw_kraw(w, "channel_mutes", SPAN("[]"));
	jsonw_kraw(w, "blocked_user_ids", SPAN("[]"));
	jsonw_kraw(w, "roles", SPAN("[]"));
	jsonw_obj_end(w);
	return e;
}

enum err connect_me(struct chat_ctx *c, const struct user *u, const struct session_start *totals, struct span *out)
{
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&w, &text);
	enum err e = write_me(c, &w, u, totals);
	struct span copy = e == ERR_OK && !text.failed ? arena_dup(c->arena, buf_span(&text)) : SPAN_NONE;
	buf_deinit(&text);
	if (e != ERR_OK) return e;
	if (!span_given(copy)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = copy;
	return ERR_OK;
}
