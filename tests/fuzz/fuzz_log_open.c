/* A partition's directory with any bytes in its files: it opens or says why not; what it holds can be read, appended
 * to, cut, and is the same after the next open.
 *
 *     byte 0   flags (below)
 *     byte 1   more of them
 *     byte 2   recovery point, from 200 on: 0, and only the process had died      byte 3   checkpointed log start
 *     with MORE_ENTRY the journal's entry: offset, epoch, u16 and its epochs, u16 and its snapshot
 *     with MORE_FAIL a byte: the call of the disk that fails, counted from the open on
 *     then files: kind, offset in the name (250 to 255: near the largest), size u16, contents */
#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "common/batch/control_record.h"
#include "storage-node/log/epoch_cache.h"
#include "storage-node/log/partition_metadata.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/segment_name.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/log_world.h"

/* More than a recovery reads at once. */
#define LARGE_BATCH 300000

enum flag {
    FLAG_CLEAN = 1,          /* as after a clean stop */
    FLAG_REPAIR_BATCHES = 2, /* checksums of batches are put right */
    FLAG_REPAIR_SNAPSHOTS = 4,
    FLAG_COMPACT = 8,
    FLAG_SMALL_SEGMENTS = 16,
};

enum more {
    MORE_FAIL = 1,    /* a call of the disk fails while the log is opened or read first */
    MORE_FAIL_ON = 2, /* all calls behind it fail too */
    MORE_LARGE = 4,   /* the last batch of every file is a large one */
    MORE_ENTRY = 8,   /* the journal speaks of the log */
};

enum kind { KIND_EPOCHS = SEGMENT_PART_COUNT, KIND_METADATA, KIND_LEFTOVER, KIND_COUNT };

struct world {
    struct log_world base;
    bool trusted; /* bytes below the end were not all checked: they may be anything */
    bool sound;   /* but batch follows on batch to the end of every segment: all can be read, whatever an index says */
};

/* Makes the last batch reach over LARGE_BATCH bytes more, if `contents` ends with one. */
static void enlarge(struct buffer *contents)
{
    size_t at = 0;

    while (contents->size - at >= RECORD_BATCH_HEADER_SIZE) {
        const size_t left = contents->size - at;
        const size_t size = (size_t)load_u32(contents->data + at + 8) + RECORD_BATCH_OVERHEAD;

        if (size == left) {
            memset(buffer_reserve(contents, LARGE_BATCH), 'v', LARGE_BATCH);
            contents->size += LARGE_BATCH;
            store_u32(contents->data + at + 8, (uint32_t)(size + LARGE_BATCH - RECORD_BATCH_OVERHEAD));
            return;
        }
        if (size < RECORD_BATCH_HEADER_SIZE || size > left) {
            return;
        }
        at += size;
    }
}

static void repair_batches(struct space bytes)
{
    size_t at = 0;

    while (bytes.size - at >= RECORD_BATCH_HEADER_SIZE) {
        const uint32_t size = load_u32(bytes.data + at + 8) + RECORD_BATCH_OVERHEAD;

        if (bytes.data[at + 16] != RECORD_BATCH_MAGIC || size < RECORD_BATCH_HEADER_SIZE || size > bytes.size - at) {
            return;
        }
        batch_set_crc((struct space){bytes.data + at, size});
        at += size;
    }
}

static void repair_snapshot(struct space bytes)
{
    if (bytes.size >= 10) {
        store_u32(bytes.data + 2, crc32c(bytes.data + 6, bytes.size - 6));
    }
}

/* One file of the input. */
static void add_file(struct world *world, struct bytes *input, unsigned flags, unsigned more)
{
    const struct log_files files = {.directory = (char *)(uintptr_t)LOG_WORLD_DIRECTORY};
    const unsigned kind = fuzz_byte(input) % KIND_COUNT;
    const uint8_t choice = fuzz_byte(input);
    const int64_t offset = choice < 250   ? choice
                           : choice < 253 ? LOG_OFFSET_MAX - (252 - choice)
                                          : INT64_MAX - (255 - choice);
    const struct bytes found = fuzz_take(input, fuzz_u16(input));
    struct buffer contents;
    char path[DISK_PATH_MAX];

    buffer_init(&contents);
    buffer_append(&contents, found.data, found.size);
    if (kind == SEGMENT_LOG && (more & MORE_LARGE) != 0) {
        enlarge(&contents);
    }
    if (kind < SEGMENT_PART_COUNT) {
        segment_path(&files, offset, (enum segment_part)kind, "", path);
    } else if (kind == KIND_LEFTOVER) {
        segment_path(&files, offset, SEGMENT_LOG, (choice & 1) != 0 ? ".deleted" : ".tmp", path);
    } else {
        log_file_path(&files, kind == KIND_EPOCHS ? EPOCH_FILE_NAME : PARTITION_METADATA_NAME, path);
    }
    if (kind == SEGMENT_LOG && (flags & FLAG_REPAIR_BATCHES) != 0) {
        repair_batches((struct space){contents.data, contents.size});
    }
    if (kind == SEGMENT_SNAPSHOT && (flags & FLAG_REPAIR_SNAPSHOTS) != 0) {
        repair_snapshot((struct space){contents.data, contents.size});
    }
    fuzz_loop_file(&world->base.loop, path, buffer_bytes(&contents));
    buffer_deinit(&contents);
}

/* An entry of the journal, right or not. `text` is to be freed. */
static struct producer_journal_entry take_entry(struct bytes *input, unsigned flags, struct buffer *text)
{
    struct producer_journal_entry entry = {.topic_id = {{1, 2, 3}}, .partition = 3};
    struct bytes snapshot;

    entry.offset = fuzz_byte(input);
    entry.epoch = fuzz_byte(input);
    entry.epochs = fuzz_take(input, fuzz_u16(input));
    snapshot = fuzz_take(input, fuzz_u16(input));
    buffer_append(text, snapshot.data, snapshot.size);
    if ((flags & FLAG_REPAIR_SNAPSHOTS) != 0) {
        repair_snapshot((struct space){text->data, text->size});
    }
    entry.snapshot = buffer_bytes(text);
    return entry;
}

static void world_close(struct world *world, bool clean)
{
    const bool kept = world->base.options.log_start_offset % 2 == 1; /* one way or the other */

    (void)log_world_close(&world->base, clean  ? LOG_STOP_CLEAN
                                        : kept ? LOG_STOP_KILLED
                                               : LOG_STOP_POWER);
}

#define SEGMENTS_MAX 64

struct segments {
    int64_t offsets[SEGMENTS_MAX];
    size_t count;
};

static void segments_name(void *context, const char *name, enum disk_kind kind)
{
    struct segments *segments = context;
    enum segment_part part;
    int64_t offset;

    if (kind == DISK_FILE && segment_name_parse(name, &offset, &part) && part == SEGMENT_LOG &&
        segments->count < SEGMENTS_MAX) {
        segments->offsets[segments->count++] = offset;
    }
}

/* The segment's batches ascend between its base and `end` and fill it. */
static bool segment_sound(const struct buffer *contents, int64_t base, int64_t end)
{
    struct bytes rest = buffer_bytes(contents);
    struct bytes batch;
    int64_t next = base;

    while (batch_next(&rest, &batch) == STATUS_OK) {
        struct batch_header header;

        if (batch_header_read(batch, &header) != STATUS_OK || header.base_offset < next ||
            header.last_offset_delta < 0 || header.base_offset >= LOG_OFFSET_MAX - header.last_offset_delta ||
            batch_last_offset(&header) >= end || batch_last_offset(&header) - base > INT32_MAX) {
            return false;
        }
        next = batch_last_offset(&header) + 1;
    }
    return rest.size == 0;
}

/* True if nothing but indexes, snapshots and the like may be damaged. */
static bool world_sound(struct world *world)
{
    const struct log_files files = {.directory = (char *)(uintptr_t)LOG_WORLD_DIRECTORY};
    struct segments segments = {0};

    ASSERT(disk_list(&world->base.loop.memory.disk, LOG_WORLD_DIRECTORY, segments_name, &segments) == STATUS_OK);
    for (size_t i = 0; i < segments.count; i++) {
        int64_t end = INT64_MAX;
        char path[DISK_PATH_MAX];

        for (size_t j = 0; j < segments.count; j++) {
            if (segments.offsets[j] > segments.offsets[i] && segments.offsets[j] < end) {
                end = segments.offsets[j];
            }
        }
        segment_path(&files, segments.offsets[i], SEGMENT_LOG, "", path);
        if (!segment_sound(memory_disk_contents(&world->base.loop.memory, path), segments.offsets[i], end)) {
            return false;
        }
    }
    return segments.count < SEGMENTS_MAX;
}

/* Whole batches, ascending, within the slice's offsets. */
static void check_slice(const struct log_slice *slice, int64_t offset)
{
    uint8_t *data = memory_alloc(slice->size);
    struct bytes rest = bytes_of(data, slice->size);
    struct bytes batch;
    int64_t next = slice->first_offset;
    size_t got;

    ASSERT(file_read(slice->file, slice->position, data, slice->size, &got) == STATUS_OK);
    ASSERT(got == slice->size);
    while (batch_next(&rest, &batch) == STATUS_OK) {
        struct batch_header header;

        ASSERT(batch_header_read(batch, &header) == STATUS_OK);
        ASSERT(header.base_offset >= next && header.last_offset_delta >= 0);
        ASSERT(batch_crc_matches(batch));
        next = batch_last_offset(&header) + 1;
        ASSERT(next > offset);
    }
    ASSERT(rest.size == 0);
    ASSERT(next == slice->next_offset);
    memory_free(data);
}

static void check_contents(const struct world *world)
{
    const int64_t end = partition_log_written_end(world->base.log);
    int64_t offset = partition_log_start_offset(world->base.log);

    while (offset < end) {
        struct log_slice slice;
        const enum status status = partition_log_read(world->base.log, offset, end, 300, true, &slice);

        if (world->trusted && !world->sound && status != STATUS_OK) {
            ASSERT(status == STATUS_CORRUPT || status == STATUS_TRUNCATED);
            return;
        }
        ASSERT(status == STATUS_OK);
        if (slice.file == NULL) {
            ASSERT(slice.size == 0);
            return; /* nothing but a gap up to the end */
        }
        ASSERT(slice.next_offset > offset && slice.next_offset <= end);
        if (!world->trusted) {
            check_slice(&slice, offset);
        }
        file_unref(slice.file);
        offset = slice.next_offset;
    }
}

static void each_producer(void *context, const struct producer_view *producer)
{
    (void)context;
    ASSERT(producer->last_sequence >= -1);
}

static void each_aborted(void *context, int64_t producer_id, int64_t first_offset)
{
    (void)context;
    (void)producer_id;
    (void)first_offset;
}

static void check_answers(const struct world *world)
{
    struct partition_log *log = world->base.log;
    const int64_t start = partition_log_start_offset(log);
    const int64_t end = partition_log_end_offset(log);
    struct log_slice slice;
    int64_t offset;
    int32_t epoch;

    ASSERT(start >= 0 && start <= partition_log_durable_end(log));
    ASSERT(partition_log_durable_end(log) <= partition_log_written_end(log));
    ASSERT(partition_log_written_end(log) <= end);
    ASSERT(partition_log_read(log, end, end, 100, true, &slice) == STATUS_OK && slice.file == NULL);
    if (start > 0) {
        ASSERT(partition_log_read(log, start - 1, end, 100, true, &slice) == STATUS_OUT_OF_RANGE);
    }
    for (int64_t time = 0; time < 10000; time += 2500) {
        if (partition_log_find_time(log, time, end, &slice) == STATUS_OK) {
            file_unref(slice.file);
        }
    }
    if (partition_log_find_max_time(log, end, &slice) == STATUS_OK) {
        file_unref(slice.file);
    }
    partition_log_epoch_end(log, partition_log_latest_epoch(log), &epoch, &offset);
    ASSERT(epoch == partition_log_latest_epoch(log) && (epoch < 0 || offset == end));
    (void)partition_log_epoch_of(log, start);
    (void)partition_log_bytes_between(log, start, end);
    partition_log_producers(log, each_producer, NULL);
    ASSERT(world->trusted || partition_log_first_unstable(log, end) <= end);
    (void)!partition_log_aborted(log, start, end, each_aborted, NULL);
}

/* A batch of `records` records, allocated. */
static struct space make_batch(int32_t records, int64_t producer_id)
{
    struct batch_options options = batch_options_default();
    struct batch_builder builder;
    struct space batch;

    options.producer_id = producer_id;
    options.producer_epoch = (int16_t)(producer_id >= 0 ? INT16_MAX : -1);
    options.base_sequence = producer_id >= 0 ? 0 : -1;
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < records; i++) {
        const struct record_draft draft = {.timestamp = 5000 + i, .value = bytes_of("value", 5)};

        ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    }
    batch = batch_builder_finish(&builder);
    batch.data = memory_copy(batch.data, batch.size);
    batch_builder_deinit(&builder);
    return batch;
}

static void check_appended(const struct world *world, int64_t offset, int32_t records, size_t size)
{
    struct log_slice slice;

    ASSERT(partition_log_read(world->base.log, offset, offset + records, 1, true, &slice) == STATUS_OK);
    ASSERT(slice.size == size && slice.first_offset == offset && slice.next_offset == offset + records);
    check_slice(&slice, offset);
    file_unref(slice.file);
}

static void append(struct world *world, int32_t records, int64_t producer_id)
{
    struct space batch = make_batch(records, producer_id);
    const int64_t end = partition_log_end_offset(world->base.log);
    const int32_t latest = partition_log_latest_epoch(world->base.log);
    struct append_result result;
    const enum append_verdict verdict =
        partition_log_append(world->base.log, batch, latest >= 0 ? latest : 0, &result);

    if (end > LOG_OFFSET_MAX - records) {
        ASSERT(verdict == APPEND_FAILED); /* there are no more offsets */
    } else if (producer_id < 0) {
        ASSERT(verdict == APPEND_OK);
    }
    if (verdict == APPEND_OK) {
        ASSERT(result.base_offset == end && result.last_offset == end + records - 1);
        ASSERT(partition_log_flush(world->base.log) == STATUS_OK);
        ASSERT(partition_log_written_end(world->base.log) == end + records);
        check_appended(world, end, records, batch.size);
    }
    memory_free(batch.data);
}

/* Where the first batch begins, the log's end if there is none. */
static int64_t first_batch(const struct world *world)
{
    const int64_t end = partition_log_end_offset(world->base.log);
    struct log_slice slice;

    if (partition_log_read(world->base.log, partition_log_start_offset(world->base.log), end, 1, true,
                           &slice) != STATUS_OK ||
        slice.file == NULL) {
        return end;
    }
    file_unref(slice.file);
    return slice.first_offset;
}

/* Opens again; the log must be what it was, unless damage was taken on trust before. A gap at its start may be gone. */
static void reopen(struct world *world, bool clean)
{
    const int64_t start = partition_log_start_offset(world->base.log);
    const int64_t end = partition_log_end_offset(world->base.log);
    const int64_t first = first_batch(world);

    world_close(world, clean);
    ASSERT(log_world_open(&world->base) == STATUS_OK);
    if (!world->trusted) {
        ASSERT(partition_log_start_offset(world->base.log) == start ||
               (partition_log_start_offset(world->base.log) > start &&
                partition_log_start_offset(world->base.log) <= first));
        ASSERT(partition_log_end_offset(world->base.log) == end);
        ASSERT(log_world_cut_nothing(&world->base));
    }
    check_contents(world);
    check_answers(world);
}

/* Cuts the log at one end or both. False: batches on the way are damaged, which takes the log offline. */
static bool cut(struct world *world, uint8_t choice)
{
    const int64_t end = partition_log_end_offset(world->base.log);
    const int64_t middle =
        partition_log_start_offset(world->base.log) + (end - partition_log_start_offset(world->base.log)) / 2;
    const bool delete = (choice & 2) != 0;
    enum status status;

    if (delete) {
        ASSERT(partition_log_delete_before(world->base.log, middle, end) == STATUS_OK);
        ASSERT(partition_log_start_offset(world->base.log) == middle);
    }
    if (delete && (choice & 4) == 0) {
        return true;
    }
    /* may lie in the batch of the start */
    status = partition_log_truncate(world->base.log, delete ? middle + 1 : middle);
    if (status != STATUS_OK) {
        ASSERT(world->trusted && !world->sound && (status == STATUS_CORRUPT || status == STATUS_TRUNCATED));
        ASSERT(partition_log_failure(world->base.log) != STATUS_OK);
        return false;
    }
    ASSERT(partition_log_end_offset(world->base.log) <= (delete ? middle + 1 : middle));
    append(world, 1, -1); /* a log cut in a gap has its end in no file before that */
    return true;
}

/* All that can be asked of a log, on a disk that may fail: nothing but that it ends is expected. */
static void read_all(struct world *world)
{
    struct partition_log *log = world->base.log;
    const int64_t start = partition_log_start_offset(log);
    const int64_t end = partition_log_end_offset(log);
    struct log_slice slice;

    for (int64_t offset = start, next; offset < end; offset = next) {
        if (partition_log_read(log, offset, end, 300, true, &slice) != STATUS_OK || slice.file == NULL) {
            break;
        }
        next = slice.next_offset;
        file_unref(slice.file);
    }
    for (int64_t time = 0; time < 10000; time += 1000) {
        if (partition_log_find_time(log, time, end, &slice) == STATUS_OK) {
            file_unref(slice.file);
        }
        if (partition_log_find_max_time(log, start + time / 1000, &slice) == STATUS_OK) {
            file_unref(slice.file);
        }
    }
    (void)!partition_log_aborted(log, start, end, each_aborted, NULL);
}

static void live(struct world *world, uint8_t choice)
{
    check_contents(world);
    check_answers(world);
    append(world, 1, -1);
    append(world, 3, 7);
    ASSERT(log_world_sync(&world->base));
    reopen(world, (choice & 1) != 0);
    append(world, 2, -1);
    ASSERT(log_world_sync(&world->base));
    if (!cut(world, choice)) {
        world_close(world, false);
        return;
    }
    fuzz_loop_wait(&world->base.loop, 10 * NS_PER_SECOND);
    (void)partition_log_maintain(world->base.log, env_wall_ms(&world->base.loop.env),
                                 partition_log_end_offset(world->base.log));
    check_contents(world);
    check_answers(world);
    reopen(world, (choice & 4) != 0);
    world_close(world, true);
}

/* A start whose disk fails, in it or while what is there is read first. What the next one finds must be as good; the
 * mark of a clean stop is gone by then. */
static void fail_first(struct world *world, uint8_t at, bool on)
{
    const bool kept = world->base.options.kept;
    const int64_t log_start = world->base.options.log_start_offset;
    const int64_t recovery_point = world->base.options.recovery_point;

    log_world_fail(&world->base, at, on);
    if (log_world_open(&world->base) == STATUS_OK) {
        world->sound = false; /* whatever cannot be read, the disk may have failed */
        read_all(world);
        (void)log_world_close(&world->base, LOG_STOP_POWER);
    }
    log_world_fail(&world->base, 0, false);
    world->base.options.clean = false;
    world->base.options.kept = kept;
    world->base.options.log_start_offset = log_start;
    world->base.options.recovery_point = recovery_point;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t flags = fuzz_byte(&input);
    const uint8_t more = fuzz_byte(&input);
    struct partition_log_options *options;
    struct producer_journal_entry entry;
    struct buffer entry_text;
    struct world world = {0};
    enum status status;
    uint8_t fail_at;

    log_world_init(&world.base, (flags & FLAG_SMALL_SEGMENTS) != 0 ? 200 : 1U << 20, 100);
    options = &world.base.options;
    options->config.delete_old = (flags & FLAG_COMPACT) == 0;
    options->config.compact = (flags & FLAG_COMPACT) != 0;
    options->clean = (flags & FLAG_CLEAN) != 0;
    options->recovery_point = fuzz_byte(&input);
    if (options->recovery_point >= 200) {
        options->recovery_point = 0;
        options->kept = !options->clean;
    }
    options->log_start_offset = fuzz_byte(&input);
    buffer_init(&entry_text);
    if ((more & MORE_ENTRY) != 0) {
        entry = take_entry(&input, flags, &entry_text);
        options->producers = &entry;
    }
    fail_at = (more & MORE_FAIL) != 0 ? fuzz_byte(&input) : 0;
    world.trusted = options->clean || options->kept || options->recovery_point > 0;
    world.base.damaged = world.trusted;
    ASSERT(disk_make_directories(&world.base.loop.memory.disk, LOG_WORLD_DIRECTORY) == STATUS_OK);
    /* Without it nothing is looked at; an input may bring another one. */
    ASSERT(partition_metadata_write(&world.base.loop.memory.disk, LOG_WORLD_DIRECTORY "/" PARTITION_METADATA_NAME,
                                    options->topic_id) == STATUS_OK);
    while (input.size > 0) {
        add_file(&world, &input, flags, more);
    }
    if (fail_at > 0) {
        fail_first(&world, fail_at, (more & MORE_FAIL_ON) != 0);
    }
    status = log_world_open(&world.base);
    if (status == STATUS_OK) {
        world.sound = world_sound(&world);
        world.base.damaged = world.trusted && !world.sound;
        live(&world, (uint8_t)(flags >> 5));
    } else {
        ASSERT(status == STATUS_EXISTS ||
               (world.trusted && (status == STATUS_CORRUPT || status == STATUS_TRUNCATED)));
    }
    buffer_deinit(&entry_text);
    log_world_deinit(&world.base);
    return 0;
}
