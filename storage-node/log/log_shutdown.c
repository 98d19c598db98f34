/* A clean stop: everything synced, indexes complete, the snapshot at the log's end. A log that nothing was appended to
 * since it was opened has all that and costs nothing. */
#include "storage-node/log/log_state.h"

#include "common/env/disk.h"

/* What an open on another thread needs at a time. */
#define SHUTDOWN_OPEN_MAX 8

static enum status log_sync_named(struct partition_log *log, int64_t offset, enum segment_part part)
{
    char path[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    segment_path(&log->files, offset, part, "", path);
    status = disk_open(log->files.disk, path, FILE_READ, &file);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = file_sync(file);
        file_unref(file);
    }
    return status;
}

static enum status log_sync_segments(struct partition_log *log)
{
    enum status status = segment_seal(&log->files, log_active(log));

    for (size_t i = 0; i < log->segment_count && status == STATUS_OK; i++) {
        struct segment *segment = log->segments[i];

        if (segment->end_offset <= log->durable_end && segment != log_active(log)) {
            continue;
        }
        status = segment_sync(&log->files, segment);
        if (status == STATUS_OK) {
            status = log_sync_named(log, segment->base_offset, SEGMENT_TXN_INDEX);
        }
        if (status == STATUS_OK) {
            status = log_sync_named(log, segment->base_offset, SEGMENT_SNAPSHOT);
        }
    }
    return status;
}

static enum status log_stop(struct partition_log *log)
{
    enum status status = partition_log_flush(log);

    if (status == STATUS_OK) {
        status = log_write_epochs(log);
    }
    if (status != STATUS_OK || !log->changed || !log->made) {
        return status;
    }
    status = log_sync_segments(log);
    if (status == STATUS_OK && log->snapshot_offset != log->log_end) {
        status = log_write_snapshot(log, log->log_end);
        if (status == STATUS_OK && log->snapshot_offset == log->log_end) {
            status = log_sync_named(log, log->log_end, SEGMENT_SNAPSHOT);
        }
    }
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    if (status == STATUS_OK && log->identity_dirty) {
        status = log_sync_identity(&log->files);
        log->identity_dirty = status != STATUS_OK;
    }
    if (status == STATUS_OK) {
        log->durable_end = log->written_end;
        log->directory_dirty = false;
        log->changed = false;
    }
    return status;
}

enum status partition_log_shutdown(struct partition_log *log)
{
    struct file_cache *private = NULL;
    enum status status;

    if (log->files.cache == NULL) {
        private = file_cache_create(log->files.disk, SHUTDOWN_OPEN_MAX);
        log->files.cache = private;
    }
    status = log->failure != STATUS_OK ? log->failure : log_stop(log);
    if (status != STATUS_OK && status != STATUS_BUSY && !log_failure_passes(status)) {
        log_fail(log, status);
    }
    if (private != NULL) {
        file_cache_destroy(private);
        log->files.cache = NULL;
    }
    return status;
}
