/* CONNECTING -> LIVE or REPLAY: closes the gap between the snapshot that the connect rule read and what this loop delivers now.
 */
#include <stdlib.h>

#include "session/hub.h"

static bool resumes(const struct session_start *start) { return start->wants_seq && start->has_resume && !start->gap; }

/* The newest position that the client has: in what it got before, or in the state it gets now. */
static int64_t start_pos(const struct session_start *start) { return resumes(start) ? start->resume_seq : start->snapshot_pos; }

/* Watches that the user did not have meanwhile are told to the others. */
static void watch_again(struct session *s, const struct session_start *start)
{
	struct session_hub *h = s->hub;
	size_t n = 0, most = start->watch_count;
	int64_t *channels = most ? malloc(2 * most * sizeof *channels) : NULL, *counts = channels ? channels + most : NULL;
	for (size_t i = 0; i < most; i++) {
		int64_t count;
		bool first;
		struct subscription *w = session_watch(s, start->watch[i], false, &first, &count);
		if (w) (void)subscription_hold(w);
		if (!w || !first || !channels) continue;
		channels[n] = start->watch[i];
		counts[n++] = count;
	}
	bool is_told = n && s->user_pk && registry_is_visible(h->registry, s->app, s->user_pk);
	if (is_told && h->ops->watching) h->ops->watching(h->ops->ctx, s->app, s->user_pk, channels, counts, n);
	free(channels);
}

/* What was committed after the snapshot and has been delivered here before this session was. Returns what closes it at once, or
 * NULL. */
static struct event *catch_up(struct session *s, int64_t snapshot, bool is_new_user)
{
	struct session_hub *h = s->hub;
	struct event *closing = NULL;
	for (uint32_t i = ring_after(&h->ring, snapshot); i < h->ring.n; i++) {
		struct event *e = ring_get(&h->ring, i);
		bool is_his = e->app == s->app && s->user_pk && e->user == s->user_pk;
		if (is_new_user && s->user_pk) totals_move_user(h, s->user, e);
		if (is_his && (e->flags & (EVENT_SHOWS_USER | EVENT_HIDES_USER)))
			registry_set_visible(h->registry, s->app, s->user_pk, (e->flags & EVENT_SHOWS_USER) != 0);
		if (!e->pos) continue;
		if (s->state == SESSION_LIVE) fanout_to(s, e);
		if ((e->flags & EVENT_DROP_WATCH) && (is_his || !e->user)) session_drop_watch(s, e->channel, is_his);
		if ((e->flags & EVENT_CHECK_WATCHES) && e->app == s->app && (is_his || !e->user)) check_session(s);
		if ((e->flags & EVENT_CLOSE_SESSIONS) && session_closed_by(s, e)) closing = e;
	}
	return closing;
}

static void enter(struct session *s, const struct session_start *start, struct hub_user *u)
{
	struct session_hub *h = s->hub;
	user_add_session(u, s);
	s->floor = s->kept_floor = start_pos(start);
	h->open_count++;
	h->stats.sessions++;
	if (s->is_poll) h->stats.polls++;
	session_rest(s);
	hub_start_clock(h);
	if (u->pk) registry_mark_seen(h->registry, u->app, u->pk, clock_wall_us(net_clock(h->loop)));
}

static void go(struct session *s, const struct session_start *start, bool is_new_user, struct frame *hello)
{
	struct session_hub *h = s->hub;
	session_give_always(s, hello, NULL);
	watch_again(s, start);
	for (size_t i = 0; i < start->presence_count; i++)
		if (!session_follow(s, start->presence[i], start->presence_causes ? start->presence_causes[i] : 0)) break;
	if (start->must_check) check_session(s);
	struct event *closing = catch_up(s, start->snapshot_pos, is_new_user);
	check_go_on(h);
	if (s->replay) {
		replay_go_on(s);
	} else if (start->old_connection_id.n) {
		post_close_old(h, start->old_connection_id, s->app, s->user_pk);
	}
	if (closing) session_close(s, closing->close_code, closing->close_frame);
}

/* Everything that can fail for want of memory, in an order that can be taken back. */
static bool prepare(
	struct session *s, const struct session_start *start, struct hub_user **u, bool *is_new_user, struct frame **hello)
{
	struct session_hub *h = s->hub;
	s->app = start->app;
	s->user_pk = start->user;
	s->issued_s = start->issued_s;
	s->wants_seq = start->wants_seq;
	s->dialect = (uint8_t)start->dialect;
	*hello = session_health_frame(s, start, start->wants_seq ? start_pos(start) : -1);
	if (!*hello) return false;
	*u = user_acquire(h, start, is_new_user);
	if (*u && resumes(start) && !replay_begin(s, start_pos(start), start->old_connection_id, true)) {
		if (*is_new_user) user_release(h, *u);
		*u = NULL;
	}
	if (!*u) frame_unref(*hello);
	return *u != NULL;
}

enum err session_open(struct session *s, const struct session_start *start, bool *came_online)
{
	struct session_hub *h = s->hub;
	struct hub_user *u;
	struct frame *hello;
	bool first, is_new_user;
	BECK_ASSERT(s->state == SESSION_CONNECTING);
	/* Rights lost since then, to watch or to be here at all, could not be noticed. */
	if (!ring_reaches(&h->ring, start->snapshot_pos)) return ERR_AGAIN;
	/* The session that this one replaces does not count against it. */
	int64_t limit = start->connection_limit + (start->connection_limit && start->old_connection_id.n ? 1 : 0);
	if (!registry_connect(h->registry, start->app, start->user, limit, &first)) return ERR_RATE_LIMIT;
	if (!prepare(s, start, &u, &is_new_user, &hello)) {
		bool last;
		registry_disconnect(h->registry, start->app, start->user, &last);
		return ERR_UNAVAILABLE;
	}
	if (first) registry_set_visible(h->registry, start->app, start->user, !start->invisible);
	if (!s->replay) s->state = SESSION_LIVE;
	enter(s, start, u);
	go(s, start, is_new_user, hello);
	*came_online = first && !start->invisible;
	hub_close_doomed(h);
	hub_show_stats(h);
	return ERR_OK;
}
