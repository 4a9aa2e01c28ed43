/* Erased bytes, really gone. SQLite overwrites the cells it deletes (secure_delete), but a b-tree page that was rebalanced keeps
 * old copies of moved cells in its unallocated middle, and the write-ahead log keeps whole old pages. So after erasures the log
 * is emptied and those middles are zeroed, in the file itself, a slice of pages at a time.
 *
 * Why that is safe without a journal: it is done on the lane's thread with the write lock held and the log empty, so the file is
 * the only truth and nobody writes it; only bytes that no cell owns change, so a page half written by a power cut is as good as
 * before or after, and a reader beside us sees the same cells. The lane drops its page cache afterwards, or it would bring the
 * old middles back.
 *
 *   page: | header | cell pointers | ... unallocated ... | cells and free blocks |
 */
#include <stdio.h>

#include "base/log.h"
#include "store/store_state.h"

enum {
	/* Below it no page number starts with a byte that is also a b-tree page type, so overflow and free pages cannot be
	   mistaken. */
	MAX_PAGES = 0x02000000,
	FIRST_PAGE_HEADER = 100,
};

struct wipe {
	struct store *s;
	sqlite3_file *file;
	uint8_t *page;
	int64_t page_bytes, usable_bytes, changed;
};

static size_t get2(const uint8_t *p) { return (size_t)p[0] << 8 | p[1]; }

static bool zero(uint8_t *p, size_t n)
{
	bool was_clean = true;
	for (size_t i = 0; i < n; i++) was_clean = was_clean && p[i] == 0;
	if (!was_clean) memset(p, 0, n);
	return !was_clean;
}

/* Zeroes what no cell owns; true when something was there. A page that does not parse is left alone: it is no b-tree page. */
static bool wipe_page(uint8_t *page, size_t usable, size_t header)
{
	uint8_t type = page[header];
	bool is_leaf = type == 10 || type == 13;
	if (!is_leaf && type != 2 && type != 5) return false;
	size_t cells = get2(page + header + 3), content = get2(page + header + 5);
	size_t gap = header + (is_leaf ? 8 : 12) + 2 * cells;
	if (content == 0) content = 65536;
	if (gap > content || content > usable) return false;
	bool found = zero(page + gap, content - gap);
	/* Free blocks ascend: next (2 bytes), size (2 bytes), then what was there. */
	for (size_t at = get2(page + header + 1), before = 0; at > before && at + 4 <= usable;
		before = at, at = get2(page + at)) {
		size_t n = get2(page + at + 2);
		if (at < content || n < 4 || at + n > usable) break;
		found = zero(page + at + 4, n - 4) || found;
	}
	return found;
}

static int wipe_pages(struct wipe *w, int64_t first, int64_t last)
{
	const sqlite3_io_methods *io = w->file->pMethods;
	for (int64_t i = first; i < last; i++) {
		int rc = io->xRead(w->file, w->page, (int)w->page_bytes, i * w->page_bytes);
		if (rc != SQLITE_OK) return rc;
		if (!wipe_page(w->page, (size_t)w->usable_bytes, i == 0 ? FIRST_PAGE_HEADER : 0)) continue;
		rc = io->xWrite(w->file, w->page, (int)w->page_bytes, i * w->page_bytes);
		if (rc != SQLITE_OK) return rc;
		w->changed++;
	}
	return w->changed ? io->xSync(w->file, SQLITE_SYNC_NORMAL) : SQLITE_OK;
}

static bool log_is_empty(struct store_tx *lane)
{
	sqlite3_file *log = NULL;
	sqlite3_int64 bytes = 0;
	int rc = sqlite3_file_control(lane->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (rc != SQLITE_OK || !log) return false;
	return !log->pMethods || (log->pMethods->xFileSize(log, &bytes) == SQLITE_OK && bytes == 0);
}

static enum err prepare(struct wipe *w, int64_t *pages)
{
	struct store_tx *lane = &w->s->lane;
	enum err e = sql_get_int(sql_prepare(lane, "PRAGMA page_size"), &w->page_bytes, NULL);
	if (e == ERR_OK) e = sql_get_int(sql_prepare(lane, "PRAGMA page_count"), pages, NULL);
	if (e != ERR_OK) return e;
	w->page = sqlite3_malloc64((sqlite3_uint64)w->page_bytes);
	int rc = w->page ? sqlite3_file_control(lane->handle, "main", SQLITE_FCNTL_FILE_POINTER, &w->file) : SQLITE_NOMEM;
	if (rc == SQLITE_OK) rc = w->file->pMethods->xRead(w->file, w->page, (int)w->page_bytes, 0);
	if (rc == SQLITE_OK) w->usable_bytes = w->page_bytes - w->page[20]; /* reserved space at the end of each page */
	return db_map(lane, rc);
}

/* With the write lock held. */
static enum err run_slice(struct wipe *w, int64_t *page, int64_t slice, bool *more)
{
	int64_t pages = 0;
	if (!log_is_empty(&w->s->lane)) return ERR_AGAIN; /* another process wrote in between */
	enum err e = prepare(w, &pages);
	if (e != ERR_OK) return e;
	if (pages >= MAX_PAGES) {
		LOG_WRN("database too big to be wiped in place", "pages=%lld", (long long)pages);
		*more = false;
		return ERR_OK;
	}
	int64_t last = pages - *page > slice ? *page + slice : pages;
	int rc = wipe_pages(w, *page, last);
	if (rc != SQLITE_OK) return db_map(&w->s->lane, rc);
	*page = last;
	*more = last < pages;
	return ERR_OK;
}

/* Copies kept before migrations hold what has been erased since. */
static void drop_copies(struct store *s)
{
	sqlite3_vfs *v = sqlite3_vfs_find(s->vfs);
	char path[4096];
	for (int i = 1; v && i <= migrate_newest(); i++) {
		int n = snprintf(path, sizeof path, "%s.before-%d", s->path, i);
		if (n > 0 && (size_t)n < sizeof path && backup_file_exists(s->vfs, path)) (void)v->xDelete(v, path, 1);
	}
}

enum err store_wipe(struct store *s, int64_t *page, int64_t slice, bool *more)
{
	struct store_tx *lane = &s->lane;
	struct wipe w = { .s = s };
	BECK_ASSERT(lane->state == DB_IDLE && slice > 0);
	if (!checkpoint_empty_log(s, lane)) return ERR_AGAIN;
	enum err e = db_exec(lane, "BEGIN IMMEDIATE");
	if (e != ERR_OK) return e;
	e = run_slice(&w, page, slice, more);
	sqlite3_free(w.page);
	(void)db_exec_rc(lane, "ROLLBACK"); /* nothing was written through it */
	sqlite3_db_release_memory(lane->handle);
	if (e == ERR_OK && !*more) drop_copies(s);
	return e;
}
