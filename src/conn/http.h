/* The HTTP cycle of one connection: requests in, answers in request order out.
 *
 * An exchange is one request and its answer. It belongs to its connection's list until it is sent; when the connection goes
 * first, an exchange whose call is at work elsewhere lives on alone (conn == NULL) until the call comes home. */
#ifndef BECK_CONN_HTTP_H
#define BECK_CONN_HTTP_H

#include "conn/peer.h"

struct poll_ask;
struct exchange {
	struct api_call call;
	struct list node;   /* in conn_http.exchanges */
	struct list flight; /* in conn_host.in_flight, or in connects_waiting (then is_waiting) */
	struct conn *conn;  /* NULL: nobody waits for the answer any more */
	struct conn_host *host;
	struct buf head, packed; /* response head; gzip of the body */
	struct span body;        /* response body, in the call, `packed`, or static */
	size_t sent;
	size_t body_counted; /* of the request, in host->body_bytes */
	size_t held;         /* by the answer, in conn_http.waiting_bytes */
	int status;
	bool is_started, is_ready, is_head, is_safe, is_last, is_connect, is_waiting;
	int connects;         /* times that the connect rule was run */
	struct poll_ask *ask; /* a poll under way or answered */
	void (*done)(struct exchange *ex);
	char request_id[17];
};

struct conn_http {
	struct http_parser *parser;
	struct exchange *building; /* the request that is being received */
	struct list exchanges;     /* in hand, in order of arrival */
	unsigned in_hand;
	size_t body_bytes;     /* of all in hand */
	size_t waiting_bytes;  /* what answers hold that are ready and not sent */
	unsigned window;       /* safe requests that may run beside each other, see exchange_ready */
	struct buf unread;     /* came while no more could be taken in hand */
	uint8_t continue_left; /* bytes of "100 Continue" still to send */
	bool is_last;          /* no request is taken any more */
	bool at_eof, in_body;
	bool had_request;
};

void conn_http_read(struct conn *c, struct span in); /* in.n == 0: end of file */
void conn_http_flush(struct conn *c);
int64_t conn_http_due(const struct conn *c); /* the next deadline; 0 = none */
void conn_http_expired(struct conn *c);
void conn_http_drain(struct conn *c);
void conn_http_end(struct conn *c); /* the connection goes, or becomes a WebSocket */

/* Opens a session by what the connect rule found, after a last look at the application. False: the rule runs once more (its
 * snapshot was too old), `done` will be called again. Otherwise the error is in the call. */
bool exchange_open(struct exchange *ex, enum err (*open)(struct exchange *ex));

/* ---- answering (respond.c) ---- */
/* The call is through: encodes its reply or its error. */
void exchange_finish(struct exchange *ex);
/* As exchange_finish with this error. The message is a literal or lives in the call's arena. */
void exchange_fail(struct exchange *ex, enum err err, const char *message);
enum {
	ANSWER_API = 1,    /* no-store, limits, request ids */
	ANSWER_PAGE = 2,   /* page headers, Content-Security-Policy */
	ANSWER_PACKED = 4, /* the body is gzip already */
};
/* A whole answer; body and `lines` (more header lines) must live as long as the exchange. */
void exchange_answer(struct exchange *ex, int status, struct span type, struct span body, unsigned flags, struct span lines);
/* Answers from what is at hand: OPTIONS and pages. False: not one of those. */
bool exchange_answer_local(struct exchange *ex);
struct span exchange_operation(const struct exchange *ex);
void exchange_log(const struct exchange *ex, size_t bytes);

/* ---- calls (http_call.c) ---- */
struct exchange *exchange_make(struct conn *c) BECK_WARN_UNUSED;
void exchange_free(struct exchange *ex); /* not while its call is elsewhere */
/* Prepares and hands the request on; the answer comes by exchange_finish, now or later. */
void exchange_start(struct exchange *ex);
/* Hands a prepared call to the workers; `done` is called on the loop unless the connection has gone meanwhile. */
void exchange_submit(struct exchange *ex, void (*done)(struct exchange *ex));
/* The same for connects: thousands may come at once, after a restart say. They wait for each other here, not in the readers'
 * queue, where they would keep out everybody else. */
void exchange_submit_connect(struct exchange *ex, void (*done)(struct exchange *ex));
/* The answer is ready to be written in its turn. */
void exchange_ready(struct exchange *ex);
/* The connection is gone, or the answer was written whole: frees it, now or when its call comes home. */
void exchange_leave(struct exchange *ex, bool was_sent);
/* The connect payload of a request, with resume_from of a body or first frame put in: rewritten as the query's `json`. False: not
 * JSON of the right shape (then *why says so; `what` is how it calls the extra). */
bool exchange_merge_payload(struct exchange *ex, const char *what, struct span extra, const char **why);
bool exchange_path_is(const struct exchange *ex, const char *path); /* in either dialect */

#endif
