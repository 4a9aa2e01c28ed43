/* Cutting a channel's history, for everybody or for some. */
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/channel_members.h"
#include "chat/channel_rules.h"
#include "store/store_messages.h"
#include "wire/timestamp.h"

struct truncation {
	struct channel_ctx x;
	yyjson_val *message;
	struct member_list only; /* not empty: history is hidden from these alone */
	int64_t cut;
	bool everything; /* no time given: up to the newest message, whatever the clock says */
	bool hard;
};

static enum err parse_time(struct chat_ctx *c, yyjson_val *body, struct truncation *t)
{
	struct span text = SPAN_NONE;
	int64_t at = TIME_ZERO;
	enum err e = take_string(c, body, "truncated_at", 64, &text);
	if (e != ERR_OK) return e;
	if (span_given(text) && !time_parse(text, &at))
		return chat_fail(c, ERR_INPUT, "truncated_at", "truncated_at must be an RFC 3339 time");
	if (at > c->now_us) return chat_fail(c, ERR_INPUT, "truncated_at", "truncated_at must not lie in the future");
	t->everything = at == TIME_ZERO;
	t->cut = t->everything ? c->now_us : at;
	return ERR_OK;
}

static enum err parse(struct chat_ctx *c, yyjson_val *body, struct truncation *t)
{
	yyjson_val *message = json_get(body, "message");
	enum err e = take_bool(c, body, "hard_delete", &t->hard, NULL);
	if (e == ERR_OK) e = parse_time(c, body, t);
	if (e == ERR_OK) e = member_list_parse(c, json_get(body, "member_ids"), "member_ids", false, &t->only);
	if (e == ERR_OK) e = member_list_resolve(c, &t->only, "member_ids");
	if (e != ERR_OK) return e;
	if (value_given(message) && !yyjson_is_obj(message))
		return chat_fail(c, ERR_INPUT, "message", "message must be an object");
	t->message = value_given(message) ? message : NULL;
	return ERR_OK;
}

/* ---- for everybody ---- */

static enum err cut_channel(struct chat_ctx *c, struct truncation *t)
{
	struct channel *ch = &t->x.ch;
	bool whole;
	enum err e = store_channel_truncate(c->tx, ch, t->cut, t->everything, c->me.pk, &whole);
	if (e != ERR_OK) return chat_store_fail(c, e);
	t->cut = ch->truncated_at;
	ch->truncated_by = c->me;
	if (c->me.pk != 0) chat_user_for_viewer(c, &ch->truncated_by);
	/* threads and, when asked for, the messages themselves go in slices */
	if (t->hard) {
		struct channel_purge p = { .channel_pk = ch->pk, .cid = ch->cid, .cut = t->cut };
		struct span task;
		e = store_erasure_add(c->tx, c->app->pk, SPAN("channel.history"), ch->cid, t->cut);
		if (e != ERR_OK) return chat_store_fail(c, e);
		e = chat_channel_purge(c, &p, 1, &task);
		if (e != ERR_OK) return e;
	}
	return channel_move_record(c, &t->x, whole ? MOVE_RESET : MOVE_RECOUNT, 0);
}

/* ---- for some ---- */

static enum err cut_member(struct chat_ctx *c, struct truncation *t, const struct member_seed *s, int64_t seq)
{
	struct member m;
	enum err e = store_member_get(c->tx, t->x.ch.pk, s->user.pk, c->arena, &m);
	if (e == ERR_NOT_FOUND)
		return chat_fail(c, ERR_INPUT, "member_ids", "user %.*s is not a member of channel %.*s", SPAN_FMT(s->user_id),
			SPAN_FMT(t->x.ch.cid));
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (m.hide_before < t->cut) m.hide_before = t->cut;
	m.updated_at = c->now_us;
	e = store_member_put(c->tx, &m);
	if (e == ERR_OK && m.read_seq >= 0) e = store_member_catch_up(c->tx, m.channel_pk, m.user_pk, seq, t->cut);
	return e == ERR_OK ? channel_move_record(c, &t->x, MOVE_RECOUNT, m.user_pk) : chat_store_fail(c, e);
}

static enum err cut_members(struct chat_ctx *c, struct truncation *t)
{
	int64_t seq = t->x.ch.counted_seq;
	enum err e = t->everything ? ERR_OK : store_seq_at(c->tx, t->x.ch.pk, t->cut, &seq);
	if (e == ERR_OK && t->everything) e = store_channel_newest(c->tx, t->x.ch.pk, &t->cut);
	if (e != ERR_OK) return chat_store_fail(c, e);
	for (size_t i = 0; e == ERR_OK && i < t->only.n; i++) e = cut_member(c, t, &t->only.items[i], seq);
	return e;
}

static enum err restrict_to(struct chat_ctx *c, struct event *ev, const struct member_list *l)
{
	ev->only = malloc(l->n * sizeof *ev->only);
	if (ev->only == NULL) return chat_store_fail(c, ERR_UNAVAILABLE);
	for (size_t i = 0; i < l->n; i++) ev->only[i] = l->items[i].user.pk;
	ev->only_count = l->n;
	return ERR_OK;
}

/* ---- the rule ---- */

static enum err tell_truncated(struct chat_ctx *c, struct truncation *t, const struct message *m)
{
	struct event *ev;
	struct channel_news n = { .type = EVENT_CHANNEL_TRUNCATED,
		.twin = EVENT_NOTIFICATION_CHANNEL_TRUNCATED,
		.x = &t->x,
		.message = m,
		.is_copy = t->only.n > 0 };
	enum err e = channel_event_text(c, &t->x, &n.channel_text);
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	return e == ERR_OK && t->only.n > 0 ? restrict_to(c, ev, &t->only) : e;
}

static enum err author_of(struct chat_ctx *c, const struct truncation *t)
{
	struct span id = json_span(json_get(t->message, "user_id"));
	if (id.n == 0) id = json_span(json_get(json_get(t->message, "user"), "id"));
	if (!chat_is_server(c)) return ERR_OK;
	if (id.n > 0) return chat_acting_user(c, NULL, id, true);
	return c->me.pk != 0 ? ERR_OK
			     : chat_fail(c, ERR_INPUT, "message.user_id", "the message of a server call needs its author");
}

static enum err add_message(struct chat_ctx *c, struct truncation *t, struct message *m)
{
	struct user actor = c->me;
	enum err e = author_of(c, t);
	bool as_author = c->me.pk != actor.pk;
	if (e == ERR_OK && as_author) e = chat_channel_fill(c, &t->x);
	if (e == ERR_OK) e = chat_message_system(c, &t->x, t->message, m);
	c->me = actor;
	return e == ERR_OK && as_author ? chat_channel_fill(c, &t->x) : e;
}

enum err chat_truncate_channel(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body, struct jsonw *w)
{
	struct truncation t = { .hard = false };
	struct message m;
	enum err e = chat_channel_load(c, type, id, &t.x);
	if (e == ERR_OK) e = chat_require(c, &t.x, "truncate-channel", t.x.is_owner);
	if (e == ERR_OK) e = parse(c, body, &t);
	if (e == ERR_OK) e = t.only.n > 0 ? cut_members(c, &t) : cut_channel(c, &t);
	if (e == ERR_OK && t.message != NULL) e = add_message(c, &t, &m);
	if (e == ERR_OK) e = tell_truncated(c, &t, t.message != NULL ? &m : NULL);
	if (e != ERR_OK) return e;
	jsonw_key(w, "channel");
	chat_channel_write(c, w, &t.x, false);
	if (t.message == NULL) return ERR_OK;
	jsonw_key(w, "message");
	message_write(w, c->dialect, &m);
	return ERR_OK;
}
