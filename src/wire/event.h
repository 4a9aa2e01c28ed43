/* A committed (or ephemeral) event on its way from the rule that made it to the sessions that get it. Made once, immutable after
 * event_publish hands it over, shared by reference between loops.
 *
 * Bodies are JSON objects WITHOUT their closing brace: what differs per receiver is a tail of fixed width that the session layer
 * adds ("," counts, "seq", blanks, "}"), so one frame header serves all receivers and fan-out never copies a body. */
#ifndef BECK_WIRE_EVENT_H
#define BECK_WIRE_EVENT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/blob.h"

enum event_type {
#define EVENT(name, wire, cls, durable) EVENT_##name,
#include "events.def" /* schema/ is on the include path */
#undef EVENT
	EVENT_COUNT
};
enum event_class { EVENT_CLASS_ONE, EVENT_CLASS_OWN, EVENT_CLASS_WATCH, EVENT_CLASS_PRESENCE, EVENT_CLASS_NOTIFY };
struct span event_type_name(enum event_type t);
enum event_class event_type_class(enum event_type t);
bool event_type_durable(enum event_type t);
/* EVENT_COUNT when it is none of ours (then it is custom). */
enum event_type event_type_find(struct span name);

/* How an event moves the unread state that loops keep for connected users. `seq` = the channel's counted sequence number. */
enum event_move {
	MOVE_NONE,
	MOVE_COUNTED,   /* a message with sequence `seq` by `actor`: +1 for members but him; his own pointer goes to seq, unread 0
			 */
	MOVE_UNCOUNTED, /* message `seq` by `actor` no longer counts: -1 for members but him whose read_seq < seq */
	MOVE_READ,      /* for `user` in `channel`: read_seq = seq, unread = unread */
	MOVE_READ_ALL,  /* for `user`: everything read, threads too */
	MOVE_JOIN,      /* `user` is now a member of `channel`: read_seq = seq, unread = unread */
	MOVE_LEAVE,     /* `user` is no longer a member of `channel` */
	MOVE_RESET,     /* `channel`: everybody's unread is 0, read_seq = seq (deleted, truncated whole) */
	MOVE_RECOUNT,   /* `channel` (and only `user` when not 0): too intricate to follow; reload those users' totals from the
			   store */
	MOVE_THREADS,   /* for `user`: unread_threads = unread */
};

enum event_flag {
	EVENT_HAS_COUNTS = 1,     /* receivers' totals ride in the tail */
	EVENT_DROPPABLE = 2,      /* typing: may be dropped for a slow session */
	EVENT_LATEST_ONLY = 4,    /* presence, watching: a slow session keeps the newest per subject */
	EVENT_CLOSE_SESSIONS = 8, /* after delivery close `user`'s sessions (0: every user's) whose token was issued before second
				     `seq` (0: all) with close_code / close_frame */
	EVENT_DROP_WATCH = 16,    /* after delivery `user`'s (0: everybody's) watches of `channel` end */
	EVENT_NOT_ACTOR = 32,     /* not to the actor's own connections */
	EVENT_ONLY_ACTOR = 64,    /* watch class, but only to the actor's own connections (hidden read receipts) */
	EVENT_NOT_WATCHING = 128, /* own class: only to connections that do not watch `channel` */
	EVENT_THIN_WATCHERS = 256,   /* dropped above LIMIT_WATCH_EVENTS_MAX watchers (typing, read) */
	EVENT_THIN_5S = 512,         /* watching start/stop: above that at most one per 5 s and channel */
	EVENT_CONNECT_EVENTS = 1024, /* subject to the channel type's connect_events */
	EVENT_SHOWS_USER = 2048,     /* `user` is no longer invisible: the live registry follows after the commit */
	EVENT_HIDES_USER = 4096,     /* `user` is invisible from now on; likewise */
	EVENT_ALL_BUT = 8192,        /* `only` names those who do not get it */
	EVENT_CHECK_WATCHES = 16384, /* rights to read changed: after delivery `user`'s (0: everybody's) watches of `channel` (0:
					of the application) are looked at anew, and those he may no longer read end */
};

struct event {
	atomic_uint refs;
	enum event_type type;
	enum event_class cls;
	unsigned flags;
	int64_t pos;     /* position in the log, > 0; 0 = ephemeral */
	int64_t app;     /* rows are named by their integer keys, as in the store */
	int64_t channel; /* 0 = none */
	int64_t user;    /* OWN: whose connections; PRESENCE: about whom; else the user a move or flag speaks of */
	int64_t actor;
	enum event_move move;
	int64_t seq;
	int64_t unread;
	struct blob *body;   /* for class receivers; NULL = nothing to deliver (only a move or a flag) */
	struct blob *notify; /* WATCH class: for member connections that do not watch; NULL = none */
	int64_t *only; /* restricted visibility: only these users (EVENT_ALL_BUT: not these); NULL = everybody of the class */
	size_t only_count;
	struct blob *close_frame; /* JSON error frame sent before closing; may be NULL */
	uint16_t close_code;
	struct blob *watcher; /* the actor's connection with this id watches `channel` from this event on; NULL = none */
};

/* Zeroed, refs 1, class from the table; NULL without memory. The last unref drops the blobs and frees `only` (malloc). */
struct event *event_new(enum event_type t) BECK_WARN_UNUSED;
struct event *event_ref(struct event *e);
void event_unref(struct event *e);

#endif
