/* One event to those sessions of this loop that get it (contract: connection-and-users-events.md 1). Order: totals move; frames
 * and tails are made as receivers need them; then what the event ends, ends. */
#include "session/hub.h"
#include "wire/dialect2.h"

enum view { VIEW_BODY, VIEW_NOTIFY, VIEW_NONE };
enum { TAILS_KEPT = 8, THIN_US = 5000000 };

struct fan {
	struct session_hub *h;
	struct event *e;
	bool is_filtered; /* by actor or by `only`: the receiver's user matters */
	bool has_counts, wants_member;
	struct frame *frames[2][2][2]; /* by view, by seq, by dialect */
	struct blob *rewritten[2];     /* bodies in dialect 2, by view */
	/* Receivers with the same totals share a tail: by seq, by hash of the totals. */
	struct {
		struct counts counts;
		struct tail *tail;
	} tails[2][TAILS_KEPT];
};

static void fan_begin(struct fan *f, struct session_hub *h, struct event *e)
{
	*f = (struct fan){ .h = h, .e = e };
	f->is_filtered = e->only || (e->flags & (EVENT_NOT_ACTOR | EVENT_ONLY_ACTOR));
	f->has_counts = e->flags & EVENT_HAS_COUNTS;
	f->wants_member = e->cls != EVENT_CLASS_OWN;
}

static void fan_end(struct fan *f)
{
	for (int i = 0; i < 8; i++) frame_unref(f->frames[i >> 2][i >> 1 & 1][i & 1]);
	blob_unref(f->rewritten[VIEW_BODY]);
	blob_unref(f->rewritten[VIEW_NOTIFY]);
	for (int i = 0; f->has_counts && i < 2 * TAILS_KEPT; i++)
		tail_unref(&f->h->tails, f->tails[i / TAILS_KEPT][i % TAILS_KEPT].tail);
}

/* Starting and stopping are two values of one thing. */
static uint16_t subject_kind(enum event_type t)
{
	if (t == EVENT_USER_WATCHING_STOP) t = EVENT_USER_WATCHING_START;
	return (uint16_t)(t + 1);
}

static enum frame_counts counts_of(const struct fan *f)
{
	if (!f->has_counts) return FRAME_NO_COUNTS;
	return f->wants_member ? FRAME_COUNTS : FRAME_COUNTS_AND_THREADS;
}

/* NULL without memory. */
static struct blob *fan_body(struct fan *f, enum view view, bool in_dialect_2)
{
	struct blob *body = view == VIEW_BODY ? f->e->body : f->e->notify;
	if (!in_dialect_2) return body;
	if (!f->rewritten[view]) f->rewritten[view] = event_in_dialect_2(body);
	return f->rewritten[view];
}

static struct frame *fan_frame(struct fan *f, enum view view, const struct session *s)
{
	const struct event *e = f->e;
	bool seq = s->wants_seq, in_dialect_2 = s->dialect == DIALECT_2;
	struct frame **at = &f->frames[view][seq][in_dialect_2];
	if (*at) return *at;
	struct blob *body = fan_body(f, view, in_dialect_2);
	struct frame *fr = body ? frame_make(body, counts_of(f), e->pos, seq && e->pos ? e->pos : -1) : NULL;
	if (!fr) return NULL;
	fr->is_droppable = e->flags & EVENT_DROPPABLE;
	/* Watching events are about their actor, presence about its user. */
	if (e->flags & EVENT_LATEST_ONLY) {
		fr->subject = (struct frame_subject){ e->channel,
			e->cls == EVENT_CLASS_PRESENCE || !e->actor ? e->user : e->actor, subject_kind(e->type) };
	}
	return *at = fr;
}

/* Whose counts the event shows: its own user's, or members'. Totals that are being recounted are not shown. */
static bool sees_counts(const struct fan *f, const struct hub_user *u)
{
	return u->is_known && (!f->wants_member || u->member_mark == f->h->mark);
}

static struct tail *fan_tail(struct fan *f, const struct frame *fr, const struct hub_user *u, bool seq)
{
	struct counts c = { u->total_unread, u->unread_channels, u->unread_threads };
	uint64_t mix = ((uint64_t)c.total * 31 + c.channels) * 31 + c.threads;
	unsigned slot = (unsigned)((mix * UINT64_C(0x9e3779b97f4a7c15)) >> 61) % TAILS_KEPT;
	struct tail *t = f->tails[seq][slot].tail;
	struct counts *had = &f->tails[seq][slot].counts;
	if (!t || had->total != c.total || had->channels != c.channels || had->threads != c.threads) {
		struct tail *made = tail_make(&f->h->tails, fr, &c);
		if (!made) return NULL;
		tail_unref(&f->h->tails, t);
		f->tails[seq][slot].tail = t = made;
		*had = c;
	}
	t->u.refs++;
	return t;
}

static bool passes(const struct fan *f, const struct hub_user *u)
{
	const struct event *e = f->e;
	bool is_actor = u->pk && u->pk == e->actor;
	if ((e->flags & EVENT_NOT_ACTOR) && is_actor) return false;
	if ((e->flags & EVENT_ONLY_ACTOR) && !is_actor) return false;
	return !e->only || (u->only_mark == f->h->mark) != ((e->flags & EVENT_ALL_BUT) != 0);
}

static inline void fan_give(struct fan *f, struct session *s, enum view view)
{
	const struct event *e = f->e;
	if (e->pos && e->pos <= s->floor) return;
	if (f->is_filtered && !passes(f, s->user)) return;
	bool seq = s->wants_seq;
	struct frame *fr = fan_frame(f, view, s);
	struct tail *t = NULL;
	if (fr && f->has_counts && sees_counts(f, s->user)) {
		t = fan_tail(f, fr, s->user, seq);
		if (!t) fr = NULL;
	}
	if (BECK_UNLIKELY(!fr)) {
		session_doom(s, CLOSE_FAULT); /* never skipped in silence */
		return;
	}
	session_give(s, frame_ref(fr), t);
}

/* ---- audiences ---- */

static void to_watchers(struct fan *f, const struct topic *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct session *s = t->refs[i].session;
		s->watch_mark = f->h->mark;
		if (f->e->body) fan_give(f, s, VIEW_BODY);
	}
}

/* Connections of members that do not watch (whoever watches is marked). */
static void to_other_members(struct fan *f, enum view view)
{
	const struct idset *members = member_index_get(&f->h->members, f->e->channel);
	uint32_t it = 0, handle;
	if (!members) return;
	while ((handle = idset_next(members, &it))) {
		const struct hub_user *u = slab_get(&f->h->users, handle);
		for (struct session *s = u->sessions; s; s = s->sibling)
			if (s->watch_mark != f->h->mark) fan_give(f, s, view);
	}
}

static void mark_watchers(struct session_hub *h, const struct topic *t)
{
	for (uint32_t i = 0; t && i < t->n; i++) t->refs[i].session->watch_mark = h->mark;
}

static void to_own(struct fan *f)
{
	const struct event *e = f->e;
	const struct hub_user *u = user_find(f->h, e->user);
	if (!u || u->app != e->app) return;
	for (struct session *s = u->sessions; s; s = s->sibling) {
		if ((e->flags & EVENT_NOT_WATCHING) && topic_subscription(&s->watches, e->channel)) continue;
		fan_give(f, s, VIEW_BODY);
	}
}

static void to_followers(struct fan *f)
{
	const struct topic *t = topic_find(&f->h->presence, f->e->user);
	for (uint32_t i = 0; t && i < t->n; i++)
		if (t->refs[i].session->app == f->e->app) fan_give(f, t->refs[i].session, VIEW_BODY);
}

/* Crowded channels: typing and read events are left out, watching events come at most once per while. Each loop decides for its
 * own. */
static bool is_thinned(struct session_hub *h, const struct event *e, struct topic *t)
{
	if (!(e->flags & (EVENT_THIN_WATCHERS | EVENT_THIN_5S))) return false;
	if (registry_watcher_count(h->registry, e->app, e->channel) <= LIMIT_WATCH_EVENTS_MAX) return false;
	if (e->flags & EVENT_THIN_WATCHERS) return true;
	int64_t now = net_now_us(h->loop);
	if (t->announced_us && now - t->announced_us < THIN_US) return true;
	t->announced_us = now ? now : 1;
	return false;
}

static void mark_only(struct session_hub *h, const struct event *e)
{
	for (size_t i = 0; e->only && i < e->only_count; i++) {
		struct hub_user *u = user_find(h, e->only[i]);
		if (u) u->only_mark = h->mark;
	}
}

static void deliver(struct fan *f)
{
	struct event *e = f->e;
	struct topic *t = e->channel ? topic_find(&f->h->watches, e->channel) : NULL;
	switch (e->cls) {
	case EVENT_CLASS_WATCH:
		if (t && is_thinned(f->h, e, t)) return;
		if (t) to_watchers(f, t);
		if (e->notify) to_other_members(f, VIEW_NOTIFY);
		break;
	case EVENT_CLASS_NOTIFY:
		mark_watchers(f->h, t);
		if (e->body) to_other_members(f, VIEW_BODY);
		break;
	case EVENT_CLASS_OWN:
		if (e->body) to_own(f);
		break;
	case EVENT_CLASS_PRESENCE:
		if (e->body) to_followers(f);
		break;
	case EVENT_CLASS_ONE: break;
	}
}

void fanout(struct session_hub *h, struct event *e)
{
	struct fan f;
	h->mark++;
	if (e->watcher) subscriptions_begin(h, e);
	bool counts_members = (e->flags & EVENT_HAS_COUNTS) && e->cls != EVENT_CLASS_OWN;
	if (e->move != MOVE_NONE || counts_members) totals_move(h, e, counts_members);
	if (e->body || e->notify) {
		fan_begin(&f, h, e);
		mark_only(h, e);
		deliver(&f);
		fan_end(&f);
	}
	/* Again: a session may have opened on an older picture in between. */
	if (e->flags & (EVENT_SHOWS_USER | EVENT_HIDES_USER) && user_find(h, e->user))
		registry_set_visible(h->registry, e->app, e->user, (e->flags & EVENT_SHOWS_USER) != 0);
	if (e->flags & EVENT_DROP_WATCH) subscriptions_drop(h, e);
	if (e->flags & EVENT_CHECK_WATCHES) check_by(h, e);
	hub_close_doomed(h);
	if (e->flags & EVENT_CLOSE_SESSIONS) hub_close_by(h, e);
	if (e->pos || e->move != MOVE_NONE) ring_add(&h->ring, e);
}

/* ---- one session alone ---- */

static enum view view_for(const struct session *s, const struct event *e)
{
	const struct hub_user *u = s->user;
	bool watches = e->channel && topic_subscription(&s->watches, e->channel);
	bool is_member = e->channel && totals_is_member(u, e->channel);
	switch (e->cls) {
	case EVENT_CLASS_WATCH:
		if (watches) return e->body ? VIEW_BODY : VIEW_NONE;
		return e->notify && is_member ? VIEW_NOTIFY : VIEW_NONE;
	case EVENT_CLASS_NOTIFY: return e->body && is_member && !watches ? VIEW_BODY : VIEW_NONE;
	case EVENT_CLASS_OWN:
		return e->body && u->pk && u->pk == e->user && !((e->flags & EVENT_NOT_WATCHING) && watches) ? VIEW_BODY
													     : VIEW_NONE;
	case EVENT_CLASS_PRESENCE: return e->body && topic_subscription(&s->presence, e->user) ? VIEW_BODY : VIEW_NONE;
	case EVENT_CLASS_ONE: break;
	}
	return VIEW_NONE;
}

void fanout_to(struct session *s, struct event *e)
{
	struct session_hub *h = s->hub;
	struct fan f;
	enum view view = s->app == e->app ? view_for(s, e) : VIEW_NONE;
	if (view == VIEW_NONE) return;
	h->mark++;
	fan_begin(&f, h, e);
	mark_only(h, e);
	if (e->channel && totals_is_member(s->user, e->channel)) s->user->member_mark = h->mark;
	fan_give(&f, s, view);
	fan_end(&f);
}
