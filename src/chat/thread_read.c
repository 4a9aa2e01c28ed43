/* Read pointers of threads. */
#include "base/limits.h"
#include "chat/message_parts.h"

/* The thread's parent, when he takes part; *takes_part false: nothing to do, and no error. */
static enum err load_thread(struct chat_ctx *c, const struct channel_ctx *x, struct span id, struct message *parent,
	int64_t *last_read, bool *takes_part)
{
	*takes_part = false;
	enum err e = store_message_get(c->tx, c->app->pk, id, c->arena, parent);
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_NOT_FOUND || parent->channel_pk != x->ch.pk || !message_visible(c, x, parent))
		return chat_fail(c, ERR_NOT_FOUND, "thread_id", "thread %.*s does not exist in this channel", SPAN_FMT(id));
	e = store_thread_read_get(c->tx, parent->pk, c->me.pk, last_read);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	*takes_part = true;
	return ERR_OK;
}

static enum err newest_reply(struct chat_ctx *c, const struct channel_ctx *x, const struct message *parent, struct message *reply)
{
	struct store_page q = { .channel_pk = x->ch.pk,
		.parent_pk = parent->pk,
		.viewer_pk = c->me.pk,
		.viewer_id = c->me.id,
		.cut_us = history_cut(x),
		.op = STORE_PAGE_LT,
		.at_us = INT64_MAX,
		.at_id = SPAN(""),
		.limit = 1 };
	struct message *found = NULL;
	size_t n = 0;
	enum err e = store_messages_page(c->tx, &q, c->arena, &found, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*reply = n ? *found : (struct message){ 0 };
	return ERR_OK;
}

static enum err count_threads(struct chat_ctx *c, int64_t *out)
{
	size_t n = 0;
	enum err e = store_threads_unread(c->tx, c->app->pk, c->me.pk, c->arena, NULL, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*out = (int64_t)n;
	return ERR_OK;
}

enum err thread_mark_read(struct chat_ctx *c, const struct channel_ctx *x, struct span thread_id, struct jsonw *w)
{
	struct message parent, reply = { 0 };
	int64_t last_read = 0;
	bool takes_part = false;
	struct read_news n = { .x = x, .at_us = c->now_us, .thread_id = thread_id, .moves = true };
	enum err e = load_thread(c, x, thread_id, &parent, &last_read, &takes_part);
	if (e != ERR_OK || !takes_part) return e;
	e = newest_reply(c, x, &parent, &reply);
	if (e != ERR_OK) return e;
	int64_t at = reply.created_at > c->now_us ? reply.created_at : c->now_us;
	e = store_thread_read_set(c->tx, parent.pk, c->me.pk, at > last_read ? at : last_read, reply.id);
	if (e != ERR_OK) return chat_store_fail(c, e);
	n.last_read_message_id = reply.id;
	e = count_threads(c, &n.unread);
	if (e == ERR_OK) e = record_message_read(c, &n);
	if (e == ERR_OK) e = record_mark_read(c, &n);
	if (e == ERR_OK) read_answer(c, w, &n);
	return e;
}

static enum err record_unread(struct chat_ctx *c, const struct channel_ctx *x, const struct message *parent, int64_t last_read)
{
	int64_t threads = 0, replies = 0;
	enum err e = count_threads(c, &threads);
	if (e == ERR_OK && store_thread_unread(c->tx, parent->pk, c->me.pk, &replies) != ERR_OK)
		e = chat_store_fail(c, ERR_UNAVAILABLE);
	if (e != ERR_OK) return e;
	struct store_event log = { .user_pk = c->me.pk,
		.context_pk = x->ch.pk,
		.actor_pk = c->me.pk,
		.data = arena_printf(c->arena, "{\"thread_id\":\"%.*s\",\"last_read_at\":%lld,\"unread_thread_messages\":%lld}",
			SPAN_FMT(parent->id), (long long)last_read, (long long)replies) };
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, SPAN("notification.mark_unread"), c->now_us, &x->ch);
	event_text_user(c, &t, &c->me);
	jsonw_kstr(&t.w, "thread_id", parent->id);
	jsonw_ktime(&t.w, "last_read_at", DIALECT_1, last_read);
	jsonw_kint(&t.w, "unread_thread_messages", replies);
	e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_NOTIFICATION_MARK_UNREAD, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_HAS_COUNTS;
	ev->move = MOVE_THREADS;
	ev->unread = threads;
	return ERR_OK;
}

/* A thread is marked unread as a whole: his pointer goes back to its parent. */
enum err thread_mark_unread(struct chat_ctx *c, const struct channel_ctx *x, struct span thread_id)
{
	struct message parent;
	int64_t last_read = 0;
	bool takes_part = false;
	enum err e = load_thread(c, x, thread_id, &parent, &last_read, &takes_part);
	if (e != ERR_OK || !takes_part) return e;
	e = store_thread_read_set(c->tx, parent.pk, c->me.pk, parent.created_at, parent.id);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return record_unread(c, x, &parent, parent.created_at);
}
