/* A sound log whose index files were damaged, after a clean stop or a crash: it may cost time, but every batch is found
 * by its offset and by its time, what is cut and appended then too, and nothing is lost.
 *
 *     byte 0   flags (below)
 *     byte 1   number of batches
 *     byte 2   1: eight times as many, and each has its entry in the offset index
 *     then damages: file, kind, position u16, value */
#include "common/base/memory.h"
#include "common/batch/batch_builder.h"
#include "storage-node/log/segment_name.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/log_world.h"

#include <stdio.h>

#define MANY 8
#define BATCH_MAX (MANY * UINT8_MAX + 100)
#define TIME_STEP 10

enum flag {
    FLAG_CLEAN = 1,          /* the stop before the damage */
    FLAG_SMALL_SEGMENTS = 2, /* some dozens of batches each */
    FLAG_TIMES_MIXED = 4,    /* the largest timestamp is not the newest */
    FLAG_CUT = 8,
    FLAG_CLEAN_LATER = 16, /* the second stop */
    FLAG_DAMAGE_TIMES = 32,
    FLAG_KEPT = 64, /* if not clean: only the process died, nothing that it wrote is missing */
};

enum damage { DAMAGE_BYTE, DAMAGE_ENTRIES_COPIED, DAMAGE_CUT, DAMAGE_LONGER, DAMAGE_REMOVED, DAMAGE_COUNT };

/* What was appended: the answers that the log has to give. */
struct known_batch {
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp;
    size_t size;
};

struct world {
    struct log_world base;
    struct known_batch batches[BATCH_MAX];
    size_t count;
    bool damage_times;    /* in time indexes: timestamps, else offsets */
    bool kept;
    bool times_shortened; /* a time index may have lost its last entry, which nothing else tells */
};

static void world_close(struct world *world, bool clean)
{
    ASSERT(log_world_sync(&world->base));
    (void)log_world_close(&world->base, clean         ? LOG_STOP_CLEAN
                                        : world->kept ? LOG_STOP_KILLED
                                                      : LOG_STOP_POWER);
}

static void append(struct world *world, bool mixed)
{
    const size_t i = world->count;
    const struct batch_options options = batch_options_default();
    const int64_t step = (int64_t)(mixed ? i / 64 * 64 + i * 7 % 64 : i); /* no two the same */
    const uint8_t value[160] = {0};
    const struct record_draft draft = {.timestamp = 1000 + step * TIME_STEP,
                                       .value = bytes_of(value, i * 13 % sizeof(value))};
    struct batch_builder builder;
    struct append_result result;
    struct space batch;

    batch_builder_init(&builder, &options);
    for (size_t j = 0; j <= i % 3; j++) {
        ASSERT(batch_builder_append(&builder, &draft) == STATUS_OK);
    }
    batch = batch_builder_finish(&builder);
    ASSERT(partition_log_append(world->base.log, batch, 0, &result) == APPEND_OK);
    ASSERT(partition_log_flush(world->base.log) == STATUS_OK);
    world->batches[world->count++] = (struct known_batch){
        .base_offset = result.base_offset,
        .last_offset = result.last_offset,
        .timestamp = draft.timestamp,
        .size = batch.size,
    };
    batch_builder_deinit(&builder);
    fuzz_loop_run(&world->base.loop);
}

struct names {
    char names[64][SEGMENT_NAME_ROOM];
    size_t count;
};

static void index_name(void *context, const char *name, enum disk_kind kind)
{
    struct names *names = context;
    enum segment_part part;
    int64_t offset;

    if (kind == DISK_FILE && segment_name_parse(name, &offset, &part) &&
        (part == SEGMENT_OFFSET_INDEX || part == SEGMENT_TIME_INDEX) && names->count < 64) {
        snprintf(names->names[names->count++], SEGMENT_NAME_ROOM, "%s", name);
    }
}

/* Of time index entries only the timestamp is changed, or the offset: one that speaks the truth about another batch
 * could not be told from a sound one. */
static void damage_file(struct world *world, const char *name, struct bytes *input)
{
    const size_t entry_size = strstr(name, "time") != NULL ? 12 : 8;
    const unsigned kind = fuzz_byte(input) % DAMAGE_COUNT;
    const size_t at = fuzz_u16(input);
    const uint8_t value = fuzz_byte(input);
    char path[DISK_PATH_MAX];
    struct buffer *contents;

    snprintf(path, sizeof(path), "%s/%s", LOG_WORLD_DIRECTORY, name);
    contents = memory_disk_contents(&world->base.loop.memory, path);
    if (contents == NULL) {
        return; /* removed before */
    }
    if (entry_size == 12 && (kind != DAMAGE_BYTE || at % (contents->size + 1) + entry_size >= contents->size)) {
        world->times_shortened = true;
    }
    switch ((enum damage)kind) {
    case DAMAGE_BYTE:
        if (contents->size > 0 && (entry_size == 8 || (at % contents->size % 12 < 8) == world->damage_times)) {
            contents->data[at % contents->size] ^= value;
        }
        break;
    case DAMAGE_ENTRIES_COPIED:
        if (contents->size >= 2 * entry_size) {
            const size_t last = contents->size / entry_size - 1;

            memmove(contents->data + at % (last + 1) * entry_size, contents->data + value % (last + 1) * entry_size,
                    entry_size);
        }
        break;
    case DAMAGE_CUT:
        contents->size = at % (contents->size + 1);
        break;
    case DAMAGE_LONGER:
        for (size_t i = 0; i < at % 100; i++) {
            buffer_append(contents, &value, 1);
        }
        break;
    case DAMAGE_REMOVED:
        ASSERT(disk_remove(&world->base.loop.memory.disk, path) == STATUS_OK);
        break;
    case DAMAGE_COUNT:
        break;
    }
}

static void damage_indexes(struct world *world, struct bytes *input)
{
    struct names names = {0};
    const enum status status = disk_list(&world->base.loop.memory.disk, LOG_WORLD_DIRECTORY, index_name, &names);

    /* A log that nothing was written to has no directory. */
    ASSERT(status == STATUS_OK || status == STATUS_NOT_FOUND);
    while (input->size > 0 && names.count > 0) {
        damage_file(world, names.names[fuzz_byte(input) % names.count], input);
    }
}

/* The slice is the known batch `i` and nothing else. */
static void check_is(struct log_slice *slice, const struct known_batch *batch)
{
    ASSERT(slice->file != NULL);
    ASSERT(slice->first_offset == batch->base_offset);
    ASSERT(slice->next_offset == batch->last_offset + 1);
    ASSERT(slice->size == batch->size);
    file_unref(slice->file);
}

/* Newest first, so that no reader goes on where the last one stopped. */
static void check_offsets(const struct world *world)
{
    const int64_t end = partition_log_end_offset(world->base.log);

    for (size_t i = world->count; i > 0; i -= i > 1 ? 2 : 1) {
        const struct known_batch *batch = &world->batches[i - 1];
        struct log_slice slice;

        ASSERT(partition_log_read(world->base.log, batch->last_offset, end, 1, true, &slice) == STATUS_OK);
        check_is(&slice, batch);
    }
    for (int64_t offset = 0; offset < end;) { /* large slices end where an index entry says */
        struct log_slice slice;

        ASSERT(partition_log_read(world->base.log, offset, end - 1, 18000, true, &slice) == STATUS_OK);
        if (slice.file == NULL) {
            ASSERT(world->count > 0 && offset == world->batches[world->count - 1].base_offset);
            break;
        }
        ASSERT(slice.first_offset == offset && slice.next_offset > offset && slice.next_offset < end);
        ASSERT(slice.size <= 18000);
        file_unref(slice.file);
        offset = slice.next_offset;
    }
}

static void check_times(const struct world *world)
{
    const int64_t end = partition_log_end_offset(world->base.log);
    const struct known_batch *latest = NULL;
    struct log_slice slice;

    for (size_t i = 0; i < world->count; i++) {
        latest = latest == NULL || world->batches[i].timestamp > latest->timestamp ? &world->batches[i] : latest;
    }
    for (size_t i = 0; i < world->count; i += 5) {
        const int64_t time = world->batches[i].timestamp - TIME_STEP / 2;
        size_t first = 0;

        while (world->batches[first].timestamp < time) {
            first++;
        }
        ASSERT(partition_log_find_time(world->base.log, time, end, &slice) == STATUS_OK);
        check_is(&slice, &world->batches[first]);
    }
    if (latest != NULL) {
        ASSERT(partition_log_find_max_time(world->base.log, end, &slice) == STATUS_OK);
        check_is(&slice, latest);
    }
}

static void check_all(const struct world *world)
{
    check_offsets(world);
    if (!world->times_shortened) {
        check_times(world);
    }
}

static void reopen(struct world *world, bool clean)
{
    const int64_t end = partition_log_end_offset(world->base.log);

    world_close(world, clean);
    ASSERT(log_world_open(&world->base) == STATUS_OK);
    ASSERT(partition_log_end_offset(world->base.log) == end && partition_log_start_offset(world->base.log) == 0);
    ASSERT(log_world_cut_nothing(&world->base));
}

/* Cuts the last third, in the middle of a batch if that has several records. */
static void cut(struct world *world)
{
    const size_t kept = world->count - world->count / 3;

    if (kept < world->count) {
        ASSERT(partition_log_truncate(world->base.log, world->batches[kept].last_offset) == STATUS_OK);
        ASSERT(partition_log_end_offset(world->base.log) == world->batches[kept].base_offset);
        world->count = kept;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned flags = fuzz_byte(&input);
    const uint8_t number = fuzz_byte(&input);
    const bool many = fuzz_byte(&input) == 1;
    const size_t count = (size_t)number * (many ? MANY : 1);
    const bool mixed = (flags & FLAG_TIMES_MIXED) != 0;
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    log_world_init(&world->base, (flags & FLAG_SMALL_SEGMENTS) != 0 ? 10000 : 1U << 20, many ? 1 : 300);
    world->damage_times = (flags & FLAG_DAMAGE_TIMES) != 0;
    world->kept = (flags & FLAG_KEPT) != 0;
    ASSERT(log_world_open(&world->base) == STATUS_OK);
    while (world->count < count) {
        append(world, mixed);
    }
    world_close(world, (flags & FLAG_CLEAN) != 0);
    damage_indexes(world, &input);
    ASSERT(log_world_open(&world->base) == STATUS_OK);
    ASSERT(partition_log_end_offset(world->base.log) == (count > 0 ? world->batches[count - 1].last_offset + 1 : 0));
    ASSERT(log_world_cut_nothing(&world->base));
    check_all(world);
    if ((flags & FLAG_CUT) != 0) {
        cut(world);
        check_all(world);
    }
    for (int i = 0; i < 15; i++) {
        append(world, mixed);
    }
    check_all(world);
    reopen(world, (flags & FLAG_CLEAN_LATER) != 0);
    check_all(world);
    world_close(world, true);
    log_world_deinit(&world->base);
    memory_free(world);
    return 0;
}
