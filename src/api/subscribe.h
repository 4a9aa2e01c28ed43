/* Watching what an answer shows, for the handlers that offer `watch`: two runs, the hub subscribes in between (channels.c). */
#ifndef BECK_API_SUBSCRIBE_H
#define BECK_API_SUBSCRIBE_H

#include "api/api.h"
#include "chat/channel_rules.h"

/* Room for so many, none in it. */
enum err api_subscribe_room(struct api_call *c, size_t channels, size_t presence) BECK_WARN_UNUSED;
/* Second run: only these are still the caller's to listen to. */
void api_subscribe_keep(struct api_call *c, const struct channel_ctx *x, size_t n);
void api_subscribe_keep_users(struct api_call *c, const int64_t *pks, size_t n);
/* First run: rights are looked at; now the hub of the connection is to subscribe. `presence_max`: users per channel. */
enum err api_subscribe_channels(struct api_call *c, const struct channel_ctx *x, size_t n, const struct channel_want *want,
	int64_t presence_max) BECK_WARN_UNUSED;
/* Second run: was the connection there? */
enum err api_check_connection(struct api_call *c) BECK_WARN_UNUSED;
/* Tells the other watchers when this call made the caller one. */
enum err api_announce_watch(struct api_call *c, const struct channel_ctx *x) BECK_WARN_UNUSED;

#endif
