/* A resuming session: the log page by page into its queue, while live events are held back; when the log is through, live takes
 * over.
 *
 *   asks a page -> its events are queued -> (the queue drains) -> asks the next ... -> the page at the head -> (drains) -> held
 * ones -> LIVE
 *
 * At any time log and `held` together have everything: what `held` lets go of, a later page must cover (`need`). */
#include <stdlib.h>

#include "session/hub.h"
#include "wire/dialect2.h"

enum { HELD_MAX = 512 };

bool replay_begin(struct session *s, int64_t after, struct span old_id, bool says_end)
{
	struct replay *r = calloc(1, sizeof *r);
	if (!r) return false;
	queue_init(&r->held);
	r->upto = after;
	r->need = s->hub->ring.newest;
	if (old_id.n && old_id.n <= CONNECTION_ID_MAX) memcpy(r->old_id, old_id.p, old_id.n);
	r->says_end = says_end;
	s->replay = r;
	s->state = SESSION_REPLAY;
	return true;
}

void replay_end(struct session *s)
{
	if (!s->replay) return;
	queue_clear(&s->replay->held, &s->hub->tails);
	free(s->replay);
	s->replay = NULL;
}

static bool is_crowded(const struct queue *held)
{
	return queue_waiting(held) >= HELD_MAX || held->bytes > (uint64_t)LIMIT_QUEUE_SOFT_BYTES;
}

void replay_hold(struct session *s, struct frame *f, struct tail *t)
{
	struct replay *r = s->replay;
	struct tail_pool *tails = &s->hub->tails;
	if (is_crowded(&r->held)) {
		int64_t gone = queue_drop_durable(&r->held, tails, INT64_MAX);
		if (gone > r->need) r->need = gone;
	}
	bool is_full = is_crowded(&r->held);
	if (!is_full && !f->is_droppable && queue_push(&r->held, f, t)) return;
	tail_unref(tails, t);
	if (is_full && !f->is_droppable && queue_replace(&r->held, tails, f)) {
		s->hub->stats.events_dropped++;
		return;
	}
	if (f->is_droppable) {
		s->hub->stats.events_dropped++;
	} else {
		session_doom(s, is_full ? CLOSE_SLOW : CLOSE_FAULT);
	}
	frame_unref(f);
}

static void ask(struct session *s)
{
	struct session_hub *h = s->hub;
	uint32_t n = s->watches.n, followed = s->presence.n;
	int64_t *keys = malloc((n + followed + 1) * sizeof *keys);
	if (!keys) {
		session_doom(s, CLOSE_FAULT);
		return;
	}
	for (uint32_t i = 0; i < n; i++) keys[i] = s->watches.items[i].topic->key;
	for (uint32_t i = 0; i < followed; i++) keys[n + i] = s->presence.items[i].topic->key;
	struct session_interest in = { keys, n, keys + n, followed };
	s->replay->is_asked = true;
	h->ops->replay(h->ops->ctx, h, session_id(s), s->app, s->user_pk, s->replay->upto, &in, (enum dialect)s->dialect);
	free(keys);
}

/* A health.check with `caught_up`: what was missed has been said, what follows is live. */
static void say_end(struct session *s)
{
	struct frame *f = session_end_frame(s);
	if (f)
		session_give_always(s, f, NULL);
	else
		session_doom(s, CLOSE_FAULT);
}

static void go_live(struct session *s)
{
	struct session_hub *h = s->hub;
	struct replay *r = s->replay;
	s->state = SESSION_LIVE;
	s->replay = NULL;
	if (r->upto > s->floor) s->floor = r->upto;
	if (r->says_end) say_end(s);
	queue_drop_durable(&r->held, &h->tails, r->upto);
	for (uint32_t i = 0; i < queue_waiting(&r->held); i++) {
		struct queue_item item = *queue_at(&r->held, i);
		if (item.tail) item.tail->u.refs++;
		session_give_always(s, frame_ref(item.frame), item.tail);
	}
	queue_clear(&r->held, &h->tails);
	if (r->old_id[0]) post_close_old(h, span_str(r->old_id), s->app, s->user_pk);
	free(r);
}

/* Little enough waits that another page, of LIMIT_REPLAY_BYTES and one event at most, stays far from the hard limit, and a peer
 * that reads on is soon under the soft one when live takes over. */
static bool is_drained(const struct queue *q)
{
	return queue_waiting(q) <= LIMIT_POLL_BATCH && q->bytes <= (uint64_t)LIMIT_QUEUE_SOFT_BYTES / 4;
}

void replay_go_on(struct session *s)
{
	struct replay *r = s->replay;
	if (!r || s->is_doomed || r->is_asked || !is_drained(&s->queue)) return;
	if (r->at_head && r->upto >= r->need) {
		go_live(s);
	} else {
		ask(s);
	}
}

bool replay_again(struct session *s, int64_t after)
{
	struct tail_pool *tails = &s->hub->tails;
	if (!s->replay && !replay_begin(s, after, SPAN_NONE, false)) return false;
	struct replay *r = s->replay;
	while (queue_forget(&s->queue, tails)) {
	}
	queue_drop_durable(&s->queue, tails, INT64_MAX);
	r->upto = after;
	r->at_head = false;
	r->is_stale = r->is_asked;
	return true;
}

/* Counts are the present ones: what they were then, nobody knows any more. */
static bool give_event(struct session *s, const struct event *e)
{
	struct tail_pool *tails = &s->hub->tails;
	const struct hub_user *u = s->user;
	bool is_own = e->cls == EVENT_CLASS_OWN;
	bool has_counts = (e->flags & EVENT_HAS_COUNTS) && u->is_known && (is_own || totals_is_member(u, e->channel));
	enum frame_counts counts = !has_counts ? FRAME_NO_COUNTS : is_own ? FRAME_COUNTS_AND_THREADS : FRAME_COUNTS;
	struct counts c = { u->total_unread, u->unread_channels, u->unread_threads };
	struct blob *body = s->dialect == DIALECT_2 ? event_in_dialect_2(e->body) : blob_ref(e->body);
	struct frame *f = body ? frame_make(body, counts, e->pos, s->wants_seq ? e->pos : -1) : NULL;
	blob_unref(body);
	struct tail *t = f && has_counts ? tail_make(tails, f, &c) : NULL;
	if (!f || (has_counts && !t)) {
		frame_unref(f);
		return false;
	}
	session_give_always(s, f, t);
	return true;
}

static void give_page(struct session *s, const struct session_replay_page *p)
{
	struct replay *r = s->replay;
	int64_t upto = p->upto;
	for (size_t i = 0; i < p->n && !s->is_doomed; i++) {
		const struct event *e = p->events[i];
		if (!e->body || e->pos <= r->upto) continue;
		if (!give_event(s, e)) {
			session_doom(s, CLOSE_FAULT);
			return;
		}
		if (e->pos > upto) upto = e->pos;
	}
	/* A page that neither ends nor gets on would be asked for for ever. */
	if (!p->at_head && upto <= r->upto) session_doom(s, CLOSE_FAULT);
	if (upto > r->upto) r->upto = upto;
	r->at_head = p->at_head;
}

void replay_answered(struct session_hub *h, struct session_replay_page *p)
{
	struct session *s = session_find(h, span_str(p->connection_id));
	struct replay *r = s ? s->replay : NULL;
	if (!r || !r->is_asked) return; /* it ended meanwhile */
	bool is_stale = r->is_stale;
	r->is_asked = r->is_stale = false;
	if (p->failed && !is_stale) {
		session_doom(s, CLOSE_FAULT);
	} else if (!is_stale) {
		give_page(s, p);
	}
	replay_go_on(s);
	hub_close_doomed(h);
}
