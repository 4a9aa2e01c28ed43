/*   page: | header | cell pointers | ... unallocated ... | cells and free blocks |
 */
#include "store/sqlite/cleanvfs.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Below it no page number starts with a byte that is also a b-tree page type, so overflow and free pages, which begin
	   with one, cannot be mistaken. 128 GiB. */
	MAX_PAGES = 0x02000000,
	FIRST_PAGE_HEADER = 100,
	FIRST_PAGE_COUNT = 28, /* where page 1 says how many there are */
	PAGE_BYTES_MIN = 512,
	PAGE_BYTES = 4096, /* of our files */
	PAGE_BYTES_MAX = 65536,
};

struct cleanvfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *under;
	char name[48];
};

/* What SQLite holds per open file; the file of the VFS below lies behind it. */
struct clean_file {
	sqlite3_file base;
	sqlite3_io_methods methods; /* of the version that the one below has */
	uint8_t *page;
	int page_cap;
	bool is_too_big;
};

static struct clean_file *file_of(sqlite3_file *f) { return (struct clean_file *)(void *)f; }
static sqlite3_file *under(sqlite3_file *f) { return (sqlite3_file *)(void *)(file_of(f) + 1); }

/* ---- pages ---- */
static size_t get2(const uint8_t *p) { return (size_t)p[0] << 8 | p[1]; }
static int64_t get4(const uint8_t *p) { return (int64_t)get2(p) << 16 | (int64_t)get2(p + 2); }

void cleanvfs_wipe_page(uint8_t *page, size_t n, size_t header)
{
	uint8_t type = page[header];
	bool is_leaf = type == 10 || type == 13;
	if (!is_leaf && type != 2 && type != 5) return;
	size_t cells = get2(page + header + 3), content = get2(page + header + 5);
	size_t gap = header + (is_leaf ? 8 : 12) + 2 * cells;
	if (content == 0) content = 65536;
	if (gap > content || content > n) return;
	memset(page + gap, 0, content - gap);
	/* Free blocks ascend: next (2 bytes), size (2 bytes), then what was there. */
	for (size_t at = get2(page + header + 1), before = 0; at > before && at + 4 <= n; before = at, at = get2(page + at)) {
		size_t size = get2(page + at + 2);
		if (at < content || size < 4 || at + size > n) break;
		memset(page + at + 4, 0, size - 4);
	}
}

static bool is_page(int n, sqlite3_int64 offset)
{
	return n >= PAGE_BYTES_MIN && n <= PAGE_BYTES_MAX && (n & (n - 1)) == 0 && offset % n == 0;
}

static bool has_room(struct clean_file *file, int n)
{
	if (file->page_cap >= n) return true;
	uint8_t *grown = realloc(file->page, (size_t)n);
	if (grown == NULL) return false;
	file->page = grown;
	file->page_cap = n;
	return true;
}

static int clean_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 offset)
{
	struct clean_file *file = file_of(f);
	sqlite3_file *u = under(f);
	if (offset == 0 && n >= FIRST_PAGE_HEADER)
		file->is_too_big = get4((const uint8_t *)bytes + FIRST_PAGE_COUNT) >= MAX_PAGES;
	if (file->is_too_big || !is_page(n, offset)) return u->pMethods->xWrite(u, bytes, n, offset);
	if (!has_room(file, n)) return SQLITE_IOERR_NOMEM;
	memcpy(file->page, bytes, (size_t)n);
	cleanvfs_wipe_page(file->page, (size_t)n, offset == 0 ? FIRST_PAGE_HEADER : 0);
	return u->pMethods->xWrite(u, file->page, n, offset);
}

/* ---- the rest is the one below ---- */
static int clean_close(sqlite3_file *f)
{
	free(file_of(f)->page);
	return under(f)->pMethods->xClose(under(f));
}
static int clean_read(sqlite3_file *f, void *out, int n, sqlite3_int64 offset)
{
	return under(f)->pMethods->xRead(under(f), out, n, offset);
}
static int clean_truncate(sqlite3_file *f, sqlite3_int64 size) { return under(f)->pMethods->xTruncate(under(f), size); }
static int clean_sync(sqlite3_file *f, int flags) { return under(f)->pMethods->xSync(under(f), flags); }
static int clean_size(sqlite3_file *f, sqlite3_int64 *out) { return under(f)->pMethods->xFileSize(under(f), out); }
static int clean_lock(sqlite3_file *f, int level) { return under(f)->pMethods->xLock(under(f), level); }
static int clean_unlock(sqlite3_file *f, int level) { return under(f)->pMethods->xUnlock(under(f), level); }
static int clean_check(sqlite3_file *f, int *out) { return under(f)->pMethods->xCheckReservedLock(under(f), out); }
static int clean_control(sqlite3_file *f, int op, void *arg) { return under(f)->pMethods->xFileControl(under(f), op, arg); }
static int clean_sector(sqlite3_file *f) { return under(f)->pMethods->xSectorSize(under(f)); }
static int clean_traits(sqlite3_file *f) { return under(f)->pMethods->xDeviceCharacteristics(under(f)); }
static int clean_shm_map(sqlite3_file *f, int region, int n, int extend, void volatile **out)
{
	return under(f)->pMethods->xShmMap(under(f), region, n, extend, out);
}
static int clean_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return under(f)->pMethods->xShmLock(under(f), offset, n, flags);
}
static void clean_shm_barrier(sqlite3_file *f) { under(f)->pMethods->xShmBarrier(under(f)); }
static int clean_shm_unmap(sqlite3_file *f, int remove) { return under(f)->pMethods->xShmUnmap(under(f), remove); }
static int clean_fetch(sqlite3_file *f, sqlite3_int64 offset, int n, void **out)
{
	return under(f)->pMethods->xFetch(under(f), offset, n, out);
}
static int clean_unfetch(sqlite3_file *f, sqlite3_int64 offset, void *p)
{
	return under(f)->pMethods->xUnfetch(under(f), offset, p);
}

static const sqlite3_io_methods methods = {
	.iVersion = 3,
	.xClose = clean_close,
	.xRead = clean_read,
	.xWrite = clean_write,
	.xTruncate = clean_truncate,
	.xSync = clean_sync,
	.xFileSize = clean_size,
	.xLock = clean_lock,
	.xUnlock = clean_unlock,
	.xCheckReservedLock = clean_check,
	.xFileControl = clean_control,
	.xSectorSize = clean_sector,
	.xDeviceCharacteristics = clean_traits,
	.xShmMap = clean_shm_map,
	.xShmLock = clean_shm_lock,
	.xShmBarrier = clean_shm_barrier,
	.xShmUnmap = clean_shm_unmap,
	.xFetch = clean_fetch,
	.xUnfetch = clean_unfetch,
};

static struct cleanvfs *vfs_of(sqlite3_vfs *v) { return v->pAppData; }
static sqlite3_vfs *below(sqlite3_vfs *v) { return vfs_of(v)->under; }

/* The log, and what is gone at close, need nothing of this: they are the other's own files. */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	sqlite3_vfs *u = below(v);
	if (!(flags & SQLITE_OPEN_MAIN_DB)) return u->xOpen(u, name, f, flags, out_flags);
	struct clean_file *file = file_of(f);
	*file = (struct clean_file){ .page = NULL };
	int rc = u->xOpen(u, name, under(f), flags, out_flags);
	if (rc != SQLITE_OK) return rc;
	file->methods = methods;
	if (under(f)->pMethods->iVersion < methods.iVersion) file->methods.iVersion = under(f)->pMethods->iVersion;
	sqlite3_int64 size = 0;
	if (under(f)->pMethods->xFileSize(under(f), &size) == SQLITE_OK) file->is_too_big = size / PAGE_BYTES >= MAX_PAGES;
	file->base.pMethods = &file->methods;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_dir) { return below(v)->xDelete(below(v), name, sync_dir); }
static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	return below(v)->xAccess(below(v), name, flags, out);
}
static int vfs_full_path(sqlite3_vfs *v, const char *name, int cap, char *out)
{
	return below(v)->xFullPathname(below(v), name, cap, out);
}
static int vfs_random(sqlite3_vfs *v, int n, char *out) { return below(v)->xRandomness(below(v), n, out); }
static int vfs_sleep(sqlite3_vfs *v, int us) { return below(v)->xSleep(below(v), us); }
static int vfs_time(sqlite3_vfs *v, double *out) { return below(v)->xCurrentTime(below(v), out); }
static int vfs_last_error(sqlite3_vfs *v, int n, char *out) { return below(v)->xGetLastError(below(v), n, out); }

struct cleanvfs *cleanvfs_create(const char *under_name, const struct rng *rng)
{
	struct cleanvfs *c = calloc(1, sizeof *c);
	if (c == NULL) return NULL;
	c->under = sqlite3_vfs_find(under_name);
	(void)snprintf(c->name, sizeof c->name, "beck-clean-%016" PRIx64 "%08" PRIx32, rng_u64(rng), (uint32_t)(uintptr_t)c);
	c->vfs = (sqlite3_vfs){
		.iVersion = 1,
		.zName = c->name,
		.pAppData = c,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	if (c->under != NULL) {
		c->vfs.szOsFile = (int)sizeof(struct clean_file) + c->under->szOsFile;
		c->vfs.mxPathname = c->under->mxPathname;
	}
	if (c->under != NULL && sqlite3_vfs_register(&c->vfs, 0) == SQLITE_OK) return c;
	free(c);
	return NULL;
}

void cleanvfs_destroy(struct cleanvfs *c)
{
	if (c == NULL) return;
	sqlite3_vfs_unregister(&c->vfs);
	free(c);
}

const char *cleanvfs_name(const struct cleanvfs *c) { return c->name; }
