/* Writing down the idempotent producers: in OFFSET.snapshot at every roll; in between and at a clean stop, together
 * with the epochs, in the journal of the log directory, which costs no file of its own. Both save a start from looking
 * at the batches in front of them; none is needed. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/env/disk.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/producer_snapshot.h"

/* The journal hears of a log when so many index entries' bytes, ... */
#define UNSAVED_ENTRIES 16
/* ... and so many times what the entry may take, have been written. */
#define UNSAVED_FACTOR 16
#define PRODUCER_SAVED_SIZE (PRODUCER_WINDOW * 46)

enum status log_write_snapshot(struct partition_log *log, int64_t offset)
{
    UNINITIALIZED char path[DISK_PATH_MAX];
    struct buffer contents;
    struct bytes part;
    struct file *file;
    enum status status;

    if (offset == 0) {
        return STATUS_OK;
    }
    segment_path(&log->files, offset, SEGMENT_SNAPSHOT, "", path);
    status = disk_open(log->files.disk, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (status != STATUS_OK) {
        return status;
    }
    buffer_init(&contents);
    producer_snapshot_encode(&log->producers, &contents);
    part = buffer_bytes(&contents);
    status = file_write(file, 0, &part, 1);
    file_unref(file);
    buffer_deinit(&contents);
    if (status == STATUS_OK) {
        log->snapshot_offset = offset;
        log->unsaved = 0;
        log->directory_dirty = true;
    }
    return status;
}

enum status log_remove_snapshot(struct partition_log *log, int64_t offset)
{
    char path[DISK_PATH_MAX];
    enum status status;

    segment_path(&log->files, offset, SEGMENT_SNAPSHOT, "", path);
    status = disk_remove(log->files.disk, path);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

bool partition_log_unsaved(const struct partition_log *log)
{
    const uint64_t size = (uint64_t)log->producers.producers.count * PRODUCER_SAVED_SIZE;

    return log->failure == STATUS_OK && log->made &&
           log->unsaved >= UNSAVED_ENTRIES * (uint64_t)log->config.index_interval_bytes + UNSAVED_FACTOR * size;
}

static void log_save(struct partition_log *log, const struct segment_rest *last, struct buffer *out)
{
    ASSERT(log->producers.undo_count == 0);
    producer_journal_encode(&(struct producer_journal_entry){.topic_id = log->topic_id,
                                                             .partition = log->partition,
                                                             .epoch = epoch_cache_of(&log->epochs,
                                                                                     log->written_end - 1),
                                                             .offset = log->written_end,
                                                             .last = *last},
                            &log->epochs, &log->producers, out);
    log->saved_offset = log->written_end;
    log->unsaved = 0;
}

void partition_log_save_producers(struct partition_log *log, bool again, struct buffer *out)
{
    static const struct segment_rest grows = {.base_offset = OFFSET_NONE};
    const bool saved = log->saved_offset != OFFSET_NONE && log->saved_offset > log->snapshot_offset;

    if (log->queued_count == 0 && (partition_log_unsaved(log) || (again && saved && log->failure == STATUS_OK))) {
        log_save(log, &grows, out);
    }
}

bool partition_log_ends_unsaved(const struct partition_log *log)
{
    return partition_log_unsettled(log) && log->queued_count == 0;
}

void partition_log_save_end(struct partition_log *log, struct buffer *out)
{
    const struct segment *segment = log_active(log);
    const struct index_file *offsets = &segment->offsets.file;
    const struct index_file *times = &segment->times.file;
    const bool known = offsets->stored != INDEX_COUNT_UNKNOWN && times->stored != INDEX_COUNT_UNKNOWN;
    /* As the stop will leave it, which writes what waits for the indexes. */
    const struct segment_rest last = {.base_offset = known ? segment->base_offset : OFFSET_NONE,
                                      .max_timestamp = segment->max_timestamp,
                                      .max_timestamp_offset = segment->max_timestamp_offset,
                                      .first_timestamp = segment->first_timestamp,
                                      .size = segment->size,
                                      .unindexed = segment->unindexed,
                                      .offset_entries = offsets->stored + offsets->waiting_count,
                                      .time_entries = times->stored + times->waiting_count};

    ASSERT(partition_log_ends_unsaved(log));
    log_save(log, &last, out);
}

enum status log_disown_producers(struct partition_log *log)
{
    char directory[DISK_PATH_MAX];

    log->saved_offset = OFFSET_NONE;
    return log_directory_around(log, directory) ? producer_journal_remove(log->files.disk, directory) : STATUS_OK;
}
