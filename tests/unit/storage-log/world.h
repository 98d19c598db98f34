/* What the tests of a partition's log share: a loop without threads on a disk in memory, one log on it, batches, and
 * checks that hold for every log. */
#ifndef TESTS_STORAGE_LOG_WORLD_H
#define TESTS_STORAGE_LOG_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/batch/record_batch.h"
#include "common/env/env.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/log/partition_log.h"
#include "tests/support/fault_disk.h"
#include "tests/support/memory_disk.h"
#include "tests/support/memory_points.h"

#define WORLD_AROUND "/data"
#define WORLD_DIRECTORY WORLD_AROUND "/events-3"
#define WORLD_BATCHES_MAX 4096

/* A batch that was appended: what must come back. */
struct sent {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
    struct bytes bytes; /* as on disk */
};

struct world {
    struct env env;
    struct memory_disk memory;
    struct fault_disk faults;
    struct file_cache *cache;
    size_t open_max; /* of the cache */
    struct partition_log *log;
    struct log_config config;
    struct list jobs; /* of struct env_job, waiting for world_work */
    int64_t wall_ms;
    uint64_t now_ns;
    enum status failed; /* what the log reported; STATUS_OK: nothing */
    int failed_count;
    int64_t acked; /* records below are promised to survive a power cut */
    struct sent sent[WORLD_BATCHES_MAX];
    size_t sent_count;
    int32_t leader_epoch;
    int64_t recovery_point; /* for the next open, as the owner's checkpoints would have them */
    int64_t log_start;
    bool kept;  /* the next open is after a killed process: the cache is there */
    const struct producer_journal_entry *producers; /* of the next open */
    bool fresh; /* the next open is of a partition that nothing lies on the disk of */
};

/* How a batch is made. */
struct batch_recipe {
    int32_t records;
    size_t value_size; /* of each record */
    int64_t timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t sequence;
    bool transactional;
};

int world_setup(void **state);
int world_teardown(void **state);

/* Segments of `segment_bytes`, an index entry for each batch or so, no limits. */
struct log_config world_config(uint32_t segment_bytes);
enum status world_try_open(struct world *world, bool clean);
void world_open(struct world *world, bool clean);
/* Closes without a clean stop. */
void world_close(struct world *world);
/* A clean stop, closed. */
void world_stop(struct world *world);
/* Power cut and start. The files that a log of this age would have synced are there, of others what `how` says. */
void world_crash(struct world *world, enum memory_crash how);

/* Runs jobs and turn-end hooks until there is nothing to do. */
void world_work(struct world *world);

/* No producer, one record of `value_size` bytes at `timestamp`. */
struct batch_recipe recipe(size_t value_size, int64_t timestamp);
struct batch_recipe recipe_of_producer(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t records);
/* Builds; the result is allocated. */
struct space batch_of_recipe(const struct batch_recipe *recipe);
/* A transaction marker. */
struct space batch_of_marker(int64_t producer_id, int16_t epoch, bool commit);

/* Appends without flushing. Keeps the batch in world->sent if it was taken. */
enum append_verdict world_append_batch(struct world *world, struct space batch, struct append_result *result);
enum append_verdict world_append(struct world *world, const struct batch_recipe *recipe, struct append_result *result);
/* Appends `count` batches of one record, a turn each. */
void world_fill(struct world *world, size_t count, size_t value_size);
/* Asks for durability of everything and lets it happen; true if it was confirmed. */
bool world_sync(struct world *world);

/* Reads the log from its start to `log_end` and holds it against what was sent: bytes, offsets, order. */
void world_check_contents(struct world *world);
/* Reads a slice's bytes; allocated. The slice is released. */
struct bytes slice_take(struct log_slice *slice);
/* The path of a file in the partition's directory, in a static buffer. */
const char *world_path(const char *name);
/* Forgets what was sent at and behind `offset`. */
void world_forget_from(struct world *world, int64_t offset);
/* Files in the partition's directory whose name ends with `ending`. */
size_t world_count_files(struct world *world, const char *ending);

int test_append(void);
int test_read(void);
int test_recovery(void);
int test_recycle(void);
int test_room(void);
int test_retention(void);
int test_producers(void);
int test_journal(void);
int test_epochs(void);
int test_checkpoints(void);
int test_faults(void);
int test_exhaustion(void);

#endif
