/* What the session layer asks of the rules: a page of the log for a session that resumes, and a user's totals anew. */
#include "base/limits.h"
#include "chat/replay_parts.h"

/* The user as he is now; gone or deactivated: ERR_NOT_FOUND, and his session ends. */
static enum err become(struct chat_ctx *c, int64_t user)
{
	enum err e = store_user_get_pk(c->tx, user, c->arena, &c->me);
	if (e != ERR_OK) return chat_store_fail(c, e);
	if (c->me.deleted_at || c->me.deactivated_at) return chat_fail(c, ERR_NOT_FOUND, NULL, "the user is gone");
	c->caller = CALLER_USER;
	c->dialect = DIALECT_1;
	return ERR_OK;
}

enum err chat_resume_page(struct chat_ctx *c, int64_t user, int64_t after, const struct store_interest *in,
	struct event ***events, size_t *count, int64_t *upto, bool *at_head)
{
	struct store_event *rows = NULL;
	size_t found = 0;
	int64_t head = 0;
	enum err e = become(c, user);
	if (e != ERR_OK) return e;
	e = store_event_head(c->tx, &head);
	if (e == ERR_OK)
		e = store_events_for_user(c->tx, c->app->pk, user, in, after, head, LIMIT_REPLAY_PAGE, c->arena, &rows, &found);
	if (e != ERR_OK) return chat_store_fail(c, e);
	struct replay_options o = {
		.watched = in->channels, .watched_n = in->channel_count, .most_bytes = (size_t)LIMIT_REPLAY_BYTES
	};
	struct replayed r = { .events = arena_array(c->arena, struct event *, found + 1) };
	if (!r.events) return chat_store_fail(c, ERR_UNAVAILABLE);
	e = replay_render(c, rows, found, &o, &r);
	if (e != ERR_OK) return e;
	bool is_full = found == (size_t)LIMIT_REPLAY_PAGE || r.rows < found;
	*events = r.events;
	*count = r.n;
	*upto = is_full ? rows[r.rows - 1].pos : head > after ? head : after;
	*at_head = !is_full;
	return ERR_OK;
}

enum err chat_recount(struct chat_ctx *c, int64_t user, struct store_totals *totals, int64_t *snapshot_pos)
{
	struct store_totals t;
	int64_t head = 0;
	enum err e = chat_totals(c, user, &t);
	if (e != ERR_OK) return e;
	e = store_event_head(c->tx, &head);
	if (e != ERR_OK) return chat_store_fail(c, e);
	*totals = t;
	*snapshot_pos = head;
	return ERR_OK;
}
