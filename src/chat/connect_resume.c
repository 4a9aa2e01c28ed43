/* `resume` and `resume_from` of the connect payload, Beck's own (DESIGN 5): positions in the events, and going on from one.
 *   "resume": true
 *   "resume_from": {"seq": n, "connection_id": "..", "watch": ["type:id", ..], "presence": ["user", ..]} */
#include "base/limits.h"
#include "chat/channels.h"
#include "chat/connect.h"
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

/* Channels that he may still read; the others are left out without a word, as their rows in the log are. */
static enum err find_watches(struct chat_ctx *c, yyjson_val *list, struct session_start *s)
{
	size_t i, n, max = (size_t)LIMIT_WATCHES_PER_SESSION;
	yyjson_val *v;
	struct span type, id;
	s->watch = arena_array(c->arena, int64_t, yyjson_arr_size(list) < max ? yyjson_arr_size(list) + 1 : max);
	if (s->watch == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
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
		if (!listed(s->watch, s->watch_count, x.ch.pk)) s->watch[s->watch_count++] = x.ch.pk;
	}
	return ERR_OK;
}

/* Of those who were deleted meanwhile too: he is to learn it. */
static enum err find_gone(struct chat_ctx *c, struct span id, size_t max, struct session_start *s)
{
	int64_t pks[4];
	size_t n = 0;
	enum err e = store_users_gone(c->tx, c->app->pk, id, s->resume_seq, BECK_COUNT(pks), pks, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; i < n && s->presence_count < max; i++)
		if (!listed(s->presence, s->presence_count, pks[i])) s->presence[s->presence_count++] = pks[i];
	return ERR_OK;
}

static enum err find_presence(struct chat_ctx *c, yyjson_val *list, struct session_start *s)
{
	size_t i, n, max = (size_t)LIMIT_PRESENCE_PER_SESSION;
	yyjson_val *v;
	s->presence = arena_array(c->arena, int64_t, max);
	if (s->presence == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(list, i, n, v)
	{
		struct user u;
		if (s->presence_count == max) break;
		enum err e = find_gone(c, json_span(v), max, s);
		if (e != ERR_OK) return e;
		e = store_user_get(c->tx, c->app->pk, json_span(v), c->arena, &u);
		if (e == ERR_NOT_FOUND || s->presence_count == max) continue;
		if (e != ERR_OK) return chat_store_fail(c, e);
		if (u.deleted_at == 0 && !listed(s->presence, s->presence_count, u.pk)) s->presence[s->presence_count++] = u.pk;
	}
	return ERR_OK;
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
	if (e == ERR_OK) e = find_watches(c, json_get(place, "watch"), out);
	return e == ERR_OK ? find_presence(c, json_get(place, "presence"), out) : e;
}
