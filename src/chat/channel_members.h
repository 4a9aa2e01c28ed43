/* Taking members in, out and up: what creation and updates share. Events and log rows included. */
#ifndef BECK_CHAT_CHANNEL_MEMBERS_H
#define BECK_CHAT_CHANNEL_MEMBERS_H

#include "chat/channel_events.h"

/* Members named by a request: strings, or {user_id | user{id}, channel_role?, custom..}. Each user once. */
struct member_seed {
	struct span user_id, channel_role, custom; /* role not given = the default */
	struct user user;
	bool invited;
};
struct member_list {
	struct member_seed *items;
	size_t n, cap;
};
/* Appends; for one that is there already only `invited` grows. At most LIMIT_MEMBERS_PER_CALL in one list. list absent or null:
 * nothing. */
enum err member_list_parse(
	struct chat_ctx *c, yyjson_val *list, const char *key, bool invited, struct member_list *out) BECK_WARN_UNUSED;
/* Loads the users. One that does not exist: ERR_INPUT naming it. */
enum err member_list_resolve(struct chat_ctx *c, struct member_list *l, const char *key) BECK_WARN_UNUSED;

struct member_add {
	int64_t hide_before; /* history cut of the new ones; 0 = none */
	bool is_creation;    /* no member.added: nobody watches yet */
	const char *role;    /* role of those whose seed names none */
	int64_t hidden_for;  /* this user's row starts hidden */
};
/* Makes memberships of those who have none; existing ones stay as they are. Counts and tells. */
enum err members_add(
	struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l, const struct member_add *how) BECK_WARN_UNUSED;
/* Those who are no members are skipped. */
enum err members_remove(struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l) BECK_WARN_UNUSED;
/* Gives each seed's role, or `role` when not NULL. One who is no member: ERR_INPUT. */
enum err members_set_role(
	struct chat_ctx *c, struct channel_ctx *x, const struct member_list *l, const char *role) BECK_WARN_UNUSED;
/* The caller's answer to his pending invitation. */
enum err invite_answer(struct chat_ctx *c, struct channel_ctx *x, bool accept) BECK_WARN_UNUSED;
/* Writes m and tells the watchers; only_own: his own connections alone (pins, archives). */
enum err member_store(struct chat_ctx *c, struct channel_ctx *x, struct member *m, bool only_own) BECK_WARN_UNUSED;

#endif
