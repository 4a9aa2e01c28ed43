/* GET /users, and how replies about users show them. Contract: connection-and-users.md 4.2, 4.4. */
#include "base/limits.h"
#include "chat/permissions.h"
#include "chat/query_fields.h"
#include "chat/user_rules.h"

/* ---- full users ---- */
enum err user_write_devices(struct chat_ctx *c, struct jsonw *w, const struct user *u)
{
	struct device *devices = NULL;
	size_t n = 0;
	enum err e = u->pk ? store_device_list(c->tx, u->pk, c->arena, &devices, &n) : ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	jsonw_key(w, "devices");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) device_write(w, c->dialect, &devices[i], u->id);
	jsonw_arr_end(w);
	return ERR_OK;
}

enum err chat_user_write_full(struct chat_ctx *c, struct jsonw *w, const struct user *u)
{
	struct user seen = *u;
	struct store_totals totals;
	chat_user_for_viewer(c, &seen);
	chat_user_veil(c, &seen);
	enum user_view view = chat_user_view(c, &seen);
	jsonw_obj_begin(w);
	user_write_members(w, c->dialect, view, &seen);
	if (view != USER_VIEW_COMMON) {
		enum err e = user_write_devices(c, w, u);
		if (e == ERR_OK && (e = store_totals_load(c->tx, c->app->pk, u->pk, c->arena, &totals)) != ERR_OK)
			e = chat_store_fail(c, e);
		if (e != ERR_OK) return e;
		if (view == USER_VIEW_SELF) jsonw_kraw(w, "blocked_user_ids", SPAN("[]"));
		jsonw_kraw(w, "mutes", SPAN("[]"));
		jsonw_kraw(w, "channel_mutes", SPAN("[]"));
		jsonw_kint(w, "total_unread_count", totals.total_unread);
		jsonw_kint(w, "unread_count", totals.total_unread);
		jsonw_kint(w, "unread_channels", totals.unread_channels);
		jsonw_kint(w, "unread_threads", totals.unread_threads);
	}
	jsonw_obj_end(w);
	return ERR_OK;
}

/* ---- the request ---- */
static enum err take_int(struct chat_ctx *c, yyjson_val *payload, const char *key, int64_t max, int64_t *out)
{
	yyjson_val *v = json_get(payload, key);
	if (v == NULL || yyjson_is_null(v)) return ERR_OK;
	if (!yyjson_is_int(v) || yyjson_get_sint(v) < 0 || yyjson_get_sint(v) > max)
		return chat_fail(c, ERR_INPUT, key, "%s must be an integer from 0 to %lld", key, (long long)max);
	*out = yyjson_get_sint(v);
	return ERR_OK;
}

static enum err take_id(struct chat_ctx *c, yyjson_val *payload, const char *key, struct span *out)
{
	yyjson_val *v = json_get(payload, key);
	if (v == NULL || yyjson_is_null(v) || (yyjson_is_str(v) && yyjson_get_len(v) == 0)) return ERR_OK;
	if (!yyjson_is_str(v)) return chat_fail(c, ERR_INPUT, key, "%s must be a string", key);
	*out = json_span(v);
	return ERR_OK;
}

static enum err take_bounds(struct chat_ctx *c, yyjson_val *payload, struct user_query *q)
{
	enum err e = take_int(c, payload, "limit", LIMIT_PAGE_QUERY, &q->limit);
	if (q->limit == 0) q->limit = 30;
	if (e == ERR_OK) e = take_int(c, payload, "offset", LIMIT_QUERY_OFFSET, &q->offset);
	if (e == ERR_OK) e = take_id(c, payload, "id_gt", &q->id_gt);
	if (e == ERR_OK) e = take_id(c, payload, "id_gte", &q->id_gte);
	if (e == ERR_OK) e = take_id(c, payload, "id_lt", &q->id_lt);
	if (e == ERR_OK) e = take_id(c, payload, "id_lte", &q->id_lte);
	yyjson_val *v = json_get(payload, "include_deactivated_users");
	if (e == ERR_OK && v != NULL && !yyjson_is_null(v) && !yyjson_is_bool(v))
		e = chat_fail(c, ERR_INPUT, "include_deactivated_users", "include_deactivated_users must be a boolean");
	q->with_deactivated = yyjson_is_true(v);
	return e;
}

/* Clients of an application with several tenants see their own teams, unless the filter speaks of teams itself; `teams: {}` means
 * all. */
static yyjson_val *within_teams(struct chat_ctx *c, yyjson_val *filter)
{
	if (!c->app->multi_tenant_enabled || chat_is_server(c)) return filter;
	yyjson_val *teams = json_get(filter, "teams"), *key, *value;
	bool all = yyjson_is_obj(teams) && yyjson_obj_size(teams) == 0;
	if (teams != NULL && !all) return filter;
	const char *why;
	size_t at, i, n;
	struct buf text;
	struct jsonw w;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES * 2);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	yyjson_obj_foreach(filter, i, n, key, value)
	{
		if (span_is(json_span(key), "teams")) continue;
		jsonw_key_span(&w, json_span(key));
		jsonw_val(&w, value);
	}
	if (!all) {
		jsonw_key(&w, "teams");
		jsonw_obj_begin(&w);
		if (span_given(c->me.teams))
			jsonw_kraw(&w, "$in", c->me.teams);
		else
			jsonw_kbool(&w, "$exists", false);
		jsonw_obj_end(&w);
	}
	jsonw_obj_end(&w);
	yyjson_val *out = text.failed ? NULL : json_parse(c->arena, buf_span(&text), &why, &at);
	buf_deinit(&text);
	return out;
}

static yyjson_val *teams_of(const struct chat_ctx *c, const struct user *u)
{
	const char *why;
	size_t at;
	return span_given(u->teams) ? json_parse(c->arena, u->teams, &why, &at) : NULL;
}

bool chat_user_is_near(const struct chat_ctx *c, const struct user *u)
{
	size_t i, k, n, m;
	yyjson_val *own, *his;
	if (!c->app->multi_tenant_enabled || chat_is_server(c)) return true;
	if (!span_given(c->me.teams)) return !span_given(u->teams);
	yyjson_val *mine = teams_of(c, &c->me), *theirs = teams_of(c, u);
	yyjson_arr_foreach(mine, i, n, own)
	{
		yyjson_arr_foreach(theirs, k, m, his)
		{
			if (span_eq(json_span(own), json_span(his))) return true;
		}
	}
	return false;
}

static bool is_barred(const struct chat_ctx *c)
{
	size_t i, n;
	yyjson_val *role;
	if (chat_is_server(c)) return false;
	yyjson_arr_foreach(json_get(c->app->settings, "user_search_disallowed_roles"), i, n, role)
	{
		if (span_eq(json_span(role), c->me.role)) return true;
	}
	return false;
}

bool chat_may_search_users(const struct chat_ctx *c) { return chat_may(c, "search-user") && !is_barred(c); }

static enum err check_rights(struct chat_ctx *c)
{
	if (!chat_may(c, "search-user"))
		return chat_fail(c, ERR_NOT_ALLOWED, NULL, "user %.*s with role %.*s may not search users", SPAN_FMT(c->me.id),
			SPAN_FMT(c->me.role));
	if (is_barred(c)) return chat_fail(c, ERR_NOT_ALLOWED, NULL, "role %.*s may not search users", SPAN_FMT(c->me.role));
	return ERR_OK;
}

static enum err parse_query(struct chat_ctx *c, yyjson_val *payload, struct filter *f, struct sort *s)
{
	yyjson_val *given = json_get(payload, "filter_conditions");
	yyjson_val *filter = given == NULL || yyjson_is_null(given) || yyjson_is_obj(given)
				     ? within_teams(c, yyjson_is_obj(given) ? given : NULL)
				     : given;
	enum err e = filter_parse(c->arena, filter, f, &c->error);
	if (e == ERR_OK) e = filter_check(c->arena, f, store_user_fields, store_user_field_count, true, &c->error);
	if (e == ERR_OK) e = sort_parse(c->arena, json_get(payload, "sort"), s, &c->error);
	if (e == ERR_OK) e = sort_check(s, store_user_sorts, store_user_sort_count, true, &c->error);
	return e == ERR_OK ? query_fields_check(c, f, s, user_key_reserved) : e;
}

enum err chat_query_users(struct chat_ctx *c, yyjson_val *payload, struct user_list *out)
{
	struct filter f;
	struct sort s = { .n = 0 };
	struct user_query q = { .filter = &f,
		.sort = &s,
		.limit = 30,
		.viewer_pk = chat_is_server(c) && !c->acting_given ? 0
			     : c->me.pk != 0                       ? c->me.pk
								   : -1 };
	struct user_list list = { NULL, 0 };
	enum err e = check_rights(c);
	if (e == ERR_OK) e = take_bounds(c, payload, &q);
	if (e == ERR_OK) e = parse_query(c, payload, &f, &s);
	if (e == ERR_OK) e = store_user_query(c->tx, c->app->pk, &q, c->arena, &list.items, &list.n, &c->error);
	if (e == ERR_OK) *out = list;
	return e;
}
