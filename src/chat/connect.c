/* Connecting: the user as the client describes him is merged into the stored one, and the session gets what it starts with. A
 * connect that changes nothing is a read and waits for no commit. Contract: connection-and-users.md 2.2, 2.3. */
#include "chat/connect.h"

#include "base/limits.h"
#include "chat/user_rules.h"
#include "wire/ids.h"

/* ---- the payload ---- */
static enum err check_payload(struct chat_ctx *c, yyjson_val *payload, yyjson_val **details)
{
	yyjson_val *user = json_get(payload, "user_details");
	struct span id = json_span(json_get(payload, "user_id")), own = json_span(json_get(user, "id"));
	if (!yyjson_is_obj(payload)) return chat_fail(c, ERR_INPUT, "json", "the connect payload must be an object");
	*details = user;
	if (c->caller == CALLER_ANONYMOUS) return ERR_OK; /* who he says he is is made up by his SDK */
	if (!span_given(id)) return chat_fail(c, ERR_INPUT, "user_id", "user_id must be a string");
	if (!yyjson_is_obj(user)) return chat_fail(c, ERR_INPUT, "user_details", "user_details must be an object");
	if (!span_eq(id, c->me.id)) return chat_fail(c, ERR_AUTH, "user_id", "user_id is not the user of the token");
	if (!span_given(own) || !span_eq(own, id))
		return chat_fail(c, ERR_INPUT, "user_details", "user_details.id must equal user_id");
	if (!user_id_valid(id))
		return chat_fail(c, ERR_INPUT, "user_id", "a user id is 1 to %lld of the characters a-z A-Z 0-9 @ _ -",
			(long long)LIMIT_USER_ID_BYTES);
	return ERR_OK;
}

/* ---- the stored user ---- */
static enum err merge_user(struct chat_ctx *c, yyjson_val *details, struct user *u)
{
	bool changed, was_invisible = u->invisible, existed = u->pk != 0;
	if (!existed) *u = user_new(u->id);
	enum err e = chat_user_apply(c, u, details, USER_MERGE_CONNECT, &changed);
	if (e != ERR_OK || !changed) return e;
	e = chat_need_write(c);
	if (e != ERR_OK) return e;
	/* A new user's row says at once that he was here; for others the batch of seconds does. */
	if (!existed) u->last_active = c->now_us;
	return chat_user_store(c, u, existed, existed && was_invisible != u->invisible);
}

/* ---- the device ---- */
static bool provider_known(struct span provider)
{
	static const char *const names[] = { "apn", "firebase", "huawei", "xiaomi" };
	for (size_t i = 0; i < BECK_COUNT(names); i++)
		if (span_is(provider, names[i])) return true;
	return false;
}

static enum err take_device(struct chat_ctx *c, yyjson_val *v, struct device *d)
{
	*d = (struct device){ .id = json_span(json_get(v, "id")),
		.push_provider = json_span(json_get(v, "push_provider")),
		.push_provider_name = json_span(json_get(v, "push_provider_name")),
		.created_at = c->now_us };
	if (!yyjson_is_obj(v) || d->id.n == 0 || d->id.n > (size_t)LIMIT_USER_OBJECT_BYTES)
		return chat_fail(c, ERR_INPUT, "device", "device must be an object with id and push_provider");
	if (!provider_known(d->push_provider))
		return chat_fail(c, ERR_INPUT, "device", "push_provider must be apn, firebase, huawei or xiaomi");
	if (d->push_provider_name.n == 0) d->push_provider_name = SPAN_NONE;
	return ERR_OK;
}

static bool is_registered(const struct device *list, size_t n, const struct device *d)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(list[i].id, d->id) && span_eq(list[i].push_provider, d->push_provider) &&
			span_eq(list[i].push_provider_name, d->push_provider_name))
			return true;
	return false;
}

static enum err register_device(struct chat_ctx *c, const struct user *u, yyjson_val *v)
{
	struct device d, *list;
	size_t n;
	if (v == NULL || yyjson_is_null(v) || u->pk == 0) return ERR_OK;
	enum err e = take_device(c, v, &d);
	if (e != ERR_OK) return e;
	e = store_device_list(c->tx, u->pk, c->arena, &list, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (is_registered(list, n, &d)) return ERR_OK;
	e = chat_need_write(c);
	if (e != ERR_OK) return e;
	e = store_device_put(c->tx, c->app->pk, u->pk, &d, LIMIT_DEVICES);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- what the session starts with ---- */
enum err session_totals_fill(struct chat_ctx *c, int64_t user_pk, struct session_start *out)
{
	struct store_totals t;
	enum err e = store_totals_load(c->tx, c->app->pk, user_pk, c->arena, &t);
	if (e == ERR_OK) e = store_event_head(c->tx, &out->snapshot_pos);
	if (e != ERR_OK) return chat_store_fail(c, e);
	out->memberships = arena_array(c->arena, struct session_membership, t.n ? t.n : 1);
	if (out->memberships == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; i < t.n; i++)
		out->memberships[i] = (struct session_membership){ .channel = t.items[i].channel_pk,
			.read_seq = t.items[i].read_seq,
			.unread = (uint32_t)(t.items[i].unread < UINT32_MAX ? t.items[i].unread : UINT32_MAX),
			.quiet = t.items[i].muted || t.items[i].pending };
	out->membership_count = t.n;
	out->total_unread = t.total_unread;
	out->unread_channels = t.unread_channels;
	out->unread_threads = t.unread_threads;
	return ERR_OK;
}

static enum err start_of(struct chat_ctx *c, const struct user *u, struct session_start *out)
{
	*out = (struct session_start){ .app = c->app->pk,
		.user = u->pk,
		.user_id = u->id,
		.invisible = u->invisible,
		.dialect = c->dialect,
		.connection_limit = u->pk == 0               ? LIMIT_ANON_PER_APP
				    : c->app->is_development ? LIMIT_CONNS_PER_USER_DEV
							     : LIMIT_CONNS_PER_USER };
	if (u->pk != 0) return session_totals_fill(c, u->pk, out);
	enum err e = store_event_head(c->tx, &out->snapshot_pos);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_connect(struct chat_ctx *c, yyjson_val *payload, struct session_start *out)
{
	yyjson_val *details = NULL;
	struct session_start start;
	enum err e = check_payload(c, payload, &details);
	if (e != ERR_OK) return e;
	struct user u = c->me;
	if (c->caller == CALLER_USER) e = merge_user(c, details, &u);
	if (e == ERR_OK) e = register_device(c, &u, json_get(payload, "device"));
	if (e != ERR_OK) return e;
	c->me = u;
	c->me.last_active = c->now_us;
	e = start_of(c, &u, &start);
	if (e == ERR_OK) e = connect_resume(c, payload, &start);
	if (e == ERR_OK) e = connect_me(c, &c->me, &start, &start.me);
	if (e != ERR_OK) return e;
	*out = start;
	return ERR_OK;
}
