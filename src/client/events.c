#include "client/events.h"

#include <string.h>

#include "base/json.h"
#include "client/client.h"
#include "client/reply.h"
#include "client/text.h"

struct handler {
	beck_handler id;  /* 0: taken away */
	char *type, *cid; /* NULL: any */
	beck_event_fn fn;
	void *ctx;
};

/* ---- the list ---- */

static void handler_free(struct handler *h)
{
	mem_free(h->type);
	mem_free(h->cid);
}

/* Order is kept: the program may count on it. */
static void compact(struct handlers *all)
{
	size_t kept = 0;
	for (size_t i = 0; i < all->n; i++) {
		if (all->items[i].id)
			all->items[kept++] = all->items[i];
		else
			handler_free(&all->items[i]);
	}
	all->n = kept;
}

static struct handler *room(struct handlers *all)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 8;
		struct handler *items = mem_realloc(all->items, cap * sizeof *items);
		if (!items) return NULL;
		all->items = items;
		all->cap = cap;
	}
	return &all->items[all->n];
}

static beck_handler add(struct handlers *all, const char *type, const char *cid, beck_event_fn fn, void *ctx)
{
	struct handler *h = room(all);
	if (!h) return 0;
	*h = (struct handler){ .fn = fn, .ctx = ctx };
	h->type = type ? client_strdup(type) : NULL;
	h->cid = cid ? client_strdup(cid) : NULL;
	if ((type && !h->type) || (cid && !h->cid)) {
		handler_free(h);
		return 0;
	}
	all->n++;
	return h->id = ++all->last;
}

beck_handler events_on(beck_client *c, const char *type, const char *cid, beck_event_fn fn, void *ctx)
{
	if (!c || !fn) return 0;
	client_lock(c);
	beck_handler id = add(&c->handlers, type, cid, fn, ctx);
	client_unlock(c);
	return id;
}

beck_handler beck_on(beck_client *c, const char *type, beck_event_fn fn, void *ctx) { return events_on(c, type, NULL, fn, ctx); }

void beck_off(beck_client *c, beck_handler id)
{
	if (!c || !id) return;
	client_lock(c);
	for (size_t i = 0; i < c->handlers.n; i++)
		if (c->handlers.items[i].id == id) c->handlers.items[i].id = 0;
	if (!c->handlers.running) compact(&c->handlers);
	client_unlock(c);
}

bool events_has(const beck_client *c, beck_handler id)
{
	for (size_t i = 0; i < c->handlers.n; i++)
		if (c->handlers.items[i].id == id) return true;
	return false;
}

void events_off_wait(beck_client *c, beck_handler id)
{
	if (!id) return; /* which is also the handler that runs when none does */
	beck_off(c, id);
	bool is_inside = client_in_callback(c);
	client_lock(c);
	while (!is_inside && c->handlers.current == id) (void)pthread_cond_wait(&c->changed, &c->lock);
	client_unlock(c);
}

void handlers_free(beck_client *c)
{
	for (size_t i = 0; i < c->handlers.n; i++) handler_free(&c->handlers.items[i]);
	mem_free(c->handlers.items);
}

/* ---- handing out ---- */

struct event_delivery {
	struct delivery deliver;
	struct beck_event *event;
};

static bool wants(const struct handler *h, const struct beck_event *e)
{
	return h->id && (!h->type || strcmp(h->type, e->type) == 0) && (!h->cid || strcmp(h->cid, e->cid) == 0);
}

/* Those added meanwhile wait for the next event; those taken away are not called any more. */
static void tell(beck_client *c, struct delivery *d)
{
	const struct beck_event *e = BECK_CONTAINER(d, struct event_delivery, deliver)->event;
	client_lock(c);
	c->handlers.running++;
	for (size_t i = 0, n = c->handlers.n; i < n; i++) {
		struct handler h = c->handlers.items[i];
		if (!wants(&h, e)) continue;
		c->handlers.current = h.id;
		client_unlock(c);
		h.fn(h.ctx, c, e);
		client_lock(c);
		c->handlers.current = 0;
		(void)pthread_cond_broadcast(&c->changed);
	}
	if (--c->handlers.running == 0) compact(&c->handlers);
	client_unlock(c);
}

static void forget(beck_client *c, struct delivery *d)
{
	struct event_delivery *e = BECK_CONTAINER(d, struct event_delivery, deliver);
	(void)c;
	beck_event_unref(e->event);
	mem_free(e);
}

bool events_give(beck_client *c, struct beck_event *event)
{
	struct event_delivery *d = mem_calloc(1, sizeof *d);
	if (!d) {
		beck_event_unref(event);
		return false;
	}
	d->event = event;
	deliver(c, &d->deliver, tell, forget);
	return true;
}

void events_give_local(beck_client *c, const char *type, struct span members)
{
	struct buf b;
	beck_result why;
	body_init(&b);
	buf_printf(&b, "{\"type\":\"%s\"", type);
	if (members.n) buf_add_char(&b, ',');
	buf_add_span(&b, members);
	buf_add_char(&b, '}');
	struct beck_event *e = b.failed ? NULL : event_create(buf_span(&b), true, &why);
	buf_deinit(&b);
	if (!e || !events_give(c, e)) client_log(c, BECK_LOG_ERROR, "out of memory: %s is not told", type);
}

void events_give_flag(beck_client *c, const char *type, const char *name, bool value)
{
	char member[64];
	int n = snprintf(member, sizeof member, "\"%s\":%s", name, value ? "true" : "false");
	events_give_local(c, type, span_make(member, n > 0 ? (size_t)n : 0));
}
