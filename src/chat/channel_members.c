#include <string.h>

#include "chat/channel_members.h"
#include "chat/permissions.h"

#include "base/limits.h"
#include "chat/channel_data.h"
#include "wire/ids.h"

/* ---- lists in requests ---- */

static struct member_seed *seed_find(struct member_list *l, struct span id)
{
	for (size_t i = 0; i < l->n; i++)
		if (span_eq(l->items[i].user_id, id)) return &l->items[i];
	return NULL;
}

static bool role_valid(struct span role)
{
	return channel_type_valid(role) && role.n <= (size_t)LIMIT_CHANNEL_ROLE_BYTES; /* same letters as a type's name */
}

static enum err seed_parse(struct chat_ctx *c, yyjson_val *v, const char *key, struct member_seed *out)
{
	struct member_seed s = { .user_id = json_span(v) };
	if (yyjson_is_obj(v)) {
		s.user_id = json_span(json_get(v, "user_id"));
		if (s.user_id.n == 0) s.user_id = json_span(json_get(json_get(v, "user"), "id"));
		yyjson_val *role = json_get(v, "channel_role");
		if (value_given(role)) s.channel_role = json_span(role);
		if (value_given(role) && (!role_valid(s.channel_role) || !role_known(s.channel_role, false)))
			return chat_fail(c, ERR_INPUT, "channel_role", "there is no such channel_role");
		enum err e = member_custom_take(c, v, &s.custom);
		if (e != ERR_OK) return e;
	}
	if (!user_id_valid(s.user_id)) return chat_fail(c, ERR_INPUT, key, "%s must hold user ids or objects with user_id", key);
	*out = s;
	return ERR_OK;
}

static bool reserve(struct chat_ctx *c, struct member_list *l, size_t more)
{
	if (l->cap - l->n >= more) return true;
	struct member_seed *items = arena_realloc(c->arena, l->items, l->cap * sizeof *items, (l->n + more) * sizeof *items);
	if (items == NULL) return false;
	l->items = items;
	l->cap = l->n + more;
	return true;
}

enum err member_list_parse(struct chat_ctx *c, yyjson_val *list, const char *key, bool invited, struct member_list *out)
{
	if (!value_given(list)) return ERR_OK;
	if (!yyjson_is_arr(list)) return chat_fail(c, ERR_INPUT, key, "%s must be an array", key);
	size_t i, n = yyjson_arr_size(list);
	if (n > (size_t)LIMIT_MEMBERS_PER_CALL)
		return chat_fail(c, ERR_INPUT, key, "%s has more than %lld entries", key, (long long)LIMIT_MEMBERS_PER_CALL);
	if (!reserve(c, out, n)) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_val *v;
	yyjson_arr_foreach(list, i, n, v)
	{
		struct member_seed s;
		enum err e = seed_parse(c, v, key, &s);
		if (e != ERR_OK) return e;
		s.invited = invited;
		struct member_seed *old = seed_find(out, s.user_id);
		if (old == NULL)
			out->items[out->n++] = s;
		else if (invited)
			old->invited = true;
	}
	return ERR_OK;
}

enum err member_list_resolve(struct chat_ctx *c, struct member_list *l, const char *key)
{
	if (l->n == 0) return ERR_OK;
	struct span *ids = arena_array(c->arena, struct span, l->n);
	struct user *users = arena_array(c->arena, struct user, l->n);
	if (ids == NULL || users == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; i < l->n; i++) ids[i] = l->items[i].user_id;
	enum err e = store_users_get(c->tx, c->app->pk, ids, l->n, c->arena, users);
	if (e != ERR_OK) return chat_store_fail(c, e);
	size_t kept = 0;
	bool may_miss = strcmp(key, "remove_members") == 0; /* who is nobody is no member either: skipped */
	for (size_t i = 0; i < l->n; i++) {
		if (users[i].pk == 0 && may_miss) continue;
		if (users[i].pk == 0 || (users[i].deleted_at != 0 && !may_miss))
			return chat_fail(c, ERR_INPUT, key, "user %.*s does not exist", SPAN_FMT(ids[i]));
		chat_user_for_viewer(c, &users[i]);
		l->items[kept] = l->items[i];
		l->items[kept++].user = users[i];
	}
	l->n = kept;
	return ERR_OK;
}

/* ---- telling ---- */

static enum err member_data(struct chat_ctx *c, const struct member *m, struct span *out)
{
	/* ids need no escaping */
	*out = arena_printf(c->arena, "{\"user_pk\":%lld,\"user_id\":\"%.*s\"}", (long long)m->user_pk, SPAN_FMT(m->user.id));
	return span_given(*out) ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

static enum err tell_watchers(struct chat_ctx *c, struct channel_ctx *x, enum event_type type, const struct member *m,
	struct span channel_text, struct event **out)
{
	struct channel_news n = { .type = type, .x = x, .channel_text = channel_text, .member = m, .user = &m->user };
	enum err e = member_data(c, m, &n.log_data);
	return e == ERR_OK ? channel_news_record(c, &n, out) : e;
}

/* To the user himself where he does not watch; unread starts with it. */
static enum err tell_newcomer(struct chat_ctx *c, struct channel_ctx *x, const struct member *m, struct span channel_text)
{
	struct event *ev;
	bool pending = m->read_seq < 0;
	struct channel_news n = { .type = pending ? EVENT_NOTIFICATION_INVITED : EVENT_NOTIFICATION_ADDED_TO_CHANNEL,
		.x = x,
		.channel_text = channel_text,
		.member = m,
		.to_user = m->user_pk };
	enum err e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_NOT_WATCHING | (pending ? 0u : (unsigned)EVENT_HAS_COUNTS);
	ev->move = pending ? MOVE_RECOUNT : MOVE_JOIN; /* only a recount knows pending ones */
	ev->seq = x->ch.counted_seq;
	return ERR_OK;
}

static void follow_own(struct chat_ctx *c, struct channel_ctx *x, const struct member *m)
{
	if (c->me.pk == 0 || m->user_pk != c->me.pk) return;
	x->own = *m;
	x->is_member = true;
}

/* ---- in ---- */

static bool is_moderator_role(struct span role) { return span_is(role, "channel_moderator"); }

static struct member new_member(
	struct chat_ctx *c, const struct channel_ctx *x, const struct member_seed *s, const struct member_add *how)
{
	struct member m = {
		.channel_pk = x->ch.pk, .user_pk = s->user.pk, .user = s->user, .custom = s->custom, .invited = s->invited
	};
	m.channel_role = span_given(s->channel_role) ? s->channel_role : span_str(how->role);
	m.is_moderator = is_moderator_role(m.channel_role);
	m.is_owner = s->user.pk == x->ch.created_by.pk;
	m.hide_before = how->hide_before;
	m.hidden = how->hidden_for != 0 && how->hidden_for == s->user.pk;
	m.created_at = m.updated_at = m.last_read = c->now_us;
	m.read_seq = s->invited ? -1 : x->ch.counted_seq;
	return m;
}

/* An invitation that was declined may be made again; everything else of an existing row stays. */
static enum err invite_again(
	struct chat_ctx *c, struct channel_ctx *x, const struct member_seed *s, struct member *m, bool *again)
{
	*again = s->invited && m->invited && m->invite_rejected_at != 0 && m->invite_accepted_at == 0;
	if (!*again) return ERR_OK;
	m->invite_rejected_at = 0;
	m->updated_at = c->now_us;
	m->user = s->user;
	m->is_owner = s->user.pk == x->ch.created_by.pk;
	enum err e = store_member_put(c->tx, m);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* One seed: *is_news when there is something to tell about *m, *is_new when the row is new. */
static enum err take_in(struct chat_ctx *c, struct channel_ctx *x, const struct member_seed *s, const struct member_add *how,
	struct member *m, bool *is_news, bool *is_new)
{
	*is_new = false;
	enum err e = how->is_creation ? ERR_NOT_FOUND : store_member_get(c->tx, x->ch.pk, s->user.pk, c->arena, m);
	if (e == ERR_OK) return invite_again(c, x, s, m, is_news);
	if (e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	*m = new_member(c, x, s, how);
	*is_new = *is_news = true;
	e = store_member_insert(c->tx, c->app->pk, m);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err tell_all_in(struct chat_ctx *c, struct channel_ctx *x, const struct member *fresh, size_t n, bool is_creation)
{
	struct span text;
	enum err e = n > 0 ? channel_event_text(c, x, &text) : ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		e = tell_newcomer(c, x, &fresh[i], text);
		if (e == ERR_OK && !is_creation) e = tell_watchers(c, x, EVENT_MEMBER_ADDED, &fresh[i], text, NULL);
		follow_own(c, x, &fresh[i]);
	}
	return e;
}

enum err members_add(struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l, const struct member_add *how)
{
	struct member *fresh = arena_array(c->arena, struct member, l->n + 1);
	if (fresh == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	size_t n = 0;
	int64_t grown = 0;
	for (size_t i = 0; i < l->n; i++) {
		bool is_news, is_new;
		enum err e = team_check_member(c, x->ch.team, &l->items[i].user);
		if (e == ERR_OK) e = take_in(c, x, &l->items[i], how, &fresh[n], &is_news, &is_new);
		if (e != ERR_OK) return e;
		n += is_news;
		grown += is_new;
	}
	if (grown > 0 && !how->is_creation) {
		enum err e = store_channel_add_members(c->tx, x->ch.pk, grown);
		if (e != ERR_OK) return chat_store_fail(c, e);
		x->ch.member_count += grown;
	}
	return tell_all_in(c, x, fresh, n, how->is_creation);
}

/* ---- out ---- */

/* Would this user, no member any more, still be allowed to read? */
static bool may_still_read(struct chat_ctx *c, const struct channel_ctx *x, const struct user *u)
{
	struct chat_ctx as = *c;
	as.caller = CALLER_USER;
	as.me = *u;
	struct channel_ctx view = *x;
	view.is_member = false;
	view.is_owner = x->ch.created_by.pk == u->pk;
	return chat_channel_readable(&as, &view);
}

static enum err tell_leaver(struct chat_ctx *c, struct channel_ctx *x, const struct member *m, struct span channel_text)
{
	struct event *ev;
	struct channel_news own = { .type = EVENT_NOTIFICATION_REMOVED_FROM_CHANNEL,
		.x = x,
		.channel_text = channel_text,
		.member = m,
		.to_user = m->user_pk };
	enum err e = member_data(c, m, &own.log_data);
	if (e == ERR_OK) e = channel_news_record(c, &own, &ev);
	if (e != ERR_OK) return e;
	/* first to him where he does not watch, then to the watchers: after that his watches may be gone */
	ev->flags |= EVENT_NOT_WATCHING | EVENT_HAS_COUNTS;
	ev->move = MOVE_LEAVE;
	e = tell_watchers(c, x, EVENT_MEMBER_REMOVED, m, channel_text, &ev);
	if (e != ERR_OK) return e;
	ev->user = m->user_pk;
	if (!may_still_read(c, x, &m->user)) ev->flags |= EVENT_DROP_WATCH;
	return ERR_OK;
}

static enum err take_out(struct chat_ctx *c, struct channel_ctx *x, const struct member_seed *s, struct member *m, bool *was)
{
	enum err e = store_member_get(c->tx, x->ch.pk, s->user.pk, c->arena, m);
	*was = e == ERR_OK;
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e == ERR_OK) e = store_member_remove(c->tx, x->ch.pk, s->user.pk);
	if (e != ERR_OK) return chat_store_fail(c, e);
	m->user = s->user;
	m->is_owner = s->user.pk == x->ch.created_by.pk;
	return ERR_OK;
}

enum err members_remove(struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l)
{
	struct member *gone = arena_array(c->arena, struct member, l->n + 1);
	if (gone == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	size_t n = 0;
	for (size_t i = 0; i < l->n; i++) {
		bool was;
		enum err e = take_out(c, x, &l->items[i], &gone[n], &was);
		if (e != ERR_OK) return e;
		n += was;
	}
	if (n == 0) return ERR_OK;
	enum err e = store_channel_add_members(c->tx, x->ch.pk, -(int64_t)n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	x->ch.member_count -= (int64_t)n;
	struct span text;
	e = channel_event_text(c, x, &text);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		if (gone[i].user_pk == c->me.pk) x->is_member = false;
		e = tell_leaver(c, x, &gone[i], text);
	}
	return e;
}

/* ---- changes ---- */

static enum err store_and_tell(struct chat_ctx *c, struct channel_ctx *x, struct member *m, bool only_own, struct event **told)
{
	m->updated_at = c->now_us;
	enum err e = store_member_put(c->tx, m);
	if (e != ERR_OK) return chat_store_fail(c, e);
	follow_own(c, x, m);
	struct span text;
	e = channel_event_text(c, x, &text);
	if (e != ERR_OK) return e;
	if (!only_own) return tell_watchers(c, x, EVENT_MEMBER_UPDATED, m, text, told);
	struct event *ev;
	struct channel_news n = {
		.type = EVENT_MEMBER_UPDATED, .x = x, .channel_text = text, .member = m, .user = &m->user, .to_user = m->user_pk
	};
	e = member_data(c, m, &n.log_data);
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	ev->cls = EVENT_CLASS_OWN;
	*told = ev;
	return ERR_OK;
}

enum err member_store(struct chat_ctx *c, struct channel_ctx *x, struct member *m, bool only_own)
{
	struct event *ev;
	return store_and_tell(c, x, m, only_own, &ev);
}

static enum err set_role(struct chat_ctx *c, struct channel_ctx *x, const struct member_seed *s, struct span role)
{
	struct member m;
	enum err e = store_member_get(c->tx, x->ch.pk, s->user.pk, c->arena, &m);
	if (e == ERR_NOT_FOUND)
		return chat_fail(c, ERR_INPUT, "user_id", "user %.*s is not a member of channel %.*s", SPAN_FMT(s->user_id),
			SPAN_FMT(x->ch.cid));
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (span_eq(m.channel_role, role) && m.is_moderator == is_moderator_role(role)) return ERR_OK;
	m.user = s->user;
	m.is_owner = s->user.pk == x->ch.created_by.pk;
	m.channel_role = role;
	m.is_moderator = is_moderator_role(role);
	struct event *ev;
	e = store_and_tell(c, x, &m, false, &ev);
	if (e != ERR_OK) return e;
	ev->user = m.user_pk; /* with the role go its rights */
	ev->flags |= EVENT_CHECK_WATCHES;
	return ERR_OK;
}

enum err members_set_role(struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l, const char *role)
{
	enum err e = ERR_OK;
	for (size_t i = 0; e == ERR_OK && i < l->n; i++) {
		struct span to = role != NULL ? span_str(role) : l->items[i].channel_role;
		if (to.n == 0) return chat_fail(c, ERR_INPUT, "assign_roles", "assign_roles needs a channel_role for each user");
		e = set_role(c, x, &l->items[i], to);
	}
	return e;
}

/* ---- invitations ---- */

static enum err tell_answer(struct chat_ctx *c, struct channel_ctx *x, const struct member *m, bool accept)
{
	struct event *ev;
	struct span text;
	struct channel_news n = { .type = accept ? EVENT_NOTIFICATION_INVITE_ACCEPTED : EVENT_NOTIFICATION_INVITE_REJECTED,
		.x = x,
		.member = m,
		.to_user = m->user_pk };
	enum err e = channel_event_text(c, x, &text);
	n.channel_text = text;
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	if (accept) {
		ev->move = MOVE_JOIN;
		ev->seq = x->ch.counted_seq;
	}
	/* and to the members who do not watch; his own connections have theirs */
	n.is_copy = true;
	e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK) return e;
	ev->cls = EVENT_CLASS_NOTIFY;
	ev->flags |= EVENT_NOT_ACTOR;
	ev->user = 0;
	return ERR_OK;
}

enum err invite_answer(struct chat_ctx *c, struct channel_ctx *x, bool accept)
{
	const char *key = accept ? "accept_invite" : "reject_invite";
	if (c->me.pk == 0) return chat_fail(c, ERR_INPUT, key, "%s needs user_id", key);
	if (!x->is_member || !x->own.invited || x->own.invite_accepted_at != 0 || x->own.invite_rejected_at != 0)
		return chat_fail(c, ERR_INPUT, key, "user %.*s has no pending invitation to channel %.*s", SPAN_FMT(c->me.id),
			SPAN_FMT(x->ch.cid));
	struct member m = x->own;
	if (accept) {
		m.invite_accepted_at = c->now_us;
		m.read_seq = x->ch.counted_seq;
		m.last_read = c->now_us;
		enum err e = store_member_catch_up(c->tx, x->ch.pk, m.user_pk, x->ch.counted_seq, c->now_us);
		if (e != ERR_OK) return chat_store_fail(c, e);
	} else {
		m.invite_rejected_at = c->now_us;
	}
	enum err e = member_store(c, x, &m, false);
	return e == ERR_OK ? tell_answer(c, x, &m, accept) : e;
}
