/* Long-running work that survives a restart. */
#include "store/sql.h"

enum err store_task_put(struct store_tx *tx, const struct store_task *t)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO tasks (id, app, kind, status, input, result, error, cursor, created_at, updated_at) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET status = excluded.status, "
		"input = excluded.input, result = excluded.result, error = excluded.error, cursor = excluded.cursor, "
		"updated_at = excluded.updated_at");
	sql_text(s, 1, t->id);
	sql_int(s, 2, t->app);
	sql_text(s, 3, t->kind);
	sql_text(s, 4, t->status);
	sql_text(s, 5, t->input);
	sql_text(s, 6, t->result);
	sql_text(s, 7, t->error);
	sql_text(s, 8, t->cursor);
	sql_int(s, 9, t->created_at);
	sql_int(s, 10, t->updated_at);
	return sql_run(s);
}

static enum err read_task(struct sql_stmt *s, struct arena *a, struct store_task *out)
{
	struct store_task t = { 0 };
	enum sql_step step = sql_step(s);
	if (step == SQL_ROW) {
		t.id = sql_col_text(s, a, 0);
		t.app = sql_col_int(s, 1);
		t.kind = sql_col_text(s, a, 2);
		t.status = sql_col_text(s, a, 3);
		t.input = sql_col_text(s, a, 4);
		t.result = sql_col_text(s, a, 5);
		t.error = sql_col_text(s, a, 6);
		t.cursor = sql_col_text(s, a, 7);
		t.created_at = sql_col_int(s, 8);
		t.updated_at = sql_col_int(s, 9);
	}
	enum err e = sql_done(s);
	if (e != ERR_OK) return e;
	if (step != SQL_ROW) return ERR_NOT_FOUND;
	*out = t;
	return ERR_OK;
}

#define TASK_COLUMNS "id, app, kind, status, input, result, error, cursor, created_at, updated_at"

enum err store_task_get(struct store_tx *tx, int64_t app, struct span id, struct arena *a, struct store_task *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT " TASK_COLUMNS " FROM tasks WHERE id = ?1 AND app = ?2");
	sql_text(s, 1, id);
	sql_int(s, 2, app);
	return read_task(s, a, out);
}

enum err store_task_open(struct store_tx *tx, struct arena *a, struct store_task *out)
{
	return read_task(sql_prepare(tx, "SELECT " TASK_COLUMNS " FROM tasks WHERE status <> 'completed' AND status <> 'failed' "
					 "ORDER BY created_at, id LIMIT 1"),
		a, out);
}
