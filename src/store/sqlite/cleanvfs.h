/* Keeps erased bytes out of the database file. SQLite overwrites the cells it deletes (secure_delete), but a b-tree page that was
 * rebalanced keeps old copies of moved cells in its unallocated middle. This VFS stands over another one and zeroes those middles
 * in every page on its way into the database file, so that an erased text lives on in the write-ahead log alone, until that is
 * emptied (store_checkpoint).
 *
 * Only bytes that no cell owns change: readers see the same cells, and a page half written by a power cut is as good as before.
 *
 * Each one is registered with SQLite under a name of its own, as memvfs is. Any thread. Every connection that may write to the
 * file must go through one. All connections must be closed before cleanvfs_destroy. */
#ifndef BECK_STORE_SQLITE_CLEANVFS_H
#define BECK_STORE_SQLITE_CLEANVFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

struct cleanvfs;
struct cleanvfs *cleanvfs_create(const char *under, const struct rng *rng); /* under NULL = the default; NULL without memory */
void cleanvfs_destroy(struct cleanvfs *c);
const char *cleanvfs_name(const struct cleanvfs *c);

/* Zeroes what no cell owns in one page of `n` bytes whose b-tree header lies at `header`. What does not parse as a b-tree page is
 * left alone. */
void cleanvfs_wipe_page(uint8_t *page, size_t n, size_t header);

#endif
