/* The rules. Every rule is straight-line code over a chat_ctx: read what decides, write, record events, prepare the reply. It
 * runs on a reader thread or in a savepoint of the write lane, may be rerun, and has no effect outside its transaction and arena:
 * what changes beside the store rides on the events (chat_committed). Rules return ERR_OK or fail through chat_fail. */
#ifndef BECK_CHAT_CHAT_H
#define BECK_CHAT_CHAT_H

#include "base/clock.h"
#include "base/rng.h"
#include "bus/bus.h"
#include "session/registry.h"
#include "store/store.h"
#include "store/store_channels.h"
#include "wire/event.h"
#include "wire/objects.h"

/* What all rules of a server share. Made by src/server; immutable but for the app cache, which locks itself. */
struct chat_apps;
struct chat {
	const struct clock *clock;
	const struct rng *rng;
	struct registry *registry;
	struct chat_apps *apps;
	bool is_dev;
	struct span error_page; /* what more_info of errors names, before "#code"; not given = nothing */
	/* Upward: appends the server's figures as Prometheus text. NULL: there are none to show. Any worker thread. */
	void (*metrics)(void *ctx, struct buf *out);
	void *metrics_ctx;
};

/* ---- applications: snapshots, shared by reference, replaced as a whole when settings change (chat/apps.c) ---- */
struct channel_type {
	struct span name, config_json, grants_json;
	struct span shown_json; /* the configuration as channels show it; not given: this is a type with a channel's overrides */
	yyjson_val *config, *grants;
	bool typing_events, read_events, connect_events, delivery_events, custom_events, search, reactions, replies, quotes,
		mutes, uploads, url_enrichment, count_messages, mark_messages_pending, skip_last_msg_update_for_system_msgs;
	int64_t max_message_length;
	int64_t created_at, updated_at;
};
struct app {
	atomic_uint refs;
	int64_t pk;
	uint64_t serial; /* of this snapshot; no other one ever has it */
	struct span name, key, settings_json;
	struct span *secrets;
	size_t secret_count;
	yyjson_val *settings;
	yyjson_val *grants; /* of the application's scope: role -> [permission], settings over defaults */
	bool suspended, disable_auth_checks, disable_permissions_checks, multi_tenant_enabled, guest_user_creation_disabled,
		user_response_time_enabled, is_development;
	int unique_usernames; /* 0 no, 1 app, 2 team */
	int64_t revoke_before;
	struct channel_type *types;
	size_t type_count;
	struct rates *rates; /* rates.h; the same for all snapshots of the application */
	struct arena arena;  /* owns all of the above */
};
struct chat_apps *chat_apps_create(const struct rng *rng) BECK_WARN_UNUSED;
void chat_apps_destroy(struct chat_apps *c);
/* (Re)loads everything: at start and after a change committed. */
enum err chat_apps_load(struct chat_apps *c, struct store_tx *tx) BECK_WARN_UNUSED;
struct app *chat_app_by_key(struct chat_apps *c, struct span key); /* a reference, or NULL */
struct app *chat_app_by_pk(struct chat_apps *c, int64_t pk);
struct app *chat_app_ref(struct app *a);
void chat_app_unref(struct app *a);
const struct channel_type *chat_app_type(const struct app *a, struct span name);
/* Switches whose default depends on the server: on in development mode, where nobody said otherwise. Skipping the checks of user
 * tokens works in development mode only: of all where the application asks for it, else of those whose signature is the
 * placeholder word (`is_placeholder`), so that a backend that signs wrongly notices. */
bool chat_app_skips_token_checks(const struct chat *chat, const struct app *a, bool is_placeholder);
bool chat_app_allows_guests(const struct chat *chat, const struct app *a);
/* Creates an application with the built-in channel types (from schema/). Key or secret not given: made. In a write. */
enum err chat_app_create(struct store_tx *tx, const struct clock *clock, const struct rng *rng, struct arena *a, struct span name,
	struct span key, struct span secret, struct store_app *out) BECK_WARN_UNUSED;

/* ---- the context of one rule ---- */
enum caller_kind { CALLER_NOBODY, CALLER_SERVER, CALLER_USER, CALLER_ANONYMOUS };
struct chat_ctx {
	struct chat *chat;
	struct store_tx *tx;
	bool can_write; /* on the lane */
	struct arena *arena;
	const struct app *app;
	enum caller_kind caller;
	struct user me; /* CALLER_USER: the stored row; CALLER_ANONYMOUS: the anonymous user; CALLER_SERVER: the acting user when
			   one was named (acting_given), else pk 0 */
	bool acting_given;
	enum dialect dialect;
	int64_t now_us; /* wall clock, read once */
	struct error error;
	/* recorded, in order; published after the commit (write) or when the rule has returned ERR_OK (read) */
	struct event **events;
	size_t event_count, event_cap;
	struct people_table *people; /* users read already for this reply (people.h); NULL: nobody shares them */
	int64_t hides_of;            /* whether this user (0: nobody yet) deleted messages for himself is known ... */
	bool hides;                  /* ... and this is it (message_own.c) */
	/* the apps snapshot must be reloaded after the commit */
	bool apps_changed;
};
/* Sets ctx->error and returns e. field NULL = none. Message is the reason alone. */
enum err chat_fail(struct chat_ctx *c, enum err e, const char *field, const char *fmt, ...) BECK_PRINTF(4, 5) BECK_WARN_UNUSED;
/* For store results other than ERR_OK: gives them a message. */
enum err chat_store_fail(struct chat_ctx *c, enum err e) BECK_WARN_UNUSED;
#ifdef __clang_analyzer__
/* What the analyzer cannot know: a failure is never ERR_OK, and so outputs of a function that failed are not looked at. */
static inline enum err chat_failed(enum err e)
{
	if (e == ERR_OK) __builtin_unreachable();
	return e;
}
#define chat_fail(...)        chat_failed(chat_fail(__VA_ARGS__))
#define chat_store_fail(c, e) chat_failed(chat_store_fail(c, e))
#endif
/* The rule needs the lane: a READ run returns this and is rerun there. */
enum err chat_need_write(struct chat_ctx *c) BECK_WARN_UNUSED; /* returns ERR_AGAIN when !can_write, ERR_OK otherwise */

/* Every answer's `duration`: "12.34ms". */
void chat_duration_write(struct jsonw *w, int64_t us);
/* The contract's error object; message becomes `<operation> failed with error: "..."`. chat: for the address of the error page;
 * may be NULL. */
void chat_error_write(
	const struct chat *chat, struct jsonw *w, struct span operation, const struct error *e, int64_t duration_us);

static inline bool chat_is_server(const struct chat_ctx *c) { return c->caller == CALLER_SERVER; }

/* ---- events (chat/events.c) ---- */
/* Appends a log row (durable types) and a deliverable. `body` is a finished JSON object without its closing brace, or not given
 * (only a move or a flag); `notify` likewise. From `log` the event gets app, channel (or context), user and actor; log->type and
 * created_at need not be filled. log NULL, or a type that is not durable: no row. Returns the event for setting audience, move
 * and flags; NULL on failure (error set). */
struct event *chat_record(
	struct chat_ctx *c, enum event_type t, const struct store_event *log, struct span body, struct span notify);
/* Why chat_record returned NULL. */
static inline enum err chat_told(const struct chat_ctx *c) { return c->error.err != ERR_OK ? c->error.err : ERR_INTERNAL; }
/* What the recorded events mean to the live registry. After the commit, before they are published and the reply goes out. */
void chat_committed(const struct chat_ctx *c);
/* Begins an event body: {"type":..,"created_at":..,"cid":..,...channel keys when ch != NULL. The caller adds members and does not
 * close. */
void chat_event_begin(struct chat_ctx *c, struct jsonw *w, struct span type, int64_t at_us, const struct channel *ch);

/* ---- users (chat/users.c), privacy (chat/privacy.c) ---- */
struct span chat_fold(struct arena *a, struct span name); /* lower case, white space and signs gone; not given when empty */
/* Fills online and what invisibility hides, for the eyes of this caller. Call on every user row before encoding. */
void chat_user_for_viewer(struct chat_ctx *c, struct user *u);
enum user_view chat_user_view(const struct chat_ctx *c, const struct user *u);
/* A server call that names a user sees of others what that user would: takes the rest out of a row that is to be shown in full.
 */
void chat_user_veil(const struct chat_ctx *c, struct user *u);
/* Parses and applies a user object of a request onto *u (u->pk 0 = new). */
enum user_merge { USER_MERGE_CONNECT, USER_MERGE_UPSERT };
enum err chat_user_apply(
	struct chat_ctx *c, struct user *u, yyjson_val *obj, enum user_merge how, bool *changed) BECK_WARN_UNUSED;
/* Stores the row and records user.updated / presence as due. existed: it was there before. */
enum err chat_user_store(struct chat_ctx *c, struct user *u, bool existed, bool presence_changed) BECK_WARN_UNUSED;
/* The acting user of a server call: `user_id` / `user` of a body (NULL) and query; sets c->me. may_create: unknown ids are made.
 */
enum err chat_acting_user(struct chat_ctx *c, yyjson_val *body, struct span query_user_id, bool may_create) BECK_WARN_UNUSED;
static inline bool privacy_typing_on(const struct user *u) { return u->privacy_typing != TRI_OFF; }
static inline bool privacy_read_on(const struct user *u) { return u->privacy_read != TRI_OFF; }
static inline bool privacy_delivery_on(const struct user *u) { return u->privacy_delivery != TRI_OFF; }

/* ---- permissions (chat/permissions.c): grants as data ---- */
/* App-scope grant of the caller. */
bool chat_may(const struct chat_ctx *c, const char *permission);
/* Channel scope: app role, channel role (member may be NULL), "-owner" twin when is_owner. Server callers may everything. */
bool chat_may_in(const struct chat_ctx *c, const struct channel_type *t, const struct channel *ch, const struct member *m,
	const char *permission, bool is_owner);

#endif
