/* What the fuzzers of a partition's log have in common: a log on a disk in memory that may fail, and the options that a
 * start would find in the checkpoints and in the journal.
 *
 *     log -> file cache -> faults (may fail) -> loop.memory (may crash)
 *
 * What is asked of a sound disk succeeds. While the disk may fail, log_world_did tells what it has done. */
#ifndef FUZZ_LOG_WORLD_H
#define FUZZ_LOG_WORLD_H

#include "storage-node/log/partition_log.h"
#include "tests/fuzz/loop.h"
#include "tests/support/fault_disk.h"

#define LOG_WORLD_AROUND "/data"
#define LOG_WORLD_DIRECTORY LOG_WORLD_AROUND "/events-3"

/* How a log's last life ended, as the next start is told. */
enum log_stop {
    LOG_STOP_CLEAN,
    LOG_STOP_KILLED, /* only the process died: what was written is there */
    LOG_STOP_POWER,
};

struct log_world {
    struct fuzz_loop loop;
    struct fault_disk faults;
    struct partition_log_options options;
    struct file_cache *cache;
    struct partition_log *log; /* NULL: not open */
    bool damaged;              /* bytes on the disk may be anything: the log may find so and go offline */
};

/* An empty disk, an open log on it not yet. */
void log_world_init(struct log_world *world, uint32_t segment_bytes, uint32_t index_interval_bytes);
/* Frees all but the log. */
void log_world_deinit(struct log_world *world);

/* Opens the log, with its entry of the journal as a node would, or once with that of the options, and attaches it. */
MUST_USE enum status log_world_open(struct log_world *world);
/* Closes it, after a shutdown if that is how it stops; options are then those of the next start. False: the disk has
 * failed, and the stop was no clean one. */
bool log_world_close(struct log_world *world, enum log_stop stop);

/* True if `status` is OK. If it is not the disk has failed: asserted. */
bool log_world_did(const struct log_world *world, enum status status);
/* Has everything synced. False: the disk has failed. */
bool log_world_sync(struct log_world *world);
/* The start has cut off nothing that was a batch. Zeros behind the end that are too few for a mark (room.c) count as a
 * torn end, and all of them do if the disk failed where recovery looked for it. */
bool log_world_cut_nothing(const struct log_world *world);
/* From here on call number `at` of the disk fails, 0: none, and all behind it too if it fails `on`. */
void log_world_fail(struct log_world *world, uint64_t at, bool on);

#endif
