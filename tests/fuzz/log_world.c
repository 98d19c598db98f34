/* See log_world.h. */
#include "tests/fuzz/log_world.h"

#include "common/base/assert.h"
#include "common/batch/record_batch.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/log/producer_journal.h"

#define OPEN_FILES 8

void log_world_init(struct log_world *world, uint32_t segment_bytes, uint32_t index_interval_bytes)
{
    fuzz_loop_init(&world->loop, NULL);
    fault_disk_init(&world->faults, &world->loop.memory.disk);
    world->loop.env.disk = &world->faults.disk;
    world->options = (struct partition_log_options){
        .directory = LOG_WORLD_DIRECTORY,
        .topic = STRING("events"),
        .topic_id = {{1, 2, 3}},
        .partition = 3,
        .now_ms = env_wall_ms(&world->loop.env),
        .config = {.durability = DURABILITY_FSYNC,
                   .segment_bytes = segment_bytes,
                   .segment_ms = INT64_C(604800000),
                   .segment_index_bytes = 1 << 20,
                   .index_interval_bytes = index_interval_bytes,
                   .retention_ms = -1,
                   .retention_bytes = -1,
                   .file_delete_delay_ms = 1000,
                   .flush_messages = INT64_MAX,
                   .flush_ms = INT64_MAX,
                   .delete_old = true,
                   .producer_expiry_ms = 86400000}};
}

void log_world_deinit(struct log_world *world)
{
    fuzz_loop_deinit(&world->loop);
}

static void log_failed(void *context, enum status status)
{
    const struct log_world *world = context;

    ASSERT(status != STATUS_OK);
    ASSERT(world->damaged || world->faults.failed);
}

/* The journal lies on the sound disk: what it says has to be right, its loss is nothing. */
static bool log_world_find_entry(struct log_world *world, struct producer_journal **journal,
                                 struct producer_journal_entry *entry)
{
    struct disk *disk = &world->loop.memory.disk;

    *journal = NULL;
    if (!world->options.clean && !world->options.kept) {
        ASSERT(producer_journal_remove(disk, LOG_WORLD_AROUND) == STATUS_OK);
        return false;
    }
    ASSERT(producer_journal_load(disk, LOG_WORLD_AROUND, journal) == STATUS_OK);
    return producer_journal_find(*journal, world->options.topic_id, world->options.partition, entry);
}

static void log_world_save(struct log_world *world, enum log_stop stop)
{
    struct buffer text;

    buffer_init(&text);
    if (stop == LOG_STOP_KILLED) {
        partition_log_save_producers(world->log, false, &text);
    } else if (stop == LOG_STOP_CLEAN && partition_log_ends_unsaved(world->log)) {
        partition_log_save_end(world->log, &text);
    }
    if (text.size > 0) {
        uint64_t size = 0;

        ASSERT(producer_journal_write(&world->loop.memory.disk, LOG_WORLD_AROUND, 0, buffer_bytes(&text), &size) ==
               STATUS_OK);
        ASSERT(producer_journal_sync(&world->loop.memory.disk, LOG_WORLD_AROUND, 0) == STATUS_OK);
    }
    buffer_deinit(&text);
}

enum status log_world_open(struct log_world *world)
{
    struct partition_log_options options = world->options;
    struct producer_journal *journal;
    struct producer_journal_entry entry;
    enum status status;

    if (options.producers == NULL && log_world_find_entry(world, &journal, &entry)) {
        options.producers = &entry;
    } else if (options.producers != NULL) {
        journal = NULL;
    }
    status = partition_log_open(&world->faults.disk, &options, &world->log);
    producer_journal_destroy(journal);
    world->options.producers = NULL;
    if (status == STATUS_OK) {
        world->cache = file_cache_create(&world->faults.disk, OPEN_FILES);
        partition_log_attach(world->log, &world->loop.env, world->cache, log_failed, world);
    } else {
        world->log = NULL;
    }
    return status;
}

bool log_world_did(const struct log_world *world, enum status status)
{
    ASSERT(status == STATUS_OK || world->faults.failed);
    return status == STATUS_OK;
}

bool log_world_close(struct log_world *world, enum log_stop stop)
{
    bool stopped = true;

    fuzz_loop_run(&world->loop);
    log_world_save(world, stop);
    if (stop == LOG_STOP_CLEAN) {
        stopped = log_world_did(world, partition_log_shutdown(world->log, true));
    }
    world->options.clean = stop == LOG_STOP_CLEAN && stopped;
    world->options.kept = stop == LOG_STOP_KILLED;
    world->options.log_start_offset = partition_log_start_offset(world->log);
    world->options.recovery_point = partition_log_durable_end(world->log);
    fuzz_loop_run(&world->loop); /* a failure is told */
    partition_log_close(world->log);
    fuzz_loop_run(&world->loop);
    file_cache_destroy(world->cache);
    world->log = NULL;
    return stopped;
}

/* One that asks for durability. */
struct sync_wait {
    struct log_sync sync;
    const struct log_world *world;
    bool done;
    bool durable;
};

static void synced(struct log_sync *sync, enum status status)
{
    struct sync_wait *wait = CONTAINER_OF(sync, struct sync_wait, sync);

    wait->done = true;
    wait->durable = log_world_did(wait->world, status);
}

bool log_world_sync(struct log_world *world)
{
    struct sync_wait wait = {.sync = {.offset = partition_log_end_offset(world->log), .done = synced}, .world = world};

    partition_log_sync(world->log, &wait.sync);
    fuzz_loop_run(&world->loop);
    ASSERT(wait.done);
    ASSERT(!wait.durable || partition_log_durable_end(world->log) == partition_log_end_offset(world->log));
    return wait.durable;
}

bool log_world_cut_nothing(const struct log_world *world)
{
    return partition_log_cut_bytes(world->log) < RECORD_BATCH_HEADER_SIZE || world->faults.failed;
}

void log_world_fail(struct log_world *world, uint64_t at, bool on)
{
    world->faults.failed = false;
    world->faults.fail_at = at > 0 ? world->faults.calls + at : 0;
    world->faults.fail_on = on;
}
