/* Read pointers: marking read, unread and delivered. Rules: connection-and-users-events.md 6.3. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/message_parts.h"
#include "chat/message_rules.h"
#include "wire/ids.h"

static enum err require_user(struct chat_ctx *c)
{
	if (c->me.pk != 0) return ERR_OK;
	if (chat_is_server(c)) return chat_fail(c, ERR_INPUT, "user_id", "a server call names the user in user_id or user");
	return chat_fail(c, ERR_NOT_ALLOWED, NULL, "anonymous users have no read state");
}

static enum err require_read_events(struct chat_ctx *c, const struct channel_ctx *x)
{
	if (x->effective.read_events || chat_is_server(c)) return ERR_OK;
	return chat_fail(c, ERR_FEATURE_OFF, NULL, "read events not enabled");
}

/* The newest (op LT) or next (GTE) list message he sees from a moment on; m->pk == 0 when there is none. */
static enum err find_visible(
	struct chat_ctx *c, const struct channel_ctx *x, enum store_page_op op, int64_t at_us, struct message *m)
{
	struct store_page q = { .channel_pk = x->ch.pk,
		.viewer_pk = c->me.pk,
		.viewer_id = c->me.id,
		.cut_us = history_cut(x),
		.op = op,
		.at_us = at_us,
		.at_id = SPAN(""),
		.limit = 1 };
	struct message *found = NULL;
	size_t n = 0;
	enum err e = store_messages_page(c->tx, &q, c->arena, &found, &n);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*m = n ? *found : (struct message){ 0 };
	return ERR_OK;
}

/* A message of this channel by id, as he sees it. */
static enum err find_named(struct chat_ctx *c, const struct channel_ctx *x, struct span id, struct message *m)
{
	enum err e = message_id_valid(id) ? store_message_get(c->tx, c->app->pk, id, c->arena, m) : ERR_NOT_FOUND;
	if (e != ERR_OK && e != ERR_NOT_FOUND) return chat_store_fail(c, e);
	if (e == ERR_NOT_FOUND || m->channel_pk != x->ch.pk || !message_visible(c, x, m))
		return chat_fail(c, ERR_NOT_FOUND, "message_id", "message %.*s does not exist in this channel", SPAN_FMT(id));
	return ERR_OK;
}

/* ---- mark read ---- */
struct target {
	struct store_pointer p;
	bool moves;
};

/* The whole channel: everything up to now is read. */
static enum err aim_at_newest(struct chat_ctx *c, const struct channel_ctx *x, struct target *t)
{
	struct message newest;
	enum err e = find_visible(c, x, STORE_PAGE_LT, INT64_MAX, &newest);
	if (e != ERR_OK) return e;
	/* The newest message can be a moment ahead of a clock that went back. */
	int64_t at = newest.created_at > c->now_us ? newest.created_at : c->now_us;
	t->p.read_seq = x->ch.counted_seq;
	t->p.last_read = at > x->own.last_read ? at : x->own.last_read;
	t->p.last_read_message_id = newest.id;
	t->p.delivered_at = newest.created_at;
	t->p.delivered_id = newest.id;
	t->moves = true;
	return ERR_OK;
}

static enum err aim_at_message(struct chat_ctx *c, const struct channel_ctx *x, struct span id, struct target *t)
{
	struct message m;
	int64_t seq = 0;
	enum err e = find_named(c, x, id, &m);
	if (e != ERR_OK) return e;
	e = store_seq_at(c->tx, x->ch.pk, m.created_at, &seq);
	if (e != ERR_OK) return chat_store_fail(c, e);
	/* By sequence too: after a clock went back, new messages may be older than the moment he last read. */
	t->moves = m.created_at > x->own.last_read || seq > x->own.read_seq;
	t->p.read_seq = seq > x->own.read_seq ? seq : x->own.read_seq;
	t->p.last_read = m.created_at > x->own.last_read ? m.created_at : x->own.last_read;
	t->p.last_read_message_id = m.id;
	if (message_in_list(&m)) {
		t->p.delivered_at = m.created_at;
		t->p.delivered_id = m.id;
	}
	return ERR_OK;
}

/* Moves the pointer of the caller; *n then says what to tell. */
static enum err mark_channel(struct chat_ctx *c, const struct channel_ctx *x, struct span message_id, struct read_news *n)
{
	struct target t = { .p = { .channel_pk = x->ch.pk, .user_pk = c->me.pk } };
	enum err e = message_id.n ? aim_at_message(c, x, message_id, &t) : aim_at_newest(c, x, &t);
	if (e != ERR_OK) return e;
	*n = (struct read_news){ .x = x,
		.at_us = c->now_us,
		.seq = x->own.read_seq,
		.moves = t.moves,
		.last_read_message_id = x->own.last_read_message_id };
	if (t.moves) {
		e = store_pointer_set(c->tx, &t.p);
		if (e != ERR_OK) return chat_store_fail(c, e);
		n->seq = t.p.read_seq;
		n->last_read_message_id = t.p.last_read_message_id;
	}
	e = store_unread(c->tx, x->ch.pk, c->me.pk, &n->unread);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_mark_read(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct channel_ctx x;
	struct span message_id = SPAN_NONE, thread_id = SPAN_NONE;
	struct read_news n;
	enum err e = require_user(c);
	if (e == ERR_OK) e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = require_read_events(c, &x);
	if (e == ERR_OK) e = take_string(c, body, "message_id", (size_t)LIMIT_MESSAGE_ID_BYTES, &message_id);
	if (e == ERR_OK) e = take_string(c, body, "thread_id", (size_t)LIMIT_MESSAGE_ID_BYTES, &thread_id);
	if (e != ERR_OK || !x.is_member) return e;
	if (span_given(thread_id)) return thread_mark_read(c, &x, thread_id, w);
	e = mark_channel(c, &x, message_id, &n);
	if (e == ERR_OK && n.moves) e = record_message_read(c, &n);
	if (e == ERR_OK) e = record_mark_read(c, &n);
	if (e == ERR_OK) read_answer(c, w, &n);
	return e;
}

/* ---- many channels ---- */
static enum err mark_named(struct chat_ctx *c, struct span cid, yyjson_val *message)
{
	struct channel_ctx x;
	struct span type, id;
	struct read_news n;
	if (!cid_split(cid, &type, &id)) return chat_fail(c, ERR_INPUT, "read_by_channel", "%.*s is no cid", SPAN_FMT(cid));
	if (value_given(message) && !yyjson_is_str(message))
		return chat_fail(c, ERR_INPUT, "read_by_channel", "read_by_channel maps cids to message ids");
	enum err e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = require_read_events(c, &x);
	if (e != ERR_OK || !x.is_member) return e;
	e = mark_channel(c, &x, json_span(message), &n);
	if (e != ERR_OK || !n.moves) return e;
	e = record_message_read(c, &n);
	return e == ERR_OK ? event_move_only(c, MOVE_READ, x.ch.pk, c->me.pk, n.seq, n.unread) : e;
}

static enum err mark_everything(struct chat_ctx *c)
{
	enum err e = store_read_all(c->tx, c->app->pk, c->me.pk, c->now_us);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_mark_channels_read(struct chat_ctx *c, yyjson_val *body, struct jsonw *w)
{
	yyjson_val *named = json_get(body, "read_by_channel");
	struct read_news n = { .at_us = c->now_us, .moves = true };
	enum err e = require_user(c);
	if (e != ERR_OK) return e;
	if (value_given(named) && !yyjson_is_obj(named))
		return chat_fail(c, ERR_INPUT, "read_by_channel", "read_by_channel maps cids to message ids");
	if (yyjson_obj_size(named) > (size_t)LIMIT_SYNC_CIDS)
		return chat_fail(c, ERR_INPUT, "read_by_channel", "at most %lld channels", (long long)LIMIT_SYNC_CIDS);
	if (yyjson_obj_size(named) == 0) {
		e = mark_everything(c);
	} else {
		n.moves = false; /* each channel has told its own */
		size_t i, count;
		yyjson_val *key, *v;
		yyjson_obj_foreach(named, i, count, key, v)
		{
			e = mark_named(c, json_span(key), v);
			if (e != ERR_OK) break;
		}
	}
	if (e == ERR_OK) e = record_mark_read(c, &n);
	if (e == ERR_OK) read_answer(c, w, &n);
	return e;
}

/* ---- mark unread ---- */
static enum err find_first_unread(
	struct chat_ctx *c, const struct channel_ctx *x, struct span message_id, int64_t at_us, struct message *m)
{
	enum err e = span_given(message_id) ? find_named(c, x, message_id, m) : find_visible(c, x, STORE_PAGE_GTE, at_us, m);
	if (e != ERR_OK) return e;
	if (m->pk == 0 || !message_in_list(m))
		return chat_fail(c, ERR_NOT_FOUND, span_given(message_id) ? "message_id" : "message_timestamp",
			"there is no such message");
	int64_t newer = 0;
	e = store_messages_newer(c->tx, x->ch.pk, m->created_at, m->id, LIMIT_MARK_UNREAD_BACK, &newer);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (newer < LIMIT_MARK_UNREAD_BACK) return ERR_OK;
	return chat_fail(c, ERR_INPUT, "message_id", "only the last %lld messages of a channel can be marked unread",
		(long long)LIMIT_MARK_UNREAD_BACK);
}

struct unread_news {
	const struct channel_ctx *x;
	const struct message *first;
	struct store_pointer p;
	int64_t unread;
};

static struct span unread_data(struct chat_ctx *c, const struct unread_news *n)
{
	struct buf b;
	struct jsonw w;
	buf_init(&b, (size_t)LIMIT_EVENT_BYTES);
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "first_unread_message_id", n->first->id);
	jsonw_kint(&w, "last_read_at", n->p.last_read);
	if (span_given(n->p.last_read_message_id)) jsonw_kstr(&w, "last_read_message_id", n->p.last_read_message_id);
	jsonw_kint(&w, "unread_messages", n->unread);
	jsonw_obj_end(&w);
	struct span out = arena_dup(c->arena, buf_span(&b));
	buf_deinit(&b);
	return out;
}

static enum err record_mark_unread(struct chat_ctx *c, const struct unread_news *n)
{
	struct store_event log = {
		.user_pk = c->me.pk, .context_pk = n->x->ch.pk, .actor_pk = c->me.pk, .data = unread_data(c, n)
	};
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, SPAN("notification.mark_unread"), c->now_us, &n->x->ch);
	event_text_user(c, &t, &c->me);
	jsonw_kstr(&t.w, "first_unread_message_id", n->first->id);
	jsonw_ktime(&t.w, "last_read_at", DIALECT_1, n->p.last_read);
	if (span_given(n->p.last_read_message_id)) jsonw_kstr(&t.w, "last_read_message_id", n->p.last_read_message_id);
	jsonw_kint(&t.w, "unread_messages", n->unread > UNREAD_SHOWN_MAX ? UNREAD_SHOWN_MAX : n->unread);
	enum err e = event_text_end(c, &t, &text);
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_NOTIFICATION_MARK_UNREAD, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	if (e == ERR_OK && !ev) e = chat_told(c);
	if (e != ERR_OK) return e;
	ev->flags |= EVENT_HAS_COUNTS;
	ev->move = MOVE_READ;
	ev->seq = n->p.read_seq;
	ev->unread = n->unread;
	return ERR_OK;
}

static enum err mark_unread_from(struct chat_ctx *c, const struct channel_ctx *x, const struct message *first)
{
	struct message before;
	struct unread_news n = { .x = x, .first = first };
	enum err e = find_visible(c, x, STORE_PAGE_LT, first->created_at, &before);
	if (e != ERR_OK) return e;
	n.p = (struct store_pointer){ .channel_pk = x->ch.pk,
		.user_pk = c->me.pk,
		.first_unread_message_id = first->id,
		.last_read = before.pk ? before.created_at : first->created_at - 1,
		.last_read_message_id = before.id };
	e = store_seq_at(c->tx, x->ch.pk, first->created_at - 1, &n.p.read_seq);
	if (e == ERR_OK) e = store_pointer_set(c->tx, &n.p);
	if (e == ERR_OK) e = store_unread(c->tx, x->ch.pk, c->me.pk, &n.unread);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return record_mark_unread(c, &n);
}

enum err chat_mark_unread(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body)
{
	struct channel_ctx x;
	struct span message_id = SPAN_NONE, thread_id = SPAN_NONE;
	int64_t at = 0;
	enum err e = require_user(c);
	if (e == ERR_OK) e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = require_read_events(c, &x);
	if (e == ERR_OK) e = take_string(c, body, "message_id", (size_t)LIMIT_MESSAGE_ID_BYTES, &message_id);
	if (e == ERR_OK) e = take_string(c, body, "thread_id", (size_t)LIMIT_MESSAGE_ID_BYTES, &thread_id);
	if (e == ERR_OK) e = draft_time(c, json_get(body, "message_timestamp"), "message_timestamp", &at);
	if (e != ERR_OK) return e;
	if ((int)span_given(message_id) + (int)span_given(thread_id) + (at != 0) != 1)
		return chat_fail(c, ERR_INPUT, "message_id", "exactly one of message_id, message_timestamp and thread_id");
	if (!x.is_member) return chat_fail(c, ERR_NOT_FOUND, NULL, "user %.*s is no member of the channel", SPAN_FMT(c->me.id));
	if (span_given(thread_id)) return thread_mark_unread(c, &x, thread_id);
	struct message first;
	e = find_first_unread(c, &x, message_id, at, &first);
	return e == ERR_OK ? mark_unread_from(c, &x, &first) : e;
}

/* ---- mark delivered ---- */
static enum err record_delivered(struct chat_ctx *c, const struct channel_ctx *x, const struct message *m)
{
	if (!privacy_delivery_on(&c->me)) return ERR_OK;
	struct event_text t;
	struct span text;
	event_text_begin(c, &t, SPAN("message.delivered"), c->now_us, &x->ch);
	event_text_user(c, &t, &c->me);
	jsonw_ktime(&t.w, "last_delivered_at", DIALECT_1, m->created_at);
	jsonw_kstr(&t.w, "last_delivered_message_id", m->id);
	enum err e = event_text_end(c, &t, &text);
	struct store_event log = { .channel_pk = x->ch.pk, .actor_pk = c->me.pk };
	struct event *ev = e == ERR_OK ? chat_record(c, EVENT_MESSAGE_DELIVERED, &log, text, SPAN_NONE) : NULL;
	event_text_free(&t);
	return e == ERR_OK && !ev ? c->error.err : e;
}

/* What he cannot read, or does not exist, is skipped without a word. */
static enum err deliver_pair(struct chat_ctx *c, yyjson_val *pair)
{
	struct channel_ctx x;
	struct message m;
	struct span type, id, message_id = json_span(json_get(pair, "id"));
	bool moved = false;
	if (!yyjson_is_str(json_get(pair, "cid")) || !yyjson_is_str(json_get(pair, "id")))
		return chat_fail(c, ERR_INPUT, "latest_delivered_messages", "each entry must be an object with cid and id");
	if (!cid_split(json_span(json_get(pair, "cid")), &type, &id) || !message_id_valid(message_id)) return ERR_OK;
	enum err e = chat_channel_load(c, type, id, &x);
	bool is_refused = e == ERR_NOT_FOUND || e == ERR_NOT_ALLOWED;
	if (is_refused) c->error = (struct error){ 0 };
	if (e != ERR_OK) return is_refused ? ERR_OK : e;
	if (!x.is_member || !x.effective.delivery_events) return ERR_OK;
	e = store_message_get(c->tx, c->app->pk, message_id, c->arena, &m);
	if (e == ERR_NOT_FOUND) return ERR_OK;
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (m.channel_pk != x.ch.pk || m.parent_pk != 0 || !message_visible(c, &x, &m)) return ERR_OK;
	e = store_delivered_set(c->tx, x.ch.pk, c->me.pk, m.created_at, m.id, &moved);
	if (e != ERR_OK) return chat_store_fail(c, e);
	return moved ? record_delivered(c, &x, &m) : ERR_OK;
}

enum err chat_mark_delivered(struct chat_ctx *c, yyjson_val *body)
{
	yyjson_val *list = json_get(body, "latest_delivered_messages"), *pair;
	enum err e = require_user(c);
	if (e != ERR_OK) return e;
	size_t count = yyjson_arr_size(list), i, n;
	if (!yyjson_is_arr(list) || count == 0 || count > (size_t)LIMIT_DELIVERED_PAIRS)
		return chat_fail(c, ERR_INPUT, "latest_delivered_messages",
			"latest_delivered_messages must have 1 to %lld entries", (long long)LIMIT_DELIVERED_PAIRS);
	yyjson_arr_foreach(list, i, n, pair)
	{
		e = deliver_pair(c, pair);
		if (e != ERR_OK) return e;
	}
	return ERR_OK;
}
