/* A clean stop: everything synced, what waited for the indexes written; producers and epochs at the log's end go to
 * the journal of the log directory. A log that nothing was appended to since it was opened has all that and costs
 * nothing. */
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
    enum status status = STATUS_OK;

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

/* Everything to the files that is still in memory. */
static enum status log_write_out(struct partition_log *log, bool sync)
{
    enum status status = partition_log_flush(log);

    if (status != STATUS_OK || !partition_log_unsettled(log)) {
        return status;
    }
    /* Where many logs stop together the next start takes the epochs of the last segment from the journal, or its
     * batches: replacing thousands of small files is the slowest thing a stop could do. */
    if (sync || log->settled_end < log_active(log)->base_offset) {
        status = log_write_epochs(log);
    }
    if (status == STATUS_OK) {
        status = segment_trim(&log->files, log_active(log));
    }
    return status == STATUS_OK ? segment_write_waiting(&log->files, log_active(log)) : status;
}

static enum status log_sync_all(struct partition_log *log)
{
    enum status status = log_sync_segments(log);

    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    if (status == STATUS_OK && log->identity_dirty) {
        status = log_sync_identity(&log->files);
    }
    if (status == STATUS_OK) {
        partition_log_settle(log);
    }
    return status;
}

bool log_directory_around(const struct partition_log *log, char directory[DISK_PATH_MAX])
{
    const char *slash = strrchr(log->files.directory, '/');
    const size_t size = slash != NULL ? (size_t)(slash - log->files.directory) : 0;

    if (size == 0 || size >= DISK_PATH_MAX) {
        return false;
    }
    memcpy(directory, log->files.directory, size);
    directory[size] = '\0';
    return true;
}

enum status partition_log_sync_around(const struct partition_log *log)
{
    char directory[DISK_PATH_MAX];

    return log_directory_around(log, directory) ? disk_sync_below(log->files.disk, directory) : STATUS_INVALID;
}

void partition_log_settle(struct partition_log *log)
{
    log->durable_end = log->written_end;
    log->settled_end = log_active(log)->base_offset;
    log->directory_dirty = false;
    log->identity_dirty = false;
    log->changed = false;
}

bool partition_log_unsettled(const struct partition_log *log)
{
    return log->failure == STATUS_OK && log->changed && log->made;
}

enum status partition_log_shutdown(struct partition_log *log, bool sync)
{
    struct file_cache *private = NULL;
    enum status status = log->failure;

    if (log->files.cache == NULL) {
        private = file_cache_create(log->files.disk, SHUTDOWN_OPEN_MAX);
        log->files.cache = private;
    }
    if (status == STATUS_OK) {
        status = log_write_out(log, sync);
    }
    if (status == STATUS_OK && sync && partition_log_unsettled(log)) {
        status = log_sync_all(log);
    }
    if (status != STATUS_OK && status != STATUS_BUSY && !log_failure_passes(status)) {
        log_fail(log, status);
    }
    if (private != NULL) {
        file_cache_destroy(private);
        log->files.cache = NULL;
    }
    return status;
}
