/* Counts: of one membership, of everything, and read[] of a channel. */
#include "base/limits.h"
#include "chat/message_parts.h"
#include "chat/message_rules.h"

enum err chat_member_unread(struct chat_ctx *c, const struct channel *ch, struct member *m)
{
	int64_t unread = 0;
	enum err e = store_unread(c->tx, ch->pk, m->user_pk, &unread);
	if (e != ERR_OK) return chat_store_fail(c, e);
	m->unread = unread;
	return ERR_OK;
}

enum err chat_totals(struct chat_ctx *c, int64_t user_pk, struct store_totals *out)
{
	enum err e = store_totals_load(c->tx, c->app->pk, user_pk, c->arena, out);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- read[] ---- */
void chat_read_list_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, struct member *list, size_t n)
{
	jsonw_key(w, "read");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		struct member *m = &list[i];
		bool is_own = c->me.pk != 0 && m->user_pk == c->me.pk, may_see = is_own || sees_all(c);
		if (m->user.pk == 0 || (!may_see && !privacy_read_on(&m->user))) continue;
		bool hide_delivery = !x->effective.delivery_events || (!may_see && !privacy_delivery_on(&m->user));
		if (m->unread > UNREAD_SHOWN_MAX && m->first_unread_message_id.n) m->unread = UNREAD_SHOWN_MAX;
		read_write(w, c->dialect, m, hide_delivery);
	}
	jsonw_arr_end(w);
}

enum err chat_read_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x)
{
	struct member *list = NULL;
	size_t n = 0;
	enum err e = x->effective.read_events ? store_read_list(c->tx, x->ch.pk, x->is_member ? c->me.pk : 0, LIMIT_READ_ENTRIES,
							c->arena, &list, &n)
					      : ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; i < n; i++) chat_user_for_viewer(c, &list[i].user);
	chat_read_list_write(c, w, x, list, n);
	return ERR_OK;
}

/* ---- GET /unread ---- */
struct type_sum {
	struct span type;
	int64_t channels, unread;
};

static void write_channels(struct chat_ctx *c, struct jsonw *w, const struct store_unread_row *rows, size_t n)
{
	jsonw_key(w, "channels");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n && i < (size_t)LIMIT_UNREAD_CHANNELS; i++) {
		struct span cid = arena_printf(c->arena, "%.*s:%.*s", SPAN_FMT(rows[i].type), SPAN_FMT(rows[i].id));
		jsonw_obj_begin(w);
		jsonw_kstr(w, "channel_id", cid);
		jsonw_kint(w, "unread_count", rows[i].unread);
		jsonw_ktime(w, "last_read", c->dialect, rows[i].last_read ? rows[i].last_read : TIME_ZERO);
		jsonw_obj_end(w);
	}
	jsonw_arr_end(w);
}

static enum err write_types(struct chat_ctx *c, struct jsonw *w, const struct store_unread_row *rows, size_t n)
{
	size_t count = 0;
	struct type_sum *sums = arena_array(c->arena, struct type_sum, c->app->type_count + 1);
	if (!sums) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < count && !span_eq(sums[k].type, rows[i].type)) k++;
		if (k == c->app->type_count) continue; /* a type that is gone */
		if (k == count) sums[count++].type = rows[i].type;
		sums[k].channels++;
		sums[k].unread += rows[i].unread;
	}
	jsonw_key(w, "channel_type");
	jsonw_arr_begin(w);
	for (size_t k = 0; k < count; k++) {
		jsonw_obj_begin(w);
		jsonw_kstr(w, "channel_type", sums[k].type);
		jsonw_kint(w, "channel_count", sums[k].channels);
		jsonw_kint(w, "unread_count", sums[k].unread);
		jsonw_obj_end(w);
	}
	jsonw_arr_end(w);
	return ERR_OK;
}

static void write_threads(struct chat_ctx *c, struct jsonw *w, const struct store_thread_unread *rows, size_t n)
{
	jsonw_key(w, "threads");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n && i < (size_t)LIMIT_UNREAD_CHANNELS; i++) {
		jsonw_obj_begin(w);
		jsonw_kstr(w, "parent_message_id", rows[i].parent_id);
		jsonw_kint(w, "unread_count", rows[i].unread);
		jsonw_ktime(w, "last_read", c->dialect, rows[i].last_read ? rows[i].last_read : TIME_ZERO);
		jsonw_kstr(w, "last_read_message_id", rows[i].last_read_message_id);
		jsonw_obj_end(w);
	}
	jsonw_arr_end(w);
}

static void write_teams(struct chat_ctx *c, struct jsonw *w, const struct store_unread_row *rows, size_t n)
{
	if (!c->app->multi_tenant_enabled) return;
	jsonw_key(w, "total_unread_count_by_team");
	jsonw_obj_begin(w);
	for (size_t i = 0; i < n; i++) {
		size_t first = 0;
		while (!span_eq(rows[first].team, rows[i].team)) first++;
		if (first != i || rows[i].team.n == 0) continue; /* each team once, where it comes first */
		int64_t sum = 0;
		for (size_t k = i; k < n; k++)
			if (span_eq(rows[k].team, rows[i].team)) sum += rows[k].unread;
		jsonw_key_span(w, rows[i].team);
		jsonw_int(w, sum);
	}
	jsonw_obj_end(w);
}

static enum err write_summary(struct chat_ctx *c, struct jsonw *w, int64_t user_pk)
{
	struct store_unread_row *rows = NULL;
	struct store_thread_unread *threads = NULL;
	size_t n = 0, thread_count = 0;
	int64_t total = 0;
	enum err e = store_unread_list(c->tx, c->app->pk, user_pk, c->arena, &rows, &n);
	if (e == ERR_OK) e = store_threads_unread(c->tx, c->app->pk, user_pk, c->arena, &threads, &thread_count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; i < n; i++) total += rows[i].unread;
	jsonw_kint(w, "total_unread_count", total);
	jsonw_kint(w, "total_unread_threads_count", (int64_t)thread_count);
	write_channels(c, w, rows, n);
	e = write_types(c, w, rows, n);
	if (e != ERR_OK) return e;
	write_threads(c, w, threads, thread_count);
	write_teams(c, w, rows, n);
	return ERR_OK;
}

enum err chat_unread_counts(struct chat_ctx *c, struct jsonw *w)
{
	if (c->me.pk == 0 && chat_is_server(c))
		return chat_fail(c, ERR_INPUT, "user_id", "a server call names the user in user_id");
	if (c->me.pk != 0) registry_mark_seen(c->chat->registry, c->app->pk, c->me.pk, 0);
	return write_summary(c, w, c->me.pk);
}

enum err chat_unread_counts_batch(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *list = json_get(body, "user_ids"), *v;
	size_t count = yyjson_arr_size(list), i, n;
	if (!yyjson_is_arr(list) || count == 0 || count > (size_t)LIMIT_USERS_BATCH)
		return chat_fail(c, ERR_INPUT, "user_ids", "user_ids must have 1 to %lld entries", (long long)LIMIT_USERS_BATCH);
	struct span *ids = arena_array(c->arena, struct span, count);
	struct user *users = arena_array(c->arena, struct user, count);
	if (!ids || !users) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(list, i, n, v)
	{
		if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, "user_ids", "user_ids must be strings");
		ids[i] = json_span(v);
	}
	enum err e = store_users_get(c->tx, c->app->pk, ids, count, c->arena, users);
	if (e != ERR_OK) return chat_store_fail(c, e);
	jsonw_key(w, "counts_by_user");
	jsonw_obj_begin(w);
	for (size_t k = 0; k < count; k++) {
		size_t first = 0;
		while (!span_eq(ids[first], ids[k])) first++;
		if (users[k].pk == 0 || first != k) continue;
		jsonw_key_span(w, users[k].id);
		jsonw_obj_begin(w);
		e = write_summary(c, w, users[k].pk);
		if (e != ERR_OK) return e;
		jsonw_obj_end(w);
	}
	jsonw_obj_end(w);
	return ERR_OK;
}
