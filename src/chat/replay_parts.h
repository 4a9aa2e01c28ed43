/* Log rows as events for one viewer: shared by resume and /sync. */
#ifndef BECK_CHAT_REPLAY_PARTS_H
#define BECK_CHAT_REPLAY_PARTS_H

#include "chat/message_parts.h"

struct replay_options {
	const int64_t *watched; /* channels whose own events he gets; for his others the twin for members */
	size_t watched_n;
	bool is_sync;      /* every row's own event, and only types that /sync returns */
	size_t most_bytes; /* of event bodies, after which it stops between two rows */
};
/* What came of it. The caller owns the events. */
struct replayed {
	struct event **events; /* the caller's array, of as many places as there are rows */
	size_t n;
	size_t rows; /* looked at: fewer than given when it stopped at most_bytes, but at least one */
	size_t bytes;
};
/* Renders in order; rows that give nothing are left out. Fails: out has no events. */
enum err replay_render(struct chat_ctx *c, const struct store_event *rows, size_t n, const struct replay_options *o,
	struct replayed *out) BECK_WARN_UNUSED;

/* ---- inside: what rendering one row needs (replay.c makes it, replay_rows.c uses it) ---- */
struct replay_channel {
	int64_t pk;
	struct channel_ctx x;
	bool is_there, readable, watched;
};
struct replay {
	struct chat_ctx *c; /* its arena: of the rows in hand, gone with them */
	struct arena *keep; /* for what outlives them */
	const struct replay_options *o;
	struct replay_channel *channels;
	size_t channel_count;
	struct message *messages; /* per row: the message it names, filled; pk 0 = gone or not for him */
	struct message *parents;  /* per row: a reply's parent */
	struct people people;     /* actors and users named in data */
};
/* The event text of one row, or nothing (*given false). *type: what it is to him. */
enum err replay_row(struct replay *r, const struct store_event *row, size_t index, struct event_text *t, enum event_type *type,
	bool *given) BECK_WARN_UNUSED;
struct replay_channel *replay_channel(const struct replay *r, int64_t pk); /* NULL: none */
bool replay_is_message(enum event_type t);

#endif
