/* Cutting the end of a log off, on the loop and synced before it returns: what is appended next takes the place of what
 * was cut, and must never be found in front of an old tail after a power cut.
 *
 * Order: later segments go first, the newest before the older ones, then the segment that holds the place. A crash in
 * between leaves a longer log, as if the cut had come later. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/env/disk.h"

/* Where the log is to end: at a batch's start. */
struct cut_place {
    size_t segment;
    uint32_t position;
    int64_t offset;
};

static enum status log_find_cut(struct partition_log *log, int64_t offset, struct cut_place *cut)
{
    size_t i = log_segment_at(log, offset);
    struct segment *segment = log->segments[i];
    struct batch_place place;
    enum status status = segment_find(&log->files, segment, offset, &place);

    *cut = (struct cut_place){.segment = i, .position = segment->size, .offset = offset};
    if (status == STATUS_OK) {
        cut->position = place.position;
        /* In the middle of a batch all of it goes. */
        cut->offset = place.base_offset < offset ? place.base_offset : offset;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* Puts all ends at `offset` and forgets what lay behind it. */
static enum status log_set_end(struct partition_log *log, int64_t offset)
{
    log->log_end = offset;
    log->written_end = offset;
    log_sync_cut(log, offset);
    log_forget_places(log);
    log_transactions_cut(log, offset);
    log->changed = true;
    if (epoch_cache_truncate(&log->epochs, offset)) {
        log->epochs_dirty = true;
    }
    return log_load_producers(log, log_now(log), offset);
}

static enum status log_cut(struct partition_log *log, int64_t offset)
{
    struct segment *segment;
    struct cut_place cut;
    enum status status = log_find_cut(log, offset, &cut);

    if (status == STATUS_OK && cut.offset < log->log_start) {
        /* The batch holds the log's start too, so nothing stays. */
        return partition_log_restart(log, cut.offset);
    }
    if (status == STATUS_OK && cut.segment + 1 < log->segment_count) {
        status = log_delete_segments(log, cut.segment + 1, log->segment_count - cut.segment - 1, log_now(log));
        /* Else a power cut could bring them back behind a segment that was cut already: a log with a hole. */
        if (status == STATUS_OK) {
            status = disk_sync_directory(log->files.disk, log->files.directory);
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    segment = log->segments[cut.segment];
    status = segment_truncate(&log->files, segment, cut.position, cut.offset);
    if (status == STATUS_OK) {
        status = txn_index_truncate(&log->files, segment->base_offset, cut.offset);
        segment->aborted = TXN_INDEX_UNSEEN;
    }
    if (status == STATUS_OK) {
        status = log_set_end(log, cut.offset);
    }
    if (status == STATUS_OK) {
        status = segment_sync(&log->files, segment);
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    return status;
}

enum status partition_log_truncate(struct partition_log *log, int64_t offset)
{
    enum status status;

    ASSERT(offset >= 0);
    status = partition_log_flush(log);
    if (status != STATUS_OK) {
        return status;
    }
    if (offset >= log->log_end) {
        return STATUS_OK;
    }
    if (offset < log->log_start) {
        return partition_log_restart(log, offset);
    }
    status = log_disown_producers(log);
    if (status == STATUS_OK) {
        status = log_cut(log, offset);
    }
    if (status != STATUS_OK) {
        log_fail(log, STATUS_IO);
    }
    return status;
}

enum status partition_log_restart(struct partition_log *log, int64_t offset)
{
    enum status status;

    ASSERT(offset >= 0);
    if (offset > LOG_OFFSET_MAX) {
        return STATUS_OUT_OF_RANGE;
    }
    status = partition_log_flush(log);
    if (status != STATUS_OK) {
        return status;
    }
    status = log_make(log);
    if (status != STATUS_OK) {
        return status;
    }
    status = log_disown_producers(log);
    if (status != STATUS_OK) {
        return status;
    }
    log_spare_drop(log, log_now(log));
    status = log_delete_segments(log, 0, log->segment_count, log_now(log));
    if (status == STATUS_OK) {
        status = log_remove_snapshots(log, -1);
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    if (status == STATUS_OK) {
        status = log_add_segment(log, offset, log_now(log));
    }
    if (status == STATUS_OK) {
        log->log_start = offset;
        epoch_cache_clear(&log->epochs);
        log->epochs_dirty = true;
        log_transactions_cut(log, 0);
        status = log_set_end(log, offset);
        log->durable_end = offset;
        log->settled_end = offset;
    }
    if (status == STATUS_OK) {
        status = log_write_epochs(log);
        status = status == STATUS_BUSY ? STATUS_OK : status;
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
        log->directory_dirty = false;
    }
    if (status != STATUS_OK) {
        log_fail(log, STATUS_IO);
    }
    return status;
}
