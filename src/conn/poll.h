/* Long polling: a session whose carrier is a chain of HTTP requests, which may come in on any loop.
 *
 * longpoll.c  the loop where the request came in: reads the query, sends an ask to the session's loop, answers with what comes
 * back. poll_session.c  the session's loop: parks asks, gathers events, expires.
 *
 * An ask travels:  origin --ask--> home of the session --answer--> origin --(what was delivered)--> home --> origin, where it
 * ends. The last trip is only made when events were given out: they leave the session's queue when the whole answer has been
 * handed to the kernel, not before, so an aborted poll consumes nothing. The client may have read that answer and ask again
 * before the report is home: a new ask first goes round by the loop where events are lent to, and comes back behind the report.
 * Between two loops every arrow is a message; on one loop it is a call. While it is away its question is immutable and its answer
 * belongs to the session's loop. */
#ifndef BECK_CONN_POLL_H
#define BECK_CONN_POLL_H

#include "conn/http.h"

struct poll_ask {
	struct net_message message, cancel;
	struct conn_host *origin, *home;
	struct exchange *ex;
	/* the question; in the exchange's arena. A seq that the session did not ask for is struck out at home. */
	struct span connection_id, user_id;
	int64_t app, seq; /* seq < 0: not given */
	bool is_anonymous, is_close;
	/* origin's */
	bool is_away, cancel_is_away, is_ended, was_sent;
	/* the session's loop's */
	struct poll_session *poll; /* parked there, or its events are lent; NULL once it has gone */
	size_t lent;               /* events in the answer */
	uint64_t asked_after;      /* the lending whose report it has waited for */
	/* the answer */
	enum err err;
	int status;      /* of an error body that is taken over as it is; 0 = none */
	struct buf body; /* the array of events, or the error body */
};

/* ---- origin ---- */
void longpoll_start(struct exchange *ex);
/* The exchange has left its connection: the ask frees it when it has come to its end, perhaps now. Always true. */
bool longpoll_leave(struct exchange *ex, bool was_sent);
void longpoll_answered(struct poll_ask *k);  /* on origin's thread */
void longpoll_ended(struct poll_ask *k);     /* on origin's thread: nothing of it is away but perhaps its cancel */
void longpoll_cancelled(struct poll_ask *k); /* from another loop: its cancel goes home */

/* ---- the session's loop ---- */
/* Opens the session that the connect rule prepared; its first event (a whole JSON object) is appended to `first`. */
/* It counts against the address of `peer` for its life. */
enum err poll_session_open(
	struct conn_host *h, const struct session_start *start, struct span peer, struct buf *first) BECK_WARN_UNUSED;
void poll_session_ask(struct poll_ask *k);
void poll_session_cancel(struct poll_ask *k);
void poll_session_delivered(struct poll_ask *k);
void poll_session_drain_all(struct conn_host *h);
void poll_session_destroy_all(struct conn_host *h);

#endif
