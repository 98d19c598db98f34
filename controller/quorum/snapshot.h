/* Snapshots on disk: the whole state as of one log entry, in one file per snapshot, the newest two kept.
 *
 *     DIRECTORY/snapshot-00000000000000012345.snap
 *
 *      0  8    magic "MLSNAP\0\1"        40  u64  data size
 *      8  u32  CRC-32C of cluster, node  48  u32  configuration size
 *     12  u32  flags (1: installed)      52  u32  CRC-32C of the configuration
 *     16  u64  index                     56  4    zero
 *     24  u64  term                      60  u32  CRC-32C of bytes 0-59
 *     32  u64  configuration index
 *     64  configuration, then chunks of up to 1 MiB: u32 size, u32 CRC-32C, data
 *
 * Written under a temporary name, synced, renamed, the directory synced: a file with the final name is whole. */
#ifndef QUORUM_SNAPSHOT_H
#define QUORUM_SNAPSHOT_H

#include "common/env/disk.h"
#include "common/env/env.h"
#include "controller/quorum/core.h"

/* One snapshot in memory, shared by who writes it and who sends it. Counted on one loop. */
struct snapshot {
    uint32_t references;
    bool installed; /* came from a leader: the log may end before it */
    uint32_t crc;   /* of the data */
    struct core_snapshot about;
    struct buffer data;
};

/* One reference. Takes what `about` and `data` own. */
struct snapshot *snapshot_create(struct core_snapshot *about, struct buffer *data, bool installed);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* NULL is allowed. */
void snapshot_unref(struct snapshot *snapshot);

struct snapshot_job;

/* Writes `snapshot` (a reference is held meanwhile) on a worker; then removes the snapshot of `remove_index` if that is
 * not 0. `done` is not called after snapshot_save_abandon. */
struct snapshot_job *snapshot_save(struct env *env, const char *directory, uint32_t identity, struct snapshot *snapshot,
                                   uint64_t remove_index, void (*done)(void *context, enum status status),
                                   void *context);
/* The owner goes away; the write may finish by itself. NULL is allowed. */
void snapshot_save_abandon(struct snapshot_job *job);

/* Loads the newest whole snapshot; *snapshot is NULL if there is none. *older_index: the index of the next older one,
 * or 0; *damaged: how many newer ones did not verify. Removes leftovers of unfinished writes. Disk errors only.
 * Blocks. */
MUST_USE enum status snapshot_load(struct disk *disk, const char *directory, uint32_t identity, size_t size_max,
                                   struct snapshot **snapshot, uint64_t *older_index, int *damaged);

#endif
