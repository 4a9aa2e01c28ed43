/* A disk in memory with a disk's bad habits: what was written but not synced may be lost, torn at a sector's edge, or kept, each
 * write on its own, when the power goes; a process that dies loses nothing that the operating system has. Reads and writes can be
 * made to fail. */
#ifndef BECK_SIM_VFS_H
#define BECK_SIM_VFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

enum vfs_fault { VFS_NONE, VFS_IOERR, VFS_FULL, VFS_SYNC_FAILS };

/* Registers the VFS under `name` with SQLite; one disk, files by path. */
void vfs_install(const char *name, const struct rng *rng);
void vfs_format(void);       /* an empty disk */
void vfs_power_cut(void);    /* unsynced writes meet their fate; every open file is dead until vfs_revive */
void vfs_process_died(void); /* open files are dead; their bytes stay as written */
void vfs_revive(void);
/* The n-th write (or sync) from now on fails once, or until vfs_fault(VFS_NONE, 0) when `lasting`. */
void vfs_fault(enum vfs_fault kind, uint64_t after, bool lasting);
/* Calls `cut` in the middle of the n-th write from now: the writes before it happened, it and all later ones did not. 0 = never.
 */
void vfs_on_write(uint64_t after, void (*cut)(void *ctx), void *ctx);
uint64_t vfs_writes(void); /* so far */
/* Planted fault: sync does nothing, as on a lying disk. The checks must turn red. */
void vfs_lie_about_sync(bool lie);

#endif
