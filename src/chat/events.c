/* Recording what happened: the log row in the transaction of the change, and the deliverable that goes out when it has committed.
 */
#include "chat/chat.h"

static bool keep(struct chat_ctx *c, struct event *ev)
{
	if (c->event_count == c->event_cap) {
		size_t cap = c->event_cap ? c->event_cap * 2 : 8;
		struct event **grown =
			arena_realloc(c->arena, c->events, c->event_cap * sizeof(struct event *), cap * sizeof(struct event *));
		if (grown == NULL) return false;
		c->events = grown;
		c->event_cap = cap;
	}
	c->events[c->event_count++] = ev;
	return true;
}

/* The story goes into the context; there is no event. */
static struct event *failed(struct chat_ctx *c, enum err e)
{
	BECK_ASSERT(chat_store_fail(c, e) != ERR_OK);
	return NULL;
}

static struct event *make(struct chat_ctx *c, enum event_type t, struct span body, struct span notify)
{
	struct event *ev = event_new(t);
	bool ok = ev != NULL;
	if (ok && span_given(body)) ok = (ev->body = blob_make(body)) != NULL;
	if (ok && span_given(notify)) ok = (ev->notify = blob_make(notify)) != NULL;
	if (ok && keep(c, ev)) return ev;
	event_unref(ev);
	return failed(c, ERR_UNAVAILABLE);
}

static enum err add_row(struct chat_ctx *c, enum event_type t, const struct store_event *log, int64_t *pos)
{
	struct store_event row = *log;
	BECK_ASSERT(c->can_write); /* a durable event changes what is stored */
	row.app = c->app->pk;
	row.type = event_type_name(t);
	row.created_at = c->now_us;
	enum err e = store_event_add(c->tx, &row);
	if (e == ERR_OK) *pos = row.pos;
	return e;
}

struct event *chat_record(
	struct chat_ctx *c, enum event_type t, const struct store_event *log, struct span body, struct span notify)
{
	int64_t pos = 0;
	enum err e = log != NULL && event_type_durable(t) ? add_row(c, t, log, &pos) : ERR_OK;
	if (e != ERR_OK) return failed(c, e);
	struct event *ev = make(c, t, body, notify);
	if (ev == NULL) return NULL;
	ev->pos = pos;
	ev->app = c->app->pk;
	if (log == NULL) return ev;
	ev->channel = log->channel_pk != 0 ? log->channel_pk : log->context_pk;
	ev->user = log->user_pk;
	ev->actor = log->actor_pk;
	return ev;
}

void chat_event_begin(struct chat_ctx *c, struct jsonw *w, struct span type, int64_t at_us, const struct channel *ch)
{
	(void)c;
	jsonw_obj_begin(w);
	jsonw_kstr(w, "type", type);
	jsonw_ktime(w, "created_at", DIALECT_1, at_us);
	if (ch == NULL) return;
	jsonw_kstr(w, "cid", ch->cid);
	jsonw_kstr(w, "channel_type", ch->type);
	jsonw_kstr(w, "channel_id", ch->id);
	if (ch->last_message_at != 0) jsonw_ktime(w, "channel_last_message_at", DIALECT_1, ch->last_message_at);
	if (span_given(ch->team)) jsonw_kstr(w, "team", ch->team);
	jsonw_kraw(w, "channel_custom", span_given(ch->custom) ? ch->custom : SPAN("{}"));
	jsonw_kint(w, "channel_member_count", ch->member_count);
	jsonw_kint(w, "channel_message_count", ch->message_count);
}
