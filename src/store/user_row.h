/* Columns of users in the order that the decoder reads them. For the files of src/store that select them; the table must be named
 * u. */
#ifndef BECK_STORE_USER_ROW_H
#define BECK_STORE_USER_ROW_H

#include "store/sql.h"

#define USER_COLUMNS                                                                                                             \
	"u.pk, u.id, u.role, u.name, u.image, u.language, u.teams, u.teams_role, u.custom, u.created_at, u.updated_at, "         \
	"u.last_active, u.deactivated_at, u.deleted_at, u.revoke_before, u.ban_expires, u.invisible, u.banned, "                 \
	"u.shadow_banned, "                                                                                                      \
	"u.privacy_typing, u.privacy_read, u.privacy_delivery, u.frozen_last_active"
enum { USER_COLUMN_COUNT = 23 };
void user_row_read(struct sql_stmt *s, int first_column, struct arena *a, struct user *out);

#endif
