/* The HTTP surface: routes as a table, a call as one object that travels loop -> worker -> loop.
 *
 * A call is prepared on the loop (route, key, token, body parsed), run on a worker inside a transaction, and finished on the
 * loop. api_run may ask to be run again: on the lane (API_WRITE), or after subscriptions were made (API_SUBSCRIBE, then rerun as
 * a read). */
#ifndef BECK_API_API_H
#define BECK_API_API_H

#include "chat/chat.h"
#include "wire/http.h"
#include "wire/jwt.h"
#include "wire/url.h"

struct api_call;
struct api_route;

enum api_kind { API_READ, API_WRITE };
enum api_next { API_DONE, API_TO_WRITE, API_TO_SUBSCRIBE };

enum api_auth_flag {
	API_PUBLIC = 1,   /* no key, no token */
	API_KEY_ONLY = 2, /* a token may come along, and must be good then */
	API_SERVER_ONLY = 4,
	API_CLIENT_ONLY = 8, /* anonymous callers are clients too */
	API_QUERY_AUTH = 16, /* token and kind may stand in the query */
	API_ROOT_ONLY = 32,  /* not under /api/v2 */
	API_CHAT = 64,       /* in dialect 2 under /api/v2/chat instead of /api/v2 */
	API_SLOW = 128,      /* a read that may take long (filters, many rows): no other waits behind it */
};

struct api_route {
	const char *name; /* the operation: error texts, rate limits, metrics ("GetOrCreateChannel") */
	enum http_method method;
	const char *pattern; /* "/channels/{type}/{id}/query"; both dialect prefixes are derived */
	enum api_kind kind;
	unsigned flags;
	enum err (*run)(struct api_call *c);
};
extern const struct api_route api_routes[]; /* ended by a NULL name */

#define API_PARAMS_MAX 4
struct api_call {
	/* request; all in `arena` */
	struct arena arena;
	const struct api_route *route;
	struct http_request http;
	struct url_query query;
	struct span params[API_PARAMS_MAX]; /* path parameters in order, percent-decoded */
	yyjson_val *body;                   /* parsed JSON object; NULL = no body (treated as {}) */
	struct span peer;                   /* client address */
	struct span request_id;             /* ours, for logs; client's x-client-request-id is echoed */
	int64_t started_us;                 /* monotonic */
	/* who */
	struct chat_ctx chat;
	struct app *app;        /* a reference */
	struct app *app_before; /* likewise, when the second run found newer settings */
	struct jwt token;
	struct token_cache *tokens;  /* the loop's, for api_prepare*; NULL = none */
	struct strangers *strangers; /* the server's, likewise; NULL = no limits */
	bool has_token;
	uint32_t calls_in_minute; /* of this operation, this one included; 1 for a client, who is told of no others */
	/* reply: a JSON object without its closing brace is in `reply` (the edge adds duration and "}") */
	struct buf reply;
	struct jsonw out;
	int status;           /* 200/201 by method unless set */
	struct span raw_type; /* given: reply is not JSON but whole bytes of this type */
	/* subscriptions asked for by API_TO_SUBSCRIBE */
	struct {
		bool wanted, done, found;
		bool is_new; /* the channel was made by this call, and is watched since then */
		struct span connection_id;
		int64_t *channels;
		bool *quiet, *first;
		int64_t *watcher_count;
		size_t channel_count;
		int64_t *unwatch;
		bool *last;
		size_t unwatch_count;
		int64_t *presence, *presence_causes; /* causes: the channel that brings him, 0 = none; NULL: none for all */
		size_t presence_count;
		/* Written by the second run: the right is gone meanwhile, so the subscription is taken back. When that run fails,
		 * all are. */
		bool *lost, *presence_lost;
	} subscribe;
	/* connect (WebSocket and long poll): filled by the connect rule. session_start as an opaque pointer: api does not know
	 * sessions' insides. */
	struct session_start *start;
	/* carrier's own */
	void *owner;
	void (*done)(struct api_call *c); /* on the origin loop's thread, set by conn */
	struct net_loop *loop;
	struct list node;           /* queue link of the workers */
	struct net_message message; /* way back */
};

/* Where paths go; method not allowed and unknown path are 404/16 in the contract's form. Longest literal match. */
const struct api_route *api_find(
	enum http_method m, struct span path, struct arena *a, struct span params[API_PARAMS_MAX], enum dialect *d);
/* On the loop: fills route, query, app, token; verification order of connection-and-users.md 1.3 as far as it needs no store.
 * ERR_OK: run it. Otherwise ctx error is set; send the error. */
enum err api_prepare(struct chat *chat, struct api_call *c) BECK_WARN_UNUSED;
/* The same for connect, where credentials and the payload (`json`, which becomes c->body) come from the query string. Sets
 * c->route. */
enum err api_prepare_connect(struct chat *chat, struct api_call *c) BECK_WARN_UNUSED;
/* As the session opens, on its loop: the application may have changed since the call was prepared. A change made after this finds
 * the session there: settings are known to all before their events are published. ERR_OK, or the context's error is set. */
enum err api_connect_recheck(struct api_call *c) BECK_WARN_UNUSED;
/* Was it prepared by api_prepare_connect? */
bool api_is_connect(const struct api_call *c);
/* On a worker, c->chat.tx set. The rest of authentication (revoked, deleted, deactivated), then the rule. */
enum api_next api_run(struct api_call *c);
/* Whole JSON text of the reply or the error, with duration; bytes in c->reply. now: monotonic. */
void api_finish(struct api_call *c, int64_t now_us);
/* The contract's error object (connection-and-users.md 1.7) as text in the arena: also for frames and for errors before any
 * route. */
struct span api_error_json(
	const struct chat *chat, struct arena *a, const char *operation, const struct error *e, int64_t duration_us);
void api_call_deinit(struct api_call *c);

/* One page of the log for a resume, and totals for a recount: run on a reader (api/replay.c). */
struct session_replay_page;
struct session_totals_answer;

#endif
