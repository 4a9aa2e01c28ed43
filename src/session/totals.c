/* Unread totals of connected users: loaded once, moved by events, never recounted but where an event says that it is too
 * intricate.
 *
 * A membership keeps how far its member has read (a counted sequence) and how many counted messages lie behind it. READ_ALL does
 * not say sequences: SEQ_ALL stands for "everything so far" and becomes a number with the next counted message, before which all
 * was read. */
#include <stdlib.h>

#include "session/hub.h"

enum { UNREAD_BITS = 27 };
#define SEQ_ALL    ((UINT64_C(1) << 36) - 1)
#define UNREAD_MAX ((UINT32_C(1) << UNREAD_BITS) - 1)

static uint64_t seq_of(const struct membership *m) { return m->packed >> (UNREAD_BITS + 1); }
static uint32_t unread_of(const struct membership *m) { return (uint32_t)(m->packed >> 1) & UNREAD_MAX; }
static bool is_quiet(const struct membership *m) { return m->packed & 1; }

/* Sequences below 0 (a pending member's) read as 0. */
static uint64_t clamp_seq(int64_t seq) { return seq < 0 ? 0 : (uint64_t)seq < SEQ_ALL ? (uint64_t)seq : SEQ_ALL - 1; }
static uint32_t clamp_unread(int64_t n) { return n < 0 ? 0 : n > UNREAD_MAX ? UNREAD_MAX : (uint32_t)n; }

static uint64_t pack(uint64_t seq, uint32_t unread, bool quiet)
{
	return seq << (UNREAD_BITS + 1) | (uint64_t)unread << 1 | (quiet ? 1 : 0);
}

/* The only place that changes unread counts of memberships in the totals. */
static void set(struct hub_user *u, struct membership *m, uint64_t seq, uint32_t unread, bool quiet)
{
	uint32_t old = unread_of(m);
	u->total_unread += (int64_t)unread - (int64_t)old;
	if (old && !unread) u->unread_channels--;
	if (!old && unread) u->unread_channels++;
	m->packed = pack(seq, unread, quiet);
}

/* Index of the first membership whose channel is not below. */
static uint32_t place_of(const struct hub_user *u, int64_t channel)
{
	uint32_t low = 0, high = u->membership_count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (u->memberships[middle].channel < channel) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static struct membership *find(const struct hub_user *u, int64_t channel)
{
	uint32_t at = place_of(u, channel);
	return at < u->membership_count && u->memberships[at].channel == channel ? &u->memberships[at] : NULL;
}

bool totals_is_member(const struct hub_user *u, int64_t channel) { return find(u, channel) != NULL; }

/* ---- loading ---- */

static int by_channel(const void *a, const void *b)
{
	const struct membership *x = a, *y = b;
	return (x->channel > y->channel) - (x->channel < y->channel);
}

/* Fills an array in order, without repetitions; returns how many. */
static uint32_t fill(struct membership *to, const struct session_start *start)
{
	size_t n = start->membership_count;
	bool in_order = true;
	for (size_t i = 0; i < n; i++) {
		const struct session_membership *m = &start->memberships[i];
		to[i] = (struct membership){ m->channel, pack(clamp_seq(m->read_seq), clamp_unread(m->unread), m->quiet) };
		if (i && to[i].channel <= to[i - 1].channel) in_order = false;
	}
	if (in_order) return (uint32_t)n;
	qsort(to, n, sizeof *to, by_channel);
	uint32_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (!kept || to[kept - 1].channel != to[i].channel) to[kept++] = to[i];
	return kept;
}

void totals_drop(struct session_hub *h, struct hub_user *u)
{
	for (uint32_t i = 0; i < u->membership_count; i++) member_index_remove(&h->members, u->memberships[i].channel, u->handle);
	free(u->memberships);
	u->memberships = NULL;
	u->membership_count = u->membership_cap = 0;
	u->total_unread = 0;
	u->unread_channels = u->unread_threads = 0;
	u->is_known = false;
}

static void install(struct hub_user *u, struct membership *items, uint32_t n, uint32_t cap, const struct session_start *start)
{
	u->memberships = items;
	u->membership_count = n;
	u->membership_cap = cap;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t unread = unread_of(&items[i]);
		u->total_unread += unread;
		if (unread) u->unread_channels++;
	}
	u->unread_threads = clamp_unread(start->unread_threads);
	u->totals_pos = start->snapshot_pos;
	u->is_known = true;
}

bool totals_load(struct session_hub *h, struct hub_user *u, const struct session_start *start)
{
	if (start->membership_count > UINT32_MAX / 2) return false;
	uint32_t cap = (uint32_t)start->membership_count;
	struct membership *items = cap ? malloc(cap * sizeof *items) : NULL;
	if (cap && !items) return false;
	uint32_t n = cap ? fill(items, start) : 0;
	/* New entries of the index first: so far nothing of the old is gone. Those that were there already are not to be taken
	 * back. */
	for (uint32_t i = 0; i < n; i++) {
		if (member_index_add(&h->members, items[i].channel, u->handle)) continue;
		while (i-- > 0)
			if (!find(u, items[i].channel)) member_index_remove(&h->members, items[i].channel, u->handle);
		free(items);
		return false;
	}
	struct hub_user fresh = { .memberships = items, .membership_count = n };
	for (uint32_t i = 0; i < u->membership_count; i++)
		if (!find(&fresh, u->memberships[i].channel))
			member_index_remove(&h->members, u->memberships[i].channel, u->handle);
	free(u->memberships);
	u->total_unread = 0;
	u->unread_channels = 0;
	install(u, items, n, cap, start);
	return true;
}

/* ---- recounts ---- */

void totals_recount(struct session_hub *h, struct hub_user *u, bool is_numbered)
{
	u->is_known = false;
	u->wants_recount = false;
	if (u->is_recounting) {
		/* The snapshot under way may be older. For a numbered reason the ring will say so. */
		if (!is_numbered) u->must_recount = true;
		return;
	}
	u->is_recounting = true;
	u->must_recount = false;
	h->ops->recount(h->ops->ctx, h, u->app, u->pk);
}

/* Tried again with the next tick. */
static void put_off(struct session_hub *h, struct hub_user *u)
{
	if (!u->wants_recount) h->recounts_wanted++;
	u->wants_recount = true;
}

/* What came after the answer's snapshot. Unnumbered wishes for a recount were noted when they came, and so were all moves without
 * a position when the snapshot is ahead of what has been delivered here. */
static void follow_ring(struct session_hub *h, struct hub_user *u)
{
	if (u->totals_pos > h->ring.newest) return;
	if (!ring_reaches(&h->ring, u->totals_pos)) {
		totals_recount(h, u, true);
		return;
	}
	for (uint32_t i = ring_after(&h->ring, u->totals_pos); i < h->ring.n; i++) {
		const struct event *e = ring_get(&h->ring, i);
		if (e->pos || e->move != MOVE_RECOUNT) totals_move_user(h, u, e);
	}
}

void totals_answered(struct session_hub *h, struct session_totals_answer *t)
{
	struct hub_user *u = user_find(h, t->start.user);
	if (!u || u->app != t->start.app || !u->is_recounting) return;
	bool again = u->must_recount || (u->is_loose && t->start.snapshot_pos > h->ring.newest);
	u->is_recounting = u->must_recount = u->is_loose = false;
	if (t->failed || !totals_load(h, u, &t->start)) {
		put_off(h, u);
	} else if (again) {
		totals_recount(h, u, false);
	} else {
		follow_ring(h, u);
	}
}

void totals_retry(struct session_hub *h)
{
	if (!h->recounts_wanted) return;
	h->recounts_wanted = 0;
	struct hub_user *u;
	size_t it = 0;
	while ((u = u64map_next(&h->user_by_pk, &it, NULL)))
		if (u->wants_recount) totals_recount(h, u, false);
}

/* ---- moves ---- */

static void join(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	bool quiet = e->unread < 0; /* pending: nothing counts */
	struct membership *m = find(u, e->channel);
	if (m) {
		set(u, m, clamp_seq(e->seq), clamp_unread(e->unread), quiet);
		return;
	}
	if (u->membership_count == u->membership_cap) {
		uint32_t cap = u->membership_cap + u->membership_cap / 2 + 4;
		struct membership *more = realloc(u->memberships, cap * sizeof *more);
		if (more) {
			u->memberships = more;
			u->membership_cap = cap;
		}
	}
	if (u->membership_count == u->membership_cap || !member_index_add(&h->members, e->channel, u->handle)) {
		u->is_known = false;
		put_off(h, u);
		return;
	}
	uint32_t at = place_of(u, e->channel);
	m = &u->memberships[at];
	memmove(m + 1, m, (u->membership_count - at) * sizeof *m);
	u->membership_count++;
	*m = (struct membership){ e->channel, 0 };
	set(u, m, clamp_seq(e->seq), clamp_unread(e->unread), quiet);
}

static void leave(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	struct membership *m = find(u, e->channel);
	if (!m) return;
	set(u, m, 0, 0, false);
	member_index_remove(&h->members, e->channel, u->handle);
	uint32_t at = (uint32_t)(m - u->memberships);
	memmove(m, m + 1, (--u->membership_count - at) * sizeof *m);
}

static bool is_named(const struct event *e, int64_t user)
{
	bool all_but = (e->flags & EVENT_ALL_BUT) != 0;
	if (!e->only) return true;
	for (size_t i = 0; i < e->only_count; i++)
		if (e->only[i] == user) return !all_but;
	return all_but;
}

static void counted(struct hub_user *u, struct membership *m, const struct event *e)
{
	uint64_t seq = clamp_seq(e->seq);
	if (e->actor == u->pk) {
		set(u, m, seq, 0, is_quiet(m)); /* who writes has read */
		return;
	}
	if (is_quiet(m)) return;
	/* A message that is kept from him counts for nothing, but everything before it was read all the same. */
	if (seq_of(m) == SEQ_ALL) set(u, m, seq ? seq - 1 : 0, unread_of(m), false);
	if (is_named(e, u->pk) && seq > seq_of(m)) set(u, m, seq_of(m), clamp_unread((int64_t)unread_of(m) + 1), false);
}

static void uncounted(struct session_hub *h, struct hub_user *u, struct membership *m, const struct event *e)
{
	if (e->actor == u->pk || clamp_seq(e->seq) <= seq_of(m) || !unread_of(m) || !is_named(e, u->pk)) return;
	if (is_quiet(m)) {
		totals_recount(h, u, e->pos != 0); /* it counted only if it came before the quiet */
	} else {
		set(u, m, seq_of(m), unread_of(m) - 1, false);
	}
}

static void read_all(struct hub_user *u)
{
	for (uint32_t i = 0; i < u->membership_count; i++) set(u, &u->memberships[i], SEQ_ALL, 0, is_quiet(&u->memberships[i]));
	u->unread_threads = 0;
}

static bool is_of_user(enum event_move m)
{
	return m == MOVE_READ || m == MOVE_READ_ALL || m == MOVE_JOIN || m == MOVE_LEAVE || m == MOVE_THREADS;
}

/* A move without a position, at a time when the snapshot is ahead of what has been delivered here: it may be in it or not. */
static bool is_ambiguous(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	if (e->pos || e->move == MOVE_RECOUNT) return false;
	if (u->is_recounting) u->is_loose = true; /* the same about the snapshot that is under way, when it has come */
	return h->ring.newest < u->totals_pos;
}

void totals_move_user(struct session_hub *h, struct hub_user *u, const struct event *e)
{
	if (e->pos && e->pos <= u->totals_pos) return;
	bool is_his = is_of_user(e->move) || (e->move == MOVE_RECOUNT && e->user);
	if (e->move == MOVE_NONE || (is_his && e->user != u->pk)) return;
	struct membership *m = e->channel ? find(u, e->channel) : NULL;
	if (!is_his && !m) return;
	if (is_ambiguous(h, u, e)) {
		totals_recount(h, u, false);
		return;
	}
	switch (e->move) {
	case MOVE_NONE: break;
	case MOVE_COUNTED: counted(u, m, e); break;
	case MOVE_UNCOUNTED: uncounted(h, u, m, e); break;
	case MOVE_READ:
		if (m) set(u, m, clamp_seq(e->seq), clamp_unread(e->unread), is_quiet(m));
		break;
	case MOVE_READ_ALL: read_all(u); break;
	case MOVE_JOIN: join(h, u, e); break;
	case MOVE_LEAVE: leave(h, u, e); break;
	case MOVE_RESET: set(u, m, clamp_seq(e->seq), 0, is_quiet(m)); break;
	case MOVE_RECOUNT: totals_recount(h, u, e->pos != 0); break;
	case MOVE_THREADS: u->unread_threads = clamp_unread(e->unread); break;
	}
}

void totals_move(struct session_hub *h, const struct event *e, bool mark_members)
{
	bool to_one = is_of_user(e->move) || (e->move == MOVE_RECOUNT && e->user);
	if (to_one) {
		struct hub_user *u = user_find(h, e->user);
		if (u) totals_move_user(h, u, e);
	}
	bool to_all = !to_one && e->move != MOVE_NONE;
	const struct idset *members = e->channel && (to_all || mark_members) ? member_index_get(&h->members, e->channel) : NULL;
	if (!members) return;
	uint32_t it = 0, handle;
	while ((handle = idset_next(members, &it))) {
		struct hub_user *u = slab_get(&h->users, handle);
		u->member_mark = h->mark;
		if (to_all) totals_move_user(h, u, e);
	}
}
