/* Threads as objects of their own: lists of those a user takes part in, and one by its parent. Called by src/api only. */
#ifndef BECK_CHAT_THREADS_H
#define BECK_CHAT_THREADS_H

#include "chat/channels.h"
#include "wire/objects.h"

/* Distinct channels of the threads in hand; the threads point into it. */
struct thread_channels {
	struct channel_ctx *items;
	size_t n;
};
struct thread_want {
	int64_t replies, participants; /* shown with each, at most */
};
struct thread_list;
/* POST /threads. The acting user is set. ERR_INPUT: a filter, sort or cursor that cannot be. */
enum err chat_query_threads(struct chat_ctx *c, yyjson_val *body, struct thread_list **out) BECK_WARN_UNUSED;
/* The channels of the list, for watching. */
const struct thread_channels *thread_list_channels(const struct thread_list *l);
/* "threads", "next", "prev" */
enum err thread_list_write(struct chat_ctx *c, const struct thread_list *l, struct jsonw *w) BECK_WARN_UNUSED;

/* GET /threads/{message}: "thread". Its channel comes out for watching. */
enum err chat_get_thread(struct chat_ctx *c, struct span id, const struct thread_want *want, struct channel_ctx *x,
	struct jsonw *w) BECK_WARN_UNUSED;

#endif
