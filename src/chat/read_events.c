/* What reading tells: message.read to others (or only to oneself, see privacy), notification.mark_read to one's own connections.
 */
#include "base/limits.h"
#include "chat/message_parts.h"

/* What no table keeps. A read that was hidden when it happened stays hidden. */
static struct span read_data(struct chat_ctx *c, const struct read_news *n, bool hidden)
{
	struct buf b;
	struct jsonw w;
	buf_init(&b, (size_t)LIMIT_EVENT_BYTES);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	if (hidden) jsonw_kbool(&w, "hidden", true);
	if (span_given(n->last_read_message_id)) jsonw_kstr(&w, "last_read_message_id", n->last_read_message_id);
	if (span_given(n->thread_id)) jsonw_kstr(&w, "thread_id", n->thread_id);
	jsonw_obj_end(&w);
	struct span out = arena_dup(c->arena, buf_span(&b));
	buf_deinit(&b);
	return out;
}

static void write_thread(struct jsonw *w, const struct read_news *n, bool whole)
{
	if (!span_given(n->thread_id)) return;
	jsonw_kstr(w, "thread_id", n->thread_id);
	if (!whole) return;
	jsonw_key(w, "thread");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "parent_message_id", n->thread_id);
	jsonw_kstr(w, "channel_cid", n->x->ch.cid);
	jsonw_obj_end(w);
}

void message_read_text(struct chat_ctx *c, struct event_text *t, const struct read_news *n, const struct user *reader)
{
	event_text_begin(c, t, SPAN("message.read"), n->at_us, &n->x->ch);
	event_text_user(c, t, reader);
	if (span_given(n->last_read_message_id)) jsonw_kstr(&t->w, "last_read_message_id", n->last_read_message_id);
	write_thread(&t->w, n, true);
}

void mark_read_text(struct chat_ctx *c, struct event_text *t, const struct read_news *n, const struct user *reader)
{
	event_text_begin(c, t, SPAN("notification.mark_read"), n->at_us, n->x ? &n->x->ch : NULL);
	event_text_user(c, t, reader);
	if (n->x) {
		jsonw_key(&t->w, "channel");
		chat_channel_write(c, &t->w, n->x, true);
	}
	if (span_given(n->last_read_message_id)) jsonw_kstr(&t->w, "last_read_message_id", n->last_read_message_id);
	if (n->x) write_thread(&t->w, n, true);
}

enum err record_message_read(struct chat_ctx *c, const struct read_news *n)
{
	bool hidden = !privacy_read_on(&c->me);
	struct store_event log = { .channel_pk = n->x->ch.pk, .actor_pk = c->me.pk, .data = read_data(c, n, hidden) };
	struct event_text t;
	struct span text;
	message_read_text(c, &t, n, &c->me);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_MESSAGE_READ, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_THIN_WATCHERS | (hidden ? EVENT_ONLY_ACTOR : 0u);
	return ERR_OK;
}

/* Totals ride in the tail: the loop that keeps them applies the move first. */
static void set_move(struct event *ev, const struct read_news *n)
{
	ev->flags |= EVENT_HAS_COUNTS;
	if (!n->moves) return;
	if (!n->x) {
		ev->move = MOVE_READ_ALL;
	} else if (span_given(n->thread_id)) {
		ev->move = MOVE_THREADS;
		ev->unread = n->unread;
	} else {
		ev->move = MOVE_READ;
		ev->seq = n->seq;
		ev->unread = n->unread;
	}
}

enum err record_mark_read(struct chat_ctx *c, const struct read_news *n)
{
	struct store_event log = {
		.user_pk = c->me.pk, .context_pk = n->x ? n->x->ch.pk : 0, .actor_pk = c->me.pk, .data = read_data(c, n, false)
	};
	struct event_text t;
	struct span text;
	mark_read_text(c, &t, n, &c->me);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_NOTIFICATION_MARK_READ, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	set_move(ev, n);
	return ERR_OK;
}

/* The answer's event, in the caller's dialect: message.read of a channel, notification.mark_read of all. */
void read_answer(struct chat_ctx *c, struct jsonw *w, const struct read_news *n)
{
	enum dialect d = c->dialect;
	struct user me = c->me;
	chat_user_for_viewer(c, &me);
	jsonw_key(w, "event");
	jsonw_obj_begin(w);
	jsonw_kstr(w, "type", n->x ? SPAN("message.read") : SPAN("notification.mark_read"));
	jsonw_ktime(w, "created_at", d, n->at_us);
	if (n->x) {
		const struct channel *ch = &n->x->ch;
		jsonw_kstr(w, "cid", ch->cid);
		jsonw_kstr(w, "channel_type", ch->type);
		jsonw_kstr(w, "channel_id", ch->id);
		if (ch->last_message_at) jsonw_ktime(w, "channel_last_message_at", d, ch->last_message_at);
		if (span_given(ch->team)) jsonw_kstr(w, "team", ch->team);
	}
	jsonw_key(w, "user");
	user_write(w, d, USER_VIEW_COMMON, &me);
	if (span_given(n->last_read_message_id)) jsonw_kstr(w, "last_read_message_id", n->last_read_message_id);
	if (n->x) write_thread(w, n, true);
	jsonw_obj_end(w);
}
