/* An event made ready for the wire: shared body, WebSocket head, and the tail that closes the JSON object. Made once per event,
 * view and seq-ness and shared by all queues of the loop that hold it, so counts of references are plain. What differs per
 * receiver (his unread totals) is a `tail` of the same width, so that head and length fit everybody. One thread. */
#ifndef BECK_SESSION_FRAME_H
#define BECK_SESSION_FRAME_H

#include "base/blob.h"
#include "wire/event.h"

/* Which counts of the receiver ride in the tail. Own-class events tell unread_threads too. */
enum frame_counts { FRAME_NO_COUNTS, FRAME_COUNTS, FRAME_COUNTS_AND_THREADS };
enum { FRAME_TAIL_MAX = 160 };

/* What a frame is about, for queues that keep only the newest. kind 0 = not such a frame. */
struct frame_subject {
	int64_t channel, user;
	uint16_t kind;
};
struct frame {
	struct blob *body;
	int64_t pos; /* in the log; 0 = ephemeral */
	struct frame_subject subject;
	uint32_t refs;
	uint32_t bytes; /* head, body and tail */
	uint16_t tail_n;
	uint8_t counts, head_n;
	uint8_t head[10];
	bool is_droppable;
	char tail[]; /* blanks where the counts would be */
};
/* NULL without memory. The body (without its closing brace) is referenced. seq: the number shown, < 0 = none; pos: what the frame
 * is in the log. */
struct frame *frame_make(struct blob *body, enum frame_counts counts, int64_t pos, int64_t seq) BECK_WARN_UNUSED;
/* A body that is complete as it is. */
struct frame *frame_make_whole(struct blob *json) BECK_WARN_UNUSED;
static inline struct frame *frame_ref(struct frame *f)
{
	f->refs++;
	return f;
}
void frame_unref(struct frame *f); /* NULL is fine */

struct counts {
	int64_t total;
	uint32_t channels, threads;
};
struct tail {
	union {
		uint32_t refs;
		struct tail *next_free;
	} u;
	char p[FRAME_TAIL_MAX];
};
/* Tails come and go by the thousand per turn: the hub keeps some. */
struct tail_pool {
	struct tail *free;
	uint32_t free_count;
};
void tail_pool_deinit(struct tail_pool *p);
/* A copy of the frame's tail with the numbers filled in; numbers beyond their width show the largest that fits. */
struct tail *tail_make(struct tail_pool *p, const struct frame *f, const struct counts *c) BECK_WARN_UNUSED;
void tail_unref(struct tail_pool *p, struct tail *t); /* NULL is fine */

#endif
