#include "client/timer.h"

#include "client/call.h"
#include "client/client.h"

void timers_init(struct timers *all) { list_init(&all->set); }

void timer_set(beck_client *c, struct timer *t, int64_t after_ms, void (*fn)(beck_client *c, struct timer *t))
{
	list_remove(&t->in);
	t->at_ms = client_now_ms(c) + (after_ms > 0 ? after_ms : 0);
	t->fn = fn;
	list_push(&c->timers.set, &t->in);
	client_wake(c);
}

void timer_stop(struct timer *t) { list_remove(&t->in); }

/* Few are ever set: a handful of the connection's, one per waiting call and per channel where somebody types. */
static struct timer *earliest(const struct timers *all)
{
	struct timer *best = NULL;
	for (struct list *l = all->set.next; l != &all->set; l = l->next) {
		struct timer *t = BECK_CONTAINER(l, struct timer, in);
		if (!best || t->at_ms < best->at_ms) best = t;
	}
	return best;
}

int64_t timers_wait_ms(const struct timers *all, int64_t now_ms)
{
	const struct timer *t = earliest(all);
	if (!t) return -1;
	return t->at_ms > now_ms ? t->at_ms - now_ms : 0;
}

void timers_run(beck_client *c, int64_t now_ms)
{
	struct timer *t;
	while ((t = earliest(&c->timers)) != NULL && t->at_ms <= now_ms) {
		list_remove(&t->in);
		t->fn(c, t);
	}
}

/* ---- for those who have no place for a timer of their own ---- */

struct owned_timer {
	struct timer timer;
	struct list in;
	void *owner;
	int kind;
	client_timer_fn fn;
};

static struct owned_timer *find(beck_client *c, const void *owner, int kind)
{
	for (struct list *l = c->owned_timers.next; l != &c->owned_timers; l = l->next) {
		struct owned_timer *o = BECK_CONTAINER(l, struct owned_timer, in);
		if (o->owner == owner && o->kind == kind) return o;
	}
	return NULL;
}

static void drop(struct owned_timer *o)
{
	timer_stop(&o->timer);
	list_remove(&o->in);
	mem_free(o);
}

static void ring(beck_client *c, struct timer *t)
{
	struct owned_timer *o = BECK_CONTAINER(t, struct owned_timer, timer);
	void *owner = o->owner;
	client_timer_fn fn = o->fn;
	drop(o);
	fn(c, owner);
}

bool client_timer(beck_client *c, void *owner, int kind, int64_t after_ms, client_timer_fn fn)
{
	struct owned_timer *o = find(c, owner, kind);
	if (after_ms < 0) {
		if (o) drop(o);
		return true;
	}
	if (!o) {
		o = mem_calloc(1, sizeof *o);
		if (!o) return false;
		o->owner = owner;
		o->kind = kind;
		list_push(&c->owned_timers, &o->in);
	}
	o->fn = fn;
	timer_set(c, &o->timer, after_ms, ring);
	return true;
}

void client_timers_free(beck_client *c)
{
	while (!list_empty(&c->owned_timers)) drop(BECK_CONTAINER(c->owned_timers.next, struct owned_timer, in));
}
