/* Into a session's queue, and the limits on the way. */
#include "session/hub.h"

void session_ready(struct session *s)
{
	if (s->carrier) s->carrier->ready(s->carrier);
}

void session_doom(struct session *s, uint16_t code)
{
	if (s->is_doomed || s->state == SESSION_CLOSED) return;
	s->is_doomed = true;
	s->close_code = code;
	list_remove(&s->care);
	list_push(&s->hub->doomed, &s->care);
}

static void drop(struct session *s, struct frame *f, struct tail *t)
{
	frame_unref(f);
	tail_unref(&s->hub->tails, t);
}

static bool is_over_soft(const struct session *s) { return s->queue.bytes > (uint64_t)LIMIT_QUEUE_SOFT_BYTES; }

static void be_slow(struct session *s)
{
	s->slow_tick = s->hub->tick;
	s->slow_taken = s->carrier && s->carrier->taken ? s->carrier->taken(s->carrier) : s->slow_taken;
	list_push(&s->hub->slow, &s->care);
}

bool session_goes_on(struct session *s)
{
	int64_t since = s->slow_taken;
	list_remove(&s->care);
	be_slow(s);
	return s->slow_taken - since >= LIMIT_QUEUE_TAKEN_BYTES;
}

/* Polls come when they come: their sessions are bounded by count and expiry, not by the soft limit's clock. */
void session_watch_slowness(struct session *s)
{
	if (s->is_doomed) return;
	bool is_slow = !s->is_poll && s->state != SESSION_CLOSED && is_over_soft(s);
	if (is_slow && !list_linked(&s->care)) {
		be_slow(s);
	} else if (!is_slow) {
		list_remove(&s->care);
	}
}

static void put(struct session *s, struct frame *f, struct tail *t)
{
	bool was_empty = queue_waiting(&s->queue) == 0;
	if (BECK_UNLIKELY(!queue_push(&s->queue, f, t))) {
		drop(s, f, t);
		session_doom(s, CLOSE_FAULT);
		return;
	}
	s->hub->stats.events_delivered++;
	s->hub->stats.bytes_queued += f->bytes;
	if (was_empty) session_ready(s);
}

/* Above a limit. True: the frame is dealt with. */
static bool give_slow(struct session *s, struct frame *f, struct tail *t)
{
	struct session_hub *h = s->hub;
	uint64_t before = s->queue.bytes;
	if (is_over_soft(s) && f->is_droppable) {
		h->stats.events_dropped++;
		drop(s, f, t);
		return true;
	}
	if (is_over_soft(s) && queue_replace(&s->queue, &h->tails, f)) {
		tail_unref(&h->tails, t);
		h->stats.bytes_queued += (int64_t)s->queue.bytes - (int64_t)before;
		h->stats.events_dropped++;
		return true;
	}
	bool too_much = s->queue.bytes + f->bytes > (uint64_t)LIMIT_QUEUE_HARD_BYTES;
	bool too_many = s->is_poll && queue_waiting(&s->queue) >= (uint64_t)LIMIT_POLL_QUEUE_EVENTS;
	if (!too_much && !too_many) return false;
	h->stats.closed_slow++;
	drop(s, f, t);
	session_doom(s, CLOSE_SLOW);
	return true;
}

void session_give(struct session *s, struct frame *f, struct tail *t)
{
	if (BECK_UNLIKELY(s->is_doomed || s->state == SESSION_CLOSED)) {
		drop(s, f, t);
		return;
	}
	if (BECK_UNLIKELY(s->state == SESSION_REPLAY)) {
		replay_hold(s, f, t);
		return;
	}
	bool may_be_slow = s->queue.bytes + f->bytes > (uint64_t)LIMIT_QUEUE_SOFT_BYTES ||
			   (s->is_poll && queue_waiting(&s->queue) >= (uint64_t)LIMIT_POLL_QUEUE_EVENTS);
	if (BECK_UNLIKELY(may_be_slow) && give_slow(s, f, t)) return;
	put(s, f, t);
	if (BECK_UNLIKELY(may_be_slow)) session_watch_slowness(s);
}

void session_give_always(struct session *s, struct frame *f, struct tail *t)
{
	put(s, f, t);
	session_watch_slowness(s);
}
