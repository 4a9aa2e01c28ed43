/* ChannelState: what a query answers about a channel. */
#include "base/limits.h"
#include "chat/channel_config.h"
#include "chat/channel_data.h"
#include "chat/channel_rules.h"
#include "store/store_pending.h"

/* ---- the request ---- */

static enum err take_page(struct chat_ctx *c, yyjson_val *body, const char *key, int64_t *limit, int64_t *offset)
{
	yyjson_val *obj = json_get(body, key);
	if (!value_given(obj)) return ERR_OK;
	if (!yyjson_is_obj(obj)) return chat_fail(c, ERR_INPUT, key, "%s must be an object with limit and offset", key);
	int64_t n = 0;
	enum err e = take_int(c, obj, "limit", 0, LIMIT_PAGE_MEMBERS, &n, NULL);
	if (e == ERR_OK && n > 0) *limit = n;
	return e == ERR_OK ? take_int(c, obj, "offset", 0, LIMIT_QUERY_OFFSET, offset, NULL) : e;
}

enum err chat_want_parse(struct chat_ctx *c, yyjson_val *body, bool default_state, struct channel_want *out)
{
	struct channel_want v = { .state = default_state, .members_limit = 100, .watchers_limit = 100 };
	yyjson_val *data = json_get(body, "data"), *messages = json_get(body, "messages");
	if (value_given(data) && !yyjson_is_obj(data)) return chat_fail(c, ERR_INPUT, "data", "data must be an object");
	if (value_given(messages) && !yyjson_is_obj(messages))
		return chat_fail(c, ERR_INPUT, "messages", "messages must be an object");
	v.data = yyjson_is_obj(data) ? data : NULL;
	enum err e = take_bool(c, body, "state", &v.state, NULL);
	if (e == ERR_OK) e = take_bool(c, body, "watch", &v.watch, NULL);
	if (e == ERR_OK) e = take_bool(c, body, "presence", &v.presence, NULL);
	if (e == ERR_OK) e = take_bool(c, body, "hide_for_creator", &v.hide_for_creator, NULL);
	if (e == ERR_OK) e = chat_page_parse(c, yyjson_is_obj(messages) ? messages : NULL, 25, LIMIT_PAGE_MESSAGES, &v.messages);
	if (e == ERR_OK) e = take_page(c, body, "members", &v.members_limit, &v.members_offset);
	if (e == ERR_OK) e = take_page(c, body, "watchers", &v.watchers_limit, &v.watchers_offset);
	if (e == ERR_OK) *out = v;
	return e;
}

/* ---- what channels of one reply share ---- */

enum { VIEWS_KEPT = 16 };
struct kept_view {
	const struct channel_type *type;
	struct span channel_role;
	bool is_member, is_moderator, is_owner, has_cooldown;
	struct span capabilities;
};
struct kept_config {
	const struct channel_type *type;
	struct span text;
};
struct state_writer {
	struct chat_ctx *c;
	struct people_table shared;
	struct people people;
	struct member *members, *newest; /* of the channel being written; room for member_room each */
	size_t member_room;
	struct kept_view views[VIEWS_KEPT];
	struct kept_config configs[VIEWS_KEPT];
	size_t view_count, config_count;
	bool has_pending; /* messages of the caller wait for a commit, somewhere */
};

struct state_writer *chat_state_begin(struct chat_ctx *c)
{
	struct state_writer *s = arena_new(c->arena, struct state_writer);
	if (s == NULL) return NULL;
	s->c = c;
	/* Asked once for all channels of an answer. Nobody who pends nothing pays more. */
	if (c->me.pk != 0 && store_pending_any(c->tx, c->me.pk, &s->has_pending) != ERR_OK) return NULL;
	people_share(c, &s->shared);
	people_init(&s->people, c);
	return s;
}

void chat_state_end(struct state_writer *s) { people_unshare(s->c); }

static enum err shared_config(struct state_writer *s, const struct channel_ctx *x, struct span *out)
{
	if (span_given(x->ch.config_overrides)) return channel_config_text(s->c, &x->effective, out);
	for (size_t i = 0; i < s->config_count; i++) {
		if (s->configs[i].type != x->type) continue;
		*out = s->configs[i].text;
		return ERR_OK;
	}
	enum err e = channel_config_text(s->c, &x->effective, out);
	if (e == ERR_OK && s->config_count < VIEWS_KEPT) s->configs[s->config_count++] = (struct kept_config){ x->type, *out };
	return e;
}

/* Capabilities depend on the type, the caller's part in the channel and slow mode; overrides and teams may change them by
 * channel. */
static enum err shared_capabilities(struct state_writer *s, const struct channel_ctx *x, struct span *out)
{
	if (chat_is_server(s->c)) return ERR_OK;
	bool by_team = s->c->app->multi_tenant_enabled && span_given(s->c->me.teams_role);
	if (by_team || span_given(x->ch.config_overrides)) return channel_capabilities_text(s->c, x, out);
	struct kept_view key = {
		.type = x->type, .is_member = x->is_member, .is_owner = x->is_owner, .has_cooldown = x->ch.cooldown_s > 0
	};
	if (x->is_member) key.channel_role = x->own.channel_role;
	key.is_moderator = x->is_member && x->own.is_moderator;
	for (size_t i = 0; i < s->view_count; i++) {
		const struct kept_view *v = &s->views[i];
		if (v->type != key.type || v->is_member != key.is_member || v->is_owner != key.is_owner ||
			v->is_moderator != key.is_moderator || v->has_cooldown != key.has_cooldown ||
			!span_eq(v->channel_role, key.channel_role))
			continue;
		*out = v->capabilities;
		return ERR_OK;
	}
	enum err e = channel_capabilities_text(s->c, x, &key.capabilities);
	if (e != ERR_OK) return e;
	*out = key.capabilities;
	if (s->view_count < VIEWS_KEPT) s->views[s->view_count++] = key;
	return ERR_OK;
}

static enum err write_channel(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x)
{
	struct channel_view v = { .own = x->is_member ? &x->own : NULL, .count_messages = x->effective.count_messages };
	enum err e = shared_config(s, x, &v.config_json);
	if (e == ERR_OK) e = shared_capabilities(s, x, &v.capabilities_json);
	if (e != ERR_OK) return e;
	jsonw_key(w, "channel");
	channel_write(w, s->c->dialect, &x->ch, &v);
	return ERR_OK;
}

/* ---- the lists ---- */

static void message_list(struct chat_ctx *c, struct jsonw *w, const char *key, const struct message *m, size_t n)
{
	jsonw_key(w, key);
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) message_write(w, c->dialect, &m[i]);
	jsonw_arr_end(w);
}

static enum err member_rooms(struct state_writer *s, size_t n)
{
	if (n <= s->member_room) return ERR_OK;
	s->members = arena_alloc(s->c->arena, n * sizeof *s->members);
	s->newest = arena_alloc(s->c->arena, n * sizeof *s->newest);
	s->member_room = n;
	return s->members != NULL && s->newest != NULL ? ERR_OK : chat_store_fail(s->c, ERR_UNAVAILABLE);
}

/* A page of members with their users; those whose user is gone meanwhile are left out. */
static enum err load_members(struct state_writer *s, const struct channel_ctx *x, int64_t limit, int64_t offset, size_t *count)
{
	size_t n, kept = 0;
	enum err e = member_rooms(s, (size_t)limit);
	if (e != ERR_OK) return e;
	struct member *m = s->members;
	e = offset == 0 && x->ch.member_count <= limit
		    ? store_members_all(s->c->tx, x->ch.pk, limit, s->c->arena, m, &n)
		    : store_members_page(s->c->tx, x->ch.pk, limit, offset, s->c->arena, m, &n);
	if (e != ERR_OK) return chat_store_fail(s->c, e);
	for (size_t i = 0; i < n; i++) people_want(&s->people, m[i].user_pk);
	e = people_load(&s->people);
	if (e != ERR_OK) return e;
	for (size_t i = 0; i < n; i++) {
		const struct user *u = people_get(&s->people, m[i].user_pk);
		if (u == NULL) continue;
		if (kept != i) m[kept] = m[i];
		m[kept].user = *u;
		m[kept++].is_owner = u->pk == x->ch.created_by.pk;
	}
	*count = kept;
	return chat_members_deleted(s->c, m, kept);
}

/* All of the channel's members at hand? Then messages and read state need not look them up again. */
static bool share_members(struct state_writer *s, const struct channel_ctx *x, const struct channel_want *want, size_t n)
{
	bool all = want->members_offset == 0 && n == (size_t)x->ch.member_count && n <= (size_t)LIMIT_READ_ENTRIES;
	s->shared.members_of = all ? x->ch.pk : 0;
	s->shared.members = s->members;
	s->shared.member_count = n;
	return all;
}

static enum err write_read_state(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, size_t n)
{
	if (!x->effective.read_events) n = 0;
	for (size_t i = 0; i < n; i++) {
		s->newest[i] = s->members[n - 1 - i];
		enum err e = store_member_unread(s->c->tx, &x->ch, &s->newest[i]);
		if (e != ERR_OK) return chat_store_fail(s->c, e);
	}
	chat_read_list_write(s->c, w, x, s->newest, n);
	return ERR_OK;
}

static enum err write_watchers(
	struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, const struct channel_want *want)
{
	struct registry *r = s->c->chat->registry;
	int64_t *pks = NULL;
	size_t n = registry_watchers(r, s->c->app->pk, x->ch.pk, want->watchers_offset, want->watchers_limit, s->c->arena, &pks);
	for (size_t i = 0; i < n; i++) people_want(&s->people, pks[i]);
	enum err e = people_load(&s->people);
	if (e != ERR_OK) return e;
	jsonw_kint(w, "watcher_count", registry_watcher_count(r, s->c->app->pk, x->ch.pk));
	jsonw_key(w, "watchers");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < n; i++) {
		const struct user *u = people_get(&s->people, pks[i]);
		if (u != NULL) user_write(w, s->c->dialect, USER_VIEW_COMMON, u);
	}
	jsonw_arr_end(w);
	return ERR_OK;
}

static enum err write_messages(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, const struct page *page)
{
	struct message *m = NULL;
	size_t n = 0;
	enum err e = chat_messages_page(s->c, x, page, &m, &n);
	if (e != ERR_OK) return e;
	message_list(s->c, w, "messages", m, n);
	e = chat_messages_pinned(s->c, x, 10, &m, &n);
	if (e != ERR_OK) return e;
	message_list(s->c, w, "pinned_messages", m, n);
	return ERR_OK;
}

static enum err write_pending(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x)
{
	return s->has_pending ? chat_pending_write(s->c, w, x) : ERR_OK;
}

static enum err write_lists(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, const struct channel_want *want)
{
	size_t n;
	enum err e = load_members(s, x, want->members_limit, want->members_offset, &n);
	if (e != ERR_OK) return e;
	bool all = share_members(s, x, want, n);
	e = write_messages(s, w, x, &want->messages);
	if (e != ERR_OK) return e;
	jsonw_key(w, "members");
	chat_members_write(s->c, w, s->members, n);
	jsonw_kraw(w, "threads", SPAN("[]"));
	e = all ? write_read_state(s, w, x, n) : chat_read_write(s->c, w, x);
	s->shared.members_of = 0;
	if (e == ERR_OK) e = write_pending(s, w, x);
	return e == ERR_OK ? write_watchers(s, w, x, want) : e;
}

static void write_no_lists(struct jsonw *w)
{
	static const char *const keys[] = { "messages", "members", "pinned_messages", "threads" };
	for (size_t i = 0; i < BECK_COUNT(keys); i++) jsonw_kraw(w, keys[i], SPAN("[]"));
}

static enum err write_own(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x)
{
	if (!x->is_member) return ERR_OK;
	struct member own = x->own;
	enum err e = chat_members_deleted(c, &own, 1);
	if (e != ERR_OK) return e;
	if (!chat_is_server(c)) own.shadow_banned = false;
	jsonw_key(w, "membership");
	member_write(w, c->dialect, &own);
	jsonw_kbool(w, "hidden", own.hidden);
	if (own.hide_before != 0) jsonw_ktime(w, "hide_messages_before", c->dialect, own.hide_before);
	return ERR_OK;
}

enum err chat_state_write(struct state_writer *s, struct jsonw *w, const struct channel_ctx *x, const struct channel_want *want)
{
	enum err e = write_channel(s, w, x);
	if (e != ERR_OK) return e;
	if (want->state) {
		e = write_lists(s, w, x, want);
		if (e != ERR_OK) return e;
	} else {
		write_no_lists(w);
	}
	e = write_own(s->c, w, x);
	if (e != ERR_OK) return e;
	return w->out->failed ? chat_store_fail(s->c, ERR_UNAVAILABLE) : ERR_OK;
}

enum err chat_channel_answer(struct chat_ctx *c, struct jsonw *w, struct channel_ctx *x)
{
	size_t n;
	struct state_writer *s = chat_state_begin(c);
	if (s == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	enum err e = write_channel(s, w, x);
	if (e == ERR_OK) e = load_members(s, x, 100, 0, &n);
	if (e == ERR_OK) {
		jsonw_key(w, "members");
		chat_members_write(c, w, s->members, n);
	}
	chat_state_end(s);
	return e;
}
