/* Opening a log whose process was killed while the system went on: the page cache has every byte that was written, so
 * nothing is missing, torn or old but the end of the last write, of which any prefix may be there.
 *
 *     .log    | batch | ... | batch | batch | ... | batch | bat
 *                             ^ last entry of the offset index          what entries were still in memory is walked
 *                                                     |<------->|       CRC of the last 64 KiB, as a belt
 *
 * The indexes are trusted up to their last entries: those of time are written before those of offsets, so no batch in
 * front of the place where the walk begins has a larger timestamp than the time index tells. Leader epochs only ascend:
 * where the first and the last batch of a run agree, all in between do, and where an epoch begins is found by halving.
 *
 * What was not durable is not made so, and is not said to be: durable_end is the recovery point. Only for a log of
 * class fsync is all of it synced, since its high watermark, which consumers have seen, must not be ahead of the
 * disk. */
#include "storage-node/log/recovery.h"

#include "common/env/disk.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/text_fields.h"

#define CHECKED_TAIL (64U << 10)
#define HEADER_BUFFER_SIZE 4096
/* Batches of so many index entries are looked at one by one sooner than another half is found. */
#define WALKED_ENTRIES 32

/* A missing file is an empty one: entries wait in memory before it is made. */
static enum status resume_index(struct log_files *files, struct index_file *index)
{
    uint32_t count;
    enum status status = index_file_count(files, index, &count);

    if (status == STATUS_NOT_FOUND) {
        index->stored = 0;
        status = STATUS_OK;
    }
    return status;
}

/* The header of the batch at `position`. */
static enum status resume_header(struct log_files *files, struct segment *segment, uint32_t position, uint32_t size,
                                 struct batch_header *header)
{
    uint8_t buffer[RECORD_BATCH_HEADER_SIZE];
    struct batch_cursor cursor;
    struct file *file;
    enum status status = segment_open(files, segment, 0, &file);

    if (status == STATUS_OK) {
        batch_cursor_init(&cursor, file, (struct space){buffer, sizeof(buffer)}, position, size);
        status = batch_cursor_next(&cursor, header);
    }
    return status == STATUS_END || status == STATUS_TRUNCATED ? STATUS_CORRUPT : status;
}

/* The batch that the offset index names last. NOT_FOUND: it names none. */
static enum status resume_entry(struct log_files *files, struct segment *segment, struct batch_header *header,
                                uint32_t *position)
{
    struct offset_entry entry;
    uint32_t near = 0;
    enum status status = offset_index_find(files, &segment->offsets, INT64_MAX, INT32_MAX, &near, &entry);

    if (status != STATUS_OK) {
        return status;
    }
    if (entry.position >= segment->size || entry.last_offset <= segment->base_offset) {
        return STATUS_CORRUPT;
    }
    *position = entry.position;
    status = resume_header(files, segment, entry.position, segment->size, header);
    if (status == STATUS_OK &&
        (batch_last_offset(header) != entry.last_offset || header->base_offset < segment->base_offset)) {
        status = STATUS_CORRUPT;
    }
    return status;
}

/* Puts the segment's end to the batch that the offset index names last: what lies behind is walked. */
static enum status resume_place(struct log_files *files, struct segment *segment)
{
    struct batch_header header;
    uint32_t position = 0;
    bool indexed;
    enum status status = resume_index(files, &segment->times.file);

    if (status == STATUS_OK) {
        status = resume_index(files, &segment->offsets.file);
    }
    if (status == STATUS_OK) {
        status = segment_load_max_timestamp(files, segment, INT64_MAX);
    }
    if (status == STATUS_OK) {
        status = resume_entry(files, segment, &header, &position);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status == STATUS_TRUNCATED ? STATUS_CORRUPT : status;
    }
    indexed = status == STATUS_OK;
    if (indexed && segment->max_timestamp == TIMESTAMP_NONE) {
        return STATUS_CORRUPT; /* an entry of one index has one in the other */
    }
    segment->size = position;
    segment->unindexed = 0;
    segment->end_offset = indexed ? header.base_offset : segment->base_offset;
    return STATUS_OK;
}

/* Takes note of the batches from the segment's end on, as the process did that wrote them. TRUNCATED: of the last one
 * only a part is there. */
static enum status resume_walk(struct recovery *recovery, struct segment *segment, uint32_t size)
{
    struct partition_log *log = recovery->log;
    uint8_t buffer[HEADER_BUFFER_SIZE];
    struct batch_cursor cursor;
    struct batch_header header;
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    file = file_ref(file);
    batch_cursor_init_sparse(&cursor, file, (struct space){buffer, sizeof(buffer)}, segment->size, size);
    while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
        const struct batch_place place = {.base_offset = header.base_offset,
                                          .last_offset = batch_last_offset(&header),
                                          .max_timestamp = header.max_timestamp,
                                          .position = (uint32_t)cursor.position,
                                          .size = (uint32_t)batch_size(&header)};

        if (place.base_offset < segment->end_offset || place.last_offset - segment->base_offset > INT32_MAX) {
            status = STATUS_CORRUPT;
        } else if (!recovery->options->clean && cursor.next + CHECKED_TAIL > size) {
            cursor.sparse = false;
            status = batch_cursor_check(&cursor, &header);
        }
        if (status == STATUS_OK) {
            recovery->last_epoch = header.partition_leader_epoch;
            status = segment_note(&log->files, segment, &place, log->config.index_interval_bytes);
        }
        if (status != STATUS_OK) {
            break;
        }
    }
    file_unref(file);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status resume_cut(struct recovery *recovery, struct segment *segment, uint32_t size)
{
    struct partition_log *log = recovery->log;
    const bool marked = segment_is_marked(&log->files, segment, segment->size);
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status == STATUS_OK) {
        status = file_truncate(file, segment->size);
    }
    if (status == STATUS_OK) {
        log->cut_bytes += marked ? 0 : size - segment->size;
        status = txn_index_truncate(&log->files, segment->base_offset, segment->end_offset);
    }
    return status;
}

/* The walk ended in front of a mark, at `end`: once more up to there, so that the last batches are checked. */
static enum status resume_marked(struct recovery *recovery, struct segment *segment, uint32_t end)
{
    struct log_files *files = &recovery->log->files;
    enum status status = index_file_truncate(files, &segment->offsets.file, segment->offsets.file.stored);

    if (status == STATUS_OK) {
        status = index_file_truncate(files, &segment->times.file, segment->times.file.stored);
    }
    segment->times.last_known = false;
    segment->size = end;
    if (status == STATUS_OK) {
        status = resume_place(files, segment);
    }
    return status == STATUS_OK ? resume_walk(recovery, segment, end) : status;
}

static bool resume_index_has(const struct log_files *files, int64_t base_offset, enum segment_part part, uint64_t size)
{
    char path[DISK_PATH_MAX];
    uint64_t found = 0;
    enum status status;

    segment_path(files, base_offset, part, "", path);
    status = disk_file_size(files->disk, path, &found);
    return (status == STATUS_OK || status == STATUS_NOT_FOUND) && found == size;
}

/* Takes the segment as the stop has left it that wrote the journal's entry, without a look at what is in its files. If
 * something was written since they are longer; if something was cut the journal was removed. */
static bool resume_rest(struct recovery *recovery, struct segment *segment)
{
    const struct producer_journal_entry *saved = recovery->options->producers;
    const struct log_files *files = &recovery->log->files;
    const struct segment_rest *rest = saved != NULL ? &saved->last : NULL;

    if (rest == NULL || rest->base_offset != segment->base_offset || rest->size != segment->size || rest->size == 0 ||
        saved->offset <= rest->base_offset || saved->offset - rest->base_offset > (int64_t)INT32_MAX + 1 ||
        rest->unindexed > rest->size || rest->max_timestamp < TIMESTAMP_NONE ||
        rest->max_timestamp_offset < rest->base_offset || rest->max_timestamp_offset >= saved->offset ||
        !resume_index_has(files, rest->base_offset, SEGMENT_OFFSET_INDEX,
                          (uint64_t)rest->offset_entries * OFFSET_INDEX_ENTRY_SIZE) ||
        !resume_index_has(files, rest->base_offset, SEGMENT_TIME_INDEX,
                          (uint64_t)rest->time_entries * TIME_INDEX_ENTRY_SIZE)) {
        return false;
    }
    segment->end_offset = saved->offset;
    segment->unindexed = rest->unindexed;
    segment->max_timestamp = rest->max_timestamp;
    segment->max_timestamp_offset = rest->max_timestamp_offset;
    segment->first_timestamp = rest->first_timestamp;
    segment->offsets.file.stored = rest->offset_entries;
    segment->times.file.stored = rest->time_entries;
    recovery->last_epoch = saved->epoch;
    return true;
}

enum status recovery_resume_active(struct recovery *recovery)
{
    struct segment *segment = log_active(recovery->log);
    const uint32_t size = segment->size;
    enum status status;

    if (resume_rest(recovery, segment)) {
        return STATUS_OK;
    }
    status = resume_place(&recovery->log->files, segment);

    if (status == STATUS_OK) {
        status = resume_walk(recovery, segment, size);
    }
    if (status == STATUS_CORRUPT && segment->size < size &&
        segment_is_marked(&recovery->log->files, segment, segment->size)) {
        status = resume_marked(recovery, segment, segment->size);
        status = status == STATUS_OK ? STATUS_TRUNCATED : STATUS_CORRUPT;
    }
    if ((status == STATUS_OK || status == STATUS_TRUNCATED) && segment->size > 0 &&
        segment->max_timestamp_offset >= segment->end_offset) {
        status = STATUS_CORRUPT;
    }
    if (status == STATUS_TRUNCATED && !recovery->options->clean) {
        return resume_cut(recovery, segment, size);
    }
    if (status == STATUS_TRUNCATED || status == STATUS_CORRUPT) {
        segment->size = size; /* for the other way */
        status = STATUS_CORRUPT;
    }
    return status;
}

enum status recovery_resume(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    enum status status = STATUS_OK;

    for (size_t i = 0; i + 1 < log->segment_count && status == STATUS_OK; i++) {
        status = recovery_load(recovery, i);
    }
    if (status == STATUS_OK && log->segment_count > 0) {
        status = recovery_resume_active(recovery);
    }
    recovery->resumed = status == STATUS_OK;
    return status;
}

void recovery_resume_bounds(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    int64_t point = recovery->options->recovery_point;

    point = point > log->log_end ? log->log_end : point;
    point = point < log->log_start ? log->log_start : point;
    log->durable_end = point;
    log->sync_wanted = point;
    log->settled_end = log->segments[0]->base_offset;
    for (size_t i = 0; i + 1 < log->segment_count && log->segments[i]->end_offset <= point; i++) {
        log->settled_end = log->segments[i + 1]->base_offset;
    }
    if (point < log->log_end) {
        log->dirty_since_ms = recovery->options->now_ms;
    }
    /* Also where all records are durable: a segment that was begun last may have no durable name. Whose the records are
     * was synced before the first of them was. */
    log->directory_dirty = true;
    log->identity_dirty = point == log->log_start;
    /* What a clean stop completes, the killed process has not. */
    log->changed = true;
}

/* The epoch of a segment's last batch. */
static enum status resume_last_epoch(struct recovery *recovery, struct segment *segment, int32_t *epoch)
{
    struct log_files *files = &recovery->log->files;
    uint8_t buffer[HEADER_BUFFER_SIZE];
    struct batch_cursor cursor;
    struct batch_header header;
    uint32_t position;
    struct file *file;
    enum status status = segment_seek(files, segment, INT64_MAX, segment->size, &position);

    if (status == STATUS_OK) {
        status = segment_open(files, segment, 0, &file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init_sparse(&cursor, file, (struct space){buffer, sizeof(buffer)}, position, segment->size);
    while ((status = batch_cursor_next(&cursor, &header)) == STATUS_OK) {
        *epoch = header.partition_leader_epoch;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

/* Notes the epochs of the batches from *position on, up to and with the first that has another one than `epoch`:
 * *header becomes that batch's, *position its place. END: there is none. */
static enum status resume_next_epoch(struct recovery *recovery, struct segment *segment, uint32_t *position,
                                     int32_t epoch, struct batch_header *header)
{
    struct partition_log *log = recovery->log;
    uint8_t buffer[HEADER_BUFFER_SIZE];
    struct batch_cursor cursor;
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    batch_cursor_init_sparse(&cursor, file, (struct space){buffer, sizeof(buffer)}, *position, segment->size);
    while ((status = batch_cursor_next(&cursor, header)) == STATUS_OK) {
        log_note_epoch(log, header);
        if (header->partition_leader_epoch != epoch) {
            *position = (uint32_t)cursor.position;
            break;
        }
    }
    return status;
}

/* Moves *position, where a batch with `epoch` lies that begins at `low`, to the last batch with it that the offset
 * index leads to: epochs ascend, so half of what is left can be told from one batch. */
static enum status resume_skip_epoch(struct recovery *recovery, struct segment *segment, uint32_t *position,
                                     int32_t epoch, int64_t low)
{
    struct log_files *files = &recovery->log->files;
    int64_t high = segment->end_offset;
    const uint64_t walked = WALKED_ENTRIES * (uint64_t)recovery->log->config.index_interval_bytes;
    uint32_t end = segment->size;
    enum status status = STATUS_OK;

    while (status == STATUS_OK && high - low > 1 && end - *position > walked) {
        const int64_t middle = low + (high - low) / 2;
        struct batch_header header;
        struct batch_place place;
        uint32_t near = 0;

        status = segment_seek_batch(files, segment, middle, segment->size, &near, &place);
        if (status != STATUS_OK || place.size == 0 || place.base_offset <= low) {
            high = middle; /* no entry between `low` and it */
            continue;
        }
        status = resume_header(files, segment, place.position, segment->size, &header);
        if (status == STATUS_OK && header.partition_leader_epoch == epoch) {
            low = batch_last_offset(&header) < middle ? middle : batch_last_offset(&header);
            *position = place.position;
        } else {
            high = place.base_offset;
            end = place.position;
        }
    }
    return status;
}

/* The epochs of a segment from a batch on, `first` at `start`, to its last batch, which has `last`. If the file told of
 * others, all batches are asked. What is damaged is left out. */
static enum status resume_find_epochs(struct recovery *recovery, struct segment *segment, uint32_t start,
                                      const struct batch_header *first, int32_t last)
{
    struct epoch_cache *epochs = &recovery->log->epochs;
    struct batch_header header = *first;
    uint32_t position = start;
    uint32_t found = 0;
    enum status status = STATUS_OK;

    for (; status == STATUS_OK && header.partition_leader_epoch != last; found++) {
        const int32_t epoch = header.partition_leader_epoch;

        status = resume_skip_epoch(recovery, segment, &position, epoch, header.base_offset);
        if (status == STATUS_OK) {
            status = resume_next_epoch(recovery, segment, &position, epoch, &header);
        }
    }
    if (found != epoch_cache_between(epochs, first->base_offset, segment->end_offset)) {
        header = *first;
        position = start;
        do {
            status = resume_next_epoch(recovery, segment, &position, header.partition_leader_epoch, &header);
        } while (status == STATUS_OK);
    }
    return status == STATUS_IO ? status : STATUS_OK;
}

/* The epoch of the batch in front of `offset`; EPOCH_NONE: nothing is there. */
static enum status resume_epoch_before(struct recovery *recovery, int64_t offset, int32_t *epoch)
{
    struct partition_log *log = recovery->log;
    struct segment *segment = log->segments[log_segment_at(log, offset - 1)];
    struct batch_header header;
    struct batch_place place;
    enum status status;

    *epoch = EPOCH_NONE;
    if (offset == log_active(log)->end_offset && recovery->last_epoch != EPOCH_NONE) {
        *epoch = recovery->last_epoch;
        return STATUS_OK;
    }
    status = segment_find(&log->files, segment, offset - 1, &place);
    if (status == STATUS_OK) {
        status = resume_header(&log->files, segment, place.position, segment->size, &header);
    }
    if (status == STATUS_OK) {
        *epoch = header.partition_leader_epoch;
    }
    return status == STATUS_IO ? status : STATUS_OK;
}

/* Takes the epochs that the journal's entry has. It must be of this log and not of one that was cut there and has grown
 * again, and begin no later than the log: a start offset may have been forgotten since. */
static enum status resume_take_epochs(struct recovery *recovery)
{
    const struct producer_journal_entry *saved = recovery->options->producers;
    struct partition_log *log = recovery->log;
    struct epoch_cache epochs;
    int32_t epoch;
    enum status status;

    if (saved == NULL || saved->offset > log->log_end || saved->offset <= log->segments[0]->base_offset ||
        saved->offset <= log->log_start) {
        return STATUS_OK;
    }
    status = resume_epoch_before(recovery, saved->offset, &epoch);
    if (status != STATUS_OK || epoch != saved->epoch) {
        return status;
    }
    epoch_cache_init(&epochs);
    if (epoch_cache_decode(saved->epochs, &epochs) == STATUS_OK && epoch_cache_latest(&epochs) == epoch &&
        epochs.starts[0].offset <= log->log_start && epochs.starts[epochs.count - 1].offset < saved->offset) {
        epoch_cache_deinit(&log->epochs);
        log->epochs = epochs;
        log->epochs_dirty = true;
        recovery->saved = true;
    } else {
        epoch_cache_deinit(&epochs);
    }
    return STATUS_OK;
}

/* The epochs of one segment from the batch at `position` on. */
static enum status resume_segment_epochs(struct recovery *recovery, size_t i, uint32_t position)
{
    struct partition_log *log = recovery->log;
    struct segment *segment = log->segments[i];
    struct batch_header first;
    int32_t last = recovery->last_epoch;
    enum status status = resume_header(&log->files, segment, position, segment->size, &first);

    if (status == STATUS_OK && i + 1 < log->segment_count) {
        status = resume_last_epoch(recovery, segment, &last);
    }
    if (status == STATUS_OK) {
        log_note_epoch(log, &first);
        status = resume_find_epochs(recovery, segment, position, &first, last);
    }
    return status;
}

enum status recovery_resume_epochs(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    enum status status = resume_take_epochs(recovery);
    const int64_t from = recovery->saved ? recovery->options->producers->offset : log->segments[0]->base_offset;

    for (size_t i = 0; i < log->segment_count && status == STATUS_OK; i++) {
        struct segment *segment = log->segments[i];
        struct batch_place place = {0};

        if (segment->size == 0 || segment->end_offset <= from) {
            continue;
        }
        if (from > segment->base_offset) {
            status = segment_find(&log->files, segment, from, &place);
        }
        if (status == STATUS_OK) {
            status = resume_segment_epochs(recovery, i, place.position);
        } else if (status == STATUS_NOT_FOUND) {
            status = STATUS_OK; /* its last offsets are a gap */
        }
    }
    return status;
}

/* The segments' bytes; of sealed ones that were not settled the other files too. */
static enum status resume_sync_segments(struct partition_log *log)
{
    enum status status = STATUS_OK;

    for (size_t i = 0; i < log->segment_count && status == STATUS_OK; i++) {
        struct segment *segment = log->segments[i];
        struct file *file;

        if (segment->end_offset <= log->durable_end) {
            continue;
        }
        if (segment != log_active(log)) {
            status = segment_sync(&log->files, segment);
            continue;
        }
        status = segment_open(&log->files, segment, 0, &file);
        if (status == STATUS_OK) {
            status = file_sync(file);
        }
    }
    if (status == STATUS_OK && log->settled_end < log_active(log)->base_offset) {
        status = log_write_epochs(log);
    }
    return status;
}

enum status recovery_resume_sync(struct recovery *recovery)
{
    struct partition_log *log = recovery->log;
    enum status status;

    if (!log->made || log->config.durability != DURABILITY_FSYNC || log->durable_end >= log->log_end) {
        return STATUS_OK;
    }
    status = resume_sync_segments(log);
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    if (status == STATUS_OK && log->identity_dirty) {
        status = log_sync_identity(&log->files);
    }
    if (status == STATUS_OK) {
        log->durable_end = log->log_end;
        log->sync_wanted = log->log_end;
        log->dirty_since_ms = 0;
        log->directory_dirty = false;
        log->identity_dirty = false;
    }
    return status;
}
