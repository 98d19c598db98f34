/* A log that is fed by clients and leaders nobody vouches for: what a check lets through is appended, found again byte
 * for byte, also after the next open, and whatever producers and transactions say of themselves the log keeps its
 * promises about them. Where its disk fails, what was durable is there at the next start, and what was not up to some
 * batch.
 *
 *     byte 0   flags (below)
 *     byte 1   with FLAG_FAIL: the call of the disk that fails, counted from the first open, and again from each start
 *              behind such a failure
 *     then steps: a byte of what happens, with its operands (step below) */
#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/log_world.h"

#define BATCHES_MAX 128
#define LIVES_MAX 16
#define OFFSET_NEAR_END (LOG_OFFSET_MAX - 1000)

enum flag {
    FLAG_REPAIR = 1, /* magic, length and checksum of batches are put right */
    FLAG_SMALL_SEGMENTS = 2,
    FLAG_NEAR_END = 4, /* the log begins near the largest offset */
    FLAG_FAIL = 8,
    FLAG_FAIL_ON = 16,     /* all calls behind it fail too */
    FLAG_SYNCED_LATE = 32, /* class interval */
};

enum step { STEP_CLIENT, STEP_LEADER, STEP_FLUSH, STEP_SYNC, STEP_REOPEN, STEP_CUT, STEP_TRIM, STEP_EPOCH, STEP_COUNT };

/* What the log took. */
struct taken {
    int64_t base_offset;
    int64_t last_offset;
    struct bytes bytes; /* as they must come back */
};

struct world {
    struct log_world base;
    struct taken taken[BATCHES_MAX];
    size_t count;
    int32_t epoch;
    int64_t promised; /* below: synced, and no cut was tried there since */
    uint8_t fail_at;  /* in each life, 0: never */
    bool fail_on;
    unsigned lives;
};

/* The log opens, once its disk works. Records that a power cut left without saying whose they are belong to nobody
 * (docs/decisions/0008-whose-directory.md): the owner puts them away and begins anew. None of them was promised.
 * False: not at the first attempt, which may have left a torn end. */
static bool world_open(struct world *world)
{
    enum status status = log_world_open(&world->base);
    const bool at_once = status == STATUS_OK;

    if (status != STATUS_OK && world->base.faults.failed) {
        log_world_fail(&world->base, 0, false);
        world->base.options.clean = false; /* the mark is gone by now */
        status = log_world_open(&world->base);
    }
    if (status == STATUS_EXISTS && world->promised == 0) {
        ASSERT(partition_directory_remove(&world->base.loop.memory.disk, LOG_WORLD_DIRECTORY) == STATUS_OK);
        status = log_world_open(&world->base);
    }
    ASSERT(status == STATUS_OK);
    return at_once;
}

static void world_forget_from(struct world *world, size_t first)
{
    while (world->count > first) {
        memory_free((void *)(uintptr_t)world->taken[--world->count].bytes.data);
    }
}

/* The batch comes back as it was taken. False: the disk has failed. */
static bool check_batch(const struct world *world, const struct taken *taken, int64_t end)
{
    struct log_slice slice;
    uint8_t *data;
    size_t got;
    bool read;

    if (!log_world_did(&world->base,
                       partition_log_read(world->base.log, taken->last_offset, end, 1, true, &slice))) {
        return false;
    }
    ASSERT(slice.first_offset == taken->base_offset && slice.next_offset == taken->last_offset + 1);
    ASSERT(slice.size == taken->bytes.size);
    data = memory_alloc(slice.size);
    read = log_world_did(&world->base, file_read(slice.file, slice.position, data, slice.size, &got));
    ASSERT(!read || (got == slice.size && memcmp(data, taken->bytes.data, slice.size) == 0));
    memory_free(data);
    file_unref(slice.file);
    return read;
}

/* Of bytes, between this batch's start and the log's end at least `size`, and of times, the log tells no less than is
 * there. False: the disk has failed. */
static bool check_answers(const struct world *world, const struct taken *taken, uint64_t size, int64_t end)
{
    struct partition_log *log = world->base.log;
    struct batch_header header;
    struct log_slice slice;

    ASSERT(partition_log_bytes_between(log, taken->base_offset, end) >= size);
    ASSERT(partition_log_bytes_between(log, taken->base_offset, taken->last_offset + 1) >= taken->bytes.size);
    ASSERT(batch_header_read(taken->bytes, &header) == STATUS_OK);
    if (header.max_timestamp < 0 || partition_log_failure(log) != STATUS_OK) {
        return true;
    }
    if (!log_world_did(&world->base, partition_log_find_time(log, header.max_timestamp, end, &slice))) {
        return false;
    }
    ASSERT(slice.first_offset <= taken->base_offset);
    file_unref(slice.file);
    if (!log_world_did(&world->base, partition_log_find_max_time(log, taken->last_offset + 1, &slice))) {
        return false;
    }
    ASSERT(slice.first_offset <= taken->base_offset);
    file_unref(slice.file);
    return true;
}

static void check_contents(const struct world *world)
{
    struct partition_log *log = world->base.log;
    const int64_t end = partition_log_written_end(log);
    uint64_t size = 0;

    for (size_t i = world->count; i > 0; i--) {
        const struct taken *taken = &world->taken[i - 1];

        size += taken->bytes.size;
        if (taken->last_offset < partition_log_start_offset(log)) {
            break;
        }
        if (!check_batch(world, taken, end) || !check_answers(world, taken, size, end)) {
            return;
        }
    }
    ASSERT(partition_log_bytes_between(log, partition_log_start_offset(log), end) <= partition_log_size(log));
    ASSERT(partition_log_first_unstable(log, end) <= end);
}

/* False: the disk has failed, and what was queued is gone. */
static bool flush(struct world *world)
{
    const bool flushed = log_world_did(&world->base, partition_log_flush(world->base.log));

    ASSERT(partition_log_written_end(world->base.log) == partition_log_end_offset(world->base.log));
    return flushed;
}

static bool sync_all(struct world *world)
{
    if (!flush(world) || !log_world_sync(&world->base)) {
        return false;
    }
    world->promised = partition_log_durable_end(world->base.log);
    return true;
}

/* Where the first batch begins that is left; the log's end if there is none. */
static int64_t first_batch(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->taken[i].last_offset >= partition_log_start_offset(world->base.log)) {
            return world->taken[i].base_offset;
        }
    }
    return partition_log_end_offset(world->base.log);
}

/* Gaps at the log's start, and at its end after a cut, may be gone afterwards: they are in no file. `choice`: bit 0 a
 * clean stop, bit 1 a killed process instead of a power cut. If the disk fails on the way the log may be closed. */
static void reopen(struct world *world, uint8_t choice)
{
    const int64_t start = partition_log_start_offset(world->base.log);
    const int64_t end = partition_log_end_offset(world->base.log);
    const int64_t first = first_batch(world);
    const int64_t batches_end = world->count > 0 ? world->taken[world->count - 1].last_offset + 1 : 0;
    const enum log_stop stop = (choice & 1) != 0   ? LOG_STOP_CLEAN
                               : (choice & 2) != 0 ? LOG_STOP_KILLED
                                                   : LOG_STOP_POWER;
    bool at_once;

    if (!sync_all(world) || !log_world_close(&world->base, stop)) {
        return;
    }
    at_once = world_open(world);
    ASSERT(partition_log_start_offset(world->base.log) >= start);
    ASSERT(partition_log_end_offset(world->base.log) == end ||
           (end != batches_end && partition_log_end_offset(world->base.log) >= start &&
            partition_log_end_offset(world->base.log) == (batches_end > start ? batches_end : start)));
    ASSERT(partition_log_start_offset(world->base.log) == start ||
           partition_log_start_offset(world->base.log) <= first);
    ASSERT(!at_once || log_world_cut_nothing(&world->base));
    check_contents(world);
}

/* The disk has failed. It works again, with what a power cut or a killed process left on it, and the log begins a new
 * life. */
static void next_life(struct world *world, uint8_t choice)
{
    const enum memory_crash how = (enum memory_crash)(choice % 4);
    size_t kept = 0;
    int64_t end;

    if (world->base.log != NULL) {
        (void)log_world_close(&world->base, LOG_STOP_POWER);
    }
    memory_disk_crash(&world->base.loop.memory, how);
    log_world_fail(&world->base, 0, false);
    world->base.options.clean = false;
    world->base.options.kept = how == MEMORY_CRASH_KILLS;
    (void)world_open(world);
    end = partition_log_end_offset(world->base.log);
    while (kept < world->count && world->taken[kept].last_offset < end) {
        kept++;
    }
    ASSERT(kept == world->count || world->taken[kept].last_offset >= world->promised);
    world_forget_from(world, kept);
    check_contents(world);
    world->lives++;
    log_world_fail(&world->base, world->lives < LIVES_MAX ? world->fail_at : 0, world->fail_on);
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
    const int64_t end = partition_log_end_offset(world->base.log);
    struct append_result result;
    struct batch_header header;
    enum append_verdict verdict;

    if (batch_validate(bytes_of(batch.data, batch.size), &limits, &header) != BATCH_ERROR_NONE) {
        memory_free(batch.data);
        return;
    }
    verdict = partition_log_append(world->base.log, batch, world->epoch, &result);
    if (!flush(world) || verdict != APPEND_OK) {
        ASSERT(partition_log_end_offset(world->base.log) == end);
        ASSERT(verdict != APPEND_DUPLICATE || (result.base_offset <= result.last_offset && result.last_offset < end));
        memory_free(batch.data);
        return;
    }
    ASSERT(result.base_offset == end && result.last_offset == end + header.last_offset_delta);
    ASSERT(partition_log_end_offset(world->base.log) == result.last_offset + 1);
    note_taken(world, result.base_offset, result.last_offset, batch);
}

static void from_leader(struct world *world, struct space batch)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    const int64_t end = partition_log_end_offset(world->base.log);
    struct batch_header header;
    enum status status = STATUS_CORRUPT;

    if (batch_validate(bytes_of(batch.data, batch.size), &limits, &header) == BATCH_ERROR_NONE) {
        status = partition_log_append_copy(world->base.log, bytes_of(batch.data, batch.size));
        ASSERT(status == STATUS_OUT_OF_RANGE || status == STATUS_CORRUPT || log_world_did(&world->base, status) ||
               partition_log_failure(world->base.log) != STATUS_OK);
        status = flush(world) ? status : STATUS_IO;
    }
    if (status != STATUS_OK) {
        ASSERT(partition_log_end_offset(world->base.log) == end);
        memory_free(batch.data);
        return;
    }
    ASSERT(header.base_offset >= end);
    ASSERT(partition_log_end_offset(world->base.log) == batch_last_offset(&header) + 1);
    note_taken(world, header.base_offset, batch_last_offset(&header), batch);
}

/* A follower cuts at a batch of its choice. */
static void cut(struct world *world, uint8_t choice)
{
    if (world->count > 0) {
        const size_t first = choice % world->count;
        const int64_t offset = world->taken[first].last_offset;

        if (offset < partition_log_start_offset(world->base.log) || !flush(world)) {
            return;
        }
        if (world->promised > world->taken[first].base_offset) {
            world->promised = world->taken[first].base_offset;
        }
        if (log_world_did(&world->base, partition_log_truncate(world->base.log, offset))) {
            ASSERT(partition_log_end_offset(world->base.log) <= offset);
            world_forget_from(world, first);
        }
    }
}

static void trim(struct world *world, uint8_t choice)
{
    const int64_t start = partition_log_start_offset(world->base.log);
    const int64_t end = partition_log_end_offset(world->base.log);
    const int64_t offset = choice < end - start ? start + choice : end;

    if (!flush(world) || !log_world_did(&world->base, partition_log_delete_before(world->base.log, offset, end))) {
        return;
    }
    ASSERT(partition_log_start_offset(world->base.log) == offset);
    fuzz_loop_wait(&world->base.loop, 2 * NS_PER_SECOND);
    (void)partition_log_maintain(world->base.log, env_wall_ms(&world->base.loop.env), end);
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
        if (flush(world)) {
            check_contents(world);
        }
        break;
    case STEP_SYNC:
        (void)sync_all(world);
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
        world->epoch = world->epoch < partition_log_latest_epoch(world->base.log)
                           ? partition_log_latest_epoch(world->base.log)
                           : world->epoch;
        partition_log_start_epoch(world->base.log, world->epoch);
        break;
    case STEP_COUNT:
        break;
    }
    if (world->base.faults.failed) {
        next_life(world, what / STEP_COUNT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned flags = fuzz_byte(&input);
    const uint8_t fail_at = fuzz_byte(&input);
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    log_world_init(&world->base, (flags & FLAG_SMALL_SEGMENTS) != 0 ? 300 : 1U << 20, 100);
    world->base.options.log_start_offset = (flags & FLAG_NEAR_END) != 0 ? OFFSET_NEAR_END : 0;
    if ((flags & FLAG_SYNCED_LATE) != 0) {
        world->base.options.config.durability = DURABILITY_INTERVAL;
    }
    world->fail_at = (flags & FLAG_FAIL) != 0 ? fail_at : 0;
    world->fail_on = (flags & FLAG_FAIL_ON) != 0;
    log_world_fail(&world->base, world->fail_at, world->fail_on);
    (void)world_open(world);
    while (input.size > 0 && world->count < BATCHES_MAX) {
        step(world, &input, flags);
    }
    check_contents(world);
    if (world->base.faults.failed) {
        next_life(world, 0);
    }
    log_world_fail(&world->base, 0, false);
    reopen(world, (uint8_t)(flags >> 6));
    ASSERT(sync_all(world));
    (void)log_world_close(&world->base, LOG_STOP_POWER);
    world_forget_from(world, 0);
    log_world_deinit(&world->base);
    memory_free(world);
    return 0;
}
