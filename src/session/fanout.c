/* From one committed event to the queues of this loop. */
#include "session/hub.h"

/* The encodings of one event that were needed so far. */
struct views {
	const struct event *e;
	struct encoded *of[2][2]; /* [notify][seq] */
};

static struct encoded *view(struct views *v, bool notify, bool seq)
{
	struct encoded **slot = &v->of[notify][seq];
	struct blob *body = notify ? v->e->notify : v->e->body;
	if (!*slot && body) *slot = encoded_make(body, v->e->flags & EVENT_HAS_COUNTS, seq && v->e->pos ? v->e->pos : 0);
	return *slot;
}

static void free_views(struct views *v)
{
	for (int i = 0; i < 4; i++)
		encoded_unref(v->of[i / 2][i % 2]);
}

static bool is_listed(const struct event *e, int64_t user)
{
	if (!e->only) return true;
	for (size_t i = 0; i < e->only_count; i++)
		if (e->only[i] == user) return true;
	return false;
}

/* The flags that choose among sessions of the class. */
static bool wants(const struct event *e, const struct session *s)
{
	if (s->state == SESSION_LIVE) {
		if (e->pos && e->pos <= s->seen_pos) return false;
	} else if (s->state != SESSION_REPLAY || e->pos) {
		return false; /* durable events wait in the log and the ring */
	}
	if (e->flags & EVENT_NOT_ACTOR && s->user == e->actor) return false;
	if (e->flags & EVENT_ONLY_ACTOR && s->user != e->actor) return false;
	return is_listed(e, s->user);
}

static void give(struct views *v, struct session *s, bool notify, const struct hub_user *counts)
{
	struct encoded *e = view(v, notify, s->wants_seq);
	if (e) {
		queue_push(s, e, counts, v->e);
	} else if (notify ? v->e->notify != NULL : v->e->body != NULL) {
		session_close(s, 1011, NULL); /* no memory: closed, not skipped */
	}
}

bool session_watches(const struct session *s, const struct hub_channel *c)
{
	for (uint32_t i = 0; c && i < s->watch_count; i++)
		if (s->watches[i] == c->index) return true;
	return false;
}

/* Counts ride only for members: others have none. */
static const struct hub_user *counts_for(const struct event *e, const struct session *s, const struct hub_channel *c)
{
	if (!(e->flags & EVENT_HAS_COUNTS) || !s->u) return NULL;
	return !c || e->cls == EVENT_CLASS_OWN || user_is_member(s->u, c->index) ? s->u : NULL;
}

static bool is_thinned(struct session_hub *h, const struct event *e)
{
	if (!(e->flags & (EVENT_THIN_WATCHERS | EVENT_THIN_5S))) return false;
	if (registry_watcher_count(h->reg, e->app, e->channel) <= LIMIT_WATCH_EVENTS_MAX) return false;
	/* 5 s: decided once, where the event is made (registry_may_announce); here only the dropped kind is looked at. */
	return e->flags & EVENT_THIN_WATCHERS;
}

/* Sessions may close, and so leave the lists, while they are given something: walked from the end, where a swap-removal cannot skip. */
static void to_watchers(struct views *v, struct hub_channel *c)
{
	for (uint32_t i = c->watcher_count; i-- > 0;) {
		if (i >= c->watcher_count) continue;
		struct session *s = c->watchers[i];
		if (wants(v->e, s)) give(v, s, false, counts_for(v->e, s, c));
	}
}

static void to_user(struct session_hub *h, struct views *v, struct hub_user *u, struct hub_channel *c, bool notify)
{
	struct list *n = u->sessions.next, *next;
	for (; n != &u->sessions; n = next) {
		next = n->next;
		struct session *s = BECK_CONTAINER(n, struct session, user_node);
		bool skip = (notify || v->e->flags & EVENT_NOT_WATCHING) && session_watches(s, c);
		if (skip || !wants(v->e, s)) continue;
		bool last = next == &u->sessions && s->user_node.prev == &u->sessions;
		give(v, s, notify, counts_for(v->e, s, c));
		if (last) return; /* if it closed, the user is gone with it */
	}
	(void)h;
}

static void to_members(struct session_hub *h, struct views *v, struct hub_channel *c)
{
	for (uint32_t i = c->member_count; i-- > 0;) {
		if (i >= c->member_count) continue;
		to_user(h, v, table_get(&h->users, c->members[i].user), c, true);
	}
}

static void to_presence(struct session_hub *h, struct views *v)
{
	struct hub_presence *p = u64map_get(&h->presence_by_user, (uint64_t)v->e->user);
	for (uint32_t i = p ? p->n : 0; i-- > 0;) {
		if (!u64map_get(&h->presence_by_user, (uint64_t)v->e->user)) return; /* its last session closed */
		if (i < p->n && wants(v->e, p->sessions[i])) give(v, p->sessions[i], false, NULL);
	}
}

static void drop_watches(struct session_hub *h, const struct event *e)
{
	struct hub_channel *c = channel_find(h, e->channel);
	bool last;
	int64_t count;
	for (uint32_t i = c ? c->watcher_count : 0; i-- > 0;) {
		if (!channel_find(h, e->channel)) return;
		struct session *s = c->watchers[i];
		if (e->user == 0 || s->user == e->user) session_unwatch(s, c->index, &last, &count);
	}
}

static void close_sessions(struct session_hub *h, const struct event *e)
{
	struct hub_user *u;
	while ((u = u64map_get(&h->user_by_pk, (uint64_t)e->user)) != NULL && !list_empty(&u->sessions)) {
		struct session *s = BECK_CONTAINER(u->sessions.next, struct session, user_node);
		session_close(s, e->close_code, e->close_frame);
	}
}

void fanout(struct session_hub *h, const struct event *e)
{
	struct views v = { .e = e };
	struct hub_channel *c = channel_find(h, e->channel);
	if (!is_thinned(h, e)) {
		struct hub_user *u;
		switch (e->cls) {
		case EVENT_CLASS_WATCH:
			if (c && e->body) to_watchers(&v, c);
			c = channel_find(h, e->channel);
			if (c && e->notify) to_members(h, &v, c);
			break;
		case EVENT_CLASS_OWN:
			u = u64map_get(&h->user_by_pk, (uint64_t)e->user);
			if (u && e->body) to_user(h, &v, u, c, false);
			break;
		case EVENT_CLASS_PRESENCE:
			if (e->body) to_presence(h, &v);
			break;
		default: break;
		}
	}
	free_views(&v);
	if (e->flags & EVENT_DROP_WATCH) drop_watches(h, e);
	if (e->flags & EVENT_CLOSE_SESSIONS) close_sessions(h, e);
}

void fanout_one(struct session *s, const struct event *e)
{
	struct views v = { .e = e };
	struct hub_channel *c = channel_find(s->hub, e->channel);
	bool watching = session_watches(s, c);
	if (wants(e, s)) {
		if (e->cls == EVENT_CLASS_WATCH && watching) {
			give(&v, s, false, counts_for(e, s, c));
		} else if (e->cls == EVENT_CLASS_WATCH && e->notify && c && s->u && user_is_member(s->u, c->index)) {
			give(&v, s, true, s->u);
		} else if (e->cls == EVENT_CLASS_OWN && e->user == s->user && !(e->flags & EVENT_NOT_WATCHING && watching)) {
			give(&v, s, false, counts_for(e, s, c));
		} else if (e->cls == EVENT_CLASS_PRESENCE) {
			for (uint32_t i = 0; i < s->presence_count; i++)
				if (s->presence[i] == e->user) give(&v, s, false, NULL);
		}
	}
	free_views(&v);
}
