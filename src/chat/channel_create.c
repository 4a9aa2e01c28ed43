/* Get or create a channel, also the distinct one of a set of users. */
#include "base/limits.h"
#include "chat/channel_config.h"
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"
#include "wire/base64.h"
#include "wire/ids.h"
#include "wire/jwt.h"

/* ---- distinct channels ---- */

#define DISTINCT_PREFIX "!members-"

static int by_bytes(const void *a, const void *b) { return span_cmp(*(const struct span *)a, *(const struct span *)b); }

struct span chat_distinct_id(struct arena *a, const struct span *ids, size_t n, struct span team)
{
	struct span *sorted = arena_array(a, struct span, n + 1);
	if (sorted == NULL) return SPAN_NONE;
	memcpy(sorted, ids, n * sizeof *ids);
	qsort(sorted, n, sizeof *sorted, by_bytes);
	struct buf text, id;
	buf_init(&text, (size_t)LIMIT_BODY_BYTES);
	buf_init(&id, 128);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && span_eq(sorted[i], sorted[i - 1])) continue;
		if (text.n > 0) buf_add_char(&text, '\0');
		buf_add_span(&text, sorted[i]);
	}
	if (team.n > 0) {
		buf_add(&text, "\0\0", 2);
		buf_add_span(&text, team);
	}
	uint8_t hash[32];
	sha256(buf_span(&text), hash);
	buf_add_span(&id, SPAN(DISTINCT_PREFIX));
	base64url_encode(&id, span_make((const char *)hash, sizeof hash));
	struct span out = text.failed || id.failed ? SPAN_NONE : arena_dup(a, buf_span(&id));
	buf_deinit(&text);
	buf_deinit(&id);
	return out;
}

/* ---- the request ---- */

struct creation {
	struct span type, id;
	struct channel_ctx x;
	struct member_list members;
	bool is_distinct;
};

static enum err parse_people(struct chat_ctx *c, const struct channel_want *want, struct creation *k)
{
	enum err e = member_list_parse(c, json_get(want->data, "members"), "members", false, &k->members);
	return e == ERR_OK ? member_list_parse(c, json_get(want->data, "invites"), "invites", true, &k->members) : e;
}

/* The id of the set of `members`; those only invited belong to it too. */
static enum err name_distinct(struct chat_ctx *c, const struct channel_want *want, struct creation *k)
{
	if (k->members.n == 0) return chat_fail(c, ERR_INPUT, "members", "a channel needs an id or a list of members");
	struct span *ids = arena_array(c->arena, struct span, k->members.n);
	struct span team = SPAN_NONE;
	enum err e = take_string(c, want->data, "team", (size_t)LIMIT_TEAM_BYTES, &team);
	if (e != ERR_OK) return e;
	for (size_t i = 0; ids != NULL && i < k->members.n; i++) ids[i] = k->members.items[i].user_id;
	k->id = ids != NULL ? chat_distinct_id(c->arena, ids, k->members.n, team) : SPAN_NONE;
	return span_given(k->id) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

/* ---- rights of creation ---- */

/* Server calls create for somebody, whom the data names. */
static enum err take_creator(struct chat_ctx *c, yyjson_val *data)
{
	struct span id = json_span(json_get(data, "created_by_id"));
	if (id.n == 0) id = json_span(json_get(json_get(data, "created_by"), "id"));
	if (id.n == 0 && c->me.pk != 0) return ERR_OK;
	if (id.n == 0)
		return chat_fail(c, ERR_INPUT, "created_by_id", "a server call must name data.created_by_id or data.created_by");
	return chat_acting_user(c, NULL, id, true);
}

static bool names_me(const struct chat_ctx *c, const struct member_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (span_eq(l->items[i].user_id, c->me.id)) return true;
	return false;
}

static enum err may_create(struct chat_ctx *c, const struct creation *k, const struct channel *old)
{
	const struct channel_ctx *x = &k->x;
	if (chat_is_server(c)) return ERR_OK;
	if (c->caller != CALLER_USER) return chat_fail(c, ERR_NOT_ALLOWED, NULL, "this user may not create channels");
	if (old != NULL) return chat_require(c, x, "recreate-channel", old->created_by.pk == c->me.pk);
	enum err e = chat_require(c, x, "create-channel", true);
	if (e == ERR_OK && k->is_distinct && !names_me(c, &k->members))
		e = chat_require(c, x, "create-distinct-channel-for-others", false);
	return e;
}

/* A client that gives out channel roles must be allowed to; its creator owns the channel. */
static enum err may_assign(struct chat_ctx *c, const struct creation *k)
{
	for (size_t i = 0; i < k->members.n; i++) {
		struct span role = k->members.items[i].channel_role;
		if (!span_given(role) || span_is(role, "channel_member")) continue;
		return chat_require(c, &k->x, "update-channel-members", true);
	}
	return ERR_OK;
}

/* ---- data ---- */

static enum err take_server_data(struct chat_ctx *c, yyjson_val *data, struct channel *ch)
{
	yyjson_val *overrides = json_get(data, "config_overrides"), *tags = json_get(data, "filter_tags");
	bool named = value_given(overrides) || value_given(tags);
	enum err e = take_bool(c, data, "disabled", &ch->disabled, NULL);
	if (e != ERR_OK) return e;
	if (!chat_is_server(c) && (named || ch->disabled))
		return chat_fail(
			c, ERR_NOT_ALLOWED, NULL, "disabled, filter_tags and config_overrides are set by server calls only");
	if (value_given(overrides)) e = overrides_take(c, overrides, &ch->config_overrides);
	if (e == ERR_OK && value_given(tags)) e = filter_tags_change(c, &ch->filter_tags, tags, NULL);
	return e;
}

static enum err take_data(struct chat_ctx *c, yyjson_val *data, struct creation *k)
{
	struct channel *ch = &k->x.ch;
	bool frozen_given = false;
	enum err e = channel_custom_take(c, data, &ch->custom);
	if (e == ERR_OK) e = take_string(c, data, "team", (size_t)LIMIT_TEAM_BYTES, &ch->team);
	if (e == ERR_OK) e = team_check(c, ch->team);
	if (e == ERR_OK) e = take_bool(c, data, "frozen", &ch->frozen, &frozen_given);
	if (e == ERR_OK) e = take_int(c, data, "cooldown", 0, LIMIT_COOLDOWN_S, &ch->cooldown_s, NULL);
	if (e == ERR_OK) e = take_server_data(c, data, ch);
	if (e != ERR_OK || chat_is_server(c)) return e;
	if (ch->frozen) e = chat_require(c, &k->x, "update-channel-frozen", true);
	if (e == ERR_OK && ch->cooldown_s > 0) e = chat_require(c, &k->x, "update-channel-cooldown", true);
	return e;
}

/* ---- writing ---- */

static enum err insert(struct chat_ctx *c, struct creation *k)
{
	struct channel *ch = &k->x.ch;
	ch->member_count = (int64_t)k->members.n;
	ch->created_at = ch->updated_at = c->now_us;
	ch->created_by = (struct user){ .pk = c->me.pk };
	struct span folded = channel_name_folded(c, ch);
	enum err e = arena_failed(c->arena) ? ERR_UNAVAILABLE : store_channel_insert(c->tx, c->app->pk, ch, folded, c->arena);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return chat_channel_fill(c, &k->x);
}

/* Who creates it while watching is its first watcher: his connection gets this event and those that follow. */
static enum err record_created(struct chat_ctx *c, const struct channel_want *want, struct channel_ctx *x)
{
	struct span text;
	struct event *ev;
	enum err e = channel_event_text(c, x, &text);
	if (e != ERR_OK) return e;
	struct channel_news n = { .type = EVENT_CHANNEL_CREATED, .x = x, .channel_text = text };
	e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	x->is_new = true;
	if (!want->watch || !span_given(want->connection_id)) return ERR_OK;
	ev->watcher = blob_make(want->connection_id);
	return ev->watcher != NULL ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

/* A channel deleted with skip_truncate comes back as it was; its members are the same set. */
static enum err revive(struct chat_ctx *c, const struct channel_want *want, struct channel *old, struct creation *k)
{
	k->x.ch = *old;
	k->x.ch.deleted_at = 0;
	k->x.ch.keep_history = false;
	k->x.ch.updated_at = c->now_us;
	enum err e = channel_row_store(c, &k->x.ch);
	if (e == ERR_OK) e = chat_channel_fill(c, &k->x);
	if (e == ERR_OK) e = record_created(c, want, &k->x);
	return e == ERR_OK ? channel_move_record(c, &k->x, MOVE_RECOUNT, 0) : e;
}

/* Any other deleted one gives its name to a new, empty channel; what is left of it goes in slices. */
static enum err replace(struct chat_ctx *c, const struct channel *old, struct creation *k)
{
	k->x.ch.truncated_at = old->deleted_at;
	enum err e = store_channel_retire_name(c->tx, old->pk);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct channel_purge gone = { .channel_pk = old->pk, .cid = old->cid };
	struct span task;
	return chat_channel_purge(c, &gone, 1, &task);
}

static enum err create(struct chat_ctx *c, const struct channel_want *want, struct creation *k, struct channel *old)
{
	enum err e = chat_is_server(c) ? take_creator(c, want->data) : ERR_OK;
	if (e == ERR_OK) e = may_create(c, k, old);
	if (e == ERR_OK) e = take_data(c, want->data, k);
	if (e == ERR_OK) e = may_assign(c, k);
	if (e != ERR_OK) return e;
	if (old != NULL && old->keep_history) return revive(c, want, old, k);
	e = member_list_resolve(c, &k->members, "members");
	if (e == ERR_OK && old != NULL) e = replace(c, old, k);
	if (e == ERR_OK) e = insert(c, k);
	if (e == ERR_OK) e = record_created(c, want, &k->x);
	if (e != ERR_OK) return e;
	struct member_add how = {
		.is_creation = true, .role = "channel_member", .hidden_for = want->hide_for_creator ? c->me.pk : 0
	};
	return members_add(c, &k->x, &k->members, &how);
}

/* ---- the rule ---- */

static enum err check_new_id(struct chat_ctx *c, const struct creation *k)
{
	if (k->is_distinct) return ERR_OK;
	if (span_starts(k->id, SPAN(DISTINCT_PREFIX)))
		return chat_fail(c, ERR_INPUT, "id", "ids that begin with " DISTINCT_PREFIX " belong to distinct channels");
	return ERR_OK;
}

static enum err look_up(struct chat_ctx *c, struct creation *k, struct channel *out, bool *exists)
{
	enum err e = store_channel_get(c->tx, c->app->pk, k->type, k->id, c->arena, out);
	*exists = e == ERR_OK;
	return e == ERR_OK || e == ERR_NOT_FOUND ? ERR_OK : chat_store_fail(c, e);
}

static enum err begin(struct chat_ctx *c, const struct channel_want *want, struct creation *k)
{
	k->x.type = chat_app_type(c->app, k->type);
	if (k->x.type == NULL) return chat_fail(c, ERR_NOT_FOUND, NULL, "channel type %.*s does not exist", SPAN_FMT(k->type));
	k->is_distinct = !span_given(k->id);
	enum err e = ERR_OK;
	if (k->is_distinct) {
		e = parse_people(c, want, k);
		if (e == ERR_OK) e = name_distinct(c, want, k);
	} else if (!channel_id_valid(k->id)) {
		e = chat_fail(c, ERR_INPUT, "id", "a channel id is 1 to %lld characters of A-Z a-z 0-9 _ ! -",
			(long long)LIMIT_CHANNEL_ID_BYTES);
	}
	k->x.ch.type = k->type;
	k->x.ch.id = k->id;
	k->x.ch.cid = arena_printf(c->arena, "%.*s:%.*s", SPAN_FMT(k->type), SPAN_FMT(k->id));
	return e == ERR_OK ? channel_effective(c, &k->x) : e;
}

enum err chat_get_or_create(
	struct chat_ctx *c, struct span type, struct span id, const struct channel_want *want, struct channel_ctx *out)
{
	struct creation k = { .type = type, .id = id };
	struct channel old;
	bool exists;
	enum err e = begin(c, want, &k);
	if (e == ERR_OK) e = look_up(c, &k, &old, &exists);
	if (e != ERR_OK) return e;
	if (exists && old.deleted_at == 0) return chat_channel_load(c, type, k.id, out);
	e = chat_need_write(c);
	if (e == ERR_OK) e = check_new_id(c, &k);
	if (e == ERR_OK && !k.is_distinct) e = parse_people(c, want, &k);
	if (e == ERR_OK) e = create(c, want, &k, exists ? &old : NULL);
	if (e == ERR_OK) *out = k.x;
	return e;
}
