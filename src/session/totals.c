/* Connected users' memberships and unread totals, kept by moving them with events. */
#include <stdlib.h>
#include <string.h>

#include "session/hub.h"

static struct hub_channel *channel_at(struct session_hub *h, uint32_t index) { return table_get(&h->channels, index); }

struct hub_channel *channel_find(struct session_hub *h, int64_t pk) { return pk ? u64map_get(&h->channel_by_pk, (uint64_t)pk) : NULL; }

struct hub_channel *channel_make(struct session_hub *h, int64_t pk)
{
	struct hub_channel *c = channel_find(h, pk);
	if (c) return c;
	c = calloc(1, sizeof *c);
	if (!c) return NULL;
	c->pk = pk;
	if (!table_add(&h->channels, c, &c->index)) {
		free(c);
		return NULL;
	}
	if (u64map_put(&h->channel_by_pk, (uint64_t)pk, c)) return c;
	table_remove(&h->channels, c->index);
	free(c);
	return NULL;
}

void channel_release_if_idle(struct session_hub *h, struct hub_channel *c)
{
	if (c->watcher_count || c->member_count) return;
	u64map_remove(&h->channel_by_pk, (uint64_t)c->pk);
	table_remove(&h->channels, c->index);
	free(c->watchers);
	free(c->members);
	free(c);
}

/* ---- memberships ---- */
static struct membership *membership_of(const struct hub_user *u, uint32_t channel)
{
	for (uint32_t i = 0; i < u->membership_count; i++)
		if (u->memberships[i].channel == channel) return &u->memberships[i];
	return NULL;
}

bool user_is_member(const struct hub_user *u, uint32_t channel) { return membership_of(u, channel) != NULL; }

/* Index of the user's reference in the channel's list. */
static uint32_t ref_of(const struct hub_channel *c, const struct hub_user *u)
{
	uint32_t i = 0;
	while (i < c->member_count && c->members[i].user != u->index)
		i++;
	return i;
}

static bool join(struct session_hub *h, struct hub_user *u, int64_t channel, const struct session_membership *m)
{
	struct hub_channel *c = channel_make(h, channel);
	if (!c) return false;
	struct membership *old = membership_of(u, c->index);
	if (old) {
		old->unread = m->unread;
		old->quiet = m->quiet;
		old->read_seq = m->read_seq;
		return true;
	}
	void *members = c->members, *memberships = u->memberships;
	bool ok = grow(&members, &c->member_cap, c->member_count, sizeof *c->members);
	c->members = members;
	if (ok) ok = grow(&memberships, &u->membership_cap, u->membership_count, sizeof *u->memberships);
	u->memberships = memberships;
	if (!ok) {
		channel_release_if_idle(h, c);
		return false;
	}
	c->members[c->member_count++] = (struct member_ref){ .user = u->index, .membership = u->membership_count };
	u->memberships[u->membership_count++] = (struct membership){ .channel = c->index, .unread = m->unread, .quiet = m->quiet, .read_seq = m->read_seq };
	return true;
}

static void leave(struct session_hub *h, struct hub_user *u, struct membership *m)
{
	struct hub_channel *c = channel_at(h, m->channel);
	uint32_t at = (uint32_t)(m - u->memberships), ref = ref_of(c, u);
	c->members[ref] = c->members[--c->member_count];
	uint32_t last = --u->membership_count;
	if (at != last) {
		u->memberships[at] = u->memberships[last];
		struct hub_channel *moved = channel_at(h, u->memberships[at].channel);
		moved->members[ref_of(moved, u)].membership = at;
	}
	channel_release_if_idle(h, c);
}

static void set_unread(struct hub_user *u, struct membership *m, int64_t unread)
{
	if (unread < 0) unread = 0;
	u->total_unread += unread - (int64_t)m->unread;
	u->unread_channels += (unread > 0) - (m->unread > 0);
	m->unread = (uint32_t)(unread & 0x7fffffff);
}

/* ---- users ---- */
static bool fill(struct session_hub *h, struct hub_user *u, const struct session_start *start)
{
	u->snapshot_pos = start->snapshot_pos;
	u->total_unread = start->total_unread;
	u->unread_channels = start->unread_channels;
	u->unread_threads = start->unread_threads;
	for (size_t i = 0; i < start->membership_count; i++)
		if (!join(h, u, start->memberships[i].channel, &start->memberships[i])) return false;
	return true;
}

static void empty(struct session_hub *h, struct hub_user *u)
{
	while (u->membership_count)
		leave(h, u, &u->memberships[u->membership_count - 1]);
}

/* What this loop has delivered after the snapshot was read moves the fresh totals; a gap between both is closed by reading again. */
static void catch_up(struct session_hub *h, struct hub_user *u)
{
	if (u->snapshot_pos < h->ring_floor) {
		u->is_reloading = true;
		h->ops->recount(h->ops->ctx, h, u->app, u->pk);
		return;
	}
	for (size_t i = 0; i < h->ring_n; i++) {
		const struct event *e = h->ring[(h->ring_at + i) % (size_t)LIMIT_RING_EVENTS];
		if (e->pos > u->snapshot_pos) totals_move_user(h, u, e);
	}
}

struct hub_user *user_load(struct session_hub *h, const struct session_start *start)
{
	struct hub_user *u = u64map_get(&h->user_by_pk, (uint64_t)start->user);
	if (u) return u; /* his totals are live already, and newer than any snapshot */
	u = calloc(1, sizeof *u);
	if (!u) return NULL;
	u->app = start->app;
	u->pk = start->user;
	list_init(&u->sessions);
	if (!table_add(&h->users, u, &u->index)) {
		free(u);
		return NULL;
	}
	bool ok = u64map_put(&h->user_by_pk, (uint64_t)u->pk, u) && fill(h, u, start);
	if (!ok) {
		user_release(h, u);
		return NULL;
	}
	catch_up(h, u);
	return u;
}

bool user_reload(struct session_hub *h, struct hub_user *u, const struct session_start *start)
{
	u->is_reloading = false;
	empty(h, u);
	bool ok = fill(h, u, start);
	catch_up(h, u);
	return ok;
}

void user_release(struct session_hub *h, struct hub_user *u)
{
	if (!list_empty(&u->sessions)) return;
	empty(h, u);
	u64map_remove(&h->user_by_pk, (uint64_t)u->pk);
	table_remove(&h->users, u->index);
	free(u->memberships);
	free(u);
}

/* ---- moves ---- */
static bool is_excluded(const struct event *e, int64_t user)
{
	if (!e->only) return false;
	for (size_t i = 0; i < e->only_count; i++)
		if (e->only[i] == user) return false;
	return true;
}

/* One member's part of a move that concerns a whole channel. */
static void move_member(const struct event *e, struct hub_user *u, struct membership *m)
{
	switch (e->move) {
	case MOVE_COUNTED:
		if (u->pk == e->actor) {
			set_unread(u, m, 0);
			m->read_seq = e->seq;
		} else if (!m->quiet && !is_excluded(e, u->pk)) {
			set_unread(u, m, (int64_t)m->unread + 1);
		}
		break;
	case MOVE_UNCOUNTED:
		if (u->pk != e->actor && m->read_seq < e->seq && !m->quiet && !is_excluded(e, u->pk)) set_unread(u, m, (int64_t)m->unread - 1);
		break;
	case MOVE_RESET:
		set_unread(u, m, 0);
		m->read_seq = e->seq;
		break;
	default: break;
	}
}

static void recount(struct session_hub *h, struct hub_user *u)
{
	if (u->is_reloading) return;
	u->is_reloading = true;
	h->ops->recount(h->ops->ctx, h, u->app, u->pk);
}

/* A move that names one user. */
static void move_named(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	struct hub_channel *c = channel_find(h, e->channel);
	struct membership *m = c ? membership_of(u, c->index) : NULL;
	switch (e->move) {
	case MOVE_READ:
		if (!m) return;
		m->read_seq = e->seq;
		set_unread(u, m, e->unread);
		return;
	case MOVE_READ_ALL:
		/* The sequences that were read are the store's matter: the next deletion would be counted against unknown ones. */
		for (uint32_t i = 0; i < u->membership_count; i++) {
			u->memberships[i].read_seq = INT64_MAX;
			set_unread(u, &u->memberships[i], 0);
		}
		u->unread_threads = 0;
		recount(h, u);
		return;
	case MOVE_JOIN: {
		struct session_membership fresh = { .channel = e->channel, .read_seq = e->seq };
		if (!join(h, u, e->channel, &fresh)) recount(h, u);
		c = channel_find(h, e->channel);
		m = c ? membership_of(u, c->index) : NULL;
		if (m) set_unread(u, m, e->unread);
		return;
	}
	case MOVE_LEAVE:
		if (!m) return;
		set_unread(u, m, 0);
		leave(h, u, m);
		return;
	case MOVE_THREADS: u->unread_threads = e->unread; return;
	case MOVE_RECOUNT: recount(h, u); return;
	default: return;
	}
}

static bool names_user(const struct event *e)
{
	switch (e->move) {
	case MOVE_READ:
	case MOVE_READ_ALL:
	case MOVE_JOIN:
	case MOVE_LEAVE:
	case MOVE_THREADS: return true;
	case MOVE_RECOUNT: return e->user != 0;
	default: return false;
	}
}

void totals_move_user(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	if (e->move == MOVE_NONE || (e->pos && e->pos <= u->snapshot_pos)) return;
	if (names_user(e)) {
		if (e->user == u->pk) move_named(h, u, e);
		return;
	}
	struct hub_channel *c = channel_find(h, e->channel);
	struct membership *m = c ? membership_of(u, c->index) : NULL;
	if (!m) return;
	if (e->move == MOVE_RECOUNT) {
		recount(h, u);
	} else {
		move_member(e, u, m);
	}
}

void totals_move(struct session_hub *h, const struct event *e)
{
	if (e->move == MOVE_NONE) return;
	if (names_user(e)) {
		struct hub_user *u = u64map_get(&h->user_by_pk, (uint64_t)e->user);
		if (u) totals_move_user(h, u, e);
		return;
	}
	struct hub_channel *c = channel_find(h, e->channel);
	for (uint32_t i = 0; c && i < c->member_count; i++) {
		struct hub_user *u = table_get(&h->users, c->members[i].user);
		if (e->pos && e->pos <= u->snapshot_pos) continue;
		if (e->move == MOVE_RECOUNT) {
			recount(h, u);
		} else {
			move_member(e, u, &u->memberships[c->members[i].membership]);
		}
	}
}
