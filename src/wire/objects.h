/* The contract's objects: the structs that the store fills and the rules read, and their JSON in both dialects.
 * A key that a writer gains stands in wire/dialect2.c as well, or it is custom data to sessions of dialect 2.
 * All spans live in the request's arena. Times in microseconds, 0 = not set. JSON-valued fields are compact, validated text. */
#ifndef BECK_WIRE_OBJECTS_H
#define BECK_WIRE_OBJECTS_H

#include "base/json.h"
#include "wire/timestamp.h"

/* A setting that may never have been set. */
enum tri { TRI_UNSET = -1, TRI_OFF = 0, TRI_ON = 1 };

struct user {
	int64_t pk; /* 0 = the anonymous user, or not stored yet */
	struct span id, role, name, image, language;
	struct span teams;      /* JSON array or not given */
	struct span teams_role; /* JSON object or not given */
	struct span custom;     /* JSON object or not given */
	int64_t created_at, updated_at, last_active, deactivated_at, deleted_at, revoke_before, ban_expires;
	bool invisible, banned, shadow_banned;
	int8_t privacy_typing, privacy_read, privacy_delivery; /* enum tri */
	int64_t invisible_since_last_active;                   /* what others see as last_active while invisible */
	bool online;                                           /* filled by chat from the live registry, not by the store */
	/* The common view's text, made by whoever shows the same user many times in one reply; written as it is. */
	struct span rendered;
	enum dialect rendered_as;
};
enum user_view {
	USER_VIEW_COMMON,  /* as others see him: events, authors, members, watchers */
	USER_VIEW_PRIVACY, /* user.updated: common + invisible (false: others see it too), privacy_settings */
	USER_VIEW_SERVER,  /* common + what server-side callers may see */
	USER_VIEW_SELF,    /* everything of his own but the `me` lists, blocked_user_ids among them */
};
/* For others (common, privacy) an invisible user is offline and his last_active is the frozen one, whatever `online` says. */
void user_write(struct jsonw *w, enum dialect d, enum user_view v, const struct user *u);
/* The members without the braces, so that `me` can go on. */
void user_write_members(struct jsonw *w, enum dialect d, enum user_view v, const struct user *u);

struct device {
	struct span id, push_provider, push_provider_name;
	int64_t created_at;
};
void device_write(struct jsonw *w, enum dialect d, const struct device *dev, struct span user_id);

struct channel {
	int64_t pk;
	struct span type, id, cid;
	struct user created_by; /* id given; the rest when loaded */
	struct user truncated_by;
	struct span team, custom, config_overrides, filter_tags;
	bool frozen, disabled;
	bool keep_history; /* deleted with skip_truncate: history survives recreation */
	int64_t cooldown_s;
	int64_t member_count, message_count;
	int64_t counted_seq, exception_seq, floor_seq; /* see DESIGN: unread; a read_seq below floor_seq counts as floor_seq */
	int64_t created_at, updated_at, last_message_at, deleted_at, truncated_at;
};

struct member {
	int64_t channel_pk, user_pk;
	struct user user;
	struct span channel_role, custom;
	bool is_moderator, invited, banned, shadow_banned, hidden, muted;
	bool is_owner; /* created the channel: the deprecated `role` mirror */
	int64_t invite_accepted_at, invite_rejected_at, pinned_at, archived_at, ban_expires;
	int64_t hide_before; /* history cut of this member; messages at or before it are not his */
	int64_t mute_expires_at;
	int64_t created_at, updated_at;
	/* read state */
	int64_t read_seq, unread;  /* unread: filled by store_member_unread and the list calls that say so */
	int64_t own_seq, mute_seq; /* filled where the whole row is read */
	int64_t last_read, last_delivered_at;
	struct span last_read_message_id, first_unread_message_id, last_delivered_message_id;
	struct span deleted_messages; /* JSON array of ids or not given; filled by chat where it may be shown */
};

struct message {
	int64_t pk, channel_pk, user_pk, parent_pk, quoted_pk;
	struct span id, cid, type, text, html, mml, attachments /* array */, custom /* object */;
	struct span mentioned_ids; /* JSON array of user ids, as stored */
	struct user *mentioned;    /* loaded by chat */
	size_t mentioned_count;
	struct user user;
	struct span parent_id, quoted_id;
	struct message *quoted; /* one level, loaded by chat; NULL = none */
	bool show_in_channel, silent, shadowed, pinned;
	bool deleted_for_me;  /* a tombstone for one user alone */
	int64_t *hidden_from; /* who deleted it for himself, when asked before it was erased; else NULL */
	size_t hidden_from_count;
	struct span restricted_visibility; /* JSON array of user ids or not given */
	int64_t reply_count, deleted_reply_count;
	struct user *participants; /* parents only, newest 10 first seen */
	size_t participant_count;
	int64_t created_at, updated_at, deleted_at, text_updated_at, pinned_at, pin_expires;
	struct user pinned_by;
	int64_t seq;                 /* counted sequence; 0 = does not count */
	const struct member *member; /* the sender's membership when he is a member */
};

/* What a message was before a change. */
struct message_version {
	int64_t pk;
	struct span message_id, written_by; /* written_by: not given when he was erased */
	struct span text, attachments, custom;
	int64_t written_at;
	bool is_deleted;
};

/* How a channel type, its overrides and the caller's rights come out; computed by chat. */
struct channel_view {
	struct span config_json;       /* whole object text */
	struct span capabilities_json; /* array text; not given on server calls */
	const struct member *own;      /* caller's row: hidden, muted, ...; NULL */
	bool count_messages;
};
void channel_write(struct jsonw *w, enum dialect d, const struct channel *c, const struct channel_view *v);
void member_write(struct jsonw *w, enum dialect d, const struct member *m);
void message_write(struct jsonw *w, enum dialect d, const struct message *m);
void message_version_write(struct jsonw *w, enum dialect d, const struct message_version *v);
/* Keys of a version that custom data must not repeat: a message's custom data may have them. */
bool message_version_reserved(struct span key);
/* One entry of read[]; hide_delivery leaves last_delivered_* out. */
void read_write(struct jsonw *w, enum dialect d, const struct member *m, bool hide_delivery);

/* They write what the struct holds: tombstones (deleted, quoted and deleted) are the caller's making. */

/* Splits custom data from an object of a request: members whose name `reserved` does not list, as compact JSON; not given when
 * none. */
struct span custom_collect(struct arena *a, yyjson_val *obj, bool (*is_reserved)(struct span key));
/* The flat object {"a":1} merged: keys of `patch` win, null in patch removes. Not-given inputs count as {}. Result may be not
 * given. Costs base x patch comparisons: check the patch's size first. */
struct span custom_merge(struct arena *a, struct span base, yyjson_val *patch);
/* Partial update: dotted paths; *obj not given counts as {} and becomes not given when nothing is left. Missing parents are made
 * (set) or fine (unset). False, and *obj untouched, when a parent on the way is no object, a part is empty, the result would nest
 * deeper than LIMIT_JSON_DEPTH, or without memory (then the arena has failed). */
bool custom_set_path(struct arena *a, struct span *obj, struct span path, yyjson_val *value);
bool custom_unset_path(struct arena *a, struct span *obj, struct span path);

#endif
