/* A message on its way in, for the files that carry it: message_send.c and, when it has to wait, message_pending.c. */
#ifndef BECK_CHAT_MESSAGE_SENDING_H
#define BECK_CHAT_MESSAGE_SENDING_H

#include "chat/message_parts.h"
#include "store/store_pending.h"

struct sending {
	struct channel_ctx *x;
	int64_t author;
	struct draft d;
	struct span hash;
	struct message m, parent;
	bool has_parent, shadowed, keep_hidden;
	bool is_pending;
	struct span metadata; /* object text, not given = none */
};

/* ---- message_send.c ---- */
/* Step 6: parent and quote. */
enum err sending_refer(struct chat_ctx *c, struct sending *s) BECK_WARN_UNUSED;
/* s->m from the rest; times are the caller's. */
void sending_build(struct chat_ctx *c, struct sending *s);
/* Steps 11 and 12: stored, counted, told. s->m comes out filled. */
enum err sending_persist(struct chat_ctx *c, struct sending *s) BECK_WARN_UNUSED;

/* ---- message_pending.c ---- */
/* Sets is_pending and metadata as type and request say. */
enum err pending_take(struct chat_ctx *c, yyjson_val *body, struct sending *s) BECK_WARN_UNUSED;
/* Instead of sending_persist: kept until it is committed; nobody is told. */
enum err pending_keep(struct chat_ctx *c, struct sending *s) BECK_WARN_UNUSED;
/* A kept message with its channel, filled. ERR_NOT_FOUND (error set): none of this id, or its channel or that part of history is
 * gone. s->x is x. */
enum err pending_load(struct chat_ctx *c, struct span id, struct channel_ctx *x, struct sending *s) BECK_WARN_UNUSED;
/* Kept no longer: dropped. For the author or the server side. */
enum err pending_drop(struct chat_ctx *c, const struct sending *s) BECK_WARN_UNUSED;
void pending_metadata_write(struct jsonw *w, struct span metadata);

#endif
