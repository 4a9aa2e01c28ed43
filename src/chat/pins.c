/* Pins that expire: reads treat them as off from the very moment (message_view.c); this tells those who watch, and clears the
 * row. */
#include "chat/background.h"
#include "chat/message_parts.h"

enum { PINS_PER_TURN = 50 };

static enum err unpin(struct chat_ctx *c, int64_t pk)
{
	struct message m;
	struct channel_ctx x = { 0 };
	struct event *ev;
	enum err e = store_messages_get_pk(c->tx, &pk, 1, c->arena, &m);
	if (e != ERR_OK || m.pk == 0) return e;
	m.pinned = false;
	m.pinned_at = m.pin_expires = m.pinned_by.pk = 0;
	m.updated_at = c->now_us;
	e = store_message_put(c->tx, &m);
	if (e != ERR_OK) return e;
	struct span type, id;
	e = store_channel_get_pk(c->tx, m.channel_pk, c->arena, &x.ch);
	if (e != ERR_OK || x.ch.deleted_at) return e == ERR_NOT_FOUND ? ERR_OK : e;
	type = x.ch.type;
	id = x.ch.id;
	e = chat_channel_load(c, type, id, &x);
	if (e == ERR_OK) e = message_fill(c, &x.ch, &m, 1);
	return e == ERR_OK ? record_message_change(c, EVENT_MESSAGE_UPDATED, &x, &m, &ev) : e;
}

enum err chat_background_pins(struct chat_ctx *c, bool *again)
{
	struct store_pin *pins;
	size_t n;
	enum err e = store_pins_expired(c->tx, c->now_us, PINS_PER_TURN, c->arena, &pins, &n);
	for (size_t i = 0; i < n && e == ERR_OK; i++) {
		struct app *app = chat_app_by_pk(c->chat->apps, pins[i].app);
		if (!app) continue;
		c->app = app;
		c->caller = CALLER_SERVER;
		e = unpin(c, pins[i].message_pk);
		c->app = NULL;
		chat_app_unref(app);
	}
	*again = e == ERR_OK && n == PINS_PER_TURN;
	return e;
}
