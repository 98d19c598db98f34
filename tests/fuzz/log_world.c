/* See log_world.h. */
#include "tests/fuzz/log_world.h"

#include "common/base/assert.h"
#include "common/batch/record_batch.h"
#include "storage-node/log/file_cache.h"

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

enum status log_world_open(struct log_world *world)
{
    const enum status status = partition_log_open(&world->faults.disk, &world->options, &world->log);

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
