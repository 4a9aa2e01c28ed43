/* Ending sessions whose user or token is no longer good, and watches whose watcher may no longer read. */
#include "base/limits.h"
#include "chat/user_rules.h"

static struct blob *error_frame(const struct chat *chat, enum err e, const char *message)
{
	struct buf text;
	struct jsonw w;
	struct error error = { .err = e, .message = span_str(message) };
	buf_init(&text, (size_t)LIMIT_EVENT_BYTES);
	jsonw_init(&w, &text);
	jsonw_obj_begin(&w);
	jsonw_key(&w, "error");
	chat_error_write(chat, &w, SPAN("Connect"), &error, 0);
	jsonw_obj_end(&w);
	struct blob *b = text.failed ? NULL : blob_make(buf_span(&text));
	buf_deinit(&text);
	return b;
}

static enum err end_sessions(struct chat_ctx *c, int64_t user_pk, int64_t before_s, enum err e, const char *message)
{
	enum { CLOSE_NORMAL = 1000 };
	/* With a position, so that a session which opens just now on an older snapshot finds it and ends too. */
	struct store_event log = { .user_pk = user_pk, .actor_pk = c->me.pk, .data = SPAN("{\"ends\":true}") };
	struct event *ev = chat_record(c, EVENT_USER_UPDATED, user_pk != 0 ? &log : NULL, SPAN_NONE, SPAN_NONE);
	if (ev == NULL) return chat_told(c);
	ev->cls = EVENT_CLASS_OWN;
	ev->user = user_pk;
	ev->seq = before_s;
	ev->flags |= EVENT_CLOSE_SESSIONS;
	ev->close_code = CLOSE_NORMAL;
	ev->close_frame = error_frame(c->chat, e, message);
	return ev->close_frame != NULL ? ERR_OK : chat_store_fail(c, ERR_UNAVAILABLE);
}

/* Without a position: a session that opens just now compares its settings with those of that moment. */
enum err chat_check_watches(struct chat_ctx *c)
{
	struct event *ev = chat_record(c, EVENT_USER_UPDATED, NULL, SPAN_NONE, SPAN_NONE);
	if (ev == NULL) return chat_told(c);
	ev->cls = EVENT_CLASS_OWN;
	ev->flags |= EVENT_CHECK_WATCHES;
	return ERR_OK;
}

enum err chat_end_sessions(struct chat_ctx *c, int64_t user_pk, enum err e, const char *message)
{
	return end_sessions(c, user_pk, 0, e, message);
}

enum err chat_end_revoked(struct chat_ctx *c, int64_t user_pk, int64_t before_us)
{
	if (before_us < 1000000) return ERR_OK; /* no token is older */
	return end_sessions(
		c, user_pk, before_us / 1000000, ERR_TOKEN_EXPIRED, "this token has been revoked, please generate a new one");
}
