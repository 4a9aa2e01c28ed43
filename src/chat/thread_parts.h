/* What the files of threads share. */
#ifndef BECK_CHAT_THREAD_PARTS_H
#define BECK_CHAT_THREAD_PARTS_H

#include "chat/message_parts.h"
#include "chat/threads.h"

/* One ThreadState object. parent: as stored. */
enum err thread_write(struct chat_ctx *c, struct jsonw *w, const struct channel_ctx *x, const struct store_thread *t,
	const struct message *parent, const struct thread_want *want) BECK_WARN_UNUSED;

#endif
