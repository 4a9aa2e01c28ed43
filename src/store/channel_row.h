/* Columns of channels and members in the order that the decoders read them. For the files of src/store that select them. */
#ifndef BECK_STORE_CHANNEL_ROW_H
#define BECK_STORE_CHANNEL_ROW_H

#include "store/sql.h"

/* The channels table must be named c. */
#define CHANNEL_COLUMNS                                                                                                          \
	"c.pk, c.type, c.id, c.created_by, c.team, c.custom, c.config_overrides, c.filter_tags, c.frozen, c.disabled, "          \
	"c.cooldown_s, c.member_count, c.message_count, c.counted_seq, c.exception_seq, c.floor_seq, c.created_at, "             \
	"c.updated_at, "                                                                                                         \
	"c.last_message_at, c.deleted_at, c.truncated_at, c.truncated_by, c.keep_history"
enum { CHANNEL_COLUMN_COUNT = 23 };
void channel_row_read(struct sql_stmt *s, int first_column, struct arena *a, struct channel *out);

/* The members table must be named m. */
#define MEMBER_COLUMNS                                                                                                           \
	"m.channel_pk, m.user_pk, m.channel_role, m.is_moderator, m.custom, m.invited, m.invite_accepted_at, "                   \
	"m.invite_rejected_at, m.banned, m.ban_expires, m.shadow_banned, m.pinned_at, m.archived_at, m.hidden, m.hide_before, "  \
	"m.muted, m.mute_expires_at, m.mute_seq, m.created_at, m.updated_at, m.read_seq, m.own_seq, m.last_read, "               \
	"m.last_read_message_id, "                                                                                               \
	"m.first_unread_message_id, m.last_delivered_at, m.last_delivered_message_id"
enum { MEMBER_COLUMN_COUNT = 27 };
void member_row_read(struct sql_stmt *s, int first_column, struct arena *a, struct member *out);

/* What is set in every membership, and whether there is more (then the whole row is to be read). */
#define MEMBER_BRIEF                                                                                                             \
	"m.channel_pk, m.user_pk, m.channel_role, m.created_at, m.updated_at, m.read_seq, m.own_seq, m.last_read, "              \
	"m.last_read_message_id, m.last_delivered_at, m.last_delivered_message_id, m.has_more"
/* True: there is more. */
bool member_brief_read(struct sql_stmt *s, struct arena *a, struct member *out);

#endif
