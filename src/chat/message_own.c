/* Deleting for oneself: one's own view loses the message, nobody else's does. */
#include "chat/message_parts.h"
#include "chat/message_rules.h"

/* Most users never deleted anything for themselves: asked once per call. */
static bool viewer_hides(struct chat_ctx *c)
{
	if (c->me.pk == 0 || sees_all(c)) return false;
	if (c->hides_of != c->me.pk) {
		c->hides = true; /* when it cannot be told, each message is looked up, and that fails too */
		if (store_own_delete_any(c->tx, c->me.pk, &c->hides) != ERR_OK) return true;
		c->hides_of = c->me.pk;
	}
	return c->hides;
}

bool chat_viewer_hides(struct chat_ctx *c) { return viewer_hides(c); }

bool message_hidden_by_viewer(struct chat_ctx *c, int64_t message_pk)
{
	bool is = true; /* what cannot be looked up is not shown */
	return viewer_hides(c) && (store_own_delete_is(c->tx, c->me.pk, message_pk, &is) != ERR_OK || is);
}

void message_hide_quotes(struct chat_ctx *c, struct message *m, size_t n)
{
	for (size_t i = 0; i < n && viewer_hides(c); i++)
		if (m[i].quoted && message_hidden_by_viewer(c, m[i].quoted->pk)) {
			message_bury(m[i].quoted, m[i].quoted->updated_at);
			m[i].quoted->deleted_for_me = true;
		}
}

enum err chat_members_deleted(struct chat_ctx *c, struct member *m, size_t n)
{
	bool all = chat_is_server(c), any = false;
	enum err e = ERR_OK;
	if (n == 0) return ERR_OK;
	if (all) {
		e = store_own_delete_any_in(c->tx, m[0].channel_pk, &any);
	} else {
		any = viewer_hides(c);
	}
	for (size_t i = 0; e == ERR_OK && any && i < n; i++)
		if (all || m[i].user_pk == c->me.pk)
			e = store_own_delete_ids(c->tx, m[i].channel_pk, m[i].user_pk, c->arena, &m[i].deleted_messages);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

/* ---- the rule ---- */

/* His copy of it: a tombstone that says whose doing it is. */
static enum err fill_for_me(struct chat_ctx *c, const struct channel_ctx *x, struct message *m)
{
	message_bury(m, c->now_us);
	m->deleted_for_me = true;
	return message_fill(c, &x->ch, m, 1);
}

static enum err set_move(struct chat_ctx *c, const struct channel_ctx *x, struct event *ev)
{
	if (!x->is_member || x->own.read_seq < 0) return ERR_OK;
	enum err e = store_unread(c->tx, x->ch.pk, c->me.pk, &ev->unread);
	if (e != ERR_OK) return chat_store_fail(c, e);
	ev->move = MOVE_READ;
	ev->seq = x->own.read_seq > x->ch.floor_seq ? x->own.read_seq : x->ch.floor_seq;
	return ERR_OK;
}

static enum err record(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m)
{
	struct store_event log = { .app = c->app->pk,
		.type = event_type_name(EVENT_MESSAGE_DELETED),
		.user_pk = c->me.pk,
		.context_pk = x->ch.pk,
		.actor_pk = c->me.pk,
		.message_pk = m->pk,
		.created_at = c->now_us };
	struct event_text t;
	struct span text;
	message_deleted_text(c, &t, x, m, false, &c->me, c->now_us);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_MESSAGE_DELETED, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->cls = EVENT_CLASS_OWN;
	ev->flags |= EVENT_HAS_COUNTS;
	return set_move(c, x, ev);
}

enum err chat_delete_message_for_me(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m;
	bool added = false;
	if (c->me.pk == 0 && chat_is_server(c))
		return chat_fail(c, ERR_INPUT, "deleted_by", "delete_for_me needs deleted_by: whose view loses it?");
	if (c->me.pk == 0) return chat_fail(c, ERR_NOT_ALLOWED, NULL, "an anonymous user has no view of his own");
	enum err e = message_load_hidden(c, id, &x, &m);
	if (e != ERR_OK) return e;
	struct message shown = m;
	e = store_own_delete_add(c->tx, c->app->pk, &m, c->me.pk, c->now_us, &added);
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = fill_for_me(c, &x, &shown);
	if (e == ERR_OK && added) e = record(c, &x, &shown);
	/* A reply, or the parent of a thread of his. */
	bool in_thread = m.parent_pk != 0 || m.reply_count > 0;
	if (e == ERR_OK && added && in_thread) e = event_move_threads(c, c->me.pk);
	if (e != ERR_OK) return e;
	jsonw_key(w, "message");
	message_write(w, c->dialect, &shown);
	return ERR_OK;
}

/* ---- what others do to a message that he does not see ---- */

enum err event_hide(struct chat_ctx *c, struct event *e, const struct message *m)
{
	int64_t *users = m->hidden_from;
	size_t n = m->hidden_from_count, kept = 0;
	enum err err = users ? ERR_OK : store_own_delete_users(c->tx, m->pk, c->arena, &users, &n);
	if (err != ERR_OK) return chat_store_fail(c, err);
	if (n == 0) return ERR_OK;
	if (e->move == MOVE_UNCOUNTED) e->move = MOVE_RECOUNT; /* it did not count for them */
	if (!e->only) {
		e->only = malloc(n * sizeof *e->only);
		if (!e->only) return chat_store_fail(c, ERR_UNAVAILABLE);
		memcpy(e->only, users, n * sizeof *users);
		e->only_count = n;
		e->flags |= EVENT_ALL_BUT;
		return ERR_OK;
	}
	for (size_t i = 0; i < e->only_count; i++) {
		bool hides = false;
		for (size_t k = 0; k < n; k++) hides |= users[k] == e->only[i];
		if (!hides) e->only[kept++] = e->only[i];
	}
	e->only_count = kept;
	return ERR_OK;
}
