/* Deleting (a tombstone stays), erasing (nothing stays) and undoing the first. */
#include "chat/message_rules.h"
#include "chat/message_sending.h"

static void write_answer(struct chat_ctx *c, struct jsonw *w, const struct message *m)
{
	jsonw_key(w, "message");
	message_write(w, c->dialect, m);
}

/* A reply's going may leave participants without unread replies. */
static enum err recount_thread(struct chat_ctx *c, const struct message *m)
{
	int64_t *users = NULL;
	size_t n = 0;
	if (m->parent_pk == 0 || m->silent || m->shadowed) return ERR_OK;
	enum err e = store_thread_members(c->tx, m->parent_pk, c->arena, &users, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		if (users[i] != m->user_pk) e = event_move_threads(c, users[i]);
	return e;
}

static enum err check_right(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m, bool hard)
{
	/* Erasing takes the right over any message; deleting one's own is enough for a tombstone. */
	bool own = !hard && c->me.pk != 0 && m->user_pk == c->me.pk;
	return chat_require(c, x, "delete-message", own);
}

/* Whose thread totals go with the replies of an erased parent must be asked before they are gone. */
static enum err thread_of_erased(struct chat_ctx *c, const struct message *m, int64_t **users, size_t *n)
{
	*n = 0;
	if (m->parent_pk != 0 || m->reply_count == 0) return ERR_OK;
	enum err e = store_thread_members(c->tx, m->pk, c->arena, users, n);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

static enum err erase(struct chat_ctx *c, const struct message *m)
{
	int64_t *users = NULL;
	size_t n = 0;
	enum err e = thread_of_erased(c, m, &users, &n);
	if (e != ERR_OK) return e;
	e = store_message_erase(c->tx, m);
	/* A restore of an older backup must not bring it back. */
	if (e == ERR_OK) e = store_erasure_add(c->tx, c->app->pk, SPAN("message"), m->id, c->now_us);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = event_move_threads(c, users[i]);
	return e;
}

static enum err fill_tombstone(struct chat_ctx *c, const struct channel_ctx *x, struct message *m)
{
	if (!m->deleted_at) m->deleted_at = m->updated_at = c->now_us;
	return message_fill(c, &x->ch, m, 1);
}

/* One that waits was told to nobody: it is dropped, and nobody is told. */
static enum err delete_pending(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct channel_ctx x;
	struct sending *s = arena_new(c->arena, struct sending);
	enum err e = s != NULL ? pending_load(c, id, &x, s) : chat_store_fail(c, ERR_UNAVAILABLE);
	if (e == ERR_OK) e = pending_drop(c, s);
	if (e == ERR_OK) e = fill_tombstone(c, &x, &s->m);
	if (e == ERR_OK) write_answer(c, w, &s->m);
	return e;
}

enum err chat_delete_message(struct chat_ctx *c, struct span id, bool hard, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m;
	enum err e = message_load_to_change(c, id, &x, &m);
	if (e == ERR_NOT_FOUND) return delete_pending(c, id, w);
	if (e == ERR_OK) e = check_right(c, &x, &m, hard);
	if (e != ERR_OK) return e;
	bool was_deleted = m.deleted_at != 0,
	     replies_counted = hard && m.parent_pk == 0 && m.reply_count + m.deleted_reply_count > 0;
	/* Erased with it, and needed for the event. */
	e = store_own_delete_users(c->tx, m.pk, c->arena, &m.hidden_from, &m.hidden_from_count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct message shown = m;
	e = fill_tombstone(c, &x, &shown);
	if (e != ERR_OK) return e;
	if (was_deleted && !hard) {
		write_answer(c, w, &shown);
		return ERR_OK;
	}
	if (hard) {
		e = erase(c, &m);
	} else {
		e = store_history_add(c->tx, c->app->pk, &m, c->me.pk, c->now_us);
		if (e == ERR_OK) e = store_message_delete(c->tx, &m, c->now_us);
		if (e != ERR_OK) e = chat_store_fail(c, e);
	}
	if (was_deleted) shown.seq = 0; /* it had stopped counting */
	if (e == ERR_OK) e = record_message_deleted(c, &x, &shown, hard, replies_counted);
	if (e == ERR_OK && !was_deleted) e = recount_thread(c, &m);
	if (e == ERR_OK) write_answer(c, w, &shown);
	return e;
}

enum err chat_undelete_message(struct chat_ctx *c, struct span id, struct jsonw *w)
{
	struct channel_ctx x;
	struct message m;
	struct event *ev = NULL;
	enum err e = message_load_to_change(c, id, &x, &m);
	if (e != ERR_OK) return e;
	if (!m.deleted_at) return chat_fail(c, ERR_INPUT, NULL, "message %.*s is not deleted", SPAN_FMT(id));
	e = store_history_add(c->tx, c->app->pk, &m, c->me.pk, c->now_us);
	if (e == ERR_OK) e = store_message_undelete(c->tx, &m, c->now_us);
	if (e != ERR_OK) return chat_store_fail(c, e);
	m.deleted_at = 0;
	m.updated_at = c->now_us;
	e = message_fill(c, &x.ch, &m, 1);
	if (e == ERR_OK) e = record_message_change(c, EVENT_MESSAGE_UNDELETED, &x, &m, &ev);
	if (e != ERR_OK) return e;
	if (m.seq) {
		ev->move = MOVE_RECOUNT; /* it counts again for whoever had not read it */
		ev->flags |= EVENT_HAS_COUNTS;
	}
	e = recount_thread(c, &m);
	if (e == ERR_OK) write_answer(c, w, &m);
	return e;
}
