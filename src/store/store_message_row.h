/* Reading a messages row; shared by the files of messages alone. */
#ifndef BECK_STORE_STORE_MESSAGE_ROW_H
#define BECK_STORE_STORE_MESSAGE_ROW_H

#include "store/sql.h"
#include "store/store_messages.h"

/* Columns of message_row_read, from a table or alias `m`. */
#define MESSAGE_ROW                                                                                                              \
	"m.pk, m.id, m.channel_pk, m.user_pk, m.type, m.text, m.html, m.mml, m.attachments, m.mentioned, m.custom, "             \
	"m.restricted, m.parent_pk, m.show_in_channel, m.quoted_pk, m.reply_count, m.deleted_reply_count, m.silent, "            \
	"m.shadowed, m.pinned, m.pinned_at, m.pinned_by, m.pin_expires, m.created_at, m.updated_at, m.text_updated_at, "         \
	"m.deleted_at, m.seq, "                                                                                                  \
	"CASE WHEN m.parent_pk = 0 THEN NULL ELSE (SELECT p.id FROM messages p WHERE p.pk = m.parent_pk) END, "                  \
	"CASE WHEN m.quoted_pk = 0 THEN NULL ELSE (SELECT q.id FROM messages q WHERE q.pk = m.quoted_pk) END"
/* A message of the channel's own list. The text repeats the index's condition. */
#define MESSAGE_IN_LIST "(m.parent_pk = 0 OR m.show_in_channel = 1)"

/* A reply that is unread for participant t (joined by its thread): by another, not silent, still there, for his eyes. ?2 his key.
 */
#define UNREAD_REPLY                                                                                                             \
	"r.parent_pk = t.parent_pk AND r.parent_pk <> 0 AND r.created_at > t.last_read AND r.user_pk <> ?2 AND r.silent = 0 "    \
	"AND r.deleted_at = 0 AND r.shadowed = 0 AND (r.restricted IS NULL OR "                                                  \
	"replace(r.restricted, (SELECT '\"' || u.id || '\"' FROM users u WHERE u.pk = ?2), '') <> r.restricted) "                \
	"AND NOT EXISTS (SELECT 1 FROM deleted_for_me d WHERE d.user_pk = ?2 AND d.message_pk = r.pk)"

void message_row_read(struct sql_stmt *s, struct arena *a, struct message *m);
/* All rows into at most `limit` places of `out`; ends the use of s. */
enum err message_rows_read(struct sql_stmt *s, struct arena *a, struct message *out, size_t limit, size_t *n) BECK_WARN_UNUSED;

#endif
