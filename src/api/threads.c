/* Threads: lists and one. */
#include "api/handlers.h"
#include "api/subscribe.h"
#include "base/limits.h"
#include "chat/channel_data.h"
#include "chat/threads.h"

/* ---- watching the channels of what is shown ---- */
static enum err watch(struct api_call *c, const struct channel_ctx *x, size_t n)
{
	struct channel_want want = { .watch = true };
	enum err e = ERR_OK;
	if (!c->subscribe.done) {
		e = api_require_connection(c);
		return e == ERR_OK ? api_subscribe_channels(c, x, n, &want, 0) : e;
	}
	e = api_check_connection(c);
	if (e == ERR_OK) api_subscribe_keep(c, x, n);
	for (size_t i = 0; e == ERR_OK && i < n; i++) e = api_announce_watch(c, &x[i]);
	return e;
}

static bool is_waiting(const struct api_call *c) { return c->subscribe.wanted && !c->subscribe.done; }

/* ---- POST /threads ---- */
enum err api_query_threads(struct api_call *c)
{
	struct thread_list *l;
	bool watches = false;
	enum err e = take_bool(&c->chat, c->body, "watch", &watches, NULL);
	if (e == ERR_OK) e = api_acting_user(c, c->body, false);
	if (e == ERR_OK) e = chat_query_threads(&c->chat, c->body, &l);
	if (e == ERR_OK && watches) e = watch(c, thread_list_channels(l)->items, thread_list_channels(l)->n);
	if (e != ERR_OK || is_waiting(c)) return e;
	return thread_list_write(&c->chat, l, &c->out);
}

/* ---- GET /threads/{message} ---- */
enum err api_get_thread(struct api_call *c)
{
	enum { REPLIES = 10 };
	struct thread_want want = { 0 };
	struct channel_ctx x;
	bool watches = false;
	int64_t members = 0;
	enum err e = api_query_bool(c, "watch", &watches);
	if (e == ERR_OK) e = api_query_int(c, "reply_limit", 0, LIMIT_THREAD_PARTS, &want.replies);
	if (e == ERR_OK) e = api_query_int(c, "participant_limit", 0, LIMIT_THREAD_PARTS, &want.participants);
	if (e == ERR_OK) e = api_query_int(c, "member_limit", 0, LIMIT_PAGE_MEMBERS, &members);
	if (want.replies == 0) want.replies = REPLIES;
	if (want.participants == 0) want.participants = LIMIT_THREAD_PARTS;
	if (e == ERR_OK) e = api_acting_user(c, NULL, false);
	if (e == ERR_OK) e = chat_get_thread(&c->chat, c->params[0], &want, &x, &c->out);
	return e == ERR_OK && watches ? watch(c, &x, 1) : e;
}
