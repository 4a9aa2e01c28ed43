/* A session = one connection_id, whatever carries it. It lives on one loop, in that loop's hub, and holds: its user, its
 * subscriptions (channels, presence), an outbound queue of references to shared event bodies, its resume state.
 *
 * States:  CONNECTING -> (REPLAY ->) LIVE -> CLOSED.
 *   CONNECTING  named, counted nowhere, nothing queued; session_open or session_abort ends it.
 *   REPLAY      first health.check queued; the log is read page by page through the hub's `replay` call; live events wait in the
 *               hub's ring, not in the queue.
 *   LIVE        fan-out queues events at once.
 *   CLOSED      left all tables; freed when its carrier lets go.
 * Threads: hub and sessions on their loop's thread, but for session_hub_post_*, which any thread may call. */
#ifndef BECK_SESSION_SESSION_H
#define BECK_SESSION_SESSION_H

#include "base/arena.h"
#include "base/blob.h"
#include "base/err.h"
#include "net/net.h"
#include "session/registry.h"
#include "wire/event.h"
#include "wire/timestamp.h"

struct session;
struct session_hub;
struct session_check;

#define CONNECTION_ID_MAX 64
/* Names node, loop and slot and carries 96 random bits; base64url. */
bool connection_id_loop(struct span id, unsigned *node, unsigned *loop);

/* What a session listens to beside its user's own. */
struct session_interest {
	const int64_t *channels; /* watched */
	size_t channel_count;
	const int64_t *users; /* followed */
	size_t user_count;
};

/* What the hub asks of the layers above (filled in by src/server). Called on the loop's thread; answers come by the functions
 * named, through the mailbox. */
struct session_ops {
	/* Render one page of the log for this user: positions after `after`, with what the session listens to. Answer:
	 * session_hub_post_replay. */
	void (*replay)(void *ctx, struct session_hub *hub, struct span connection_id, int64_t app, int64_t user, int64_t after,
		const struct session_interest *in, enum dialect d);
	/* A MOVE_RECOUNT or a missed ring: load the user's totals anew. Answer: session_hub_post_totals. */
	void (*recount)(void *ctx, struct session_hub *hub, int64_t app, int64_t user);
	/* A session (or a right to watch) ended: announce user.watching.stop for `channels` (where it was the user's last), and
	 * presence when last. Never called for invisible or anonymous users, nor for channels watched quietly. */
	void (*ended)(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *watcher_counts, size_t n,
		bool last);
	/* May be NULL. A resumed session made the user watch `channels` anew (his old one was gone): announce
	 * user.watching.start. */
	void (*watching)(void *ctx, int64_t app, int64_t user, const int64_t *channels, const int64_t *watcher_counts, size_t n);
	/* May be NULL: then nothing is ever looked at. Look whether these watches may still be; sets `lost`. Answer:
	 * session_hub_post_checked, always. */
	void (*check)(void *ctx, struct session_check *c);
	void *ctx;
};

/* Calls of ops only hand on: what answers comes back through a session_hub_post_*. NULL without memory. */
struct session_hub *session_hub_create(struct net_loop *loop, unsigned node, unsigned index, struct registry *reg,
	const struct session_ops *ops) BECK_WARN_UNUSED;
/* After the loop has stopped. Frees what was posted and never ran. Sessions that their carriers did not release are freed in
 * silence. */
void session_hub_destroy(struct session_hub *h);
/* The hubs of this node by loop index (the table is borrowed until the hub is destroyed): a resumed session ends the old one
 * there. Before the loop runs. Without it only sessions of the same loop are ended so. */
void session_hub_set_peers(struct session_hub *h, struct session_hub *const *peers, size_t n);
/* The bus sink: delivers committed events to this loop's sessions, moves totals, keeps the ring. */
void session_hub_deliver(void *hub, struct event *const *events, size_t n);

/* ---- carriers: a WebSocket connection, or parked polls ---- */
struct session_carrier {
	/* The queue is no longer empty, or the session closed: drain in this turn's end. May be called often; must only defer. */
	void (*ready)(struct session_carrier *c);
	/* How many bytes have reached the peer so far: a session above the soft limit is kept while they grow. Polls: NULL. */
	int64_t (*taken)(struct session_carrier *c);
};
struct session *session_create(struct session_hub *h, struct session_carrier *c, bool is_poll) BECK_WARN_UNUSED; /* CONNECTING */
struct span session_id(const struct session *s);
/* An open session of this hub, NULL when there is none of that name. */
struct session *session_find(struct session_hub *h, struct span id);
void session_set_carrier(struct session *s, struct session_carrier *c); /* NULL = nobody (between polls) */

struct session_membership {
	int64_t channel, read_seq;
	uint32_t unread;
	bool quiet; /* muted or pending: unread does not grow */
};
/* What the connect rule found; made on a worker, arena-backed, copied by session_open. */
struct session_start {
	int64_t app, user; /* user 0 = anonymous */
	struct span user_id;
	struct span me; /* JSON of `me` */
	bool invisible;
	int64_t snapshot_pos; /* the log head of the snapshot that memberships were read in */
	struct session_membership *memberships;
	size_t membership_count;
	int64_t total_unread, unread_channels, unread_threads;
	enum dialect dialect;
	int64_t connection_limit;
	int64_t issued_s; /* when its token was issued, 0 = not said */
	/* resume (DESIGN 5) */
	bool wants_seq, has_resume, gap;
	bool must_check; /* the rights that `watch` was found by have changed meanwhile */
	int64_t resume_seq;
	int64_t *watch; /* channels checked anew by the rule */
	size_t watch_count;
	int64_t *presence; /* users, checked likewise */
	size_t presence_count;
	int64_t *presence_causes;      /* per user the watched channel that brings him, 0 = none; NULL: none for all */
	struct span old_connection_id; /* ends when the replay is through; not given = none */
};
/* CONNECTING -> LIVE or REPLAY; queues the first health.check. ERR_RATE_LIMIT: too many connections; ERR_UNAVAILABLE: no memory;
 * ERR_AGAIN: the snapshot is too old to be followed up, connect anew. Nothing has changed then. *came_online: his first session
 * and he is not invisible, so presence is to be announced. */
enum err session_open(struct session *s, const struct session_start *start, bool *came_online) BECK_WARN_UNUSED;
void session_abort(struct session *s); /* CONNECTING only */
/* LIVE/REPLAY -> CLOSED: leaves all tables, registry, calls ops.ended. close_code 0 = the peer left. The carrier still drains
 * what is queued (the final error frame, borrowed here) and then calls session_release. A session closed as too slow (1008) keeps
 * of its queue only the item that may be half written, and the final frame. A session without carrier is freed at once. */
void session_close(struct session *s, uint16_t close_code, struct blob *final_frame);
void session_release(struct session *s);
bool session_is_closed(const struct session *s, uint16_t *close_code);
int64_t session_user(const struct session *s);
int64_t session_app(const struct session *s);
/* Answers a client's health check: queues a plain health.check. Also restarts the 30 s interval. */
void session_health(struct session *s);

/* ---- draining ---- */
struct session_out {
	const uint8_t *ws_head; /* server frame header for body + tail */
	size_t ws_head_n;
	struct span body, tail;
	int64_t pos;
};
/* Up to `max` queued items from `from` (0 = the first unconsumed), without removing them. Valid until the next call that
 * consumes. */
size_t session_peek(struct session *s, size_t from, struct session_out *out, size_t max);
void session_consume(struct session *s, size_t n); /* the carrier has handed n items on */
size_t session_queued(const struct session *s, size_t *bytes);
/* Long poll with resume: everything durable after `seq` is wanted again (what carries no seq is given out once). Consumed durable
 * items stay until a rewind past them. False when the queue no longer holds it: replay from the log starts, what comes of it is
 * queued. */
bool session_rewind(struct session *s, int64_t seq);

/* ---- by connection_id, from any thread ---- */
/* Subscribes and answers through `done` on the loop's thread that the hub lives on (the caller forwards it). */
struct session_subscribe {
	struct net_message message; /* private */
	struct session_hub *hub;    /* private */
	char connection_id[CONNECTION_ID_MAX + 1];
	int64_t app, user;       /* must match the session's, else not found */
	const int64_t *channels; /* to watch */
	size_t channel_count;
	const bool *quiet; /* per channel: connect_events off, nothing is announced */
	const int64_t *unwatch;
	size_t unwatch_count;
	const int64_t *presence;
	size_t presence_count;
	/* Per presence entry the channel whose unwatching ends it again, 0 = none. NULL: `channels[0]` when it is the only one,
	 * else none. */
	const int64_t *presence_channels;
	/* answer */
	bool found;
	bool *first; /* per channel watched: to be announced: his first watching session, and he is visible (caller's memory) */
	int64_t *watcher_count; /* per channel (watched, or when unwatching: unwatched) */
	bool *last;             /* per channel unwatched: to be announced likewise */
	/* Of what this call holds, per channel and per presence entry; 0 = nothing. May be NULL when nothing is ever taken back.
	 */
	uint32_t *watch_serials, *presence_serials;
	void (*done)(struct session_subscribe *s);
};
void session_hub_post_subscribe(struct session_hub *h, struct session_subscribe *s);
/* The same object again, when it came out that the caller may not listen: lets go of what serials other than 0 name. What no
 * other call of the session asked for ends. Answers as above. */
void session_hub_post_take_back(struct session_hub *h, struct session_subscribe *s);

/* Private: what is on its way to a hub and is freed with it when it never arrives. */
struct session_posted {
	struct list node;
	void (*drop)(struct session_posted *p);
};

struct session_replay_page {
	struct net_message message; /* private */
	struct session_hub *hub;    /* private */
	char connection_id[CONNECTION_ID_MAX + 1];
	struct event **events; /* rendered for this user; body = what he gets, EVENT_HAS_COUNTS heeded; references pass over */
	size_t n;
	int64_t upto;       /* everything up to here has been looked at */
	bool at_head;       /* upto is the head of the snapshot */
	bool failed;        /* the session ends with 1011; the client comes again */
	struct arena arena; /* owns `events` array; freed by the hub */
	void (*free_page)(struct session_replay_page *p);
	struct session_posted posted; /* private */
};
void session_hub_post_replay(struct session_hub *h, struct session_replay_page *p);

/* Watches of one application to be looked at, those of a user together. Made and freed by the hub. */
struct session_check {
	struct net_message message;   /* private */
	struct session_hub *hub;      /* private */
	struct session_posted posted; /* private */
	int64_t app;
	bool failed; /* nothing is known; tried again later */
	size_t n;
	struct session_check_item {
		int64_t user, channel; /* user 0 = anonymous */
		uint32_t slot, serial; /* private */
		uint16_t calls;        /* private */
		bool lost;
	} items[];
};
void session_hub_post_checked(struct session_check *c);

struct session_totals_answer {
	struct net_message message; /* private */
	struct session_hub *hub;    /* private */
	struct session_start start; /* app, user, snapshot_pos, memberships, totals */
	bool failed;
	struct arena arena;
	void (*free_answer)(struct session_totals_answer *p);
	struct session_posted posted; /* private */
};
void session_hub_post_totals(struct session_hub *h, struct session_totals_answer *t);

/* Closes every session of a user (0 = all of the app, app 0 = all): revocation, deactivation, drain. Any thread. The frame is
 * borrowed. */
void session_hub_post_close(struct session_hub *h, int64_t app, int64_t user, uint16_t code, struct blob *final_frame);

struct session_stats {
	int64_t sessions, polls, events_delivered, events_dropped, closed_slow, bytes_queued;
};
void session_hub_stats(struct session_hub *h, struct session_stats *out); /* any thread (atomics); adds to *out */

#endif
