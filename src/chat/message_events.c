/* Texts and records of message events. */
#include "base/limits.h"
#include "chat/message_parts.h"

void event_text_begin(struct chat_ctx *c, struct event_text *t, struct span type, int64_t at_us, const struct channel *ch)
{
	*t = (struct event_text){ .saved = c->dialect };
	c->dialect = DIALECT_1;
	buf_init(&t->buf, (size_t)LIMIT_REPLY_BYTES);
	jsonw_init(&t->w, &t->buf);
	chat_event_begin(c, &t->w, type, at_us, ch);
}

enum err event_text_end(struct chat_ctx *c, struct event_text *t, struct span *out)
{
	c->dialect = t->saved;
	if (t->buf.failed) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = buf_span(&t->buf);
	return ERR_OK;
}

void event_text_free(struct event_text *t) { buf_deinit(&t->buf); }

void event_text_user(struct chat_ctx *c, struct event_text *t, const struct user *u)
{
	if (u->pk == 0) return;
	struct user shown = *u;
	chat_user_for_viewer(c, &shown);
	jsonw_key(&t->w, "user");
	user_write(&t->w, DIALECT_1, USER_VIEW_COMMON, &shown);
}

void event_text_message(struct event_text *t, const struct message *m)
{
	jsonw_key(&t->w, "message");
	message_write(&t->w, DIALECT_1, m);
	jsonw_kstr(&t->w, "message_id", m->id);
}

enum err event_move_only(struct chat_ctx *c, enum event_move move, int64_t channel, int64_t user, int64_t seq, int64_t unread)
{
	/* Own class; without a body nothing is sent, without a log row nothing is replayed. */
	struct event *e = chat_record(c, EVENT_NOTIFICATION_MARK_READ, NULL, SPAN_NONE, SPAN_NONE);
	if (!e) return chat_told(c);
	e->channel = channel;
	e->user = user;
	e->actor = c->me.pk;
	e->move = move;
	e->seq = seq;
	e->unread = unread;
	return ERR_OK;
}

enum err event_move_threads(struct chat_ctx *c, int64_t user)
{
	if (!registry_is_online(c->chat->registry, c->app->pk, user)) return ERR_OK;
	size_t n = 0;
	enum err e = store_threads_unread(c->tx, c->app->pk, user, c->arena, NULL, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return event_move_only(c, MOVE_THREADS, 0, user, 0, (int64_t)n);
}

enum err event_restrict(struct chat_ctx *c, struct event *e, const struct message *m)
{
	int64_t *only = NULL;
	size_t n = 0;
	enum err err = message_audience(c, m, &only, &n);
	if (err != ERR_OK || n == 0) return err;
	e->only = malloc(n * sizeof *only);
	if (!e->only) return chat_store_fail(c, ERR_UNAVAILABLE);
	memcpy(e->only, only, n * sizeof *only);
	e->only_count = n;
	return ERR_OK;
}

static struct store_event log_of(const struct chat_ctx *c, enum event_type type, const struct channel_ctx *x, int64_t message_pk)
{
	return (struct store_event){ .app = c->app->pk,
		.type = event_type_name(type),
		.channel_pk = x->ch.pk,
		.actor_pk = c->me.pk,
		.message_pk = message_pk,
		.created_at = c->now_us };
}

/* ---- message.new ---- */
static void write_repliers(struct jsonw *w, const struct message *parent)
{
	if (!parent || parent->participant_count == 0) return;
	jsonw_key(w, "thread_participants");
	jsonw_arr_begin(w);
	for (size_t i = 0; i < parent->participant_count; i++)
		user_write(w, DIALECT_1, USER_VIEW_COMMON, &parent->participants[i]);
	jsonw_arr_end(w);
}

void message_new_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	const struct message *parent, int64_t at_us)
{
	event_text_begin(c, t, SPAN("message.new"), at_us, &x->ch);
	event_text_message(t, m);
	jsonw_key(&t->w, "user");
	user_write(&t->w, DIALECT_1, USER_VIEW_COMMON, &m->user);
	jsonw_kint(&t->w, "watcher_count", registry_watcher_count(c->chat->registry, c->app->pk, x->ch.pk));
	write_repliers(&t->w, parent);
}

void message_notification_text(
	struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m, int64_t at_us)
{
	event_text_begin(c, t, SPAN("notification.message_new"), at_us, &x->ch);
	event_text_message(t, m);
	jsonw_key(&t->w, "channel");
	chat_channel_write(c, &t->w, x, true);
}

void thread_notification_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	const struct message *parent, int64_t at_us)
{
	event_text_begin(c, t, SPAN("notification.thread_message_new"), at_us, &x->ch);
	event_text_message(t, m);
	jsonw_key(&t->w, "channel");
	chat_channel_write(c, &t->w, x, true);
	jsonw_kstr(&t->w, "thread_id", m->parent_id);
	write_repliers(&t->w, parent);
}

/* What the message does to the unread state that loops keep. One that does not count still moves its sender's pointer, who is up
 * to date by having written; a reply outside the channel moves nothing there. */
static void set_move(struct event *ev, const struct message_news *n)
{
	ev->actor = n->m->user_pk;
	if (n->m->seq) {
		ev->move = MOVE_COUNTED;
		ev->seq = n->m->seq;
	} else if (message_in_list(n->m) && n->x->is_member) {
		ev->move = MOVE_READ;
		ev->user = n->m->user_pk;
		ev->seq = n->counted_seq;
		ev->unread = 0;
	}
}

static enum err record_new(struct chat_ctx *c, const struct message_news *n)
{
	struct event_text body, notify = { 0 };
	struct span body_text, notify_text = SPAN_NONE;
	struct store_event log = log_of(c, EVENT_MESSAGE_NEW, n->x, n->m->pk);
	bool has_twin = message_in_list(n->m);
	message_new_text(c, &body, n->x, n->m, n->parent, c->now_us);
	enum err e = event_text_end(c, &body, &body_text);
	if (e == ERR_OK && has_twin) {
		message_notification_text(c, &notify, n->x, n->m, c->now_us);
		e = event_text_end(c, &notify, &notify_text);
	}
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_MESSAGE_NEW, &log, body_text, notify_text) : NULL;
	event_text_free(&body);
	event_text_free(&notify);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_HAS_COUNTS;
	set_move(ev, n);
	return event_restrict(c, ev, n->m);
}

/* ---- threads ---- */
static bool may_know(const int64_t *only, size_t n, int64_t user)
{
	if (n == 0) return true;
	for (size_t i = 0; i < n; i++)
		if (only[i] == user) return true;
	return false;
}

/* Totals are looked up for connected participants only; for one who connects this moment his loop recounts. */
static enum err notify_participant(
	struct chat_ctx *c, const struct message_news *n, struct buf *buf, struct jsonw *w, int64_t user)
{
	size_t shared = buf->n;
	struct jsonw mark = *w;
	bool online = registry_is_online(c->chat->registry, c->app->pk, user);
	size_t threads = 0;
	int64_t replies = 0;
	enum err e = ERR_OK;
	if (online) e = store_threads_unread(c->tx, c->app->pk, user, c->arena, NULL, &threads);
	if (online && e == ERR_OK) e = store_thread_unread(c->tx, n->m->parent_pk, user, &replies);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (online) jsonw_kint(w, "unread_thread_messages", replies);
	struct store_event log = { .app = c->app->pk,
		.type = event_type_name(EVENT_NOTIFICATION_THREAD_MESSAGE_NEW),
		.user_pk = user,
		.context_pk = n->x->ch.pk,
		.actor_pk = n->m->user_pk,
		.message_pk = n->m->pk,
		.created_at = c->now_us };
	if (buf->failed) return chat_store_fail(c, ERR_UNAVAILABLE);
	struct event *ev = chat_record(c, EVENT_NOTIFICATION_THREAD_MESSAGE_NEW, &log, buf_span(buf), SPAN_NONE);
	buf->n = shared;
	*w = mark;
	if (!ev) return chat_told(c);
	ev->user = user;
	ev->channel = n->x->ch.pk;
	ev->actor = n->m->user_pk;
	ev->flags |= EVENT_NOT_WATCHING | EVENT_HAS_COUNTS;
	ev->move = online ? MOVE_THREADS : MOVE_RECOUNT;
	ev->unread = (int64_t)threads;
	return ERR_OK;
}

static enum err record_thread(struct chat_ctx *c, const struct message_news *n)
{
	int64_t *users = NULL, *only = NULL;
	size_t count = 0, only_count = 0;
	enum err e = store_thread_members(c->tx, n->m->parent_pk, c->arena, &users, &count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	e = message_audience(c, n->m, &only, &only_count);
	if (e != ERR_OK) return e;
	struct event_text t;
	struct span text;
	thread_notification_text(c, &t, n->x, n->m, n->parent, c->now_us);
	e = event_text_end(c, &t, &text);
	for (size_t i = 0; e == ERR_OK && i < count; i++) {
		if (users[i] == n->m->user_pk)
			e = event_move_threads(c, users[i]);
		else if (may_know(only, only_count, users[i]))
			e = notify_participant(c, n, &t.buf, &t.w, users[i]);
	}
	event_text_free(&t);
	return e;
}

/* ---- a hidden channel shows again ---- */
static enum err show_to(struct chat_ctx *c, const struct channel_ctx *x, int64_t user_pk)
{
	struct user u;
	enum err e = store_member_show(c->tx, x->ch.pk, user_pk);
	if (e == ERR_OK) e = store_user_get_pk(c->tx, user_pk, c->arena, &u);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct store_event log = { .app = c->app->pk,
		.type = event_type_name(EVENT_CHANNEL_VISIBLE),
		.user_pk = user_pk,
		.context_pk = x->ch.pk,
		.actor_pk = user_pk,
		.created_at = c->now_us };
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, SPAN("channel.visible"), c->now_us, &x->ch);
	jsonw_key(&t.w, "channel");
	chat_channel_write(c, &t.w, x, true);
	event_text_user(c, &t, &u);
	e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_CHANNEL_VISIBLE, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->user = user_pk;
	ev->channel = x->ch.pk;
	return ERR_OK;
}

static enum err show_again(struct chat_ctx *c, const struct message_news *n)
{
	if (n->keep_hidden || n->m->silent || n->m->shadowed || !message_in_list(n->m)) return ERR_OK;
	int64_t *users = NULL, *only = NULL;
	size_t count = 0, only_count = 0;
	enum err e = store_hidden_members(c->tx, n->x->ch.pk, c->arena, &users, &count);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (count == 0) return ERR_OK;
	e = message_audience(c, n->m, &only, &only_count);
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		if (may_know(only, only_count, users[i])) e = show_to(c, n->x, users[i]);
	return e;
}

enum err record_message_new(struct chat_ctx *c, const struct message_news *n)
{
	enum err e = show_again(c, n);
	if (e == ERR_OK) e = record_new(c, n);
	if (e == ERR_OK && n->parent && !n->m->shadowed) e = record_thread(c, n);
	return e;
}

/* ---- updated, undeleted, deleted ---- */
enum err record_message_change(
	struct chat_ctx *c, enum event_type type, const struct channel_ctx *x, const struct message *m, struct event **out)
{
	struct store_event log = log_of(c, type, x, m->pk);
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, event_type_name(type), c->now_us, &x->ch);
	event_text_message(&t, m);
	event_text_user(c, &t, &c->me);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, type, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e == ERR_OK) e = event_restrict(c, ev, m);
	if (e == ERR_OK) e = event_hide(c, ev, m);
	if (e == ERR_OK && out) *out = ev;
	return e;
}

/* What a replay needs of a message that no table keeps any more: names and times, no content. */
static struct span deleted_data(struct chat_ctx *c, const struct message *m, bool hard)
{
	if (!hard) return SPAN_NONE;
	struct buf b;
	struct jsonw w;
	buf_init(&b, (size_t)LIMIT_EVENT_BYTES);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kbool(&w, "hard", true);
	jsonw_kstr(&w, "id", m->id);
	jsonw_kint(&w, "user", m->user_pk);
	jsonw_kint(&w, "created_at", m->created_at);
	if (span_given(m->parent_id)) jsonw_kstr(&w, "parent_id", m->parent_id);
	if (m->shadowed) jsonw_kbool(&w, "shadowed", true);
	if (span_given(m->restricted_visibility)) jsonw_kraw(&w, "restricted", m->restricted_visibility);
	jsonw_obj_end(&w);
	struct span out = arena_dup(c->arena, buf_span(&b));
	buf_deinit(&b);
	return out;
}

void message_deleted_text(struct chat_ctx *c, struct event_text *t, const struct channel_ctx *x, const struct message *m,
	bool hard, const struct user *by, int64_t at_us)
{
	event_text_begin(c, t, SPAN("message.deleted"), at_us, &x->ch);
	event_text_message(t, m);
	jsonw_kbool(&t->w, "hard_delete", hard);
	if (m->deleted_for_me) jsonw_kbool(&t->w, "deleted_for_me", true);
	event_text_user(c, t, by);
}

enum err record_message_deleted(
	struct chat_ctx *c, const struct channel_ctx *x, const struct message *m, bool hard, bool replies_counted)
{
	struct store_event log = log_of(c, EVENT_MESSAGE_DELETED, x, m->pk);
	log.data = deleted_data(c, m, hard);
	struct event_text t;
	struct span text;
	message_deleted_text(c, &t, x, m, hard, &c->me, c->now_us);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_MESSAGE_DELETED, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_HAS_COUNTS;
	if (replies_counted) {
		ev->move = MOVE_RECOUNT;
	} else if (m->seq) {
		ev->move = MOVE_UNCOUNTED;
		ev->seq = m->seq;
		ev->actor = m->user_pk; /* the move's actor is the author, whoever deletes */
	}
	e = event_restrict(c, ev, m);
	return e == ERR_OK ? event_hide(c, ev, m) : e;
}
