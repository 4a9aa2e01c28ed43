/* `resume` and `resume_from` of the connect payload, Beck's own (DESIGN 5): positions in the events, and going on from one.
 *   "resume": true
 *   "resume_from": {"seq": n, "connection_id": "..", "watch": ["type:id", ..], "presence": ["user", ..]} */
#include "base/limits.h"
#include "base/map.h"
#include "chat/channels.h"
#include "chat/connect.h"
#include "chat/user_rules.h"
#include "wire/ids.h"

static bool is_given(yyjson_val *v) { return v != NULL && !yyjson_is_null(v); }

static enum err check_strings(struct chat_ctx *c, yyjson_val *list, const char *key)
{
	size_t i, n;
	yyjson_val *v;
	if (!is_given(list)) return ERR_OK;
	if (!yyjson_is_arr(list))
		return chat_fail(c, ERR_INPUT, "resume_from", "resume_from.%s must be an array of strings", key);
	yyjson_arr_foreach(list, i, n, v)
	{
		if (!yyjson_is_str(v))
			return chat_fail(c, ERR_INPUT, "resume_from", "resume_from.%s must be an array of strings", key);
	}
	return ERR_OK;
}

static enum err check_shape(struct chat_ctx *c, yyjson_val *place)
{
	yyjson_val *seq = json_get(place, "seq"), *old = json_get(place, "connection_id");
	if (!yyjson_is_obj(place)) return chat_fail(c, ERR_INPUT, "resume_from", "resume_from must be an object");
	if (!yyjson_is_int(seq) || yyjson_get_sint(seq) < 0)
		return chat_fail(c, ERR_INPUT, "resume_from", "resume_from.seq must be a position");
	if (is_given(old) && !yyjson_is_str(old))
		return chat_fail(c, ERR_INPUT, "resume_from", "resume_from.connection_id must be a string");
	enum err e = check_strings(c, json_get(place, "watch"), "watch");
	return e == ERR_OK ? check_strings(c, json_get(place, "presence"), "presence") : e;
}

/* A position that the log no longer reaches back to, that was never given out, or that another history gave out. */
static enum err find_gap(struct chat_ctx *c, struct session_start *s)
{
	int64_t floor;
	bool foreign = false;
	enum err e = store_event_floor(c->tx, &floor);
	if (e == ERR_OK) e = store_event_is_foreign(c->tx, s->resume_seq, &foreign);
	if (e != ERR_OK) return chat_store_fail(c, e);
	s->gap = s->resume_seq < floor || s->resume_seq > s->snapshot_pos || foreign;
	return ERR_OK;
}

static bool listed(const int64_t *pks, size_t n, int64_t pk)
{
	for (size_t i = 0; i < n; i++)
		if (pks[i] == pk) return true;
	return false;
}

/* What find_watches learns for find_presence. */
struct resumed {
	struct chat_ctx *c;
	struct session_start *s;
	int64_t *telling; /* watched channels that tell who comes and goes */
	size_t telling_count;
	bool may_search, is_read;
	struct u64map members; /* of those: user -> channel. Read when a search would not do */
};

/* Channels that he may still read; the others are left out without a word, as their rows in the log are. */
static enum err find_watches(struct resumed *r, yyjson_val *list)
{
	struct chat_ctx *c = r->c;
	struct session_start *s = r->s;
	size_t i, n, max = (size_t)LIMIT_WATCHES_PER_SESSION,
		     most = yyjson_arr_size(list) < max ? yyjson_arr_size(list) + 1 : max;
	yyjson_val *v;
	struct span type, id;
	s->watch = arena_array(c->arena, int64_t, most);
	r->telling = arena_array(c->arena, int64_t, most);
	if (arena_failed(c->arena)) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(list, i, n, v)
	{
		struct channel_ctx x;
		if (s->watch_count == max) break;
		if (!cid_split(json_span(v), &type, &id)) continue;
		enum err e = chat_channel_load(c, type, id, &x);
		if (e == ERR_NOT_FOUND || e == ERR_NOT_ALLOWED) {
			c->error = (struct error){ 0 };
			continue;
		}
		if (e != ERR_OK) return e;
		if (listed(s->watch, s->watch_count, x.ch.pk)) continue;
		s->watch[s->watch_count++] = x.ch.pk;
		if (x.effective.connect_events) r->telling[r->telling_count++] = x.ch.pk;
	}
	return ERR_OK;
}

/* ---- presence: of those whom a call could still make him follow. The others are left out without a word too. ---- */

static bool follow(struct session_start *s, int64_t user, int64_t cause)
{
	if (listed(s->presence, s->presence_count, user)) return true;
	if (s->presence_count == (size_t)LIMIT_PRESENCE_PER_SESSION) return false;
	s->presence_causes[s->presence_count] = cause;
	s->presence[s->presence_count++] = user;
	return true;
}

/* As far as a query of channels with `presence` goes. */
static enum err read_members(struct resumed *r)
{
	enum { MEMBERS_MAX = 100 };
	struct chat_ctx *c = r->c;
	r->is_read = true;
	for (size_t i = 0; i < r->telling_count; i++) {
		int64_t *pks;
		size_t n;
		enum err e = store_members_pks(c->tx, r->telling[i], MEMBERS_MAX, c->arena, &pks, &n);
		if (e != ERR_OK) return chat_store_fail(c, e);
		for (size_t k = 0; k < n; k++)
			if (!u64map_put(&r->members, (uint64_t)pks[k], &r->telling[i]))
				return chat_store_fail(c, ERR_UNAVAILABLE);
	}
	return ERR_OK;
}

/* *cause: 0 = he may search for him; else the watched channel that shows him. */
static enum err may_follow(struct resumed *r, const struct user *u, bool *may, int64_t *cause)
{
	*cause = 0;
	*may = r->may_search && chat_user_is_near(r->c, u);
	if (*may) return ERR_OK;
	enum err e = r->is_read ? ERR_OK : read_members(r);
	const int64_t *channel = e == ERR_OK && u->pk != r->c->me.pk ? u64map_get(&r->members, (uint64_t)u->pk) : NULL;
	*may = channel != NULL;
	if (channel != NULL) *cause = *channel;
	return e;
}

/* Of those who were deleted meanwhile too: he is to learn it. */
static enum err follow_gone(struct resumed *r, struct span id)
{
	int64_t pks[4];
	size_t n = 0;
	enum err e = store_users_gone(r->c->tx, r->c->app->pk, id, r->s->resume_seq, BECK_COUNT(pks), pks, &n);
	if (e != ERR_OK) return chat_store_fail(r->c, e);
	for (size_t i = 0; i < n; i++)
		if (!follow(r->s, pks[i], 0)) break;
	return ERR_OK;
}

static enum err follow_one(struct resumed *r, struct span id)
{
	struct chat_ctx *c = r->c;
	struct user u;
	bool may;
	int64_t cause;
	enum err e = store_user_get(c->tx, c->app->pk, id, c->arena, &u);
	bool is_there = e == ERR_OK;
	if (!is_there && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	/* With the row it is forgotten which teams somebody was in. */
	if (r->may_search && (is_there ? chat_user_is_near(c, &u) : !c->app->multi_tenant_enabled)) {
		e = follow_gone(r, id);
		if (e != ERR_OK) return e;
	}
	if (!is_there || u.deleted_at != 0) return ERR_OK;
	e = may_follow(r, &u, &may, &cause);
	if (e == ERR_OK && may) (void)follow(r->s, u.pk, cause);
	return e;
}

static enum err find_presence(struct resumed *r, yyjson_val *list)
{
	struct session_start *s = r->s;
	size_t i, n, max = (size_t)LIMIT_PRESENCE_PER_SESSION;
	yyjson_val *v;
	s->presence = arena_array(r->c->arena, int64_t, max);
	s->presence_causes = arena_array(r->c->arena, int64_t, max);
	if (arena_failed(r->c->arena)) return chat_store_fail(r->c, ERR_UNAVAILABLE);
	r->may_search = chat_may_search_users(r->c);
	yyjson_arr_foreach(list, i, n, v)
	{
		if (s->presence_count == max) break;
		enum err e = follow_one(r, json_span(v));
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}

static enum err find_subscriptions(struct chat_ctx *c, yyjson_val *place, struct session_start *s)
{
	struct resumed r = { .c = c, .s = s };
	u64map_init(&r.members);
	enum err e = find_watches(&r, json_get(place, "watch"));
	if (e == ERR_OK) e = find_presence(&r, json_get(place, "presence"));
	u64map_deinit(&r.members);
	return e;
}

enum err connect_resume(struct chat_ctx *c, yyjson_val *payload, struct session_start *out)
{
	yyjson_val *wants = json_get(payload, "resume"), *place = json_get(payload, "resume_from");
	if (is_given(wants) && !yyjson_is_bool(wants)) return chat_fail(c, ERR_INPUT, "resume", "resume must be a boolean");
	if (!yyjson_is_true(wants)) return ERR_OK; /* a client that does not ask never sees any of it */
	out->wants_seq = true;
	if (!is_given(place)) return ERR_OK;
	enum err e = check_shape(c, place);
	if (e != ERR_OK) return e;
	out->has_resume = true;
	out->resume_seq = yyjson_get_sint(json_get(place, "seq"));
	out->old_connection_id = json_span(json_get(place, "connection_id"));
	/* Anonymous sessions have no stream of their own to go on from; their watches do. */
	if (out->user == 0)
		out->gap = true;
	else
		e = find_gap(c, out);
	return e == ERR_OK ? find_subscriptions(c, place, out) : e;
}
