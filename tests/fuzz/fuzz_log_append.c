/* A log that is fed by clients and leaders nobody vouches for: what a check lets through is appended, found again byte
 * for byte, also after the next open, and whatever producers and transactions say of themselves the log keeps its
 * promises about them.
 *
 *     byte 0   flags (below)
 *     then steps: a byte of what happens, with its operands (step below) */
#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "storage-node/log/file_cache.h"
#include "storage-node/log/partition_log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

#define BATCHES_MAX 128
#define OFFSET_NEAR_END (LOG_OFFSET_MAX - 1000)

enum flag {
    FLAG_REPAIR = 1, /* magic, length and checksum of batches are put right */
    FLAG_SMALL_SEGMENTS = 2,
    FLAG_NEAR_END = 4, /* the log begins near the largest offset */
};

enum step { STEP_CLIENT, STEP_LEADER, STEP_FLUSH, STEP_SYNC, STEP_REOPEN, STEP_CUT, STEP_TRIM, STEP_EPOCH, STEP_COUNT };

/* What the log took. */
struct taken {
    int64_t base_offset;
    int64_t last_offset;
    struct bytes bytes; /* as they must come back */
};

struct world {
    struct fuzz_loop loop;
    struct partition_log_options options;
    struct file_cache *cache;
    struct partition_log *log;
    struct taken taken[BATCHES_MAX];
    size_t count;
    int32_t epoch;
};

static void log_failed(void *context, enum status status)
{
    (void)context;
    (void)status;
    UNREACHABLE(); /* this disk does not fail */
}

static void world_open(struct world *world)
{
    ASSERT(partition_log_open(&world->loop.memory.disk, &world->options, &world->log) == STATUS_OK);
    world->cache = file_cache_create(&world->loop.memory.disk, 4);
    partition_log_attach(world->log, &world->loop.env, world->cache, log_failed, world);
}

static void world_forget_from(struct world *world, size_t first)
{
    while (world->count > first) {
        memory_free((void *)(uintptr_t)world->taken[--world->count].bytes.data);
    }
}

static void check_contents(const struct world *world)
{
    const int64_t end = partition_log_written_end(world->log);

    for (size_t i = world->count; i > 0; i--) {
        const struct taken *taken = &world->taken[i - 1];
        struct log_slice slice;
        uint8_t *data;
        size_t got;

        if (taken->last_offset < partition_log_start_offset(world->log)) {
            break;
        }
        ASSERT(partition_log_read(world->log, taken->last_offset, end, 1, true, &slice) == STATUS_OK);
        ASSERT(slice.first_offset == taken->base_offset && slice.next_offset == taken->last_offset + 1);
        ASSERT(slice.size == taken->bytes.size);
        data = memory_alloc(slice.size);
        ASSERT(file_read(slice.file, slice.position, data, slice.size, &got) == STATUS_OK && got == slice.size);
        ASSERT(memcmp(data, taken->bytes.data, slice.size) == 0);
        memory_free(data);
        file_unref(slice.file);
    }
    ASSERT(partition_log_first_unstable(world->log, end) <= end);
}

static void flush(struct world *world)
{
    ASSERT(partition_log_flush(world->log) == STATUS_OK);
    ASSERT(partition_log_written_end(world->log) == partition_log_end_offset(world->log));
}

static void synced(struct log_sync *sync, enum status status)
{
    ASSERT(status == STATUS_OK);
    sync->offset = -1;
}

static void sync_all(struct world *world)
{
    struct log_sync sync = {.offset = partition_log_end_offset(world->log), .done = synced};

    flush(world);
    partition_log_sync(world->log, &sync);
    fuzz_loop_run(&world->loop);
    ASSERT(sync.offset == -1);
    ASSERT(partition_log_durable_end(world->log) == partition_log_end_offset(world->log));
}

/* Where the first batch begins that is left; the log's end if there is none. */
static int64_t first_batch(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->taken[i].last_offset >= partition_log_start_offset(world->log)) {
            return world->taken[i].base_offset;
        }
    }
    return partition_log_end_offset(world->log);
}

/* Gaps at the log's start, and at its end after a cut, may be gone afterwards: they are in no file. `choice`: bit 0 a
 * clean stop, bit 1 a killed process instead of a power cut. */
static void reopen(struct world *world, uint8_t choice)
{
    const int64_t start = partition_log_start_offset(world->log);
    const int64_t end = partition_log_end_offset(world->log);
    const int64_t first = first_batch(world);
    const int64_t batches_end = world->count > 0 ? world->taken[world->count - 1].last_offset + 1 : 0;

    sync_all(world);
    if ((choice & 1) != 0) {
        ASSERT(partition_log_shutdown(world->log, true) == STATUS_OK);
    }
    world->options.clean = (choice & 1) != 0;
    world->options.kept = (choice & 3) == 2;
    world->options.log_start_offset = start;
    world->options.recovery_point = partition_log_durable_end(world->log);
    partition_log_close(world->log);
    fuzz_loop_run(&world->loop);
    file_cache_destroy(world->cache);
    world_open(world);
    ASSERT(partition_log_start_offset(world->log) >= start);
    ASSERT(partition_log_end_offset(world->log) == end ||
           (end != batches_end && partition_log_end_offset(world->log) >= start &&
            partition_log_end_offset(world->log) == (batches_end > start ? batches_end : start)));
    ASSERT(partition_log_start_offset(world->log) == start || partition_log_start_offset(world->log) <= first);
    ASSERT(partition_log_cut_bytes(world->log) == 0);
    check_contents(world);
}

/* The next batch of the input, its length from its own header if that is to be put right. */
static struct space take_batch(struct bytes *input, bool repair)
{
    const struct bytes found = fuzz_take(input, fuzz_u16(input));
    const struct space batch = {memory_copy(found.data, found.size), found.size};

    if (repair && batch.size >= RECORD_BATCH_HEADER_SIZE) {
        store_u32(batch.data + 8, (uint32_t)(batch.size - RECORD_BATCH_OVERHEAD));
        batch.data[16] = RECORD_BATCH_MAGIC;
        batch_set_crc(batch);
    }
    return batch;
}

static void note_taken(struct world *world, int64_t base_offset, int64_t last_offset, struct space batch)
{
    world->taken[world->count++] = (struct taken){base_offset, last_offset, bytes_of(batch.data, batch.size)};
}

static void from_client(struct world *world, struct space batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    const int64_t end = partition_log_end_offset(world->log);
    struct append_result result;
    struct batch_header header;
    enum append_verdict verdict;

    if (batch_validate(bytes_of(batch.data, batch.size), &limits, &header) != BATCH_ERROR_NONE) {
        memory_free(batch.data);
        return;
    }
    verdict = partition_log_append(world->log, batch, world->epoch, &result);
    flush(world);
    if (verdict != APPEND_OK) {
        ASSERT(partition_log_end_offset(world->log) == end);
        ASSERT(verdict != APPEND_DUPLICATE || (result.base_offset <= result.last_offset && result.last_offset < end));
        memory_free(batch.data);
        return;
    }
    ASSERT(result.base_offset == end && result.last_offset == end + header.last_offset_delta);
    ASSERT(partition_log_end_offset(world->log) == result.last_offset + 1);
    note_taken(world, result.base_offset, result.last_offset, batch);
}

static void from_leader(struct world *world, struct space batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    const int64_t end = partition_log_end_offset(world->log);
    struct batch_header header;
    enum status status = STATUS_CORRUPT;

    if (batch_validate(bytes_of(batch.data, batch.size), &limits, &header) == BATCH_ERROR_NONE) {
        status = partition_log_append_copy(world->log, bytes_of(batch.data, batch.size));
        ASSERT(status == STATUS_OK || status == STATUS_OUT_OF_RANGE || status == STATUS_CORRUPT);
        flush(world);
    }
    if (status != STATUS_OK) {
        ASSERT(partition_log_end_offset(world->log) == end);
        memory_free(batch.data);
        return;
    }
    ASSERT(header.base_offset >= end && partition_log_end_offset(world->log) == batch_last_offset(&header) + 1);
    note_taken(world, header.base_offset, batch_last_offset(&header), batch);
}

/* A follower cuts at a batch of its choice. */
static void cut(struct world *world, uint8_t choice)
{
    if (world->count > 0) {
        const size_t first = choice % world->count;
        const int64_t offset = world->taken[first].last_offset;

        if (offset < partition_log_start_offset(world->log)) {
            return;
        }
        flush(world);
        ASSERT(partition_log_truncate(world->log, offset) == STATUS_OK);
        ASSERT(partition_log_end_offset(world->log) <= offset);
        world_forget_from(world, first);
    }
}

static void trim(struct world *world, uint8_t choice)
{
    const int64_t start = partition_log_start_offset(world->log);
    const int64_t end = partition_log_end_offset(world->log);
    const int64_t offset = choice < end - start ? start + choice : end;

    flush(world);
    ASSERT(partition_log_delete_before(world->log, offset, end) == STATUS_OK);
    ASSERT(partition_log_start_offset(world->log) == offset);
    fuzz_loop_wait(&world->loop, 2 * NS_PER_SECOND);
    (void)partition_log_maintain(world->log, env_wall_ms(&world->loop.env), end);
}

static void step(struct world *world, struct bytes *input, unsigned flags)
{
    const uint8_t what = fuzz_byte(input);

    switch ((enum step)(what % STEP_COUNT)) {
    case STEP_CLIENT:
        from_client(world, take_batch(input, (flags & FLAG_REPAIR) != 0));
        break;
    case STEP_LEADER:
        from_leader(world, take_batch(input, (flags & FLAG_REPAIR) != 0));
        break;
    case STEP_FLUSH:
        flush(world);
        check_contents(world);
        break;
    case STEP_SYNC:
        sync_all(world);
        break;
    case STEP_REOPEN:
        reopen(world, what / STEP_COUNT);
        break;
    case STEP_CUT:
        cut(world, what / STEP_COUNT);
        break;
    case STEP_TRIM:
        trim(world, what / STEP_COUNT);
        break;
    case STEP_EPOCH:
        world->epoch += what / STEP_COUNT % 2;
        world->epoch = world->epoch < partition_log_latest_epoch(world->log) ? partition_log_latest_epoch(world->log)
                                                                            : world->epoch;
        partition_log_start_epoch(world->log, world->epoch);
        break;
    case STEP_COUNT:
        break;
    }
}

static void world_init(struct world *world, unsigned flags)
{
    fuzz_loop_init(&world->loop, NULL);
    world->options = (struct partition_log_options){
        .directory = "/data/events-3",
        .topic = STRING("events"),
        .topic_id = {{1, 2, 3}},
        .partition = 3,
        .log_start_offset = (flags & FLAG_NEAR_END) != 0 ? OFFSET_NEAR_END : 0,
        .now_ms = env_wall_ms(&world->loop.env),
        .config = {.durability = DURABILITY_FSYNC,
                   .segment_bytes = (flags & FLAG_SMALL_SEGMENTS) != 0 ? 300 : 1U << 20,
                   .segment_ms = INT64_C(604800000),
                   .segment_index_bytes = 1 << 20,
                   .index_interval_bytes = 100,
                   .retention_ms = -1,
                   .retention_bytes = -1,
                   .file_delete_delay_ms = 1000,
                   .flush_messages = INT64_MAX,
                   .flush_ms = INT64_MAX,
                   .delete_old = true,
                   .producer_expiry_ms = 86400000}};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned flags = fuzz_byte(&input);
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    world_init(world, flags);
    world_open(world);
    while (input.size > 0 && world->count < BATCHES_MAX) {
        step(world, &input, flags);
    }
    check_contents(world);
    reopen(world, (uint8_t)(flags >> 6));
    sync_all(world);
    partition_log_close(world->log);
    fuzz_loop_run(&world->loop);
    file_cache_destroy(world->cache);
    world_forget_from(world, 0);
    fuzz_loop_deinit(&world->loop);
    memory_free(world);
    return 0;
}
