#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session/hub.h"
#include "wire/ws.h"

/* Numbers are padded with leading blanks to ten places, which JSON allows, so that the tails of all receivers have one length. */
static void write_counts(char *out, const struct hub_user *u)
{
	char text[COUNTS_WIDTH + 1];
	int n = snprintf(text, sizeof text, ",\"total_unread_count\":%10u,\"unread_channels\":%10u,\"unread_count\":%10u", (unsigned)u->total_unread,
		(unsigned)u->unread_channels, (unsigned)u->total_unread);
	memset(out, ' ', COUNTS_WIDTH);
	memcpy(out, text, (size_t)n);
}

struct encoded *encoded_make(struct blob *body, bool has_counts, int64_t seq)
{
	struct encoded *e = malloc(sizeof *e);
	if (!e) return NULL;
	size_t n = has_counts ? COUNTS_WIDTH : 0;
	memset(e->tail, ' ', n);
	if (seq) n += (size_t)snprintf(e->tail + n, sizeof e->tail - n, ",\"seq\":%lld", (long long)seq);
	e->tail[n++] = '}';
	e->tail_n = (uint16_t)n;
	e->body = blob_ref(body);
	e->refs = 1;
	e->head_n = (uint8_t)ws_head(e->head, WS_TEXT, body->n + n, false);
	return e;
}

void encoded_unref(struct encoded *e)
{
	if (!e || --e->refs) return;
	blob_unref(e->body);
	free(e);
}

static size_t item_bytes(const struct out_item *i) { return i->e->body->n + i->e->tail_n + i->e->head_n; }

static void item_free(struct session *s, struct out_item *i)
{
	s->bytes -= item_bytes(i);
	atomic_fetch_sub_explicit(&s->hub->stat_bytes, (long long)item_bytes(i), memory_order_relaxed);
	encoded_unref(i->e);
	free(i->tail);
}

static struct out_item *at(struct session *s, uint32_t i)
{
	uint32_t k = s->first + i;
	return &s->items[k < s->cap ? k : k - s->cap];
}

static bool has_room(struct session *s)
{
	if (s->n < s->cap) return true;
	uint32_t cap = s->cap ? s->cap * 2 : 8;
	struct out_item *items = malloc(cap * sizeof *items);
	if (!items) return false;
	for (uint32_t i = 0; i < s->n; i++)
		items[i] = *at(s, i);
	free(s->items);
	s->items = items;
	s->first = 0;
	s->cap = cap;
	return true;
}

static void drop_front(struct session *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		item_free(s, at(s, i));
	s->first = s->cap ? (s->first + n) % s->cap : 0;
	s->n -= n;
	if (s->n) return;
	free(s->items); /* an idle session holds nothing */
	s->items = NULL;
	s->first = s->cap = 0;
}

void queue_clear(struct session *s)
{
	if (s->n) drop_front(s, s->n);
	s->taken = 0;
}

/* Slow: the newest value of a subject takes the place of the one that still waits. */
static bool replace_older(struct session *s, struct encoded *e, int64_t subject, uint16_t kind)
{
	for (uint32_t i = s->taken; i < s->n; i++) {
		struct out_item *old = at(s, i);
		if (old->subject != subject || old->kind != kind || i == s->taken) continue; /* the first may be half written */
		s->bytes = s->bytes - item_bytes(old) + e->body->n + e->tail_n + e->head_n;
		encoded_unref(old->e);
		free(old->tail);
		old->e = e;
		old->tail = NULL;
		e->refs++;
		return true;
	}
	return false;
}

/* Whether the session may get one more; may close it. */
static bool admit(struct session *s, size_t more)
{
	size_t limit_n = s->is_poll ? (size_t)LIMIT_POLL_QUEUE_EVENTS : SIZE_MAX;
	size_t waiting = s->n - s->taken;
	bool full = s->bytes + more > (size_t)LIMIT_QUEUE_HARD_BYTES || (waiting >= limit_n && s->state == SESSION_LIVE);
	if (s->bytes + more > (size_t)LIMIT_QUEUE_SOFT_BYTES) {
		int64_t now = net_now_us(s->hub->loop);
		if (!s->soft_since_us) s->soft_since_us = now;
		full |= now - s->soft_since_us > LIMIT_QUEUE_SOFT_MS * 1000;
	} else {
		s->soft_since_us = 0;
	}
	if (!full) return true;
	atomic_fetch_add_explicit(&s->hub->stat_slow, 1, memory_order_relaxed);
	session_close(s, 1008, NULL);
	return false;
}

static bool push(struct session *s, struct encoded *e, char *tail, int64_t pos, int64_t subject, uint16_t kind, bool droppable)
{
	size_t more = e->body->n + e->tail_n + e->head_n;
	bool is_slow = s->bytes > (size_t)LIMIT_QUEUE_SOFT_BYTES;
	if (is_slow && (droppable || (subject && replace_older(s, e, subject, kind)))) {
		atomic_fetch_add_explicit(&s->hub->stat_dropped, 1, memory_order_relaxed);
		free(tail);
		return true;
	}
	if (!admit(s, more)) {
		free(tail);
		return false;
	}
	if (!has_room(s)) {
		free(tail);
		session_close(s, 1011, NULL);
		return false;
	}
	*at(s, s->n++) = (struct out_item){ .e = e, .tail = tail, .pos = pos, .subject = subject, .kind = kind, .droppable = droppable };
	e->refs++;
	s->bytes += more;
	atomic_fetch_add_explicit(&s->hub->stat_bytes, (long long)more, memory_order_relaxed);
	if (s->n - s->taken == 1 || s->is_poll) session_ready(s);
	return true;
}

bool queue_push(struct session *s, struct encoded *e, const struct hub_user *counts, const struct event *ev)
{
	char *tail = NULL;
	if (counts && e->tail_n > COUNTS_WIDTH) {
		tail = malloc(e->tail_n);
		if (!tail) {
			session_close(s, 1011, NULL);
			return false;
		}
		memcpy(tail, e->tail, e->tail_n);
		write_counts(tail, counts);
	}
	int64_t subject = ev->flags & EVENT_LATEST_ONLY ? (ev->actor ? ev->actor : ev->user) : 0;
	uint16_t kind = ev->type == EVENT_USER_WATCHING_STOP ? EVENT_USER_WATCHING_START : (uint16_t)ev->type;
	if (ev->pos > s->seen_pos) s->seen_pos = ev->pos;
	atomic_fetch_add_explicit(&s->hub->stat_delivered, 1, memory_order_relaxed);
	/* Watching events of one user in several channels are different subjects. */
	return push(s, e, tail, ev->pos, subject ? subject ^ (ev->channel << 32) : 0, kind, ev->flags & EVENT_DROPPABLE);
}

bool queue_push_text(struct session *s, struct span json)
{
	struct blob *body = blob_make(span_make(json.p, json.n - 1)); /* its closing brace is the tail */
	struct encoded *e = body ? encoded_make(body, false, 0) : NULL;
	blob_unref(body);
	bool ok = e && push(s, e, NULL, 0, 0, 0, false);
	if (!e) session_close(s, 1011, NULL);
	encoded_unref(e);
	return ok;
}

/* ---- draining ---- */
size_t session_peek(struct session *s, size_t from, struct session_out *out, size_t max)
{
	size_t n = 0;
	for (size_t i = s->taken + from; i < s->n && n < max; i++) {
		struct out_item *item = at(s, (uint32_t)i);
		out[n++] = (struct session_out){ .ws_head = item->e->head, .ws_head_n = item->e->head_n, .body = blob_span(item->e->body),
			.tail = span_make(item->tail ? item->tail : item->e->tail, item->e->tail_n), .pos = item->pos };
	}
	return n;
}

void session_consume(struct session *s, size_t n)
{
	bool keep = s->is_poll && s->wants_seq;
	if (keep) {
		s->taken += (uint32_t)n;
	} else {
		drop_front(s, (uint32_t)n);
	}
	if (s->bytes <= (size_t)LIMIT_QUEUE_SOFT_BYTES) s->soft_since_us = 0;
	if (s->state == SESSION_REPLAY && s->replay_wanted && s->bytes < (size_t)LIMIT_QUEUE_SOFT_BYTES / 4) replay_ask(s);
}

size_t session_queued(const struct session *s, size_t *bytes)
{
	if (bytes) *bytes = s->bytes;
	return s->n - s->taken;
}

bool session_rewind(struct session *s, int64_t seq)
{
	if (!s->wants_seq) return true;
	if (seq < s->acked_pos) {
		/* Older than what is kept: the log is read from there again. */
		if (s->state != SESSION_LIVE && s->state != SESSION_REPLAY) return false;
		queue_clear(s);
		s->seen_pos = s->acked_pos = seq;
		s->state = SESSION_REPLAY;
		replay_ask(s);
		return false;
	}
	/* Handed on before: what the client has seen, and what has no position, goes; the rest is wanted again. */
	uint32_t taken = s->taken, kept = 0;
	struct out_item again[128];
	while (taken > 0) {
		struct out_item i = *at(s, 0);
		taken--;
		if (i.pos > seq && kept < BECK_COUNT(again)) {
			again[kept++] = i;
			s->first = (s->first + 1) % s->cap;
			s->n--;
		} else {
			drop_front(s, 1);
		}
	}
	s->taken = 0;
	for (uint32_t k = kept; k > 0; k--) {
		if (!has_room(s)) {
			session_close(s, 1011, NULL);
			break;
		}
		s->first = (s->first + s->cap - 1) % s->cap;
		s->items[s->first] = again[k - 1];
		s->n++;
	}
	if (seq > s->acked_pos) s->acked_pos = seq;
	return true;
}
