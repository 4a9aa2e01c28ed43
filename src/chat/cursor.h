/* The opaque tokens `next` and `prev` of lists: base64url of a JSON object that says all the next page needs. */
#ifndef BECK_CHAT_CURSOR_H
#define BECK_CHAT_CURSOR_H

#include "chat/chat.h"

struct cursor {
	yyjson_val *place; /* its object; NULL: the request names none */
	bool is_prev;
	const char *key; /* "next" or "prev" */
};
/* ERR_INPUT: both are given, or one that is no token of ours. */
enum err cursor_take(struct chat_ctx *c, yyjson_val *body, struct cursor *out) BECK_WARN_UNUSED;
/* For what stands in the token and cannot be. */
enum err cursor_refuse(struct chat_ctx *c, const struct cursor *cur) BECK_WARN_UNUSED;

/* Writes `"key": token`: begin, add members to w, end. */
struct cursor_text {
	struct buf buf;
	struct jsonw w;
};
void cursor_begin(struct cursor_text *t);
enum err cursor_end(struct chat_ctx *c, struct cursor_text *t, struct jsonw *w, const char *key) BECK_WARN_UNUSED;
/* A member that is left out when there is none. */
void cursor_value(struct cursor_text *t, const char *key, yyjson_val *v);

#endif
