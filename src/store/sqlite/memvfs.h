/* Files in memory for a store that is gone at close. Unlike SQLite's own memdb it has the shared-memory methods, so that a store
 * in memory behaves as one on disk: WAL, snapshots, readers beside the lane.
 *
 * Each memvfs is registered with SQLite under a name of its own and holds the files opened through it. Any thread. Without memory
 * a write fails with SQLITE_IOERR_NOMEM. All connections must be closed before memvfs_destroy. */
#ifndef BECK_STORE_SQLITE_MEMVFS_H
#define BECK_STORE_SQLITE_MEMVFS_H

#include "base/rng.h"

struct memvfs;
struct memvfs *memvfs_create(const struct rng *rng); /* NULL without memory */
void memvfs_destroy(struct memvfs *m);
const char *memvfs_name(const struct memvfs *m);

#endif
