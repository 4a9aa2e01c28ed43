/* What a session listens to: watched channels and the presence of users. */
#include <stdlib.h>

#include "session/hub.h"

/* Whether his coming and going is anybody's business. */
static bool is_visible(const struct session *s)
{
	return s->user_pk && registry_is_visible(s->hub->registry, s->app, s->user_pk);
}

/* 0 is nobody's. */
static uint32_t next_serial(struct session_hub *h) { return ++h->serial ? h->serial : ++h->serial; }

/* At its largest a count is stuck: the subscription ends with the session. */
uint32_t subscription_hold(struct subscription *sub)
{
	if (sub->calls < UINT16_MAX) sub->calls++;
	return sub->serial;
}

/* True: nobody else asked for it. One of the same name that came later is another call's. */
static bool let_go(struct subscription *sub, uint32_t serial)
{
	return sub && sub->serial == serial && sub->calls < UINT16_MAX && --sub->calls == 0;
}

struct subscription *session_watch(struct session *s, int64_t channel, bool is_quiet, bool *first, int64_t *count)
{
	struct session_hub *h = s->hub;
	struct subscription *w = topic_subscription(&s->watches, channel);
	*first = false;
	if (w) {
		w->is_quiet = w->is_quiet && is_quiet;
		*count = registry_watcher_count(h->registry, s->app, channel);
		return w;
	}
	if (s->watches.n >= LIMIT_WATCHES_PER_SESSION || !(w = topic_add(&h->watches, s, channel))) {
		*count = registry_watcher_count(h->registry, s->app, channel);
		return NULL;
	}
	w->is_quiet = is_quiet;
	w->serial = next_serial(h);
	bool visible = !s->user_pk || registry_is_visible(h->registry, s->app, s->user_pk);
	if (registry_watch(h->registry, s->app, channel, s->user_pk, visible, first, count)) return w;
	topic_remove(&h->watches, s, w);
	*first = false;
	*count = registry_watcher_count(h->registry, s->app, channel);
	return NULL;
}

void session_unwatch(struct session *s, struct subscription *w, bool *last, int64_t *count)
{
	int64_t channel = w->topic->key;
	topic_remove(&s->hub->watches, s, w);
	registry_unwatch(s->hub->registry, s->app, channel, s->user_pk, last, count);
}

struct subscription *session_follow(struct session *s, int64_t user, int64_t cause)
{
	struct subscription *p = topic_subscription(&s->presence, user);
	if (p) {
		if (p->cause != cause) p->cause = 0; /* brought by several: it stays as long as the session */
	} else {
		if (s->presence.n >= LIMIT_PRESENCE_PER_SESSION || !(p = topic_add(&s->hub->presence, s, user))) return NULL;
		p->cause = cause;
		p->serial = next_serial(s->hub);
	}
	(void)subscription_hold(p);
	return p;
}

static void unfollow_cause(struct session *s, int64_t channel)
{
	for (uint32_t i = s->presence.n; i-- > 0;)
		if (s->presence.items[i].cause == channel) topic_remove(&s->hub->presence, s, &s->presence.items[i]);
}

/* ---- ending ---- */

/* Without memory for the list the announcements are lost (they are ephemeral), the watches end all the same. */
void session_unsubscribe_all(struct session *s, bool visible, bool last_session)
{
	struct session_hub *h = s->hub;
	uint32_t n = 0, most = s->watches.n;
	int64_t *channels = most && visible ? malloc(2 * most * sizeof *channels) : NULL,
		*counts = channels ? channels + most : NULL;
	while (s->watches.n) {
		struct subscription *w = &s->watches.items[s->watches.n - 1];
		int64_t channel = w->topic->key, count;
		bool is_quiet = w->is_quiet, last;
		session_unwatch(s, w, &last, &count);
		if (!channels || is_quiet || !last) continue;
		channels[n] = channel;
		counts[n++] = count;
	}
	topic_remove_all(&h->presence, s);
	if (visible && (n || last_session)) h->ops->ended(h->ops->ctx, s->app, s->user_pk, channels, counts, n, last_session);
	free(channels);
}

void session_drop_watch(struct session *s, int64_t channel, bool is_told)
{
	struct session_hub *h = s->hub;
	struct subscription *w = topic_subscription(&s->watches, channel);
	bool last, is_quiet;
	int64_t count;
	unfollow_cause(s, channel);
	if (!w) return;
	is_quiet = w->is_quiet;
	session_unwatch(s, w, &last, &count);
	if (is_told && last && !is_quiet && is_visible(s))
		h->ops->ended(h->ops->ctx, s->app, s->user_pk, &channel, &count, 1, false);
}

/* Over a limit or without memory nothing happens: the request that follows says so. It also says whether its coming is anybody's
 * business, until then it is not; and it holds the watch. */
void subscriptions_begin(struct session_hub *h, const struct event *e)
{
	struct session *s = session_find(h, blob_span(e->watcher));
	bool first;
	int64_t count;
	if (s && s->app == e->app && s->user_pk == e->actor) (void)session_watch(s, e->channel, true, &first, &count);
}

/* When the channel itself ends nobody is left to be told. */
void subscriptions_drop(struct session_hub *h, const struct event *e)
{
	if (e->user) {
		struct hub_user *u = user_find(h, e->user);
		for (struct session *s = u && u->app == e->app ? u->sessions : NULL; s; s = s->sibling)
			session_drop_watch(s, e->channel, true);
		return;
	}
	struct topic *t;
	while ((t = topic_find(&h->watches, e->channel))) session_drop_watch(t->refs[t->n - 1].session, e->channel, false);
}

/* ---- by connection_id ---- */

static void unwatch_list(struct session *s, struct session_subscribe *r)
{
	for (size_t i = 0; i < r->unwatch_count; i++) {
		struct subscription *w = topic_subscription(&s->watches, r->unwatch[i]);
		bool last = false, is_quiet = w && w->is_quiet;
		int64_t count = registry_watcher_count(s->hub->registry, s->app, r->unwatch[i]);
		if (w) session_unwatch(s, w, &last, &count);
		unfollow_cause(s, r->unwatch[i]);
		if (r->last) r->last[i] = last && !is_quiet && is_visible(s);
		if (r->watcher_count) r->watcher_count[i] = count;
	}
}

static void watch_list(struct session *s, struct session_subscribe *r)
{
	for (size_t i = 0; i < r->channel_count; i++) {
		bool first, is_quiet = r->quiet && r->quiet[i];
		int64_t count;
		/* over a limit: the first ones, no error */
		struct subscription *w = session_watch(s, r->channels[i], is_quiet, &first, &count);
		uint32_t serial = w ? subscription_hold(w) : 0;
		if (r->watch_serials) r->watch_serials[i] = serial;
		if (r->first) r->first[i] = first && is_visible(s);
		if (r->watcher_count) r->watcher_count[i] = count;
	}
}

static void follow_list(struct session *s, const struct session_subscribe *r)
{
	for (size_t i = 0; i < r->presence_count; i++) {
		int64_t cause = r->presence_channels ? r->presence_channels[i] : r->channel_count == 1 ? r->channels[0] : 0;
		struct subscription *p = session_follow(s, r->presence[i], cause);
		if (!p) return;
		if (r->presence_serials) r->presence_serials[i] = p->serial;
	}
}

void subscribe_run(struct session_hub *h, struct session_subscribe *r)
{
	struct session *s = session_find(h, span_str(r->connection_id));
	r->found = s && s->app == r->app && s->user_pk == r->user;
	if (r->found) {
		unwatch_list(s, r);
		watch_list(s, r);
		follow_list(s, r);
	}
	r->done(r);
}

/* Nobody was told of these, so nobody is told of their end. */
void subscribe_take_back(struct session_hub *h, struct session_subscribe *r)
{
	struct session *s = session_find(h, span_str(r->connection_id));
	for (size_t i = 0; s && i < r->channel_count; i++) {
		struct subscription *w = r->watch_serials[i] ? topic_subscription(&s->watches, r->channels[i]) : NULL;
		if (let_go(w, r->watch_serials[i])) session_drop_watch(s, r->channels[i], false);
	}
	for (size_t i = 0; s && i < r->presence_count; i++) {
		struct subscription *p = r->presence_serials[i] ? topic_subscription(&s->presence, r->presence[i]) : NULL;
		if (let_go(p, r->presence_serials[i])) topic_remove(&h->presence, s, p);
	}
	r->done(r);
}
