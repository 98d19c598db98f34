/* Snapshots of the idempotent producers, OFFSET.snapshot: at every roll and at a clean stop. They save a start from
 * looking at the batches in front of them; none is needed. */
#include "storage-node/log/log_state.h"

#include "common/base/buffer.h"
#include "common/env/disk.h"
#include "storage-node/log/producer_snapshot.h"

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
