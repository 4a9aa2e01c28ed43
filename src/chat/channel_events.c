#include "chat/channel_events.h"

#include "base/limits.h"
#include "chat/message_parts.h"

static enum err text_done(struct chat_ctx *c, struct buf *text, struct span *out)
{
	struct span copy = text->failed ? SPAN_NONE : arena_dup(c->arena, buf_span(text));
	buf_deinit(text);
	if (!span_given(copy)) return chat_store_fail(c, ERR_UNAVAILABLE);
	*out = copy;
	return ERR_OK;
}

enum err channel_event_text(struct chat_ctx *c, const struct channel_ctx *x, struct span *out)
{
	struct buf text;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	chat_channel_write(c, &w, x, true);
	return text_done(c, &text, out);
}

/* Pins, archives and shadow bans are not for everybody who gets the event; his own stream may know. */
static void write_member(struct jsonw *w, const struct channel_news *n)
{
	struct member m = *n->member;
	m.shadow_banned = false;
	if (n->to_user != m.user_pk) m.pinned_at = m.archived_at = 0;
	jsonw_key(w, "member");
	member_write(w, DIALECT_1, &m);
}

static void write_user(struct chat_ctx *c, struct jsonw *w, const struct user *user)
{
	if (user == NULL && c->me.pk == 0) return;
	struct user u = user != NULL ? *user : c->me;
	chat_user_for_viewer(c, &u);
	jsonw_key(w, "user");
	user_write(w, DIALECT_1, USER_VIEW_COMMON, &u);
}

static enum err body_text(struct chat_ctx *c, const struct channel_news *n, enum event_type type, struct span *out)
{
	struct buf text;
	buf_init(&text, (size_t)LIMIT_REPLY_BYTES);
	struct jsonw w;
	jsonw_init(&w, &text);
	enum dialect spoken = c->dialect;
	c->dialect = DIALECT_1;
	chat_event_begin(c, &w, event_type_name(type), c->now_us, &n->x->ch);
	if (span_given(n->channel_text)) jsonw_kraw(&w, "channel", n->channel_text);
	if (n->member != NULL) write_member(&w, n);
	if (n->message != NULL) {
		jsonw_key(&w, "message");
		message_write(&w, DIALECT_1, n->message);
	}
	write_user(c, &w, n->user);
	if (span_given(n->extra)) jsonw_raw_members(&w, n->extra);
	c->dialect = spoken;
	return text_done(c, &text, out);
}

enum err channel_news_record(struct chat_ctx *c, const struct channel_news *n, struct event **out)
{
	struct span body, twin = SPAN_NONE;
	enum err e = body_text(c, n, n->type, &body);
	if (e == ERR_OK && n->twin != EVENT_HEALTH_CHECK) e = body_text(c, n, n->twin, &twin);
	if (e != ERR_OK) return e;
	struct store_event log = { .app = c->app->pk,
		.actor_pk = c->me.pk,
		.created_at = c->now_us,
		.type = event_type_name(n->type),
		.message_pk = n->message != NULL ? n->message->pk : 0,
		.data = n->log_data };
	if (n->to_user != 0) {
		log.user_pk = n->to_user;
		log.context_pk = n->x->ch.pk;
	} else {
		log.channel_pk = n->x->ch.pk;
	}
	struct event *ev = chat_record(c, n->type, n->is_copy || !event_type_durable(n->type) ? NULL : &log, body, twin);
	if (ev == NULL) return chat_store_fail(c, c->error.err != ERR_OK ? c->error.err : ERR_UNAVAILABLE);
	ev->channel = n->x->ch.pk;
	ev->user = n->to_user;
	ev->actor = c->me.pk;
	if (out != NULL) *out = ev;
	return ERR_OK;
}

enum err channel_move_record(struct chat_ctx *c, const struct channel_ctx *x, enum event_move move, int64_t user)
{
	return event_move_only(c, move, x->ch.pk, user, x->ch.counted_seq, 0);
}
