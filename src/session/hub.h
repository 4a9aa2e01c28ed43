/* What the files of src/session share. Everything here belongs to one loop.
 *
 * Memory per idle user: one session, one hub_user, 16 bytes per membership and 8 in the channel's list of local members. Queues hold nothing
 * while empty. */
#ifndef BECK_SESSION_HUB_H
#define BECK_SESSION_HUB_H

#include "base/limits.h"
#include "base/map.h"
#include "session/session.h"

#define COUNTS_WIDTH 99 /* bytes of the counts in a tail, see queue.c */

/* One body made ready for the wire once per event, view and seq-ness; shared by all queues that hold it. Loop-local, so plain counts. */
struct encoded {
	uint32_t refs;
	uint8_t head_n, head[10];
	uint16_t tail_n;
	struct blob *body;
	char tail[COUNTS_WIDTH + 40]; /* without counts: blanks in their place */
};
struct out_item {
	struct encoded *e;
	char *tail;    /* counts of this receiver, e->tail_n bytes, ours; NULL = e->tail */
	int64_t pos;
	int64_t subject; /* EVENT_LATEST_ONLY: whom it is about, with kind; 0 = none */
	uint16_t kind;
	bool droppable;
};

struct membership {
	uint32_t channel; /* index in hub->channels */
	uint32_t unread : 31, quiet : 1;
	int64_t read_seq;
};
struct hub_user {
	int64_t app, pk;
	uint32_t index;
	uint32_t membership_count, membership_cap;
	struct membership *memberships;
	int64_t total_unread, unread_channels, unread_threads;
	int64_t snapshot_pos; /* moves up to it are in the totals */
	struct list sessions;
	bool is_reloading;
};
struct member_ref {
	uint32_t user, membership; /* index in hub->users; index in his memberships */
};
struct hub_channel {
	int64_t pk;
	uint32_t index;
	uint32_t watcher_count, watcher_cap, member_count, member_cap;
	struct session **watchers;
	struct member_ref *members;
};
struct hub_presence {
	uint32_t n, cap;
	struct session **sessions;
};
/* Slots named by small integers. */
struct table {
	void **items;
	uint32_t n, cap, free_count, free_cap;
	uint32_t *free_slots;
};

enum session_state { SESSION_CONNECTING, SESSION_REPLAY, SESSION_LIVE, SESSION_CLOSED };
struct session {
	struct session_hub *hub;
	struct session_carrier *carrier;
	char id[37];
	uint8_t state, dialect;
	bool is_poll, wants_seq, invisible, replay_asked, replay_wanted;
	uint16_t close_code;
	uint32_t slot;
	int64_t app, user; /* user < 0: anonymous, -(serial) */
	struct hub_user *u;
	struct list user_node, health_node;
	int64_t health_us;
	/* queue: items[first .. first+n), of which `taken` are handed on and kept for a rewind */
	struct out_item *items;
	uint32_t first, n, cap, taken;
	size_t bytes;
	int64_t soft_since_us;
	int64_t seen_pos;  /* durable events up to it are behind this session */
	int64_t acked_pos; /* poll with resume: what can no longer be rewound to lies below */
	/* subscriptions */
	uint32_t *watches; /* channel indexes */
	int64_t *presence; /* user keys */
	uint32_t watch_count, watch_cap, presence_count, presence_cap;
	char *old_id; /* ends when the replay is through */
};

struct session_hub {
	struct net_loop *loop;
	unsigned node, index;
	struct registry *reg;
	const struct session_ops *ops;
	struct session_hub *const *peers;
	size_t peer_count;
	struct table sessions, users, channels;
	struct u64map user_by_pk, channel_by_pk, presence_by_user;
	struct list health;
	struct net_timer health_timer;
	struct event **ring; /* durable events, oldest at ring_at */
	size_t ring_n, ring_at;
	int64_t ring_floor; /* positions up to it are not in the ring */
	int64_t anonymous_serial;
	atomic_llong stat_sessions, stat_polls, stat_delivered, stat_dropped, stat_slow, stat_bytes;
};

/* table.c */
bool table_add(struct table *t, void *item, uint32_t *slot);
void *table_get(const struct table *t, uint32_t slot);
void table_remove(struct table *t, uint32_t slot);
void table_deinit(struct table *t);
/* Grows *items so that one more fits; false without memory. */
bool grow(void **items, uint32_t *cap, uint32_t n, size_t size);

/* queue.c */
struct encoded *encoded_make(struct blob *body, bool has_counts, int64_t seq);
void encoded_unref(struct encoded *e);
/* Takes one reference of its own. counts NULL = none. False: the session was closed for slowness, or has no memory (closed too). */
bool queue_push(struct session *s, struct encoded *e, const struct hub_user *counts, const struct event *ev);
bool queue_push_text(struct session *s, struct span json_object); /* a whole frame of the hub's own */
void queue_clear(struct session *s);

/* totals.c */
struct hub_user *user_load(struct session_hub *h, const struct session_start *start);
void user_release(struct session_hub *h, struct hub_user *u);
bool user_reload(struct session_hub *h, struct hub_user *u, const struct session_start *start);
void totals_move(struct session_hub *h, const struct event *e);
void totals_move_user(struct session_hub *h, struct hub_user *u, const struct event *e);
bool user_is_member(const struct hub_user *u, uint32_t channel);
struct hub_channel *channel_find(struct session_hub *h, int64_t pk);
struct hub_channel *channel_make(struct session_hub *h, int64_t pk);
void channel_release_if_idle(struct session_hub *h, struct hub_channel *c);

/* fanout.c */
void fanout(struct session_hub *h, const struct event *e);
/* The part of `fanout` for one session (closing the gap between a snapshot and live). */
void fanout_one(struct session *s, const struct event *e);
bool session_watches(const struct session *s, const struct hub_channel *c);

/* session.c */
struct session *session_find(struct session_hub *h, struct span id);
bool session_watch(struct session *s, int64_t channel, bool *first, int64_t *count);
void session_unwatch(struct session *s, uint32_t channel_index, bool *last, int64_t *count);
bool session_subscribe_presence(struct session *s, int64_t user);
void session_ready(struct session *s);
/* replay.c */
void replay_ask(struct session *s);

#endif
