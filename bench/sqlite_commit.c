/* Bare SQLite group commit of the rows that one message send writes: the message, its log row, the channel's counters, the
 * sender's read pointer. As beckd's senders do it: each row of a batch is in a channel of its own, under a random UUID. One
 * thread, no server, no checkpoints, batches as large as BATCH; what beckd's durable sends are compared with in the same run.
 *
 *   sqlite_commit FOLDER SECONDS BATCH */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/embedded.h"
#include "base/rng.h"

static sqlite3 *db;

static void must(int rc)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE) return;
	fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
	exit(1);
}

static void schema(void)
{
	for (const struct embedded_file *f = embedded_migrations; f->name; f++) {
		struct buf b;
		buf_init(&b, 1 << 20);
		for (const char *p = f->data; *p;) {
			const char *mark = strstr(p, "{{"), *end = mark ? strstr(mark, "}}") : NULL;
			buf_add(&b, p, mark ? (size_t)(mark - p) : strlen(p));
			if (!end) break;
			buf_add_span(&b, mark[2] == 'p' ? SPAN("INTEGER PRIMARY KEY AUTOINCREMENT") : SPAN("WITHOUT ROWID"));
			p = end + 2;
		}
		buf_add_char(&b, 0);
		must(sqlite3_exec(db, b.p, NULL, NULL, NULL));
		buf_deinit(&b);
	}
}

static sqlite3_stmt *prepare(const char *sql)
{
	sqlite3_stmt *s;
	must(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL));
	return s;
}

static void step(sqlite3_stmt *s)
{
	must(sqlite3_step(s));
	must(sqlite3_reset(s));
}

int main(int argc, char **argv)
{
	if (argc != 4) return 2;
	char path[4096];
	snprintf(path, sizeof path, "%s/bare.db", argv[1]);
	must(sqlite3_open(path, &db));
	must(sqlite3_exec(db,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384", NULL,
		NULL, NULL));
	schema();
	must(sqlite3_exec(db,
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 64) "
		"INSERT INTO channels(pk,app,type,id,created_by,created_at,updated_at,sort_at) "
		"SELECT i,1,'messaging','c' || i,1,1,1,1 FROM n;"
		"INSERT INTO members(channel_pk,user_pk,app,channel_role,created_at,updated_at,last_read) "
		"SELECT pk,pk,1,'channel_member',1,1,1 FROM channels",
		NULL, NULL, NULL));
	sqlite3_stmt *message =
		prepare("INSERT INTO messages(app,id,channel_pk,user_pk,type,text,html,created_at,updated_at,seq,content_hash)"
			" VALUES(1,?1,?7,?7,'regular',?2,?3,?4,?4,?5,?6)");
	sqlite3_stmt *event = prepare(
		"INSERT INTO events(app,type,channel_pk,actor_pk,message_pk,created_at) VALUES(1,'message.new',?3,?3,?1,?2)");
	sqlite3_stmt *channel = prepare("UPDATE channels SET counted_seq=?1,last_created_at=?2,last_message_at=?2,sort_at=?2,"
					"message_count=message_count+1 WHERE pk=?3");
	sqlite3_stmt *member =
		prepare("UPDATE members SET read_seq=?1,last_read=?2,last_read_message_id=?3 WHERE channel_pk=?4 AND user_pk=?4");
	sqlite3_stmt *begin = prepare("BEGIN IMMEDIATE"), *commit = prepare("COMMIT");
	long batch = strtol(argv[3], NULL, 10), rows = 0;
	int64_t start = clock_mono_us(&clock_system), end = start + (int64_t)(strtod(argv[2], NULL) * 1e6), now = start;
	while (now < end) {
		step(begin);
		for (long i = 0; i < batch; i++) {
			char id[40], text[160];
			long place = 1 + rows++ % 64;
			rng_uuid4(&rng_system, id);
			int id_n = 36;
			int text_n = snprintf(text, sizeof text,
				"A message of ordinary length, as people write them, number %ld of many more.", rows);
			sqlite3_bind_text(message, 1, id, id_n, SQLITE_STATIC);
			sqlite3_bind_text(message, 2, text, text_n, SQLITE_STATIC);
			sqlite3_bind_text(message, 3, text, text_n, SQLITE_STATIC);
			sqlite3_bind_int64(message, 4, now + rows);
			sqlite3_bind_int64(message, 5, rows);
			sqlite3_bind_text(message, 6, id, id_n, SQLITE_STATIC);
			sqlite3_bind_int64(message, 7, place);
			step(message);
			sqlite3_bind_int64(event, 1, sqlite3_last_insert_rowid(db));
			sqlite3_bind_int64(event, 2, now);
			sqlite3_bind_int64(event, 3, place);
			step(event);
			sqlite3_bind_int64(channel, 1, rows);
			sqlite3_bind_int64(channel, 2, now + rows);
			sqlite3_bind_int64(channel, 3, place);
			step(channel);
			sqlite3_bind_int64(member, 1, rows);
			sqlite3_bind_int64(member, 2, now);
			sqlite3_bind_text(member, 3, id, id_n, SQLITE_STATIC);
			sqlite3_bind_int64(member, 4, place);
			step(member);
		}
		step(commit);
		now = clock_mono_us(&clock_system);
	}
	printf("{\"rows\":%ld,\"per_second\":%.1f}\n", rows, (double)rows * 1e6 / (double)(now - start));
	return 0;
}
