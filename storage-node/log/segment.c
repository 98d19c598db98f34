/* Appending to, looking up in and cutting one segment. */
#include "storage-node/log/segment.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* Bytes between the entries of an index that is made anew after a look-up found it wrong. */
#define REINDEX_INTERVAL 4096

struct segment *segment_create(int64_t base_offset, int64_t now_ms)
{
    struct segment *segment = memory_alloc_zero(1, sizeof(*segment));

    segment->base_offset = base_offset;
    segment->end_offset = base_offset;
    segment->max_timestamp = TIMESTAMP_NONE;
    segment->max_timestamp_offset = base_offset;
    segment->first_timestamp = TIMESTAMP_UNSEEN;
    segment->created_ms = now_ms;
    file_slot_init(&segment->slot);
    offset_index_init(&segment->offsets, base_offset);
    time_index_init(&segment->times, base_offset);
    return segment;
}

void segment_destroy(struct log_files *files, struct segment *segment)
{
    if (files->cache != NULL) {
        file_cache_drop(files->cache, &segment->slot);
    }
    ASSERT(segment->slot.file == NULL);
    index_file_deinit(files, &segment->offsets.file);
    index_file_deinit(files, &segment->times.file);
    file_unref(segment->pinned);
    memory_free(segment);
}

enum status segment_open(struct log_files *files, struct segment *segment, unsigned flags, struct file **file)
{
    UNINITIALIZED char path[DISK_PATH_MAX];

    if (file_cache_find(files->cache, &segment->slot, file)) {
        return STATUS_OK;
    }
    segment_path(files, segment->base_offset, SEGMENT_LOG, "", path);
    return file_cache_use(files->cache, &segment->slot, path, FILE_WRITE | flags, file);
}

/* Times first: what the offset index has in its file, the time index has too (recovery_kept.c). */
static enum status segment_write_indexes(struct log_files *files, struct segment *segment)
{
    enum status status = index_file_write(files, &segment->times.file);

    return status == STATUS_OK ? index_file_write(files, &segment->offsets.file) : status;
}

enum status segment_note(struct log_files *files, struct segment *segment, const struct batch_place *place,
                         uint32_t index_interval)
{
    enum status status = STATUS_OK;

    ASSERT(place->position == segment->size);
    ASSERT(place->base_offset >= segment->end_offset);
    ASSERT(place->last_offset - segment->base_offset <= INT32_MAX);
    if (segment->size == 0) {
        segment->first_timestamp = place->max_timestamp;
    }
    if (place->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = place->max_timestamp;
        segment->max_timestamp_offset = place->last_offset;
    }
    if (segment->unindexed > index_interval) {
        if (segment->offsets.file.waiting_count == INDEX_WAITING_MAX) {
            status = segment_write_indexes(files, segment);
        }
        if (status == STATUS_OK) {
            status = offset_index_append(files, &segment->offsets, place->last_offset, place->position);
        }
        if (status == STATUS_OK && segment->max_timestamp > TIMESTAMP_NONE) {
            status = time_index_append(files, &segment->times, segment->max_timestamp, segment->max_timestamp_offset);
        }
        segment->unindexed = 0;
    }
    segment->unindexed += place->size;
    segment->size += place->size;
    segment->end_offset = place->last_offset + 1;
    return status;
}

enum status segment_trim(struct log_files *files, struct segment *segment)
{
    struct file *file;
    enum status status;

    if (segment->file_end == 0) {
        return STATUS_OK;
    }
    status = segment_open(files, segment, 0, &file);
    if (status == STATUS_OK) {
        status = file_truncate(file, segment->size);
    }
    if (status == STATUS_OK) {
        segment->file_end = 0;
    }
    return status;
}

enum status segment_seal(struct log_files *files, struct segment *segment)
{
    enum status status = segment_trim(files, segment);

    if (status == STATUS_OK && segment->max_timestamp > TIMESTAMP_NONE) {
        status = time_index_append(files, &segment->times, segment->max_timestamp, segment->max_timestamp_offset);
    }
    return status == STATUS_OK ? segment_write_indexes(files, segment) : status;
}

void segment_make_indexes(struct log_files *files, struct segment *segment)
{
    ASSERT(segment->offsets.file.waiting_count == 0 && segment->times.file.waiting_count == 0);
    /* A failure shows again when there are entries to be written. */
    (void)!segment_write_indexes(files, segment);
}

enum status segment_write_waiting(struct log_files *files, struct segment *segment)
{
    enum status status = STATUS_OK;

    if (segment->times.file.waiting_count > 0) {
        status = index_file_write(files, &segment->times.file);
    }
    if (status == STATUS_OK && segment->offsets.file.waiting_count > 0) {
        status = index_file_write(files, &segment->offsets.file);
    }
    return status;
}

enum status segment_sync(struct log_files *files, struct segment *segment)
{
    struct file *file;
    enum status status = segment_open(files, segment, 0, &file);

    if (status == STATUS_OK) {
        status = file_sync(file);
    }
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        struct index_file *index = i == 0 ? &segment->times.file : &segment->offsets.file;

        status = index_file_write(files, index);
        if (status == STATUS_OK) {
            status = file_sync(index->slot.file);
        }
    }
    return status;
}

void segment_rest(struct log_files *files, struct segment *segment)
{
    ASSERT(segment->offsets.file.waiting_count == 0);
    ASSERT(segment->times.file.waiting_count == 0);
    file_cache_drop(files->cache, &segment->slot);
    file_cache_drop(files->cache, &segment->offsets.file.slot);
    file_cache_drop(files->cache, &segment->times.file.slot);
}

struct batch_place batch_place_of(const struct batch_cursor *cursor, const struct batch_header *header)
{
    return (struct batch_place){.base_offset = header->base_offset,
                                .last_offset = batch_last_offset(header),
                                .max_timestamp = header->max_timestamp,
                                .position = (uint32_t)cursor->position,
                                .size = (uint32_t)batch_size(header)};
}

/* The batches from the segment's start to its end without a fault, as a walk over their headers tells. */
static enum status segment_check_walk(struct segment *segment, struct batch_cursor *cursor)
{
    int64_t end = segment->base_offset;
    struct batch_header header;
    enum status status;

    while ((status = batch_cursor_next(cursor, &header)) == STATUS_OK) {
        if (header.base_offset < end || batch_last_offset(&header) - segment->base_offset > INT32_MAX) {
            return STATUS_CORRUPT;
        }
        end = batch_last_offset(&header) + 1;
    }
    return status;
}

/* Adds entries for all batches to indexes that are empty. */
static enum status segment_index_walk(struct log_files *files, struct segment *segment, struct batch_cursor *cursor)
{
    struct time_entry largest = {.timestamp = TIMESTAMP_NONE};
    uint64_t indexed = 0; /* position up to which an entry stands for */
    struct batch_header header;
    enum status status;

    while ((status = batch_cursor_next(cursor, &header)) == STATUS_OK) {
        const int64_t last_offset = batch_last_offset(&header);

        if (header.max_timestamp > largest.timestamp) {
            largest = (struct time_entry){.timestamp = header.max_timestamp, .offset = last_offset};
        }
        if (cursor->position - indexed < REINDEX_INTERVAL) {
            continue;
        }
        indexed = cursor->position;
        status = offset_index_append(files, &segment->offsets, last_offset, (uint32_t)cursor->position);
        if (status == STATUS_OK && largest.timestamp > TIMESTAMP_NONE) {
            status = time_index_append(files, &segment->times, largest.timestamp, largest.offset);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (status == STATUS_END && largest.timestamp > TIMESTAMP_NONE) {
        return time_index_append(files, &segment->times, largest.timestamp, largest.offset);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* Makes both indexes anew after a look-up found them wrong, which costs about what that look-up costs without them.
 * Once for each open: if batches are damaged instead, the indexes stay, for they lead behind the damage. Not synced:
 * after a crash the next open sees whether they are whole. Fails only as IO does. */
static enum status segment_reindex(struct log_files *files, struct segment *segment)
{
    UNINITIALIZED uint8_t buffer[CURSOR_BUFFER_SMALL];
    struct batch_cursor cursor;
    struct file *file;
    enum status status;

    if (segment->reindexed) {
        return STATUS_OK;
    }
    segment->reindexed = true;
    status = segment_open(files, segment, 0, &file);
    if (status != STATUS_OK) {
        return status == STATUS_IO ? STATUS_IO : STATUS_OK;
    }
    file = file_ref(file);
    batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, 0, segment->size);
    status = segment_check_walk(segment, &cursor);
    if (status == STATUS_END) {
        status = index_file_truncate(files, &segment->offsets.file, 0);
        if (status == STATUS_OK) {
            status = index_file_truncate(files, &segment->times.file, 0);
        }
        segment->times.last_known = false;
        if (status == STATUS_OK) {
            batch_cursor_init(&cursor, file, cursor.buffer, 0, segment->size);
            status = segment_index_walk(files, segment, &cursor);
        }
        if (status == STATUS_OK) {
            status = index_file_write(files, &segment->times.file);
        }
        if (status == STATUS_OK) {
            status = index_file_write(files, &segment->offsets.file);
        }
    }
    file_unref(file);
    return status == STATUS_IO ? STATUS_IO : STATUS_OK;
}

/* The place of the index's last entry up to `offset` and `position_max`. NOT_FOUND: none. CORRUPT: no such batch is
 * there. */
static enum status segment_seek_entry(struct log_files *files, struct segment *segment, int64_t offset,
                                      uint32_t position_max, uint32_t *near, struct batch_place *place)
{
    uint8_t buffer[RECORD_BATCH_HEADER_SIZE];
    struct offset_entry entry;
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = offset_index_find(files, &segment->offsets, offset, position_max, near, &entry);

    if (status != STATUS_OK) {
        return status;
    }
    if (entry.position >= segment->size) {
        return STATUS_CORRUPT;
    }
    status = segment_open(files, segment, 0, &file);
    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, entry.position, segment->size);
    status = batch_cursor_next(&cursor, &header);
    if (status == STATUS_OK && batch_last_offset(&header) == entry.last_offset) {
        *place = batch_place_of(&cursor, &header);
        return STATUS_OK;
    }
    return status == STATUS_OK || status == STATUS_TRUNCATED ? STATUS_CORRUPT : status;
}

enum status segment_seek_batch(struct log_files *files, struct segment *segment, int64_t offset, uint32_t position_max,
                               uint32_t *near, struct batch_place *place)
{
    enum status status;

    *place = (struct batch_place){0};
    if (segment->size <= CURSOR_BUFFER_SMALL / 2) {
        return STATUS_OK;
    }
    status = segment_seek_entry(files, segment, offset, position_max, near, place);
    if (status == STATUS_CORRUPT && !segment->reindexed) {
        status = segment_reindex(files, segment);
        if (status == STATUS_OK) {
            *near = 0;
            status = segment_seek_entry(files, segment, offset, position_max, near, place);
        }
    }
    /* No entry, no index or no sense in it: walking from the start is always right. */
    return status == STATUS_IO ? STATUS_IO : STATUS_OK;
}

enum status segment_seek(struct log_files *files, struct segment *segment, int64_t offset, uint32_t position_max,
                         uint32_t *position)
{
    struct batch_place place;
    uint32_t near = 0;
    enum status status = segment_seek_batch(files, segment, offset, position_max, &near, &place);

    *position = place.position;
    return status;
}

enum status segment_seek_time(struct log_files *files, struct segment *segment, const struct time_entry *entry,
                              uint32_t *position)
{
    struct batch_place place;
    enum status status = STATUS_NOT_FOUND;

    *position = 0;
    if (entry->offset >= segment->base_offset) {
        status = segment_find(files, segment, entry->offset, &place);
    }
    if (status == STATUS_OK && place.base_offset <= entry->offset && place.max_timestamp == entry->timestamp) {
        *position = place.position;
        return STATUS_OK;
    }
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        status = segment_reindex(files, segment);
    }
    return status == STATUS_IO ? STATUS_IO : STATUS_OK;
}

enum status segment_find_from(struct log_files *files, struct segment *segment, uint32_t position, int64_t offset,
                              struct batch_place *place)
{
    UNINITIALIZED uint8_t buffer[CURSOR_BUFFER_SMALL];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = segment_open(files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init_sparse(&cursor, file, (struct space){buffer, sizeof(buffer)}, position, segment->size);
    do {
        status = batch_cursor_next(&cursor, &header);
    } while (status == STATUS_OK && batch_last_offset(&header) < offset);
    if (status == STATUS_OK) {
        *place = batch_place_of(&cursor, &header);
    }
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}

enum status segment_find(struct log_files *files, struct segment *segment, int64_t offset, struct batch_place *place)
{
    uint32_t position;
    enum status status;

    if (offset >= segment->end_offset || segment->size == 0) {
        return STATUS_NOT_FOUND;
    }
    status = segment_seek(files, segment, offset, segment->size, &position);
    return status == STATUS_OK ? segment_find_from(files, segment, position, offset, place) : status;
}

/* Walks from `position` to the end and takes note of end and largest timestamp, without touching the indexes. */
static enum status segment_walk_tail(struct log_files *files, struct segment *segment, uint32_t position)
{
    UNINITIALIZED uint8_t buffer[CURSOR_BUFFER_SMALL];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = segment_open(files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, position, segment->size);
    while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
        if (header.base_offset < segment->end_offset && cursor.position > position) {
            return STATUS_CORRUPT;
        }
        if (batch_last_offset(&header) - segment->base_offset > INT32_MAX ||
            header.base_offset < segment->base_offset) {
            return STATUS_CORRUPT;
        }
        if (header.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = header.max_timestamp;
            segment->max_timestamp_offset = batch_last_offset(&header);
        }
        segment->end_offset = batch_last_offset(&header) + 1;
    }
    segment->unindexed = segment->size - position;
    return status == STATUS_END ? STATUS_OK : status;
}

enum status segment_load_max_timestamp(struct log_files *files, struct segment *segment, int64_t offset_end)
{
    struct batch_place place;
    struct time_entry last;
    enum status status = time_index_last(files, &segment->times, &last);

    segment->max_timestamp = TIMESTAMP_NONE;
    segment->max_timestamp_offset = segment->base_offset;
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (last.timestamp < 0 || last.offset < segment->base_offset || last.offset >= offset_end) {
        return STATUS_CORRUPT;
    }
    /* Retention goes by it, so the batch itself has to say the same. */
    segment->end_offset = offset_end;
    status = segment_find(files, segment, last.offset, &place);
    if (status == STATUS_OK && (place.base_offset > last.offset || place.max_timestamp != last.timestamp)) {
        status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        return status == STATUS_IO || status == STATUS_NO_DESCRIPTORS ? status : STATUS_CORRUPT;
    }
    segment->max_timestamp = last.timestamp;
    segment->max_timestamp_offset = last.offset;
    return STATUS_OK;
}

/* Both index files are there and the last entry points into the segment; CORRUPT if not. */
static enum status segment_check_indexes(struct log_files *files, struct segment *segment)
{
    struct offset_entry last;
    uint32_t near = 0;
    uint32_t count;
    enum status status = index_file_count(files, &segment->times.file, &count);

    if (status == STATUS_OK) {
        status = index_file_count(files, &segment->offsets.file, &count);
    }
    if (status != STATUS_OK || count == 0) {
        return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
    }
    status = offset_index_find(files, &segment->offsets, INT64_MAX, UINT32_MAX, &near, &last);
    if (status == STATUS_OK && (last.position >= segment->size || last.last_offset <= segment->base_offset)) {
        status = STATUS_CORRUPT;
    }
    return status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status;
}

enum status segment_load_sealed(struct log_files *files, struct segment *segment, int64_t end_offset)
{
    enum status status = segment_check_indexes(files, segment);

    segment->end_offset = end_offset;
    if (status == STATUS_OK) {
        status = segment_load_max_timestamp(files, segment, end_offset);
    }
    if (status == STATUS_OK && segment->max_timestamp == TIMESTAMP_NONE && segment->size > 0) {
        /* Batches without any time are rare; an emptied index is not told from them without looking. */
        status = segment_walk_tail(files, segment, 0);
        segment->end_offset = end_offset;
        if (status == STATUS_OK && segment->max_timestamp != TIMESTAMP_NONE) {
            status = STATUS_CORRUPT;
        }
    }
    return status == STATUS_TRUNCATED ? STATUS_CORRUPT : status;
}

/* Where to walk from after a cut at `offset`: the batch of the time index's last entry. Behind it there may be one with
 * a larger timestamp, whose entry was cut off too because it was damaged. */
static enum status segment_tail_start(struct log_files *files, struct segment *segment, int64_t offset,
                                      uint32_t *start)
{
    struct batch_place place;
    enum status status = segment_load_max_timestamp(files, segment, offset);

    *start = 0;
    if (status == STATUS_CORRUPT) {
        return segment_reindex(files, segment);
    }
    if (status != STATUS_OK || segment->max_timestamp == TIMESTAMP_NONE) {
        return status;
    }
    status = segment_find(files, segment, segment->max_timestamp_offset, &place);
    if (status == STATUS_OK) {
        *start = place.position;
    }
    return status;
}

enum status segment_truncate(struct log_files *files, struct segment *segment, uint32_t position, int64_t offset)
{
    struct file *file;
    uint32_t start;
    enum status status = segment_open(files, segment, 0, &file);

    if (status == STATUS_OK) {
        status = file_truncate(file, position);
    }
    if (status == STATUS_OK) {
        segment->file_end = 0;
        segment->size = position;
        status = offset_index_truncate(files, &segment->offsets, offset);
    }
    if (status == STATUS_OK) {
        status = time_index_truncate(files, &segment->times, offset);
    }
    if (status != STATUS_OK) {
        return status;
    }
    segment->max_timestamp = TIMESTAMP_NONE;
    segment->max_timestamp_offset = segment->base_offset;
    segment->end_offset = segment->base_offset;
    if (position == 0) {
        segment->unindexed = 0;
        return STATUS_OK;
    }
    status = segment_tail_start(files, segment, offset, &start);
    segment->end_offset = segment->base_offset;
    return status == STATUS_OK ? segment_walk_tail(files, segment, start) : status;
}

enum status segment_reset(struct log_files *files, struct segment *segment)
{
    enum status status = index_file_truncate(files, &segment->offsets.file, 0);

    if (status == STATUS_OK) {
        status = index_file_truncate(files, &segment->times.file, 0);
    }
    segment->times.last_known = false;
    segment->size = 0;
    segment->unindexed = 0;
    segment->end_offset = segment->base_offset;
    segment->max_timestamp = TIMESTAMP_NONE;
    segment->max_timestamp_offset = segment->base_offset;
    segment->first_timestamp = TIMESTAMP_UNSEEN;
    return status;
}

enum status segment_load_first_timestamp(struct log_files *files, struct segment *segment)
{
    uint8_t buffer[RECORD_BATCH_HEADER_SIZE];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status;

    if (segment->first_timestamp != TIMESTAMP_UNSEEN || segment->size == 0) {
        return STATUS_OK;
    }
    status = segment_open(files, segment, 0, &file);
    if (status == STATUS_OK) {
        batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, 0, segment->size);
        status = batch_cursor_next(&cursor, &header);
    }
    if (status == STATUS_OK) {
        segment->first_timestamp = header.max_timestamp;
    }
    return status;
}
