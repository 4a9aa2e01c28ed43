/* Duties of the server that nobody asks for. Each is a rule on the lane whose context has no application (c->app NULL); *again:
 * there is more to do at once. */
#ifndef BECK_CHAT_BACKGROUND_H
#define BECK_CHAT_BACKGROUND_H

#include "chat/chat.h"

/* last_active, monthly active users and the peak of concurrent connections, for users seen since the last time. */
enum err chat_seen_flush(struct chat_ctx *c, const struct registry_seen *seen, size_t n) BECK_WARN_UNUSED;
/* One slice of the oldest unfinished task. */
enum err chat_background_task(struct chat_ctx *c, bool *again) BECK_WARN_UNUSED;
/* Pins that have expired (chat/pins.c). */
enum err chat_background_pins(struct chat_ctx *c, bool *again) BECK_WARN_UNUSED;

#endif
