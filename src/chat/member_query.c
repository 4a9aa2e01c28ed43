/* Lists of one channel's members. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"
#include "chat/query_fields.h"
#include "wire/timestamp.h"

struct request {
	struct filter filter;
	struct sort sort;
	struct member_query q;
};

static enum err take_error(struct chat_ctx *c, enum err e, const struct error *why)
{
	if (why->err == ERR_OK) return chat_store_fail(c, e);
	c->error = *why;
	return e;
}

static bool names_cid(const struct filter *f)
{
	for (size_t i = 0; i < f->kid_count; i++)
		if (names_cid(&f->kids[i])) return true;
	return f->kid_count == 0 && span_is(f->field, "cid");
}

static enum err take_time(struct chat_ctx *c, yyjson_val *payload, const char *key, int64_t *out)
{
	struct span text = SPAN_NONE;
	int64_t at;
	enum err e = take_string(c, payload, key, 64, &text);
	if (e != ERR_OK || !span_given(text)) return e;
	if (!time_parse(text, &at)) return chat_fail(c, ERR_INPUT, key, "%s must be an RFC 3339 time", key);
	if (at != TIME_ZERO) *out = at;
	return ERR_OK;
}

/* The older way of paging. */
static enum err take_bounds(struct chat_ctx *c, yyjson_val *payload, struct member_query *q)
{
	const struct {
		const char *key;
		struct span *out;
	} ids[] = { { "user_id_gt", &q->user_id_gt }, { "user_id_gte", &q->user_id_gte }, { "user_id_lt", &q->user_id_lt },
		{ "user_id_lte", &q->user_id_lte } };
	const struct {
		const char *key;
		int64_t *out;
	} times[] = { { "created_at_after", &q->created_after }, { "created_at_after_or_equal", &q->created_after_or_equal },
		{ "created_at_before", &q->created_before }, { "created_at_before_or_equal", &q->created_before_or_equal } };
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(ids); i++)
		e = take_string(c, payload, ids[i].key, (size_t)LIMIT_USER_ID_BYTES, ids[i].out);
	for (size_t i = 0; e == ERR_OK && i < BECK_COUNT(times); i++) e = take_time(c, payload, times[i].key, times[i].out);
	return e;
}

/* "user.x" is a custom key of the user. */
static bool is_no_custom(struct span key) { return member_key_reserved(key) && !span_is(key, "user"); }

static enum err parse(struct chat_ctx *c, yyjson_val *payload, struct request *r)
{
	struct error why = { 0 };
	int64_t limit = 0;
	*r = (struct request){ .q.limit = LIMIT_PAGE_QUERY };
	enum err e = filter_parse(c->arena, json_get(payload, "filter_conditions"), &r->filter, &why);
	if (e == ERR_OK && names_cid(&r->filter))
		return chat_fail(c, ERR_INPUT, "cid", "members are listed for one channel; cid is no field of theirs");
	if (e == ERR_OK) e = filter_check(c->arena, &r->filter, store_member_fields, store_member_field_count, true, &why);
	if (e == ERR_OK) e = sort_parse(c->arena, json_get(payload, "sort"), &r->sort, &why);
	if (e == ERR_OK) e = sort_check(&r->sort, store_member_sorts, store_member_sort_count, false, &why);
	if (e != ERR_OK) return take_error(c, e, &why);
	e = query_fields_check(c, &r->filter, &r->sort, is_no_custom);
	if (e == ERR_OK) e = take_int(c, payload, "limit", 0, LIMIT_PAGE_QUERY, &limit, NULL);
	if (e == ERR_OK && limit > 0) r->q.limit = limit;
	if (e == ERR_OK) e = take_int(c, payload, "offset", 0, LIMIT_QUERY_OFFSET, &r->q.offset, NULL);
	if (e == ERR_OK) e = take_bounds(c, payload, &r->q);
	r->q.filter = &r->filter;
	r->q.sort = &r->sort;
	r->q.viewer_pk = c->me.pk;
	return e;
}

/* By id, or the distinct channel of `members`. */
static enum err find_channel(struct chat_ctx *c, yyjson_val *payload, struct channel_ctx *x)
{
	struct span type = SPAN_NONE, id = SPAN_NONE;
	struct member_list l = { 0 };
	enum err e = take_string(c, payload, "type", 64, &type);
	if (e == ERR_OK) e = take_string(c, payload, "id", (size_t)LIMIT_CHANNEL_ID_BYTES, &id);
	if (e == ERR_OK && !span_given(type)) e = chat_fail(c, ERR_INPUT, "type", "type is missing");
	if (e == ERR_OK && !span_given(id)) e = member_list_parse(c, json_get(payload, "members"), "members", false, &l);
	if (e != ERR_OK) return e;
	if (span_given(id)) return chat_channel_load(c, type, id, x);
	if (l.n == 0) return chat_fail(c, ERR_INPUT, "id", "a channel id or the members of a distinct channel are needed");
	struct span *ids = arena_array(c->arena, struct span, l.n);
	for (size_t i = 0; ids != NULL && i < l.n; i++) ids[i] = l.items[i].user_id;
	if (ids != NULL) id = chat_distinct_id(c->arena, ids, l.n, SPAN_NONE);
	return span_given(id) ? chat_channel_load(c, type, id, x) : chat_store_fail(c, ERR_UNAVAILABLE);
}

static enum err write_list(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, struct member *m, size_t n)
{
	struct people p;
	people_init(&p, c);
	for (size_t i = 0; i < n; i++) people_want(&p, m[i].user_pk);
	enum err e = people_load(&p);
	if (e != ERR_OK) return e;
	for (size_t i = 0; i < n; i++) {
		people_fill(&p, &m[i].user);
		m[i].is_owner = m[i].user_pk == x->ch.created_by.pk;
	}
	e = chat_members_deleted(c, m, n);
	if (e != ERR_OK) return e;
	jsonw_key(w, "members");
	chat_members_write(c, w, m, n);
	return ERR_OK;
}

enum err chat_query_members(struct chat_ctx *c, yyjson_val *payload, struct jsonw *w)
{
	struct request r;
	struct channel_ctx x;
	struct member *m;
	size_t n;
	enum err e = find_channel(c, payload, &x);
	if (e == ERR_OK) e = chat_require(c, &x, "read-channel-members", x.is_owner);
	if (e == ERR_OK) e = parse(c, payload, &r);
	if (e != ERR_OK) return e;
	e = store_member_query(c->tx, x.ch.pk, &r.q, c->arena, &m, &n);
	return e == ERR_OK ? write_list(c, w, &x, m, n) : chat_store_fail(c, e);
}
