/* The events that changes of channels and members make. Bodies are in dialect 1 whatever the caller speaks: every session gets
 * the same. */
#ifndef BECK_CHAT_CHANNEL_EVENTS_H
#define BECK_CHAT_CHANNEL_EVENTS_H

#include "chat/channels.h"

/* Text of the channel object of events; made once for all events of one change. */
enum err channel_event_text(struct chat_ctx *c, const struct channel_ctx *x, struct span *out) BECK_WARN_UNUSED;

struct channel_news {
	enum event_type type;
	enum event_type twin; /* for members who do not watch; EVENT_HEALTH_CHECK (0) = none */
	const struct channel_ctx *x;
	struct span channel_text;      /* not given: no `channel` */
	const struct member *member;   /* `member`; NULL = none */
	const struct message *message; /* `message`; NULL = none */
	const struct user *user;       /* `user`; NULL = the caller, when there is one */
	struct span extra;             /* further members as a JSON object text */
	int64_t to_user;               /* the user's own stream */
	struct span log_data;          /* what the tables do not keep */
	bool is_copy;                  /* the second event of one change: not logged again */
};
/* Records it; *out (may be NULL) is for setting flags and moves. */
enum err channel_news_record(struct chat_ctx *c, const struct channel_news *n, struct event **out) BECK_WARN_UNUSED;
/* A deliverable without body: only moves what loops keep for `user` (0 = all) in this channel. */
enum err channel_move_record(
	struct chat_ctx *c, const struct channel_ctx *x, enum event_move move, int64_t user) BECK_WARN_UNUSED;

#endif
