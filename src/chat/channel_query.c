/* Lists of channels: what the caller may see, what he asked for, in his order. */
#include "base/limits.h"
#include "chat/channel_config.h"
#include "chat/channel_data.h"
#include "chat/channel_rules.h"
#include "chat/query_fields.h"
#include "wire/ids.h"

/* ---- the request ---- */

static enum err take_limit(struct chat_ctx *c, yyjson_val *body, const char *key, int64_t max, int64_t *limit)
{
	int64_t n = 0;
	enum err e = take_int(c, body, key, 0, max, &n, NULL);
	if (e == ERR_OK && n > 0) *limit = n;
	return e;
}

static enum err list_want(struct chat_ctx *c, yyjson_val *body, struct channel_want *out)
{
	int64_t messages = 25;
	struct channel_want v = { .state = true, .members_limit = 100, .watchers_limit = 100 };
	enum err e = take_bool(c, body, "state", &v.state, NULL);
	if (e == ERR_OK) e = take_bool(c, body, "watch", &v.watch, NULL);
	if (e == ERR_OK) e = take_bool(c, body, "presence", &v.presence, NULL);
	if (e == ERR_OK) e = take_limit(c, body, "member_limit", 100, &v.members_limit);
	if (e == ERR_OK) e = take_limit(c, body, "message_limit", LIMIT_PAGE_MESSAGES, &messages);
	if (e == ERR_OK) e = chat_page_parse(c, NULL, messages, LIMIT_PAGE_MESSAGES, &v.messages);
	if (e == ERR_OK) *out = v;
	return e;
}

struct request {
	struct filter filter;
	struct sort sort;
	int64_t limit, offset;
};

static enum err take_error(struct chat_ctx *c, enum err e, const struct error *why)
{
	if (why->err == ERR_OK) return chat_store_fail(c, e);
	c->error = *why;
	return e;
}

static enum err parse_request(struct chat_ctx *c, yyjson_val *body, struct request *r)
{
	struct error why = { 0 };
	*r = (struct request){ .limit = 10 };
	enum err e = filter_parse(c->arena, json_get(body, "filter_conditions"), &r->filter, &why);
	if (e == ERR_OK) e = filter_check(c->arena, &r->filter, store_channel_fields, store_channel_field_count, true, &why);
	if (e == ERR_OK) e = sort_parse(c->arena, json_get(body, "sort"), &r->sort, &why);
	if (e == ERR_OK) e = sort_check(&r->sort, store_channel_sorts, store_channel_sort_count, true, &why);
	if (e != ERR_OK) return take_error(c, e, &why);
	e = query_fields_check(c, &r->filter, &r->sort, channel_key_reserved);
	if (e == ERR_OK) e = take_limit(c, body, "limit", LIMIT_QUERY_CHANNELS, &r->limit);
	return e == ERR_OK ? take_int(c, body, "offset", 0, LIMIT_QUERY_OFFSET, &r->offset, NULL) : e;
}

/* ---- what the caller may see ---- */

enum { RIGHTS_KEPT = 32 };
struct kept_right {
	const struct channel_type *type;
	char role[64]; /* LIMIT_CHANNEL_ROLE_BYTES; the row's own text is gone with the row */
	size_t role_n;
	bool is_member, is_moderator, is_owner, may;
};
struct visible {
	struct chat_ctx *c;
	yyjson_val *teams;
	struct kept_right rights[RIGHTS_KEPT];
	size_t right_count;
	size_t refused;
};

static bool in_team(const struct visible *v, struct span team)
{
	if (!v->c->app->multi_tenant_enabled || !span_given(team)) return true;
	size_t i, n;
	yyjson_val *t;
	yyjson_arr_foreach(v->teams, i, n, t)
	{
		if (span_eq(json_span(t), team)) return true;
	}
	return false;
}

static bool may_read(
	struct visible *v, const struct channel_type *type, const struct channel *ch, const struct member *own, bool is_owner)
{
	struct span role = own != NULL ? own->channel_role : SPAN_NONE;
	bool is_moderator = own != NULL && own->is_moderator;
	/* a role in the channel's team makes each team a case of its own */
	if (v->c->app->multi_tenant_enabled && span_given(v->c->me.teams_role))
		return chat_may_in(v->c, type, ch, own, "read-channel", is_owner);
	for (size_t i = 0; i < v->right_count; i++) {
		const struct kept_right *k = &v->rights[i];
		if (k->type == type && k->is_member == (own != NULL) && k->is_owner == is_owner &&
			k->is_moderator == is_moderator && span_eq(span_make(k->role, k->role_n), role))
			return k->may;
	}
	bool may = chat_may_in(v->c, type, ch, own, "read-channel", is_owner);
	if (v->right_count == RIGHTS_KEPT || role.n > sizeof v->rights[0].role) return may;
	struct kept_right *k = &v->rights[v->right_count++];
	*k = (struct kept_right){ .type = type,
		.role_n = role.n,
		.is_member = own != NULL,
		.is_moderator = is_moderator,
		.is_owner = is_owner,
		.may = may };
	if (role.n > 0) memcpy(k->role, role.p, role.n);
	return may;
}

static bool is_visible(struct visible *v, const struct channel *ch, const struct member *own)
{
	struct chat_ctx *c = v->c;
	const struct channel_type *type = chat_app_type(c->app, ch->type);
	if (type == NULL) return false;
	if (chat_is_server(c)) return true;
	if (ch->disabled || !in_team(v, ch->team)) return false;
	bool is_owner = c->me.pk != 0 && ch->created_by.pk == c->me.pk;
	if (!span_given(ch->config_overrides)) return may_read(v, type, ch, own, is_owner);
	struct channel_ctx x = { .ch = *ch, .type = type };
	if (channel_effective(c, &x) != ERR_OK) return false;
	return chat_may_in(c, &x.effective, ch, own, "read-channel", is_owner);
}

static bool accept_row(void *ctx, const struct channel *ch, const struct member *own)
{
	struct visible *v = ctx;
	bool may = is_visible(v, ch, own);
	v->refused += !may;
	return may;
}

/* A condition that every match must meet: a leaf of the top level. */
static const struct filter *required(const struct filter *f, const char *field)
{
	if (f->op == FILTER_AND) {
		for (size_t i = 0; i < f->kid_count; i++) {
			const struct filter *found = f->kids[i].op == FILTER_AND ? NULL : required(&f->kids[i], field);
			if (found != NULL) return found;
		}
		return NULL;
	}
	bool same = f->op == FILTER_EQ || f->op == FILTER_IN;
	return same && span_is(f->field, field) ? f : NULL;
}

static bool names_type(const struct filter *leaf, struct span type, bool is_cid)
{
	size_t n = yyjson_is_arr(leaf->value) ? yyjson_arr_size(leaf->value) : 1;
	for (size_t i = 0; i < n; i++) {
		struct span v = json_span(yyjson_is_arr(leaf->value) ? yyjson_arr_get(leaf->value, i) : leaf->value);
		if (is_cid) v = span_make(v.p, span_find(v, ':'));
		if (span_eq(v, type)) return true;
	}
	return false;
}

struct reach {
	bool stranger, owner, member; /* of some type asked for, he can read channels as such */
};

static struct reach reach_of(struct chat_ctx *c, const struct filter *f)
{
	const struct filter *by_type = required(f, "type"), *by_cid = required(f, "cid");
	struct member some = { .channel_role = SPAN("channel_member") };
	struct channel none = { 0 };
	struct reach r = { false, false, false };
	for (size_t i = 0; i < c->app->type_count; i++) {
		const struct channel_type *t = &c->app->types[i];
		if ((by_type != NULL && !names_type(by_type, t->name, false)) ||
			(by_cid != NULL && !names_type(by_cid, t->name, true)))
			continue;
		none.type = t->name;
		r.stranger |= chat_may_in(c, t, &none, NULL, "read-channel", false);
		r.owner |= c->me.pk != 0 && chat_may_in(c, t, &none, NULL, "read-channel", true);
		r.member |= c->me.pk != 0 && chat_may_in(c, t, &none, &some, "read-channel", false);
	}
	return r;
}

static enum err refuse(struct chat_ctx *c)
{
	return chat_fail(c, ERR_NO_CHANNELS, NULL, "user %.*s with role %.*s may not read the channels that the filter asks for",
		SPAN_FMT(c->me.id), SPAN_FMT(c->me.role));
}

/* ---- the rule ---- */

static enum err fill_rows(struct chat_ctx *c, const struct channel_row *rows, size_t n, struct channel_list *out)
{
	struct people p;
	people_init(&p, c);
	for (size_t i = 0; i < n; i++) {
		people_want(&p, rows[i].ch.created_by.pk);
		people_want(&p, rows[i].ch.truncated_by.pk);
	}
	enum err e = people_load(&p);
	if (e != ERR_OK) return e;
	struct user me = c->me;
	if (me.pk != 0) chat_user_for_viewer(c, &me);
	for (size_t i = 0; i < n; i++) {
		struct channel_ctx *x = &out->items[out->n];
		*x = (struct channel_ctx){ .ch = rows[i].ch, .own = rows[i].own, .type = chat_app_type(c->app, rows[i].ch.type) };
		if (x->type == NULL) continue;
		x->is_member = x->own.user_pk != 0;
		x->is_owner = me.pk != 0 && x->ch.created_by.pk == me.pk;
		x->own.user = me;
		x->own.is_owner = x->is_owner;
		people_fill(&p, &x->ch.created_by);
		if (x->ch.truncated_by.pk != 0) people_fill(&p, &x->ch.truncated_by);
		e = channel_effective(c, x);
		if (e != ERR_OK) return e;
		out->n++;
	}
	return ERR_OK;
}

static enum err find_rows(struct chat_ctx *c, const struct request *r, struct channel_row **rows, size_t *n)
{
	struct visible v = { .c = c, .teams = stored_json(c, c->me.teams) };
	struct reach reach = { true, true, true };
	const struct filter *joined = required(&r->filter, "joined");
	if (!chat_is_server(c)) {
		reach = reach_of(c, &r->filter);
		if (joined != NULL && yyjson_is_false(joined->value)) reach.member = false;
		if (!reach.stranger && !reach.owner && !reach.member) return refuse(c);
	}
	bool by_cid = required(&r->filter, "cid") != NULL;
	struct channel_query q = { .filter = &r->filter,
		.sort = &r->sort,
		.limit = r->limit,
		.offset = r->offset,
		.viewer_pk = c->me.pk,
		.viewer_id = c->me.id,
		.only_member = !reach.stranger && !by_cid,
		.also_created = reach.owner,
		.accept = accept_row,
		.ctx = &v,
		.custom_deadline_us = clock_mono_us(c->chat->clock) + LIMIT_CUSTOM_FILTER_MS * 1000 };
	struct error why = { 0 };
	enum err e = store_channel_query(c->tx, c->app->pk, &q, c->arena, rows, n, &why);
	if (e != ERR_OK) return take_error(c, e, &why);
	return by_cid && *n == 0 && v.refused > 0 ? refuse(c) : ERR_OK;
}

static enum err list_alloc(struct chat_ctx *c, size_t n, struct channel_list *out)
{
	*out = (struct channel_list){ .items = arena_array(c->arena, struct channel_ctx, n + 1) };
	return out->items != NULL ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

enum err chat_query_channels(struct chat_ctx *c, yyjson_val *body, struct channel_list *out)
{
	struct request r;
	struct channel_want want;
	struct channel_row *rows;
	size_t n;
	enum err e = list_want(c, body, &want);
	if (e == ERR_OK) e = parse_request(c, body, &r);
	if (e == ERR_OK) e = find_rows(c, &r, &rows, &n);
	if (e == ERR_OK) e = list_alloc(c, n, out);
	if (e != ERR_OK) return e;
	out->want = want;
	return fill_rows(c, rows, n, out);
}

enum err chat_reload_channels(struct chat_ctx *c, yyjson_val *body, const int64_t *pks, size_t n, struct channel_list *out)
{
	enum err e = list_alloc(c, n, out);
	if (e == ERR_OK) e = list_want(c, body, &out->want);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct channel_ctx *x = &out->items[out->n];
		e = store_channel_get_pk(c->tx, pks[i], c->arena, &x->ch);
		if (e == ERR_NOT_FOUND || (e == ERR_OK && x->ch.deleted_at != 0)) {
			e = ERR_OK;
			continue;
		}
		if (e != ERR_OK) return chat_store_fail(c, e);
		e = chat_channel_fill(c, x);
		if (e == ERR_OK && chat_channel_readable(c, x)) out->n++;
	}
	return e;
}
