#include "vfs.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define SECTOR      512
#define SHM_REGIONS 64
#define SHM_LOCKS   8

struct write_record {
	struct write_record *next;
	sqlite3_int64 at;
	int n;
	bool is_truncate; /* `at` is then the new size */
	unsigned char bytes[];
};
struct disk_file {
	struct disk_file *next;
	char path[512];
	unsigned char *now, *synced; /* as the process sees it; as a power cut leaves it without luck */
	sqlite3_int64 now_n, now_cap, synced_n, synced_cap;
	struct write_record *first, *last;
	bool exists, existed_at_sync;
	/* locks and the WAL index of this life */
	int shared, reserved, pending, exclusive, opens;
	void *shm[SHM_REGIONS];
	int shm_size, shm_shared[SHM_LOCKS], shm_exclusive[SHM_LOCKS];
};
struct handle {
	sqlite3_file base;
	struct disk_file *f;
	int lock;
	unsigned life, shm_shared, shm_exclusive;
};

static struct {
	sqlite3_vfs vfs;
	const struct rng *rng;
	struct disk_file *files;
	unsigned life; /* handles of an earlier life are dead */
	bool is_dead, lies;
	uint64_t writes, fault_at, cut_at;
	enum vfs_fault fault;
	bool lasting;
	void (*cut)(void *ctx);
	void *cut_ctx;
} disk;

static struct disk_file *find(const char *path)
{
	for (struct disk_file *f = disk.files; f; f = f->next)
		if (strcmp(f->path, path) == 0) return f;
	return NULL;
}

static void reserve(unsigned char **p, sqlite3_int64 *cap, sqlite3_int64 n)
{
	if (n <= *cap) return;
	sqlite3_int64 want = *cap ? *cap : 65536;
	while (want < n) want *= 2;
	*p = realloc(*p, (size_t)want);
	BECK_ASSERT(*p);
	memset(*p + *cap, 0, (size_t)(want - *cap));
	*cap = want;
}

static void put(unsigned char **p, sqlite3_int64 *n, sqlite3_int64 *cap, const void *bytes, int len, sqlite3_int64 at)
{
	if (len == 0) return;
	reserve(p, cap, at + len);
	if (at > *n) memset(*p + *n, 0, (size_t)(at - *n));
	memcpy(*p + at, bytes, (size_t)len);
	if (at + len > *n) *n = at + len;
}

static void forget(struct disk_file *f)
{
	while (f->first) {
		struct write_record *w = f->first;
		f->first = w->next;
		free(w);
	}
	f->last = NULL;
}

static void remember(struct disk_file *f, sqlite3_int64 at, const void *bytes, int n, bool is_truncate)
{
	struct write_record *w = malloc(sizeof *w + (size_t)n);
	BECK_ASSERT(w);
	*w = (struct write_record){ .at = at, .n = n, .is_truncate = is_truncate };
	if (n) memcpy(w->bytes, bytes, (size_t)n);
	if (f->last)
		f->last->next = w;
	else
		f->first = w;
	f->last = w;
}

/* Whether this operation fails, and how. Counts it. */
static int weather(bool is_sync)
{
	if (disk.is_dead) return SQLITE_IOERR;
	disk.writes++;
	if (disk.cut_at && disk.writes >= disk.cut_at) {
		disk.cut_at = 0;
		disk.cut(disk.cut_ctx);
		return SQLITE_IOERR;
	}
	if (disk.fault == VFS_NONE || disk.writes < disk.fault_at || (disk.fault == VFS_SYNC_FAILS) != is_sync) return SQLITE_OK;
	enum vfs_fault kind = disk.fault;
	if (!disk.lasting) disk.fault = VFS_NONE;
	return kind == VFS_FULL ? SQLITE_FULL : kind == VFS_SYNC_FAILS ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
}

static bool is_stale(const struct handle *h) { return h->life != disk.life || disk.is_dead; }

static int x_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at)
{
	struct handle *h = (struct handle *)file;
	if (is_stale(h)) return SQLITE_IOERR_READ;
	sqlite3_int64 have = h->f->now_n > at ? h->f->now_n - at : 0;
	if (have > n) have = n;
	if (have) memcpy(out, h->f->now + at, (size_t)have);
	if (have == n) return SQLITE_OK;
	memset((char *)out + have, 0, (size_t)(n - have));
	return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
	struct handle *h = (struct handle *)file;
	if (is_stale(h)) return SQLITE_IOERR_WRITE;
	int rc = weather(false);
	if (rc != SQLITE_OK) return rc;
	put(&h->f->now, &h->f->now_n, &h->f->now_cap, bytes, n, at);
	remember(h->f, at, bytes, n, false);
	return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 n)
{
	struct handle *h = (struct handle *)file;
	if (is_stale(h)) return SQLITE_IOERR_TRUNCATE;
	int rc = weather(false);
	if (rc != SQLITE_OK) return rc;
	if (n < h->f->now_n) memset(h->f->now + n, 0, (size_t)(h->f->now_n - n));
	h->f->now_n = n;
	remember(h->f, n, NULL, 0, true);
	return SQLITE_OK;
}

static void apply(struct disk_file *f, const struct write_record *w, int n)
{
	if (!w->is_truncate) {
		put(&f->synced, &f->synced_n, &f->synced_cap, w->bytes, n, w->at);
		return;
	}
	if (w->at < f->synced_n) memset(f->synced + w->at, 0, (size_t)(f->synced_n - w->at));
	if (w->at < f->synced_n) f->synced_n = w->at;
}

/* File systems journal their names in order: a sync of any file takes the deletions before it along. */
static void settle_deletions(void)
{
	for (struct disk_file *f = disk.files; f; f = f->next) {
		if (f->exists) continue;
		forget(f);
		f->synced_n = 0;
		f->existed_at_sync = false;
	}
}

static int x_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	struct handle *h = (struct handle *)file;
	if (is_stale(h)) return SQLITE_IOERR_FSYNC;
	int rc = weather(true);
	if (rc != SQLITE_OK) return rc;
	if (disk.lies) return SQLITE_OK;
	for (struct write_record *w = h->f->first; w; w = w->next) apply(h->f, w, w->n);
	forget(h->f);
	h->f->existed_at_sync = true;
	settle_deletions();
	return SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *n)
{
	struct handle *h = (struct handle *)file;
	if (is_stale(h)) return SQLITE_IOERR_FSTAT;
	*n = h->f->now_n;
	return SQLITE_OK;
}

static int x_lock(sqlite3_file *file, int level)
{
	struct handle *h = (struct handle *)file;
	struct disk_file *f = h->f;
	if (is_stale(h)) return SQLITE_IOERR_LOCK;
	if (level <= h->lock) return SQLITE_OK;
	if (level == SQLITE_LOCK_SHARED) {
		if (f->pending || f->exclusive) return SQLITE_BUSY;
		f->shared++;
	} else if (level == SQLITE_LOCK_RESERVED) {
		if (f->reserved) return SQLITE_BUSY;
		f->reserved = 1;
	} else { /* exclusive, by way of pending */
		if (h->lock < SQLITE_LOCK_RESERVED && f->reserved) return SQLITE_BUSY;
		if (h->lock < SQLITE_LOCK_PENDING && f->pending) return SQLITE_BUSY;
		f->pending = 1;
		h->lock = h->lock < SQLITE_LOCK_PENDING ? SQLITE_LOCK_PENDING : h->lock;
		if (f->shared > 1) return SQLITE_BUSY;
		f->exclusive = 1;
	}
	h->lock = level;
	return SQLITE_OK;
}

static int x_unlock(sqlite3_file *file, int level)
{
	struct handle *h = (struct handle *)file;
	struct disk_file *f = h->f;
	if (h->life != disk.life) {
		h->lock = level;
		return SQLITE_OK;
	}
	if (h->lock >= SQLITE_LOCK_RESERVED && level < SQLITE_LOCK_RESERVED) f->reserved = f->pending = f->exclusive = 0;
	if (h->lock >= SQLITE_LOCK_SHARED && level < SQLITE_LOCK_SHARED) f->shared--;
	h->lock = level;
	return SQLITE_OK;
}

static int x_check_reserved(sqlite3_file *file, int *out)
{
	*out = ((struct handle *)file)->f->reserved;
	return SQLITE_OK;
}

static int x_control(sqlite3_file *file, int op, void *arg)
{
	(void)file, (void)op, (void)arg;
	return SQLITE_NOTFOUND;
}
static int x_sector(sqlite3_file *file)
{
	(void)file;
	return SECTOR;
}
static int x_traits(sqlite3_file *file)
{
	(void)file;
	return 0; /* nothing is promised: writes reorder, sectors tear */
}

static int x_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	struct handle *h = (struct handle *)file;
	*out = NULL;
	if (is_stale(h)) return SQLITE_IOERR_SHMMAP;
	BECK_ASSERT(region < SHM_REGIONS);
	if (!h->f->shm[region] && extend) {
		h->f->shm[region] = calloc(1, (size_t)size);
		BECK_ASSERT(h->f->shm[region]);
		h->f->shm_size = size;
	}
	*out = h->f->shm[region];
	return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	struct handle *h = (struct handle *)file;
	struct disk_file *f = h->f;
	if (is_stale(h)) return flags & SQLITE_SHM_UNLOCK ? SQLITE_OK : SQLITE_IOERR_SHMLOCK;
	bool shared = flags & SQLITE_SHM_SHARED;
	for (int i = offset; i < offset + n && flags & SQLITE_SHM_LOCK; i++) {
		bool own_shared = h->shm_shared >> i & 1;
		if (f->shm_exclusive[i] && !(h->shm_exclusive >> i & 1)) return SQLITE_BUSY;
		if (!shared && f->shm_shared[i] - own_shared > 0) return SQLITE_BUSY;
	}
	for (int i = offset; i < offset + n; i++) {
		unsigned bit = 1u << i;
		if (flags & SQLITE_SHM_LOCK && shared && !(h->shm_shared & bit)) {
			h->shm_shared |= bit;
			f->shm_shared[i]++;
		} else if (flags & SQLITE_SHM_LOCK && !shared && !(h->shm_exclusive & bit)) {
			h->shm_exclusive |= bit;
			f->shm_exclusive[i]++;
		} else if (flags & SQLITE_SHM_UNLOCK && shared && h->shm_shared & bit) {
			h->shm_shared &= ~bit;
			f->shm_shared[i]--;
		} else if (flags & SQLITE_SHM_UNLOCK && !shared && h->shm_exclusive & bit) {
			h->shm_exclusive &= ~bit;
			f->shm_exclusive[i]--;
		}
	}
	return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *file) { (void)file; }

static void drop_shm(struct disk_file *f)
{
	for (int i = 0; i < SHM_REGIONS; i++) {
		free(f->shm[i]);
		f->shm[i] = NULL;
	}
	memset(f->shm_shared, 0, sizeof f->shm_shared);
	memset(f->shm_exclusive, 0, sizeof f->shm_exclusive);
}

static int x_shm_unmap(sqlite3_file *file, int remove)
{
	struct handle *h = (struct handle *)file;
	x_shm_lock(file, 0, SHM_LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
	x_shm_lock(file, 0, SHM_LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
	/* Of an earlier life the regions are needed until its last connection is closed: they are freed at vfs_revive. */
	if (remove && h->life == disk.life) drop_shm(h->f);
	return SQLITE_OK;
}

static int x_close(sqlite3_file *file)
{
	struct handle *h = (struct handle *)file;
	x_unlock(file, SQLITE_LOCK_NONE);
	if (h->life == disk.life) h->f->opens--;
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = x_close,
	.xRead = x_read,
	.xWrite = x_write,
	.xTruncate = x_truncate,
	.xSync = x_sync,
	.xFileSize = x_size,
	.xLock = x_lock,
	.xUnlock = x_unlock,
	.xCheckReservedLock = x_check_reserved,
	.xFileControl = x_control,
	.xSectorSize = x_sector,
	.xDeviceCharacteristics = x_traits,
	.xShmMap = x_shm_map,
	.xShmLock = x_shm_lock,
	.xShmBarrier = x_shm_barrier,
	.xShmUnmap = x_shm_unmap,
};

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
	(void)vfs;
	struct handle *h = (struct handle *)file;
	memset(h, 0, sizeof *h);
	if (disk.is_dead) return SQLITE_CANTOPEN;
	if (!path) path = "temporary";
	struct disk_file *f = find(path);
	if (!f || !f->exists) {
		if (!(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
		if (!f) {
			f = calloc(1, sizeof *f);
			BECK_ASSERT(f && strlen(path) < sizeof f->path);
			memcpy(f->path, path, strlen(path) + 1);
			f->next = disk.files;
			disk.files = f;
		}
		f->exists = true;
		f->now_n = 0;
	}
	h->f = f;
	h->life = disk.life;
	f->opens++;
	h->base.pMethods = &methods;
	if (out_flags) *out_flags = flags;
	return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
	(void)vfs, (void)sync_folder;
	struct disk_file *f = find(path);
	if (disk.is_dead) return SQLITE_IOERR_DELETE;
	if (!f || !f->exists) return SQLITE_IOERR_DELETE_NOENT;
	int rc = weather(false);
	if (rc != SQLITE_OK) return SQLITE_IOERR_DELETE;
	forget(f);
	f->now_n = 0;
	f->exists = false;
	remember(f, 0, NULL, 0, true); /* the deletion itself may or may not survive */
	return SQLITE_OK;
}

static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
	(void)vfs, (void)flags;
	struct disk_file *f = find(path);
	*out = f && f->exists && (flags != SQLITE_ACCESS_EXISTS || f->now_n > 0);
	return SQLITE_OK;
}

static int x_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
	(void)vfs;
	if ((int)strlen(path) >= n) return SQLITE_CANTOPEN;
	memcpy(out, path, strlen(path) + 1);
	return SQLITE_OK;
}

static int x_random(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	rng_fill(disk.rng, out, (size_t)n);
	return n;
}
static int x_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}
static int x_time(sqlite3_vfs *vfs, double *out)
{
	(void)vfs;
	*out = 2461000.5;
	return SQLITE_OK;
}
static int x_error(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs, (void)n, (void)out;
	return 0;
}

void vfs_install(const char *name, const struct rng *rng)
{
	disk.rng = rng;
	disk.vfs = (sqlite3_vfs){ .iVersion = 1,
		.szOsFile = sizeof(struct handle),
		.mxPathname = 500,
		.zName = name,
		.xOpen = x_open,
		.xDelete = x_delete,
		.xAccess = x_access,
		.xFullPathname = x_full_path,
		.xRandomness = x_random,
		.xSleep = x_sleep,
		.xCurrentTime = x_time,
		.xGetLastError = x_error };
	sqlite3_vfs_register(&disk.vfs, 0);
}

void vfs_format(void)
{
	while (disk.files) {
		struct disk_file *f = disk.files;
		disk.files = f->next;
		forget(f);
		drop_shm(f);
		free(f->now);
		free(f->synced);
		free(f);
	}
	disk.is_dead = disk.lies = false;
	disk.fault = VFS_NONE;
	disk.cut_at = disk.writes = 0;
}

void vfs_process_died(void) { disk.is_dead = true; }

/* Each unsynced write survives, is lost, or survives up to a sector's edge, on its own: disks reorder. */
static void fate(struct disk_file *f)
{
	for (struct write_record *w = f->first; w; w = w->next) {
		uint64_t luck = rng_u64(disk.rng) % 3;
		if (luck == 0) continue;
		int n = w->n;
		if (luck == 1 && n > SECTOR) n = (int)(rng_u64(disk.rng) % (uint64_t)(n / SECTOR + 1)) * SECTOR;
		apply(f, w, n);
	}
	forget(f);
	reserve(&f->now, &f->now_cap, f->synced_n);
	if (f->synced_n) memcpy(f->now, f->synced, (size_t)f->synced_n);
	f->now_n = f->synced_n;
	f->exists = f->existed_at_sync || f->synced_n > 0;
}

void vfs_power_cut(void)
{
	disk.is_dead = true;
	for (struct disk_file *f = disk.files; f; f = f->next) fate(f);
}

void vfs_revive(void)
{
	disk.is_dead = false;
	disk.life++;
	disk.fault = VFS_NONE;
	disk.cut_at = 0;
	for (struct disk_file *f = disk.files; f; f = f->next) {
		drop_shm(f);
		f->shared = f->reserved = f->pending = f->exclusive = f->opens = 0;
	}
}

void vfs_fault(enum vfs_fault kind, uint64_t after, bool lasting)
{
	disk.fault = kind;
	disk.fault_at = disk.writes + after;
	disk.lasting = lasting;
}

void vfs_on_write(uint64_t after, void (*cut)(void *ctx), void *ctx)
{
	disk.cut_at = after ? disk.writes + after : 0;
	disk.cut = cut;
	disk.cut_ctx = ctx;
}

uint64_t vfs_writes(void) { return disk.writes; }
void vfs_lie_about_sync(bool lie) { disk.lies = lie; }
