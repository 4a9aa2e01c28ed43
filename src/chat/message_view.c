/* Stored messages made ready for the eye, and who may see them. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "wire/ids.h"

enum { REPLIERS_SHOWN = 10 };

bool id_listed(struct span json_array, struct span id)
{
	if (id.n == 0 || json_array.n < id.n + 2) return false;
	for (size_t i = 0; i + id.n + 2 <= json_array.n; i++) {
		const char *p = json_array.p + i;
		if (p[0] == '"' && p[id.n + 1] == '"' && memcmp(p + 1, id.p, id.n) == 0) return true;
	}
	return false;
}

int64_t history_cut(const struct channel_ctx *x)
{
	int64_t own = x->is_member ? x->own.hide_before : 0;
	return own > x->ch.truncated_at ? own : x->ch.truncated_at;
}

static bool is_public(const struct message *m) { return !m->shadowed && !span_given(m->restricted_visibility); }

static bool is_for_viewer(const struct chat_ctx *c, const struct channel_ctx *x, const struct message *m)
{
	if (m->created_at <= history_cut(x)) return false;
	if (is_public(m) || chat_is_server(c) || (c->me.pk != 0 && m->user_pk == c->me.pk)) return true;
	return !m->shadowed && id_listed(m->restricted_visibility, c->me.id);
}

bool message_visible(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m)
{
	return is_for_viewer(c, x, m) && !message_hidden_by_viewer(c, m->pk);
}

enum reach { REACH_VISIBLE, REACH_HIDDEN, REACH_ALL };

static bool reaches(struct chat_ctx *c, enum reach how, const struct channel_ctx *x, const struct message *m)
{
	if (how == REACH_ALL) return m->created_at > x->ch.truncated_at;
	return how == REACH_HIDDEN ? is_for_viewer(c, x, m) : message_visible(c, x, m);
}

static enum err load(struct chat_ctx *c, struct span id, enum reach how, struct channel_ctx *x, struct message *m)
{
	if (!message_id_valid(id)) return chat_fail(c, ERR_NOT_FOUND, NULL, "there is no such message");
	enum err e = store_message_get(c->tx, c->app->pk, id, c->arena, m);
	if (e == ERR_NOT_FOUND) return chat_fail(c, ERR_NOT_FOUND, NULL, "message %.*s does not exist", SPAN_FMT(id));
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = chat_channel_load_pk(c, m->channel_pk, x);
	if (e != ERR_OK) return e;
	if (!reaches(c, how, x, m)) return chat_fail(c, ERR_NOT_FOUND, NULL, "message %.*s does not exist", SPAN_FMT(id));
	m->cid = x->ch.cid;
	return ERR_OK;
}

enum err message_load(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m)
{
	return load(c, id, REACH_VISIBLE, x, m);
}

enum err message_load_to_change(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m)
{
	return load(c, id, chat_is_server(c) ? REACH_ALL : REACH_VISIBLE, x, m);
}

enum err message_load_hidden(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct message *m)
{
	return load(c, id, REACH_HIDDEN, x, m);
}

enum err message_audience(struct chat_ctx *c, const struct message *m, int64_t **only, size_t *n)
{
	*only = NULL;
	*n = 0;
	if (is_public(m)) return ERR_OK;
	yyjson_val *list = m->shadowed ? NULL : stored_json(c, m->restricted_visibility);
	size_t count = yyjson_arr_size(list), i, all;
	struct span *ids = arena_array(c->arena, struct span, count + 1);
	struct user *users = arena_array(c->arena, struct user, count + 1);
	int64_t *pks = arena_array(c->arena, int64_t, count + 1);
	if (!ids || !users || !pks) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_val *v;
	yyjson_arr_foreach(list, i, all, v) ids[i] = json_span(v);
	enum err e = count ? store_users_get(c->tx, c->app->pk, ids, count, c->arena, users) : ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	pks[0] = m->user_pk;
	*n = 1;
	for (size_t k = 0; k < count; k++)
		if (users[k].pk != 0 && users[k].pk != m->user_pk) pks[(*n)++] = users[k].pk;
	*only = pks;
	return ERR_OK;
}

/* ---- filling ---- */
void message_bury(struct message *m, int64_t at_us)
{
	if (!m->deleted_at) m->deleted_at = at_us;
	m->type = SPAN("deleted");
	m->text = m->html = SPAN("");
	m->mml = m->attachments = m->mentioned_ids = m->custom = SPAN_NONE;
	m->mentioned_count = 0;
	m->pinned = false;
	m->quoted_pk = 0;
	m->quoted_id = SPAN_NONE;
	m->quoted = NULL;
}

static void settle(struct chat_ctx *c, const struct channel *ch, struct message *m)
{
	m->cid = ch->cid;
	if (m->pinned && m->pin_expires && m->pin_expires <= c->now_us) m->pinned = false;
	if (m->deleted_at) message_bury(m, m->deleted_at);
	if (!span_given(m->html)) m->html = message_html(c->arena, m->text);
}

/* A quote shows only what everybody may see: its text stands in bodies that all watchers share. */
static enum err load_quotes(struct chat_ctx *c, const struct channel *const *ch, struct message *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (m[i].quoted_pk == 0) continue;
		struct message *q = arena_new(c->arena, struct message);
		if (!q) return chat_store_fail(c, ERR_UNAVAILABLE);
		enum err e = store_messages_get_pk(c->tx, &m[i].quoted_pk, 1, c->arena, q);
		if (e != ERR_OK) return chat_store_fail(c, e);
		if (q->pk == 0 || q->channel_pk != m[i].channel_pk || !is_public(q) || q->created_at <= ch[i]->truncated_at)
			continue;
		settle(c, ch[i], q);
		m[i].quoted = q;
	}
	return ERR_OK;
}

static enum err load_repliers(struct chat_ctx *c, struct message *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (m[i].parent_pk != 0 || m[i].reply_count + m[i].deleted_reply_count == 0) continue;
		int64_t *pks = NULL;
		size_t count = 0;
		enum err e = store_thread_repliers(c->tx, m[i].pk, REPLIERS_SHOWN, c->arena, &pks, &count);
		if (e != ERR_OK) return chat_store_fail(c, e);
		m[i].participants = arena_array(c->arena, struct user, count);
		if (count && !m[i].participants) return chat_store_fail(c, ERR_UNAVAILABLE);
		m[i].participant_count = count;
		for (size_t k = 0; k < count; k++) m[i].participants[k].pk = pks[k];
	}
	return ERR_OK;
}

static enum err load_mentions(struct chat_ctx *c, struct message *m)
{
	if (!span_given(m->mentioned_ids)) return ERR_OK;
	yyjson_val *list = stored_json(c, m->mentioned_ids), *v;
	size_t count = yyjson_arr_size(list), i, all;
	struct span *ids = arena_array(c->arena, struct span, count);
	struct user *users = arena_array(c->arena, struct user, count);
	if (count == 0) return ERR_OK;
	if (!ids || !users) return chat_store_fail(c, ERR_UNAVAILABLE);
	yyjson_arr_foreach(list, i, all, v) ids[i] = json_span(v);
	enum err e = store_users_get(c->tx, c->app->pk, ids, count, c->arena, users);
	if (e != ERR_OK) return chat_store_fail(c, e);
	size_t kept = 0;
	for (size_t k = 0; k < count; k++) {
		if (users[k].pk == 0) continue;
		users[kept] = users[k];
		chat_user_for_viewer(c, &users[kept++]);
	}
	m->mentioned = users;
	m->mentioned_count = kept;
	return ERR_OK;
}

static void want_people(struct people *p, const struct message *m)
{
	people_want(p, m->user_pk);
	if (m->pinned) people_want(p, m->pinned_by.pk);
	for (size_t k = 0; k < m->participant_count; k++) people_want(p, m->participants[k].pk);
}

static void take_people(const struct people *p, struct message *m)
{
	people_fill(p, &m->user);
	if (m->pinned && m->pinned_by.pk) people_fill(p, &m->pinned_by);
	for (size_t k = 0; k < m->participant_count; k++) people_fill(p, &m->participants[k]);
}

static enum err load_people(struct chat_ctx *c, struct message *m, size_t n)
{
	struct people p;
	people_init(&p, c);
	for (size_t i = 0; i < n; i++) {
		want_people(&p, &m[i]);
		if (m[i].quoted) want_people(&p, m[i].quoted);
	}
	enum err e = people_load(&p);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		take_people(&p, &m[i]);
		e = load_mentions(c, &m[i]);
		if (e != ERR_OK || !m[i].quoted) continue;
		take_people(&p, m[i].quoted);
		e = load_mentions(c, m[i].quoted);
	}
	return e;
}

/* Lists have few authors: the nearest message by the same one is near. */
static enum err load_senders(struct chat_ctx *c, struct message *m, size_t n)
{
	struct member *members = NULL;
	for (size_t i = 0; i < n; i++) {
		size_t k = i;
		while (k > 0 && (m[k - 1].user_pk != m[i].user_pk || m[k - 1].channel_pk != m[i].channel_pk)) k--;
		if (k > 0) {
			m[i].member = m[k - 1].member;
			continue;
		}
		bool known;
		m[i].member = people_member(c, m[i].channel_pk, m[i].user_pk, &known);
		if (known) continue;
		if (!members && !(members = arena_array(c->arena, struct member, n))) return chat_store_fail(c, ERR_UNAVAILABLE);
		enum err e = store_sender_members(c->tx, m[i].channel_pk, &m[i].user_pk, 1, c->arena, &members[i]);
		if (e != ERR_OK) return chat_store_fail(c, e);
		if (members[i].user_pk != 0) m[i].member = &members[i];
	}
	return ERR_OK;
}

enum err message_fill_each(struct chat_ctx *c, const struct channel *const *ch, struct message *m, size_t n)
{
	if (n == 0) return ERR_OK;
	for (size_t i = 0; i < n; i++) settle(c, ch[i], &m[i]);
	enum err e = load_quotes(c, ch, m, n);
	if (e == ERR_OK) e = load_repliers(c, m, n);
	if (e == ERR_OK) e = load_people(c, m, n);
	if (e == ERR_OK) e = load_senders(c, m, n);
	if (e == ERR_OK && arena_failed(c->arena)) e = chat_store_fail(c, ERR_UNAVAILABLE);
	return e;
}

enum err message_fill(struct chat_ctx *c, const struct channel *ch, struct message *m, size_t n)
{
	const struct channel **each = arena_array(c->arena, const struct channel *, n);
	if (n && !each) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; i < n; i++) each[i] = ch;
	return message_fill_each(c, each, m, n);
}
