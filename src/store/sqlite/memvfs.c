#include "store/sqlite/memvfs.h"

#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 65536, SHM_SLOTS = 8, NAME_MAX_BYTES = 511 };

/* One file. Lives while named or open. */
struct mem_node {
	struct mem_node *next;
	char name[NAME_MAX_BYTES + 1];
	bool is_named;
	int refs;
	char **chunks;
	size_t chunk_count;
	sqlite3_int64 size;
	int shared; /* connections with a lock of any kind */
	const void *reserved, *pending, *exclusive;
	char **regions; /* shared memory */
	int region_count;
	int shm_shared[SHM_SLOTS];
	const void *shm_exclusive[SHM_SLOTS];
};

struct memvfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *os; /* for randomness, sleep and time */
	pthread_mutex_t lock;
	struct mem_node *nodes;
	char name[40];
};

/* What SQLite holds per open file. */
struct mem_file {
	sqlite3_file base;
	struct memvfs *m;
	struct mem_node *node;
	int level;
	unsigned shm_mask; /* slots held shared */
	bool delete_on_close;
};

static struct mem_file *file_of(sqlite3_file *f) { return (struct mem_file *)(void *)f; }

static void node_free(struct mem_node *n)
{
	for (size_t i = 0; i < n->chunk_count; i++) free(n->chunks[i]);
	for (int i = 0; i < n->region_count; i++) free(n->regions[i]);
	free(n->chunks);
	free(n->regions);
	free(n);
}

static struct mem_node *node_find(struct memvfs *m, const char *name)
{
	for (struct mem_node *n = m->nodes; n; n = n->next)
		if (n->is_named && strcmp(n->name, name) == 0) return n;
	return NULL;
}

/* Frees the node when nobody needs it. */
static void node_release(struct memvfs *m, struct mem_node *n)
{
	if (n->refs > 0 || n->is_named) return;
	for (struct mem_node **at = &m->nodes; *at; at = &(*at)->next) {
		if (*at != n) continue;
		*at = n->next;
		node_free(n);
		return;
	}
}

static struct mem_node *node_new(struct memvfs *m, const char *name)
{
	size_t len = name ? strlen(name) : 0;
	struct mem_node *n = len <= NAME_MAX_BYTES ? calloc(1, sizeof *n) : NULL;
	if (!n) return NULL;
	if (name) memcpy(n->name, name, len + 1);
	n->is_named = name != NULL;
	n->next = m->nodes;
	m->nodes = n;
	return n;
}

/* ---- bytes ---- */
static int mem_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
	struct mem_file *file = file_of(f);
	struct mem_node *node = file->node;
	pthread_mutex_lock(&file->m->lock);
	sqlite3_int64 have = node->size > at ? node->size - at : 0;
	if (have > n) have = n;
	for (sqlite3_int64 done = 0; done < have;) {
		sqlite3_int64 pos = at + done, in = pos % CHUNK_BYTES, part = CHUNK_BYTES - in;
		if (part > have - done) part = have - done;
		memcpy((char *)out + done, node->chunks[pos / CHUNK_BYTES] + in, (size_t)part);
		done += part;
	}
	pthread_mutex_unlock(&file->m->lock);
	memset((char *)out + have, 0, (size_t)(n - have));
	return have == n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static bool grow(struct mem_node *n, sqlite3_int64 size)
{
	size_t need = (size_t)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
	if (need <= n->chunk_count) return true;
	char **chunks = realloc(n->chunks, need * sizeof *chunks);
	if (!chunks) return false;
	n->chunks = chunks;
	while (n->chunk_count < need) {
		char *chunk = calloc(1, CHUNK_BYTES);
		if (!chunk) return false;
		n->chunks[n->chunk_count++] = chunk;
	}
	return true;
}

static int mem_write(sqlite3_file *f, const void *in, int n, sqlite3_int64 at)
{
	struct mem_file *file = file_of(f);
	struct mem_node *node = file->node;
	pthread_mutex_lock(&file->m->lock);
	bool ok = grow(node, at + n);
	for (sqlite3_int64 done = 0; ok && done < n;) {
		sqlite3_int64 pos = at + done, off = pos % CHUNK_BYTES, part = CHUNK_BYTES - off;
		if (part > n - done) part = n - done;
		memcpy(node->chunks[pos / CHUNK_BYTES] + off, (const char *)in + done, (size_t)part);
		done += part;
	}
	if (ok && at + n > node->size) node->size = at + n;
	pthread_mutex_unlock(&file->m->lock);
	return ok ? SQLITE_OK : SQLITE_IOERR_NOMEM;
}

static int mem_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct mem_file *file = file_of(f);
	struct mem_node *node = file->node;
	pthread_mutex_lock(&file->m->lock);
	if (size < node->size) {
		size_t keep = (size_t)((size + CHUNK_BYTES - 1) / CHUNK_BYTES);
		while (node->chunk_count > keep) free(node->chunks[--node->chunk_count]);
		if (size % CHUNK_BYTES)
			memset(node->chunks[keep - 1] + size % CHUNK_BYTES, 0, (size_t)(CHUNK_BYTES - size % CHUNK_BYTES));
		node->size = size;
	}
	pthread_mutex_unlock(&file->m->lock);
	return SQLITE_OK;
}

static int mem_sync(sqlite3_file *f, int flags)
{
	(void)f;
	(void)flags;
	return SQLITE_OK;
}

static int mem_size(sqlite3_file *f, sqlite3_int64 *out)
{
	struct mem_file *file = file_of(f);
	pthread_mutex_lock(&file->m->lock);
	*out = file->node->size;
	pthread_mutex_unlock(&file->m->lock);
	return SQLITE_OK;
}

/* ---- locks: none < shared < reserved < pending < exclusive ---- */
static int lock_up(struct mem_file *file, int level)
{
	struct mem_node *n = file->node;
	if (file->level == SQLITE_LOCK_NONE) {
		if (n->pending || n->exclusive) return SQLITE_BUSY;
		n->shared++;
		file->level = SQLITE_LOCK_SHARED;
	}
	if (level == SQLITE_LOCK_SHARED) return SQLITE_OK;
	if (n->reserved && n->reserved != file) return SQLITE_BUSY;
	n->reserved = file;
	if (file->level < SQLITE_LOCK_RESERVED) file->level = SQLITE_LOCK_RESERVED;
	if (level == SQLITE_LOCK_RESERVED) return SQLITE_OK;
	n->pending = file;
	file->level = SQLITE_LOCK_PENDING;
	if (n->shared > 1) return SQLITE_BUSY;
	n->exclusive = file;
	file->level = SQLITE_LOCK_EXCLUSIVE;
	return SQLITE_OK;
}

static int mem_lock(sqlite3_file *f, int level)
{
	struct mem_file *file = file_of(f);
	pthread_mutex_lock(&file->m->lock);
	int rc = level > file->level ? lock_up(file, level) : SQLITE_OK;
	pthread_mutex_unlock(&file->m->lock);
	return rc;
}

static void lock_down(struct mem_file *file, int level)
{
	struct mem_node *n = file->node;
	if (n->exclusive == file) n->exclusive = NULL;
	if (n->pending == file) n->pending = NULL;
	if (n->reserved == file) n->reserved = NULL;
	if (level == SQLITE_LOCK_NONE && file->level > SQLITE_LOCK_NONE) n->shared--;
	if (level < file->level) file->level = level;
}

static int mem_unlock(sqlite3_file *f, int level)
{
	struct mem_file *file = file_of(f);
	pthread_mutex_lock(&file->m->lock);
	lock_down(file, level);
	pthread_mutex_unlock(&file->m->lock);
	return SQLITE_OK;
}

static int mem_check_reserved(sqlite3_file *f, int *out)
{
	struct mem_file *file = file_of(f);
	pthread_mutex_lock(&file->m->lock);
	*out = file->node->reserved != NULL;
	pthread_mutex_unlock(&file->m->lock);
	return SQLITE_OK;
}

/* ---- shared memory of the write-ahead log ---- */
static bool add_region(struct mem_node *n, int bytes)
{
	char **regions = realloc(n->regions, (size_t)(n->region_count + 1) * sizeof *regions);
	if (!regions) return false;
	n->regions = regions;
	regions[n->region_count] = calloc(1, (size_t)bytes);
	if (!regions[n->region_count]) return false;
	n->region_count++;
	return true;
}

static int mem_shm_map(sqlite3_file *f, int region, int bytes, int extend, void volatile **out)
{
	struct mem_file *file = file_of(f);
	struct mem_node *n = file->node;
	int rc = SQLITE_OK;
	pthread_mutex_lock(&file->m->lock);
	while (extend && n->region_count <= region && rc == SQLITE_OK) rc = add_region(n, bytes) ? SQLITE_OK : SQLITE_IOERR_NOMEM;
	*out = region < n->region_count ? n->regions[region] : NULL;
	pthread_mutex_unlock(&file->m->lock);
	return rc;
}

static bool shm_is_free(const struct mem_file *file, int slot, bool exclusive)
{
	const struct mem_node *n = file->node;
	if (n->shm_exclusive[slot] && n->shm_exclusive[slot] != file) return false;
	int own = (file->shm_mask >> slot) & 1;
	return !exclusive || n->shm_shared[slot] - own == 0;
}

static void shm_take(struct mem_file *file, int slot, bool exclusive)
{
	struct mem_node *n = file->node;
	if (exclusive) {
		n->shm_exclusive[slot] = file;
	} else if (!((file->shm_mask >> slot) & 1)) {
		file->shm_mask |= 1u << slot;
		n->shm_shared[slot]++;
	}
}

static void shm_drop(struct mem_file *file, int slot)
{
	struct mem_node *n = file->node;
	if (n->shm_exclusive[slot] == file) n->shm_exclusive[slot] = NULL;
	if ((file->shm_mask >> slot) & 1) {
		file->shm_mask &= ~(1u << slot);
		n->shm_shared[slot]--;
	}
}

static int mem_shm_lock(sqlite3_file *f, int first, int count, int flags)
{
	struct mem_file *file = file_of(f);
	bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
	int rc = SQLITE_OK;
	pthread_mutex_lock(&file->m->lock);
	if (flags & SQLITE_SHM_UNLOCK) {
		for (int i = first; i < first + count; i++) shm_drop(file, i);
	} else {
		for (int i = first; i < first + count; i++)
			if (!shm_is_free(file, i, exclusive)) rc = SQLITE_BUSY;
		for (int i = first; rc == SQLITE_OK && i < first + count; i++) shm_take(file, i, exclusive);
	}
	pthread_mutex_unlock(&file->m->lock);
	return rc;
}

static void mem_shm_barrier(sqlite3_file *f)
{
	struct mem_file *file = file_of(f);
	pthread_mutex_lock(&file->m->lock);
	pthread_mutex_unlock(&file->m->lock);
}

static int mem_shm_unmap(sqlite3_file *f, int delete_flag)
{
	struct mem_file *file = file_of(f);
	struct mem_node *n = file->node;
	pthread_mutex_lock(&file->m->lock);
	for (int i = 0; i < SHM_SLOTS; i++) shm_drop(file, i);
	if (delete_flag) {
		for (int i = 0; i < n->region_count; i++) free(n->regions[i]);
		n->region_count = 0;
	}
	pthread_mutex_unlock(&file->m->lock);
	return SQLITE_OK;
}

/* ---- files ---- */
static int mem_close(sqlite3_file *f)
{
	struct mem_file *file = file_of(f);
	struct memvfs *m = file->m;
	pthread_mutex_lock(&m->lock);
	lock_down(file, SQLITE_LOCK_NONE);
	for (int i = 0; i < SHM_SLOTS; i++) shm_drop(file, i);
	if (file->delete_on_close) file->node->is_named = false;
	file->node->refs--;
	node_release(m, file->node);
	pthread_mutex_unlock(&m->lock);
	return SQLITE_OK;
}

static int mem_control(sqlite3_file *f, int op, void *arg)
{
	(void)f;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int mem_sector(sqlite3_file *f)
{
	(void)f;
	return 4096;
}

static int mem_characteristics(sqlite3_file *f)
{
	(void)f;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = mem_close,
	.xRead = mem_read,
	.xWrite = mem_write,
	.xTruncate = mem_truncate,
	.xSync = mem_sync,
	.xFileSize = mem_size,
	.xLock = mem_lock,
	.xUnlock = mem_unlock,
	.xCheckReservedLock = mem_check_reserved,
	.xFileControl = mem_control,
	.xSectorSize = mem_sector,
	.xDeviceCharacteristics = mem_characteristics,
	.xShmMap = mem_shm_map,
	.xShmLock = mem_shm_lock,
	.xShmBarrier = mem_shm_barrier,
	.xShmUnmap = mem_shm_unmap,
};

static struct memvfs *vfs_of(sqlite3_vfs *v) { return v->pAppData; }

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	struct memvfs *m = vfs_of(v);
	struct mem_file *file = file_of(f);
	*file = (struct mem_file){ .m = m, .delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 };
	pthread_mutex_lock(&m->lock);
	file->node = name ? node_find(m, name) : NULL;
	bool existed = file->node != NULL;
	if (!existed && (!name || (flags & SQLITE_OPEN_CREATE))) file->node = node_new(m, name);
	if (file->node) file->node->refs++;
	pthread_mutex_unlock(&m->lock);
	if (!file->node) return SQLITE_CANTOPEN;
	file->base.pMethods = &methods;
	if (out_flags) *out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
	struct memvfs *m = vfs_of(v);
	(void)sync_dir;
	pthread_mutex_lock(&m->lock);
	struct mem_node *n = node_find(m, name);
	if (n) {
		n->is_named = false;
		node_release(m, n);
	}
	pthread_mutex_unlock(&m->lock);
	return n ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
	struct memvfs *m = vfs_of(v);
	pthread_mutex_lock(&m->lock);
	const struct mem_node *n = node_find(m, name);
	*out = n != NULL && (flags != SQLITE_ACCESS_EXISTS || n->size > 0);
	pthread_mutex_unlock(&m->lock);
	return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *v, const char *name, int cap, char *out)
{
	(void)v;
	size_t n = strlen(name);
	if (n >= (size_t)cap || n > NAME_MAX_BYTES) return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *v, int n, char *out) { return vfs_of(v)->os->xRandomness(vfs_of(v)->os, n, out); }
static int vfs_sleep(sqlite3_vfs *v, int us) { return vfs_of(v)->os->xSleep(vfs_of(v)->os, us); }
static int vfs_time(sqlite3_vfs *v, double *out) { return vfs_of(v)->os->xCurrentTime(vfs_of(v)->os, out); }
static int vfs_last_error(sqlite3_vfs *v, int n, char *out)
{
	(void)v;
	(void)n;
	(void)out;
	return 0;
}

struct memvfs *memvfs_create(const struct rng *rng)
{
	struct memvfs *m = calloc(1, sizeof *m);
	if (!m) return NULL;
	m->os = sqlite3_vfs_find(NULL);
	(void)snprintf(m->name, sizeof m->name, "beck-mem-%016" PRIx64 "%08" PRIx32, rng_u64(rng), (uint32_t)(uintptr_t)m);
	m->vfs = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile = sizeof(struct mem_file),
		.mxPathname = NAME_MAX_BYTES,
		.zName = m->name,
		.pAppData = m,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	pthread_mutex_init(&m->lock, NULL);
	if (!m->os || sqlite3_vfs_register(&m->vfs, 0) != SQLITE_OK) {
		pthread_mutex_destroy(&m->lock);
		free(m);
		return NULL;
	}
	return m;
}

void memvfs_destroy(struct memvfs *m)
{
	if (!m) return;
	sqlite3_vfs_unregister(&m->vfs);
	while (m->nodes) {
		struct mem_node *n = m->nodes;
		m->nodes = n->next;
		node_free(n);
	}
	pthread_mutex_destroy(&m->lock);
	free(m);
}

const char *memvfs_name(const struct memvfs *m) { return m->name; }
