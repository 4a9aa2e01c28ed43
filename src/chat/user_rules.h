/* The rules behind the routes of users, and what they share. Bodies of requests come in as parsed JSON (NULL = {}), replies are
 * written as members of the reply object. Results as in chat.h.
 *
 * Users in the log: user.updated stands in the own stream of its user (user_pk), without data; others learn of it by presence
 * subscription, which nobody replays. */
#ifndef BECK_CHAT_USER_RULES_H
#define BECK_CHAT_USER_RULES_H

#include "chat/chat.h"

/* ---- user objects of requests (user_apply.c) ---- */
/* Key of a user object that is never custom data. */
bool user_key_reserved(struct span key);
/* privacy_settings of a request: given sub-settings overwrite, the others stay; a name or key that there is not is refused. */
int8_t *user_privacy_field(struct user *u, struct span name); /* NULL: no setting has that name */
enum err user_privacy_set(struct chat_ctx *c, struct user *u, struct span name, yyjson_val *v) BECK_WARN_UNUSED;
enum err user_privacy_apply(struct chat_ctx *c, struct user *u, yyjson_val *v) BECK_WARN_UNUSED;
/* last_active as it will be when the batch of the last second is written. */
void user_seen(struct chat_ctx *c, struct user *u);
/* One built-in key (any but id); for partial updates. *known false: it is custom data. */
enum err user_key_apply(struct chat_ctx *c, struct user *u, struct span key, yyjson_val *v, bool *known) BECK_WARN_UNUSED;
/* Rights, size and name of *u beside what is stored; *changed: something differs. */
enum err user_check(struct chat_ctx *c, const struct user *before, struct user *u, bool *changed) BECK_WARN_UNUSED;
/* A row with nothing in it but the id. */
struct user user_new(struct span id);
struct user user_anonymous(void); /* nobody's row: pk 0 */

/* ---- upsert, partial update, query, guests (user_update.c, user_query.c, guests.c) ---- */
enum err chat_update_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_update_users_partial(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
struct user_list {
	struct user *items;
	size_t n;
};
/* May the caller query users at all? */
bool chat_may_search_users(const struct chat_ctx *c);
/* Would a query that says nothing of teams show him this user? */
bool chat_user_is_near(const struct chat_ctx *c, const struct user *u);
enum err chat_query_users(struct chat_ctx *c, yyjson_val *payload, struct user_list *out) BECK_WARN_UNUSED;
enum err chat_create_guest(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
/* A user as replies about users show him: with the lists and counts where the caller may see them. */
enum err chat_user_write_full(struct chat_ctx *c, struct jsonw *w, const struct user *u) BECK_WARN_UNUSED;
/* The devices member. */
enum err user_write_devices(struct chat_ctx *c, struct jsonw *w, const struct user *u) BECK_WARN_UNUSED;

/* Calendar month of a time as usage is counted: 202611. */
int chat_month(int64_t wall_us);

/* What may be read was changed for the whole application: everybody's watches are looked at anew (revoke.c). */
enum err chat_check_watches(struct chat_ctx *c) BECK_WARN_UNUSED;

/* ---- the end of sessions and users (revoke.c, user_delete.c, user_deactivate.c, user_tasks.c) ---- */
/* The members of user.deleted that say how. */
void chat_user_deleted_modes(struct jsonw *w, struct span user, struct span messages, struct span conversations);
/* Every session of the user gets the error frame and is closed, after the commit. */
enum err chat_end_sessions(struct chat_ctx *c, int64_t user_pk, enum err e, const char *message) BECK_WARN_UNUSED;
/* The same for his sessions (user 0: all users') whose tokens were issued before. */
enum err chat_end_revoked(struct chat_ctx *c, int64_t user_pk, int64_t before_us) BECK_WARN_UNUSED;
enum err chat_delete_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
struct user_delete_options {
	bool hard, mark_messages_deleted, delete_conversations;
};
enum err chat_delete_user(
	struct chat_ctx *c, struct span id, const struct user_delete_options *o, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_restore_users(struct chat_ctx *c, yyjson_val *body) BECK_WARN_UNUSED;
enum err chat_deactivate_user(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_deactivate_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_reactivate_user(struct chat_ctx *c, struct span id, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
enum err chat_reactivate_users(struct chat_ctx *c, yyjson_val *body, struct jsonw *w) BECK_WARN_UNUSED;
/* user_ids of a body: 1 .. LIMIT_USERS_BATCH users that exist and are not deleted (with_deleted: those too). */
enum err users_named(struct chat_ctx *c, yyjson_val *body, bool with_deleted, struct user **out, size_t *n) BECK_WARN_UNUSED;

/* ---- tasks (tasks.c) ---- */
/* Stores a task that the background takes up; *id in the arena. */
enum err chat_task_make(struct chat_ctx *c, const char *kind, struct span input, struct span *id) BECK_WARN_UNUSED;
/* One slice of an unfinished task, whatever its kind; stores its new state. c->app is the task's. */
enum err chat_task_step(struct chat_ctx *c, struct store_task *t) BECK_WARN_UNUSED;
enum err chat_get_task(struct chat_ctx *c, struct span id, struct jsonw *w) BECK_WARN_UNUSED;
/* A slice of the kinds "users.delete", "users.deactivate", "users.reactivate"; *done: it is completed. */
enum err chat_user_task_step(struct chat_ctx *c, struct store_task *t, bool *done) BECK_WARN_UNUSED;

/* A pruned or erased user cannot be restored; his row, while it is there, says so in place of a frozen last_active. */
enum { USER_PRUNED = -1 };

#endif
