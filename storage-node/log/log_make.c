/* The first files of a log. A partition that nothing was written to has none: its topic is known to the controllers,
 * and a directory without records says no more than none. The first write makes, in this order:
 *
 *     TOPIC-N/                      if a directory of that name is there it is another topic's: BUSY until it is gone
 *     TOPIC-N/partition.metadata    whose records these are, before there can be any
 *     TOPIC-N/...0.log
 *
 * None of it is synced here. The log's first sync makes all of it durable, names too, before it confirms anything. */
#include "storage-node/log/log_state.h"

#include "common/env/disk.h"
#include "storage-node/log/partition_metadata.h"

static enum status log_make_directory(struct partition_log *log)
{
    enum status status = disk_make_directory(log->files.disk, log->files.directory);

    if (status == STATUS_NOT_FOUND) {
        /* The log directory itself is missing, as only tests and strangers have it. */
        status = disk_make_directories(log->files.disk, log->files.directory);
    }
    return status == STATUS_EXISTS ? STATUS_BUSY : status;
}

enum status log_make(struct partition_log *log)
{
    struct file *file;
    enum status status;

    if (log->made) {
        return STATUS_OK;
    }
    if (!log->directory_made) {
        status = log_make_directory(log);
        if (status != STATUS_OK) {
            return status;
        }
        log->directory_made = true;
    }
    /* Also what was there: a process that was killed may not have come to sync it. */
    log->identity_dirty = true;
    if (!log->identity_made && !uuid_is_zero(log->topic_id)) {
        char path[DISK_PATH_MAX];

        log_file_path(&log->files, PARTITION_METADATA_NAME, path);
        status = partition_metadata_write(log->files.disk, path, log->topic_id);
        if (status != STATUS_OK) {
            return status;
        }
        log->identity_made = true;
    }
    status = segment_open(&log->files, log_active(log), FILE_CREATE, &file);
    if (status == STATUS_OK) {
        log->made = true;
        log->directory_dirty = true;
        log_preallocate(log, file);
    }
    return status;
}
