#include "store/sql.h"
#include "store/store_messages.h"

enum err store_pins_expired(
	struct store_tx *tx, int64_t now_us, int64_t limit, struct arena *a, struct store_pin **out, size_t *n)
{
	*n = 0;
	*out = arena_array(a, struct store_pin, (size_t)limit);
	if (!*out) return ERR_UNAVAILABLE;
	struct sql_stmt *s =
		sql_prepare(tx, "SELECT pk, app FROM messages WHERE pin_expires > 0 AND pin_expires <= ?1 AND pinned = 1"
				" ORDER BY pin_expires LIMIT ?2");
	sql_int(s, 1, now_us);
	sql_int(s, 2, limit);
	while (*n < (size_t)limit && sql_step(s) == SQL_ROW)
		(*out)[(*n)++] = (struct store_pin){ .message_pk = sql_col_int(s, 0), .app = sql_col_int(s, 1) };
	return sql_done(s);
}
