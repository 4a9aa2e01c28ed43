#include "session/frame.h"

#include <stdlib.h>

#include "wire/ws.h"

/* The counts of a tail, in order. Blanks after a colon are white space to JSON, and so are blanks in place of all of it. */
#define TOTAL    ",\"total_unread_count\":"
#define CHANNELS ",\"unread_channels\":"
#define COUNT    ",\"unread_count\":"
#define THREADS  ",\"unread_threads\":"
#define SEQ      ",\"seq\":"
enum {
	WIDTH_TOTAL = 12,
	WIDTH_FEW = 8,
	WIDTH_SEQ = 19,
	POOL_MAX = 4096,
	COUNTS_N = sizeof(TOTAL CHANNELS COUNT) - 1 + WIDTH_TOTAL + WIDTH_FEW + WIDTH_TOTAL,
	THREADS_N = sizeof(THREADS) - 1 + WIDTH_FEW,
};
_Static_assert(COUNTS_N + THREADS_N + sizeof(SEQ) + WIDTH_SEQ + 1 <= FRAME_TAIL_MAX, "a tail fits");

/* Right-aligned in `width` columns of blanks. */
static char *put_number(char *at, int width, uint64_t v)
{
	uint64_t most = 0;
	for (int i = 0; i < width; i++) most = most * 10 + 9;
	if (v > most) v = most;
	memset(at, ' ', (size_t)width);
	char *p = at + width;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return at + width;
}

static char *put_key(char *at, struct span key, int width, uint64_t v)
{
	memcpy(at, key.p, key.n);
	return put_number(at + key.n, width, v);
}

static char *put_blanks(char *at, int n)
{
	memset(at, ' ', (size_t)n);
	return at + n;
}

static struct frame *frame_new(struct blob *body, const char *tail, size_t tail_n)
{
	struct frame *f = malloc(sizeof *f + tail_n);
	if (!f) return NULL;
	*f = (struct frame){ .body = blob_ref(body), .refs = 1, .tail_n = (uint16_t)tail_n };
	memcpy(f->tail, tail, tail_n);
	f->head_n = (uint8_t)ws_head(f->head, WS_TEXT, body->n + tail_n, false);
	f->bytes = (uint32_t)(f->head_n + body->n + tail_n);
	return f;
}

struct frame *frame_make(struct blob *body, enum frame_counts counts, int64_t pos, int64_t seq)
{
	char tail[FRAME_TAIL_MAX], *end = tail;
	if (counts != FRAME_NO_COUNTS) end = put_blanks(end, COUNTS_N);
	if (counts == FRAME_COUNTS_AND_THREADS) end = put_blanks(end, THREADS_N);
	if (seq >= 0) end = put_key(end, SPAN(SEQ), WIDTH_SEQ, (uint64_t)seq);
	*end++ = '}';
	struct frame *f = frame_new(body, tail, (size_t)(end - tail));
	if (!f) return NULL;
	f->counts = (uint8_t)counts;
	f->pos = pos;
	return f;
}

struct frame *frame_make_whole(struct blob *json) { return frame_new(json, "", 0); }

void frame_unref(struct frame *f)
{
	if (!f || --f->refs) return;
	blob_unref(f->body);
	free(f);
}

/* ---- tails ---- */

void tail_pool_deinit(struct tail_pool *p)
{
	while (p->free) {
		struct tail *t = p->free;
		p->free = t->u.next_free;
		free(t);
	}
	p->free_count = 0;
}

static struct tail *pool_take(struct tail_pool *p)
{
	struct tail *t = p->free;
	if (!t) return malloc(sizeof *t);
	p->free = t->u.next_free;
	p->free_count--;
	return t;
}

struct tail *tail_make(struct tail_pool *p, const struct frame *f, const struct counts *c)
{
	struct tail *t = pool_take(p);
	if (!t) return NULL;
	t->u.refs = 1;
	memcpy(t->p, f->tail, f->tail_n);
	uint64_t total = c->total > 0 ? (uint64_t)c->total : 0;
	char *at = put_key(t->p, SPAN(TOTAL), WIDTH_TOTAL, total);
	at = put_key(at, SPAN(CHANNELS), WIDTH_FEW, c->channels);
	at = put_key(at, SPAN(COUNT), WIDTH_TOTAL, total);
	if (f->counts == FRAME_COUNTS_AND_THREADS) (void)put_key(at, SPAN(THREADS), WIDTH_FEW, c->threads);
	return t;
}

void tail_unref(struct tail_pool *p, struct tail *t)
{
	if (!t || --t->u.refs) return;
	if (p->free_count >= POOL_MAX) {
		free(t);
		return;
	}
	t->u.next_free = p->free;
	p->free = t;
	p->free_count++;
}
