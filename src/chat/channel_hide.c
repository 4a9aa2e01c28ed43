/* Hiding a channel from one's own lists, and showing it again. */
#include "chat/channel_data.h"
#include "chat/channel_events.h"
#include "chat/channel_rules.h"

static enum err load_member(struct chat_ctx *c, struct span type, struct span id, struct channel_ctx *x)
{
	if (c->me.pk == 0 && chat_is_server(c)) return chat_fail(c, ERR_INPUT, "user_id", "a server call needs user_id here");
	enum err e = chat_channel_load(c, type, id, x);
	if (e != ERR_OK || x->is_member) return e;
	return chat_fail(
		c, ERR_NOT_ALLOWED, NULL, "user %.*s is not a member of channel %.*s", SPAN_FMT(c->me.id), SPAN_FMT(x->ch.cid));
}

static enum err tell(struct chat_ctx *c, const struct channel_ctx *x, bool hides, bool clears)
{
	struct event *ev;
	struct channel_news n = { .type = hides ? EVENT_CHANNEL_HIDDEN : EVENT_CHANNEL_VISIBLE, .x = x, .to_user = c->me.pk };
	if (hides) n.extra = n.log_data = clears ? SPAN("{\"clear_history\":true}") : SPAN("{\"clear_history\":false}");
	enum err e = channel_event_text(c, x, &n.channel_text);
	if (e == ERR_OK) e = channel_news_record(c, &n, &ev);
	if (e != ERR_OK || !clears || x->own.read_seq < 0) return e;
	ev->flags |= EVENT_HAS_COUNTS;
	ev->move = MOVE_READ;
	ev->seq = x->ch.counted_seq;
	return ERR_OK;
}

static enum err clear_history(struct chat_ctx *c, struct channel_ctx *x)
{
	int64_t cut = c->now_us;
	enum err e = store_channel_newest(c->tx, x->ch.pk, &cut);
	if (e == ERR_OK && x->own.read_seq >= 0)
		e = store_member_catch_up(c->tx, x->ch.pk, c->me.pk, x->ch.counted_seq, c->now_us);
	if (e != ERR_OK) return chat_store_fail(c, e);
	x->own.hide_before = cut;
	return ERR_OK;
}

static enum err put_own(struct chat_ctx *c, const struct channel_ctx *x)
{
	enum err e = store_member_put(c->tx, &x->own);
	return e == ERR_OK ? ERR_OK : chat_store_fail(c, e);
}

enum err chat_hide_channel(struct chat_ctx *c, struct span type, struct span id, yyjson_val *body)
{
	struct channel_ctx x;
	bool clear = false;
	enum err e = load_member(c, type, id, &x);
	if (e == ERR_OK) e = take_bool(c, body, "clear_history", &clear, NULL);
	if (e == ERR_OK && clear) e = clear_history(c, &x);
	if (e != ERR_OK) return e;
	x.own.hidden = true;
	e = put_own(c, &x);
	return e == ERR_OK ? tell(c, &x, true, clear) : e;
}

enum err chat_show_channel(struct chat_ctx *c, struct span type, struct span id)
{
	struct channel_ctx x;
	enum err e = load_member(c, type, id, &x);
	if (e != ERR_OK || !x.own.hidden) return e;
	x.own.hidden = false;
	e = put_own(c, &x);
	return e == ERR_OK ? tell(c, &x, false, false) : e;
}
