/* Rights to read that changed while people watch. Sessions whose watches are to be looked at stand in a list; a slice of them at
 * a time is asked about, so that a change that concerns a whole application costs the loop and the readers little at once. Until
 * its turn comes a session listens on. Nothing of it is on the way of a message. */
#include <stdlib.h>

#include "session/hub.h"

void check_session(struct session *s)
{
	if (s->watches.n && s->hub->ops->check && !list_linked(&s->check)) list_push(&s->hub->checks, &s->check);
}

static void of_user(struct session_hub *h, const struct event *e)
{
	const struct hub_user *u = user_find(h, e->user);
	for (struct session *s = u && u->app == e->app ? u->sessions : NULL; s; s = s->sibling) check_session(s);
}

static void of_channel(struct session_hub *h, const struct event *e)
{
	const struct topic *t = topic_find(&h->watches, e->channel);
	for (uint32_t i = 0; t && i < t->n; i++) check_session(t->refs[i].session);
}

static void of_app(struct session_hub *h, const struct event *e)
{
	for (uint32_t i = 0; i < h->slot_count; i++) {
		struct session *s = h->sessions[i];
		bool is_open = s && (s->state == SESSION_LIVE || s->state == SESSION_REPLAY);
		if (is_open && s->app == e->app) check_session(s);
	}
}

void check_by(struct session_hub *h, const struct event *e)
{
	if (e->user) {
		of_user(h, e);
	} else if (e->channel) {
		of_channel(h, e);
	} else {
		of_app(h, e);
	}
	check_go_on(h);
}

/* ---- a slice ---- */

static void add_watches(struct session_check *c, const struct session *s)
{
	for (uint32_t i = 0; i < s->watches.n; i++) {
		const struct subscription *w = &s->watches.items[i];
		c->items[c->n++] = (struct session_check_item){
			.user = s->user_pk, .channel = w->topic->key, .slot = s->slot, .serial = w->serial, .calls = w->calls
		};
	}
}

/* Sessions of one application, whole; at least one. */
static void fill(struct session_hub *h, struct session_check *c, size_t room)
{
	while (!list_empty(&h->checks)) {
		struct session *s = BECK_CONTAINER(h->checks.next, struct session, check);
		bool fits = c->n == 0 || (c->n + s->watches.n <= (size_t)LIMIT_WATCH_RECHECK_SLICE && s->app == c->app);
		if (!fits || c->n + s->watches.n > room) return;
		list_remove(&s->check);
		c->app = s->app;
		add_watches(c, s);
	}
}

void check_go_on(struct session_hub *h)
{
	if (h->is_checking || list_empty(&h->checks)) return;
	size_t room = (size_t)(LIMIT_WATCH_RECHECK_SLICE > LIMIT_WATCHES_PER_SESSION ? LIMIT_WATCH_RECHECK_SLICE
										     : LIMIT_WATCHES_PER_SESSION);
	struct session_check *c = calloc(1, sizeof *c + room * sizeof c->items[0]);
	if (!c) return; /* with the next tick */
	c->hub = h;
	fill(h, c, room);
	h->is_checking = true;
	h->ops->check(h->ops->ctx, c);
}

/* ---- the answer ---- */

/* The watch that was asked about, if it is still there. Serials are not given twice. */
static struct subscription *find(const struct session_hub *h, const struct session_check_item *item, struct session **s)
{
	*s = item->slot < h->slot_count ? h->sessions[item->slot] : NULL;
	struct subscription *w = *s ? topic_subscription(&(*s)->watches, item->channel) : NULL;
	return w && w->serial == item->serial ? w : NULL;
}

void check_answered(struct session_hub *h, const struct session_check *c)
{
	h->is_checking = false;
	for (size_t i = 0; i < c->n; i++) {
		struct session *s;
		const struct subscription *w = find(h, &c->items[i], &s);
		if (!w || (!c->failed && !c->items[i].lost)) continue;
		/* A call that asked for it since may have been granted it under newer rights. */
		if (c->failed || w->calls != c->items[i].calls) {
			check_session(s);
		} else {
			session_drop_watch(s, c->items[i].channel, true);
		}
	}
	if (!c->failed) check_go_on(h); /* else with the next tick */
}
