/* The connection of the connected user.
 *
 *            link_start                    hello on either transport
 *   OFF ----------------> TRYING --------------------------------> UP
 *    ^                     ^   | both failed                        | lost
 *    |            pause is |   v                                    v
 *    |            over     PAUSED <--------------------------------'
 *    |  link_stop, or the server refuses for good
 *    '---- CLOSING <---- (any)      CLOSING only says goodbye: at most LIMIT_CLIENT_GOODBYE_MS
 *
 * TRYING   a token is waited for, or at least one of ws and poll is on its way to its hello. WebSocket begins; long polling joins
 * after the head start, or at once when WebSocket fails for a reason of transport. The first hello wins. UP       `transport`
 * carries the events. While it is long polling, ws may be on its way to take over: then its resume_from names the polling
 * session, and its hello ends that.
 *
 * Position: `seq` is of the last durable event given out. Events at or before it are dropped, whatever transport brings them, so
 * nothing is told twice; every new connection resumes from it, so nothing is left out. */
#ifndef BECK_CLIENT_LINK_H
#define BECK_CLIENT_LINK_H

#include "base/json.h"
#include "client/error.h"
#include "client/io.h"
#include "client/names.h"
#include "client/timer.h"
#include "wire/ws.h"

#include <beck/client.h>
#include <beck/event.h>

enum link_state { LINK_OFF, LINK_TRYING, LINK_UP, LINK_PAUSED, LINK_CLOSING };

enum ws_state { WS_OFF, WS_OPENING, WS_HANDSHAKE, WS_HELLO, WS_LIVE };
struct ws {
	enum ws_state state;
	uint64_t stream;
	struct buf head; /* of the handshake's answer */
	struct ws_decoder decoder;
	char key[25];
	bool is_probed; /* only the answer to a health check counts as a sign of life: other bytes may have been under way */
	bool resumes;   /* the first frame names a position */
	bool ends, is_refusal; /* a frame said that it is over, with end_error */
	beck_error end_error;
	struct timer patience, health;
};

enum poll_state { POLL_OFF, POLL_CONNECTING, POLL_LIVE };
struct poll {
	enum poll_state state;
	uint64_t exchange;
	char id[96];       /* of the polling session */
	unsigned failures; /* in a row */
	struct timer again;
};

/* A hello that is on its way and not wanted any more. Its session is ended when it comes, since one that nobody polls counts for
 * 40 s; with a token of its own, because the user may be gone by then. */
enum { LEAVING_MAX = 4 };
struct leaving {
	uint64_t exchange;
	char *token; /* NULL: anonymous */
};

struct link {
	enum link_state state;
	beck_transport transport;
	bool was_up;        /* for this user, in this connect */
	bool was_seen;      /* there is a position to go on from: of a connection before, or of the state file */
	bool has_new_token; /* code 40 was answered by a new token in this try */
	bool waits_for_token;
	unsigned attempts; /* failed in a row */
	int64_t first_deadline_ms, up_since_ms;
	beck_error error; /* of the last failure */
	struct timer pause, first, head_start, take_over, recovered, goodbye;
	struct ws ws;
	struct poll poll;
	struct leaving leaving[LEAVING_MAX];
	bool ws_failed, poll_failed; /* in this try */
	unsigned short_lives;        /* WebSockets in a row that were cut young */
	int64_t take_over_wait_ms;
	uint64_t goodbye_exchange;

	bool has_seq; /* the server resumes */
	int64_t seq;
	char id[96]; /* connection id, "" when there was none yet */
	char ids[8][96];
	unsigned ids_at;
	struct names watched, followed;
	bool is_recovering, has_gap;
	bool is_asking;         /* recover.c is not through */
	unsigned recover_round; /* answers of earlier ones count for nothing */
	int recover_step;
	size_t recover_at;
	char *recover_since;
	char *last_event_at; /* created_at of the last event, for servers that do not resume */
};

void link_init(beck_client *c);
void link_free(beck_client *c);
/* For c->user, whose token is set. */
void link_start(beck_client *c);
/* Ends it cleanly; link_is_off afterwards, within the goodbye's time. */
void link_stop(beck_client *c);
/* The first connect's time is over, whoever sees it. */
void link_out_of_time(beck_client *c);
bool link_is_off(const beck_client *c);
void link_step(beck_client *c);
void link_network_changed(beck_client *c);
void link_token_arrived(beck_client *c);
void link_token_failed(beck_client *c, const beck_error *err);
/* A call was told that its connection id is unknown (code 46). */
void link_id_is_unknown(beck_client *c, struct span id);

/* ---- io's callbacks ---- */
extern const struct io_events link_io_events;
/* The polling session knows that it is over, or will not be told. */
void link_goodbye_done(beck_client *c);

/* ---- between link.c and its transports ---- */
/* `is_refusal`: the server itself said no (err has its code); else the transport failed. */
void link_failed(beck_client *c, beck_transport transport, const beck_error *err, bool is_refusal);
/* The first event of a connection; a reference is passed. */
void link_hello(beck_client *c, beck_transport transport, struct beck_event *hello);
/* A reference is passed. False without memory: the transport fails then, so that the next connection brings the event again. */
bool link_event(beck_client *c, beck_transport transport, struct beck_event *event) BECK_WARN_UNUSED;
/* The connect payload; with resume_from as the object itself, as "frame", or not at all. */
enum payload_resume { RESUME_NOT, RESUME_FRAME, RESUME_INLINE };
void link_payload(beck_client *c, struct buf *out, enum payload_resume how);
void link_resume_from(beck_client *c, struct buf *out); /* {"resume_from":{...}} */
void link_write_resume_from(beck_client *c, struct jsonw *w);
bool link_can_resume(const beck_client *c);
/* recover.c is through. */
void link_recovered(beck_client *c);

/* ---- link_ws.c ---- */
void ws_start(beck_client *c, bool resumes);
void ws_stop(beck_client *c);       /* without a word of the link's; says goodbye if it can */
void ws_look_alive(beck_client *c); /* a health check now; dead unless something comes soon */
void ws_on_open(beck_client *c);
void ws_on_data(beck_client *c, struct span bytes);
void ws_on_closed(beck_client *c, beck_result result, struct span problem);

/* ---- link_poll.c ---- */
void poll_start(beck_client *c, bool resumes);
/* A hello that is on its way becomes one of c->link.leaving. */
void poll_stop(beck_client *c, bool says_goodbye);
bool poll_is_leaving(const struct link *l);
bool poll_on_answer(beck_client *c, uint64_t id, const struct io_answer *answer); /* false: not one of polling's */

/* ---- recover.c ---- */
/* After a reconnect that could not resume: watches again, asks what was missed, then tells connection.recovered. */
void recover_start(beck_client *c);
/* True: it was not through, so what was missed is not known. */
bool recover_stop(beck_client *c);

#endif
