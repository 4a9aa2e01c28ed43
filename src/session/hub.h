/* What the files of src/session share: the tables of one loop and the structs in them. Everything belongs to the loop's thread
 * but what is marked otherwise.
 *
 *   sessions   slot -> session; the slot stands in the connection_id
 *   users      row number -> hub_user: his sessions; for stored users his memberships and totals
 *   members    channel -> connected users (members.h)         16 B per membership at the user, 4 to 16 here
 *   watches    channel -> watching sessions (topic.h)
 *   presence   user -> sessions that follow him (topic.h)
 *   ring       the newest durable events (ring.h)
 *
 * Nothing that fan-out walks over changes while it walks: a session that must end then (too slow, no memory) is doomed, and
 * closed when the events are through. */
#ifndef BECK_SESSION_HUB_H
#define BECK_SESSION_HUB_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "session/members.h"
#include "session/queue.h"
#include "session/ring.h"
#include "session/session.h"
#include "session/topic.h"

enum { CLOSE_NORMAL = 1000, CLOSE_SLOW = 1008, CLOSE_FAULT = 1011 };

/* ---- users ---- */

/* 16 bytes. `packed`: read sequence (36 bits), unread (27), quiet (1); see totals.c. */
struct membership {
	int64_t channel;
	uint64_t packed;
};
struct hub_user {
	int64_t pk, app; /* pk 0: anonymous, each session its own */
	struct session *sessions;
	struct membership *memberships; /* in order of channel */
	uint32_t membership_count, membership_cap;
	int64_t total_unread;
	uint32_t unread_channels, unread_threads;
	int64_t totals_pos;              /* moves up to it are in the totals */
	uint64_t only_mark, member_mark; /* last fan-out that named him in `only` / found him a member of its channel */
	uint32_t handle, seen_tick;
	bool is_known;      /* totals are right; else counts are left out until they are */
	bool is_recounting; /* an answer is under way */
	bool must_recount;  /* ... and another one is due whatever it says */
	bool is_loose;      /* ... or when its snapshot is ahead of the events delivered */
	bool wants_recount; /* to be asked for with the next tick */
};

/* ---- sessions ---- */

enum session_state { SESSION_CONNECTING, SESSION_REPLAY, SESSION_LIVE, SESSION_CLOSED };

/* Of a session in REPLAY. Live events wait in `held`; durable ones are let go when they grow too many, the log has them. */
struct replay {
	struct queue held;
	int64_t upto;  /* the log has been queued so far */
	int64_t need;  /* ... and must be at least so far before live takes over */
	bool is_asked; /* a page is under way */
	bool is_stale; /* ... but for a place that no longer matters */
	bool at_head;  /* the last page ended at the head of its snapshot */
	bool says_end; /* the client is told when live takes over */
	char old_id[CONNECTION_ID_MAX + 1];
};

enum { CONNECTION_ID_BYTES = 27 };
struct session {
	struct session_hub *hub;
	struct session_carrier *carrier;
	struct hub_user *user;   /* NULL: not open */
	struct session *sibling; /* the user's next one */
	struct replay *replay;
	struct list health; /* hub->health, in order of health_tick */
	struct list care;   /* hub->slow or hub->doomed */
	struct list check;  /* hub->checks: its watches are to be looked at */
	struct subscriptions watches, presence;
	struct queue queue;
	int64_t app, user_pk; /* stay when it is closed */
	int64_t issued_s;     /* of its token */
	int64_t floor;        /* durable events up to it are not for this session */
	int64_t kept_floor;   /* what was consumed up to it can no longer be rewound to */
	int64_t slow_taken;   /* the peer had taken so much at slow_tick */
	uint64_t watch_mark;  /* last fan-out that reached it as a watcher */
	uint32_t slot, health_tick, slow_tick;
	uint16_t close_code;
	uint8_t state, dialect;
	bool is_poll, wants_seq, is_doomed;
	char id[CONNECTION_ID_BYTES + 1];
};

struct session_hub {
	struct net_loop *loop;
	unsigned node, index;
	struct registry *registry;
	const struct session_ops *ops;
	struct session_hub *const *peers;
	size_t peer_count;

	struct session **sessions; /* by slot */
	uint32_t *free_slots;
	uint32_t slot_count, slot_cap, free_slot_count;
	uint64_t id_seed[2]; /* masks slots in connection ids */

	struct slab users;
	struct u64map user_by_pk;
	struct member_index members;
	struct topic_table watches, presence;
	struct ring ring;
	struct tail_pool tails;
	uint64_t mark;   /* number of the fan-out under way */
	uint32_t serial; /* of the newest subscription */

	struct list health, slow, doomed;
	struct list checks;
	bool is_checking;        /* an answer is under way: one at a time */
	struct net_timer ticker; /* runs while a session is open */
	uint32_t tick, open_count;
	uint32_t recounts_wanted; /* users to be asked for at the next tick */

	struct session_stats stats; /* plain, copied to `shown` at the end of each call */
	_Atomic int64_t shown[6];
	pthread_mutex_t posted_lock; /* any thread */
	struct list posted;          /* what net_post holds of ours, so that nothing leaks when the loop has stopped */
};

/* ---- hub.c ---- */
/* One turn of the health clock. Delays count in ticks, so that a loop's time scale shortens them as well. */
enum { TICK_MS = 1000 };
#define TICKS(ms) ((uint32_t)((ms) / TICK_MS))
void hub_show_stats(struct session_hub *h);
void hub_start_clock(struct session_hub *h);
/* Ends what fan-out has doomed. */
void hub_close_doomed(struct session_hub *h);
void hub_free_session(struct session *s);

/* ---- session.c ---- */
struct frame *session_health_frame(const struct session *s, const struct session_start *start, int64_t seq) BECK_WARN_UNUSED;
void session_rest(struct session *s); /* the next health.check is due one interval from now */
void session_detach(struct session *s);

/* ---- connection_id.c ---- */
void connection_id_make(char out[CONNECTION_ID_BYTES + 1], unsigned node, unsigned loop, uint32_t slot, const uint64_t seed[2],
	const struct rng *rng);
/* Of an id that this hub has made; of others' any number. False: no id. */
bool connection_id_slot(struct span id, const uint64_t seed[2], uint32_t *slot);

/* ---- users.c ---- */
struct hub_user *user_find(const struct session_hub *h, int64_t pk);
/* The user of a session that opens; *is_new: made now, with the snapshot's memberships. NULL without memory. */
struct hub_user *user_acquire(struct session_hub *h, const struct session_start *start, bool *is_new) BECK_WARN_UNUSED;
void user_release(struct session_hub *h, struct hub_user *u); /* when no session is left */
void user_add_session(struct hub_user *u, struct session *s);
void user_remove_session(struct hub_user *u, struct session *s);

/* ---- totals.c ---- */
/* Replaces memberships and totals by a snapshot's. False without memory: nothing is changed. */
bool totals_load(struct session_hub *h, struct hub_user *u, const struct session_start *start) BECK_WARN_UNUSED;
void totals_drop(struct session_hub *h, struct hub_user *u);
bool totals_is_member(const struct hub_user *u, int64_t channel);
/* What an event does to one user's totals, when it concerns him and is not in them yet. */
void totals_move_user(struct session_hub *h, struct hub_user *u, const struct event *e);
/* ... and to everybody's on this loop. Users who are members of its channel get h->mark as member_mark when mark_members. */
void totals_move(struct session_hub *h, const struct event *e, bool mark_members);
/* Loads the totals anew. is_numbered: the reason has a position, so that it is in a snapshot or in the ring. */
void totals_recount(struct session_hub *h, struct hub_user *u, bool is_numbered);
void totals_answered(struct session_hub *h, struct session_totals_answer *t);
void totals_retry(struct session_hub *h); /* recounts that failed */

/* ---- fanout.c ---- */
void fanout(struct session_hub *h, struct event *e);
/* The event for this one session, if it is among the receivers. */
void fanout_to(struct session *s, struct event *e);

/* ---- give.c ---- */
/* Queues a frame. References pass over. Limits apply; a session over them is doomed. */
void session_give(struct session *s, struct frame *f, struct tail *t);
/* The same past all limits, in any state: what a replay brings, parting words. */
void session_give_always(struct session *s, struct frame *f, struct tail *t);
void session_doom(struct session *s, uint16_t code);
void session_ready(struct session *s);
void session_watch_slowness(struct session *s);
/* Time is up for a session above the soft limit: whether its peer takes enough to be given more of it. */
bool session_goes_on(struct session *s) BECK_WARN_UNUSED;

/* ---- subscribe.c ---- */
/* NULL: at the limit, or without memory. Already watching: first false. Nobody has asked for a new one yet: subscription_hold. */
struct subscription *session_watch(struct session *s, int64_t channel, bool is_quiet, bool *first, int64_t *count);
void session_unwatch(struct session *s, struct subscription *w, bool *last, int64_t *count);
/* Ends one watch, announced when it was the user's last, and the presence that the channel brought. */
void session_drop_watch(struct session *s, int64_t channel, bool is_told);
/* NULL as above; held by the same call. */
struct subscription *session_follow(struct session *s, int64_t user, int64_t cause);
/* One more call wants it to stay. Returns the serial, by which the call may take it back. */
uint32_t subscription_hold(struct subscription *sub);
/* Ends all subscriptions and announces what is to be announced; `last`: it was the user's last session. */
void session_unsubscribe_all(struct session *s, bool is_visible, bool last);
/* The event's watcher begins to watch. */
void subscriptions_begin(struct session_hub *h, const struct event *e);
/* EVENT_DROP_WATCH */
void subscriptions_drop(struct session_hub *h, const struct event *e);
void subscribe_run(struct session_hub *h, struct session_subscribe *r);
void subscribe_take_back(struct session_hub *h, struct session_subscribe *r);

/* ---- check.c ---- */
void check_session(struct session *s);
/* EVENT_CHECK_WATCHES */
void check_by(struct session_hub *h, const struct event *e);
/* Asks about the next slice, when there is one and none is under way. */
void check_go_on(struct session_hub *h);
void check_answered(struct session_hub *h, const struct session_check *c);

/* ---- replay.c ---- */
/* Of a resumed session when it has caught up. */
struct frame *session_end_frame(const struct session *s) BECK_WARN_UNUSED;
bool replay_begin(struct session *s, int64_t after, struct span old_id, bool says_end) BECK_WARN_UNUSED;
void replay_end(struct session *s);
void replay_hold(struct session *s, struct frame *f, struct tail *t);
/* Asks for the next page, or goes live, when the queue has room. */
void replay_go_on(struct session *s);
void replay_answered(struct session_hub *h, struct session_replay_page *p);
/* The log again from `after`. False without memory. */
bool replay_again(struct session *s, int64_t after) BECK_WARN_UNUSED;

/* ---- post.c ---- */
/* All sessions of a user; user 0 = of the application, app 0 = of everybody. */
void hub_close_user(struct session_hub *h, int64_t app, int64_t user, uint16_t code, struct blob *final_frame);
/* What EVENT_CLOSE_SESSIONS asks for. */
void hub_close_by(struct session_hub *h, const struct event *e);
bool session_closed_by(const struct session *s, const struct event *e);
void post_close_old(struct session_hub *h, struct span old_id, int64_t app, int64_t user);
void post_drop_all(struct session_hub *h);

#endif
