/*   page: | header | cell pointers | ... unallocated ... | cells and free blocks |
 */
#include "store/sqlite/cleanvfs.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

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

/* The VFS below, but for its name and xOpen: its other functions are called directly. */
struct cleanvfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *under;
	char name[48];
};

/* Lies behind the file of the VFS below, whose methods stand here, but for xClose and xWrite: the others are called directly. */
struct clean_file {
	sqlite3_io_methods methods; /* first: that is how it is found */
	const sqlite3_io_methods *under;
	uint8_t *page;
	int page_cap;
	bool is_too_big;
};

static struct clean_file *file_of(sqlite3_file *f) { return (struct clean_file *)(uintptr_t)f->pMethods; }

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
	if (offset == 0 && n >= FIRST_PAGE_HEADER)
		file->is_too_big = get4((const uint8_t *)bytes + FIRST_PAGE_COUNT) >= MAX_PAGES;
	if (file->is_too_big || !is_page(n, offset)) return file->under->xWrite(f, bytes, n, offset);
	if (!has_room(file, n)) return SQLITE_IOERR_NOMEM;
	memcpy(file->page, bytes, (size_t)n);
	cleanvfs_wipe_page(file->page, (size_t)n, offset == 0 ? FIRST_PAGE_HEADER : 0);
	return file->under->xWrite(f, file->page, n, offset);
}

static int clean_close(sqlite3_file *f)
{
	struct clean_file *file = file_of(f);
	free(file->page);
	f->pMethods = file->under;
	return f->pMethods->xClose(f);
}

/* ---- files ---- */
static size_t size_below(const sqlite3_vfs *under)
{
	size_t fine = _Alignof(struct clean_file);
	return ((size_t)under->szOsFile + fine - 1) / fine * fine;
}

/* The log, and what is gone at close, need nothing of this: they are the other's own files. */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	sqlite3_vfs *under = BECK_CONTAINER(v, struct cleanvfs, vfs)->under;
	int rc = under->xOpen(under, name, f, flags, out_flags);
	if (rc != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB)) return rc;
	struct clean_file *file = (struct clean_file *)(void *)((char *)f + size_below(under));
	*file = (struct clean_file){ .methods = *f->pMethods, .under = f->pMethods };
	file->methods.xClose = clean_close;
	file->methods.xWrite = clean_write;
	sqlite3_int64 size = 0;
	if (f->pMethods->xFileSize(f, &size) == SQLITE_OK) file->is_too_big = size / PAGE_BYTES >= MAX_PAGES;
	f->pMethods = &file->methods;
	return SQLITE_OK;
}

struct cleanvfs *cleanvfs_create(const char *under_name, const struct rng *rng)
{
	struct cleanvfs *c = calloc(1, sizeof *c);
	if (c == NULL) return NULL;
	c->under = sqlite3_vfs_find(under_name);
	if (c->under != NULL) {
		(void)snprintf(
			c->name, sizeof c->name, "beck-clean-%016" PRIx64 "%08" PRIx32, rng_u64(rng), (uint32_t)(uintptr_t)c);
		c->vfs = *c->under;
		c->vfs.zName = c->name;
		c->vfs.xOpen = vfs_open;
		c->vfs.szOsFile = (int)(size_below(c->under) + sizeof(struct clean_file));
		if (sqlite3_vfs_register(&c->vfs, 0) == SQLITE_OK) return c;
	}
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
