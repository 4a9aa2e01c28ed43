/* Monthly active users and the peak of concurrent connections. */
#include "store/sql.h"

enum err store_mau_mark(struct store_tx *tx, int64_t app, int month, int64_t user_pk)
{
	struct sql_stmt *s = sql_prepare(tx, "INSERT INTO mau (app, month, user_pk) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING");
	sql_int(s, 1, app);
	sql_int(s, 2, month);
	sql_int(s, 3, user_pk);
	return sql_run(s);
}

enum err store_mau_count(struct store_tx *tx, int64_t app, int month, int64_t *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT count(*) FROM mau WHERE app = ?1 AND month = ?2");
	sql_int(s, 1, app);
	sql_int(s, 2, month);
	return sql_get_int(s, out, NULL);
}

enum err store_peak_raise(struct store_tx *tx, int64_t app, int month, int64_t concurrent)
{
	struct sql_stmt *s = sql_prepare(tx,
		"INSERT INTO usage_peak (app, month, concurrent_peak) VALUES (?1, ?2, ?3) ON CONFLICT (app, month) DO UPDATE "
		"SET concurrent_peak = excluded.concurrent_peak WHERE usage_peak.concurrent_peak < excluded.concurrent_peak");
	sql_int(s, 1, app);
	sql_int(s, 2, month);
	sql_int(s, 3, concurrent);
	return sql_run(s);
}

enum err store_peak_get(struct store_tx *tx, int64_t app, int month, int64_t *out)
{
	struct sql_stmt *s = sql_prepare(tx, "SELECT concurrent_peak FROM usage_peak WHERE app = ?1 AND month = ?2");
	sql_int(s, 1, app);
	sql_int(s, 2, month);
	int64_t peak = 0;
	enum err e = sql_get_int(s, &peak, NULL);
	if (e == ERR_OK) *out = peak;
	return e;
}
