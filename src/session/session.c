#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "session/hub.h"

struct span session_id(const struct session *s) { return span_make(s->id, CONNECTION_ID_BYTES); }
int64_t session_user(const struct session *s) { return s->user_pk; }
int64_t session_app(const struct session *s) { return s->app; }

/* ---- slots ---- */

static bool slot_room(struct session_hub *h)
{
	if (h->free_slot_count || h->slot_count < h->slot_cap) return true;
	if (h->slot_cap > UINT32_MAX / 4) return false;
	uint32_t cap = h->slot_cap ? h->slot_cap * 2 : 64;
	struct session **sessions = realloc(h->sessions, cap * sizeof(struct session *));
	if (!sessions) return false;
	h->sessions = sessions;
	uint32_t *free_slots = realloc(h->free_slots, cap * sizeof *free_slots);
	if (!free_slots) return false;
	h->free_slots = free_slots;
	h->slot_cap = cap;
	return true;
}

struct session *session_create(struct session_hub *h, struct session_carrier *c, bool is_poll)
{
	if (!slot_room(h)) return NULL;
	struct session *s = calloc(1, sizeof *s);
	if (!s) return NULL;
	s->slot = h->free_slot_count ? h->free_slots[--h->free_slot_count] : h->slot_count++;
	h->sessions[s->slot] = s;
	s->hub = h;
	s->carrier = c;
	s->is_poll = is_poll;
	queue_init(&s->queue);
	connection_id_make(s->id, h->node, h->index, s->slot, h->id_seed, net_rng(h->loop));
	return s;
}

void hub_free_session(struct session *s)
{
	struct session_hub *h = s->hub;
	h->stats.bytes_queued -= (int64_t)(s->queue.bytes + s->queue.kept_bytes);
	queue_clear(&s->queue, &h->tails);
	replay_end(s);
	h->sessions[s->slot] = NULL;
	h->free_slots[h->free_slot_count++] = s->slot;
	free(s);
}

void session_abort(struct session *s)
{
	BECK_ASSERT(s->state == SESSION_CONNECTING);
	hub_free_session(s);
}

void session_release(struct session *s)
{
	BECK_ASSERT(s->state == SESSION_CLOSED);
	struct session_hub *h = s->hub;
	hub_free_session(s);
	hub_show_stats(h);
}

struct session *session_find(struct session_hub *h, struct span id)
{
	unsigned node, loop;
	uint32_t slot;
	if (!connection_id_loop(id, &node, &loop) || !connection_id_slot(id, h->id_seed, &slot) || node != h->node ||
		loop != h->index || slot >= h->slot_count)
		return NULL;
	struct session *s = h->sessions[slot];
	bool is_open = s && (s->state == SESSION_LIVE || s->state == SESSION_REPLAY);
	return is_open && span_eq(session_id(s), id) ? s : NULL;
}

void session_set_carrier(struct session *s, struct session_carrier *c)
{
	s->carrier = c;
	if (c && (queue_waiting(&s->queue) || s->state == SESSION_CLOSED)) session_ready(s);
}

/* ---- health ---- */

void session_rest(struct session *s)
{
	list_remove(&s->health);
	s->health_tick = s->hub->tick + TICKS(LIMIT_HEALTH_MS);
	list_push(&s->hub->health, &s->health);
}

static void write_start(struct jsonw *w, const struct session_start *start)
{
	jsonw_kraw(w, "me", start->me);
	if (start->gap) {
		jsonw_kbool(w, "gap", true);
	} else if (start->wants_seq && start->has_resume) {
		jsonw_kbool(w, "resumed", true);
	}
}

static struct frame *health_frame(const struct session *s, const struct session_start *start, int64_t seq, bool caught_up)
{
	struct buf b;
	struct jsonw w;
	buf_init(&b, 512 + (start ? start->me.n : 0));
	jsonw_init(&w, &b);
	jsonw_obj_begin(&w);
	jsonw_kstr(&w, "type", event_type_name(EVENT_HEALTH_CHECK));
	jsonw_kstr(&w, "connection_id", session_id(s));
	jsonw_kstr(&w, "cid", SPAN("*"));
	jsonw_ktime(&w, "created_at", (enum dialect)s->dialect, clock_wall_us(net_clock(s->hub->loop)));
	if (start) write_start(&w, start);
	if (caught_up) jsonw_kbool(&w, "caught_up", true);
	struct blob *body = b.failed ? NULL : blob_make(buf_span(&b));
	buf_deinit(&b);
	struct frame *f = body ? frame_make(body, FRAME_NO_COUNTS, 0, seq) : NULL;
	blob_unref(body);
	return f;
}

struct frame *session_health_frame(const struct session *s, const struct session_start *start, int64_t seq)
{
	return health_frame(s, start, seq, false);
}

struct frame *session_end_frame(const struct session *s) { return health_frame(s, NULL, -1, true); }

void session_health(struct session *s)
{
	if (s->state != SESSION_LIVE && s->state != SESSION_REPLAY) return;
	session_rest(s);
	struct frame *f = session_health_frame(s, NULL, -1);
	if (!f) {
		session_doom(s, CLOSE_FAULT);
	} else if (s->state == SESSION_REPLAY) {
		session_give_always(s, f, NULL); /* says nothing about the stream, so it need not wait for it */
	} else {
		session_give(s, f, NULL);
	}
	hub_close_doomed(s->hub);
	hub_show_stats(s->hub);
}

/* ---- closing ---- */

void session_detach(struct session *s)
{
	struct session_hub *h = s->hub;
	struct hub_user *u = s->user;
	bool last, visible = s->user_pk && registry_is_visible(h->registry, s->app, s->user_pk);
	list_remove(&s->health);
	list_remove(&s->care);
	list_remove(&s->check);
	replay_end(s);
	user_remove_session(u, s);
	registry_disconnect(h->registry, s->app, s->user_pk, &last);
	session_unsubscribe_all(s, visible, last);
	if (!u->sessions) user_release(h, u);
	h->open_count--;
	h->stats.sessions--;
	if (s->is_poll) h->stats.polls--;
}

/* The first item may be half written, so it always stays. */
static void trim_queue(struct session *s)
{
	struct tail_pool *tails = &s->hub->tails;
	int64_t before = (int64_t)(s->queue.bytes + s->queue.kept_bytes);
	while (queue_forget(&s->queue, tails)) {
	}
	if (s->close_code == 0 || s->close_code == CLOSE_SLOW) queue_cut(&s->queue, tails, 1);
	s->hub->stats.bytes_queued += (int64_t)s->queue.bytes - before;
}

void session_close(struct session *s, uint16_t close_code, struct blob *final_frame)
{
	struct session_hub *h = s->hub;
	if (s->state == SESSION_CLOSED) return;
	BECK_ASSERT(s->state != SESSION_CONNECTING);
	session_detach(s);
	s->state = SESSION_CLOSED;
	s->is_doomed = false;
	s->close_code = close_code;
	trim_queue(s);
	/* Without memory the close code alone has to say it. */
	struct frame *f = final_frame ? frame_make_whole(final_frame) : NULL;
	if (f && queue_push(&s->queue, f, NULL)) {
		h->stats.bytes_queued += f->bytes;
	} else {
		frame_unref(f);
	}
	if (s->carrier) {
		session_ready(s);
	} else {
		hub_free_session(s);
	}
	hub_show_stats(h);
}

bool session_is_closed(const struct session *s, uint16_t *close_code)
{
	if (s->state == SESSION_CLOSED) *close_code = s->close_code;
	return s->state == SESSION_CLOSED;
}

/* ---- draining ---- */

size_t session_peek(struct session *s, size_t from, struct session_out *out, size_t max)
{
	size_t n = queue_waiting(&s->queue), got = 0;
	for (; got < max && from + got < n; got++) {
		const struct queue_item *item = queue_at(&s->queue, (uint32_t)(from + got));
		const struct frame *f = item->frame;
		out[got] = (struct session_out){ f->head, f->head_n, blob_span(f->body),
			span_make(item->tail ? item->tail->p : f->tail, f->tail_n), f->pos };
	}
	return got;
}

void session_consume(struct session *s, size_t n)
{
	struct session_hub *h = s->hub;
	struct queue *q = &s->queue;
	int64_t before = (int64_t)(q->bytes + q->kept_bytes);
	bool keep = s->is_poll && s->wants_seq && s->state != SESSION_CLOSED;
	queue_consume(q, &h->tails, (uint32_t)n, keep);
	while (q->kept > LIMIT_POLL_QUEUE_EVENTS || q->kept_bytes > (uint64_t)LIMIT_QUEUE_HARD_BYTES)
		s->kept_floor = queue_forget(q, &h->tails);
	h->stats.bytes_queued += (int64_t)(q->bytes + q->kept_bytes) - before;
	if (BECK_UNLIKELY(list_linked(&s->care))) session_watch_slowness(s);
	if (BECK_UNLIKELY(s->state == SESSION_REPLAY)) {
		replay_go_on(s);
		hub_close_doomed(h);
	}
	hub_show_stats(h);
}

size_t session_queued(const struct session *s, size_t *bytes)
{
	if (bytes) *bytes = (size_t)s->queue.bytes;
	return queue_waiting(&s->queue);
}

bool session_rewind(struct session *s, int64_t seq)
{
	struct session_hub *h = s->hub;
	struct queue *q = &s->queue;
	if (!s->is_poll || !s->wants_seq || s->state == SESSION_CLOSED) return true;
	if (seq < 0) seq = 0;
	int64_t before = (int64_t)(q->bytes + q->kept_bytes);
	bool is_here = seq >= s->kept_floor;
	if (is_here) {
		while (q->kept && queue_at(q, 0 - q->kept)->frame->pos <= seq) queue_forget(q, &h->tails);
		queue_unkeep(q);
	} else if (!replay_again(s, seq)) {
		session_doom(s, CLOSE_FAULT);
	}
	s->kept_floor = seq;
	h->stats.bytes_queued += (int64_t)(q->bytes + q->kept_bytes) - before;
	if (s->replay) replay_go_on(s);
	hub_close_doomed(h);
	hub_show_stats(h);
	return is_here;
}
