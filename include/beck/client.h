/* The client: who is connected, and how. */
#ifndef BECK_CLIENT_H
#define BECK_CLIENT_H

#include <beck/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct beck_client beck_client;

typedef enum beck_log_level { BECK_LOG_ERROR = 0, BECK_LOG_WARN = 1, BECK_LOG_INFO = 2, BECK_LOG_DEBUG = 3 } beck_log_level;

/* A line about what the client does; never a token, secret or message text. Called like any callback. */
typedef void (*beck_log_fn)(void *ctx, beck_log_level level, const char *line);

typedef enum beck_threading {
	BECK_OWN_THREAD = 0,  /* a thread of the client; callbacks run on it */
	BECK_POLL_EVENTS = 1, /* the same thread does the work, but callbacks wait until the program calls beck_poll() */
	BECK_NO_THREAD = 2,   /* nothing happens unless the program calls beck_poll(): see loop.h */
} beck_threading;

/* Everything may stay zero but base_url. 384 bytes on 64-bit machines. */
typedef struct beck_options {
	const char *base_url;    /* "https://chat.example.org/prefix"; http, https, ws and wss are understood */
	int32_t timeout_ms;      /* of one call, queueing included; default 6000 */
	bool enable_ws_fallback; /* long polling where WebSocket does not get through */
	bool disable_resume;     /* do not ask the server for missed events by position; recover by querying again */
	bool skip_tls_verify;    /* accept any certificate: for tests only */
	uint8_t threading;       /* a beck_threading */
	const char *proxy;   /* "http://user:pass@host:3128", "socks5h://..."; NULL: as the environment says (http_proxy ...) */
	const char *ca_file; /* PEM file of the certificates to trust; NULL: the system's */
	beck_log_fn log;     /* NULL: silent */
	void *log_ctx;
	uint8_t log_level; /* a beck_log_level: the most verbose to be told; 0: errors only */
	uint8_t reserved_small[3];
	int32_t reconnect_max_attempts; /* in a row without success before the client gives up; default 0: never */
	int32_t reconnect_max_wait_ms;  /* longest pause between two attempts; default 30000 */
	int32_t ws_head_start_ms;       /* how long WebSocket is tried alone; default 500 */
	int32_t ws_retry_ms;            /* how often WebSocket is tried again while long polling; default 300000 */
	int32_t queue_max;              /* calls that may wait for the connection; default 256 */
	int32_t outbox_max;             /* messages in the outbox, refused ones included; default 100 */
	/* Keeps outbox and position over restarts of the program: of one user (another one's connect replaces it), for one client
	 * at a time. Add handlers before connecting, since what was missed comes at once. After a crash events of the last two
	 * seconds may come again. NULL: nothing is kept. */
	const char *state_file;
	const char *client_name; /* in X-Stream-Client, for logs; NULL: "beck-c-<version>" */
	const char *device_json; /* {"id":..., "push_provider":...} to register on connect; NULL: none */
	beck_error *error;       /* where beck_get_instance and beck_client_create say why they returned NULL; may be NULL */
	void *reserved[34];
} beck_options;

/* The one client of this API key in the process: made by the first call, shared by all further ones. Each call that
 * returned a client wants one beck_release. Options NULL: whatever the client has.
 * NULL on failure: no memory, no or bad base_url, or (BECK_ESTATE) other options than the existing client has. Pointers
 * in the options are compared by what they point to, functions and contexts by address. [Initialization & Users] */
BECK_API beck_client *beck_get_instance(const char *api_key, const beck_options *options);
/* A client apart from all others, also of the same key: for bots and tests. */
BECK_API beck_client *beck_client_create(const char *api_key, const beck_options *options);
/* One more owner. Returns the client. */
BECK_API beck_client *beck_client_ref(beck_client *client);
/* One owner less; the last ends everything as beck_disconnect_user would, within two seconds, and frees the client. Waiting calls
 * get BECK_ECANCELLED. Inside a callback it is done when the callback has returned; a callback that hangs on the client's own
 * thread is waited for. NULL is fine. */
BECK_API void beck_release(beck_client *client);

/* The option that is meant by a name, so that both spellings of the documentation work in configuration files: "timeout",
 * "enableWSFallback", "enableWSFallBack", "baseURL", ... Sets it in *options from its text ("true", "6000"). Strings are
 * borrowed. BECK_EARG for an unknown name or a value that does not fit. */
BECK_API beck_result beck_options_set(beck_options *options, const char *name, const char *value);

/* Gives the token for the user. Called on the client's callback thread when one is needed: for the first connect, before an
 * expired one would be used, and when the server says it is expired or revoked (code 40). One call at a time. Answer by
 * beck_token_answer, inside the function or later, from any thread, exactly once. */
typedef struct beck_token_request beck_token_request;
typedef void (*beck_token_fn)(void *ctx, beck_client *client, const char *user_id, beck_token_request *request);
/* token NULL means failure, `why` (may be NULL) says why; both are copied. Ends the request. */
BECK_API void beck_token_answer(beck_token_request *request, const char *token, const char *why);

/* Called once: with NULL when the user is connected, else with why not. */
typedef void (*beck_connect_fn)(void *ctx, beck_client *client, const beck_error *error);

/* Connects: creates the user or merges into him what `user_json` says (by key; what is not given stays), opens the
 * connection and waits until the server has said hello. From then on the client reconnects by itself until disconnected.
 *
 * user_json    {"id":"john", ...}: id of [A-Za-z0-9_@-]{1,255}; at most 5 KB. See beck_user_builder for another way.
 * token        from your backend. A token with the right to everything ("server") is refused: it must not be in clients.
 *
 * Connecting the same user again joins the attempt or returns BECK_OK; another user is BECK_ESTATE until beck_disconnect_user.
 * Errors of the network are tried again within timeout_ms; what the server refuses is returned at once. After a failure no
 * user is set and calls that waited have failed with the same error. [contract: connection-and-users §2, §3] */
BECK_API beck_result beck_connect_user(beck_client *client, const char *user_json, const char *token, beck_error *err);
/* The same with a token provider. */
BECK_API beck_result beck_connect_user_with(
	beck_client *client, const char *user_json, beck_token_fn provider, void *ctx, beck_error *err);
/* The same without waiting: exactly one of token and provider is given. A failing return means that `done` is never called. */
BECK_API beck_result beck_connect_user_async(beck_client *client, const char *user_json, const char *token,
	beck_token_fn provider, void *provider_ctx, beck_connect_fn done, void *ctx, beck_error *err);
/* As nobody: may read what the application lets anonymous people read. [§1.6] */
BECK_API beck_result beck_connect_anonymous(beck_client *client, beck_error *err);
BECK_API beck_result beck_connect_anonymous_async(beck_client *client, beck_connect_fn done, void *ctx, beck_error *err);
/* As a guest: the server makes a user whose id contains the one asked for (see beck_user_id), so a second
 * guest before beck_disconnect_user is another user. [§1.6] */
BECK_API beck_result beck_connect_guest(beck_client *client, const char *user_json, beck_error *err);
BECK_API beck_result beck_connect_guest_async(
	beck_client *client, const char *user_json, beck_connect_fn done, void *ctx, beck_error *err);

/* Ends the connection cleanly on either transport, then forgets user, token, watches, waiting calls (BECK_ECANCELLED) and
 * unsent messages of the outbox (kept in the state file, if there is one, for the same user). Takes at most two seconds;
 * afterwards another user may be connected. BECK_OK also when nobody was connected. In a callback: started, not waited for. */
BECK_API beck_result beck_disconnect_user(beck_client *client);

/* The network is back, or has changed: try now instead of at the end of a pause, and look whether the connection still lives. */
BECK_API void beck_network_changed(beck_client *client);

typedef enum beck_connection_state {
	BECK_DISCONNECTED = 0, /* no user */
	BECK_CONNECTING = 1,   /* the first connect of this user */
	BECK_CONNECTED = 2,
	BECK_RECONNECTING = 3,
} beck_connection_state;
typedef enum beck_transport { BECK_TRANSPORT_NONE = 0, BECK_TRANSPORT_WEBSOCKET = 1, BECK_TRANSPORT_LONGPOLL = 2 } beck_transport;

/* How the connection stands at this moment; "connection.changed" tells when that changes. */
BECK_API beck_connection_state beck_state(beck_client *client);
/* What carries events at this moment; BECK_TRANSPORT_NONE without a connection. */
BECK_API beck_transport beck_current_transport(beck_client *client);
/* Of the present connection, "" without one. Valid until the client has reconnected eight more times or is freed. */
BECK_API const char *beck_connection_id(beck_client *client);
/* Of the connected user, "" without one; a guest's is what the server made of it. Valid until he is disconnected. */
BECK_API const char *beck_user_id(beck_client *client);
BECK_API const char *beck_api_key(beck_client *client);  /* valid as long as the client */
BECK_API const char *beck_base_url(beck_client *client); /* valid as long as the client */
/* Why the last attempt to (re)connect failed; BECK_OK in result when it did not. */
BECK_API void beck_last_connect_error(beck_client *client, beck_error *error);

#ifdef __cplusplus
}
#endif
#endif
