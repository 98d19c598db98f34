/* Snapshots of the idempotent producers, OFFSET.snapshot: at every roll, at a clean stop, and now and then while a
 * segment is written, so that the start after a kill finds the producers of most batches without looking at them. None
 * of them is needed, and none is synced by itself. */
#include "storage-node/log/log_state.h"

#include "common/base/buffer.h"
#include "common/env/disk.h"
#include "storage-node/log/producer_snapshot.h"

/* A snapshot takes as long as a few batches; looking at the header of one takes a tenth of writing it. */
#define SNAPSHOT_BATCHES 512
/* Batches for each producer in it: it grows with them. */
#define SNAPSHOT_BATCHES_PER_PRODUCER 16

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
        log->snapshot_age = 0;
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

void log_snapshot_sometimes(struct partition_log *log)
{
    const int64_t before = log->snapshot_offset;
    const bool directory_dirty = log->directory_dirty;

    if (log->snapshot_age < SNAPSHOT_BATCHES + log->producers.producers.count * SNAPSHOT_BATCHES_PER_PRODUCER) {
        return;
    }
    log->snapshot_age = 0;
    if (log_write_snapshot(log, log->written_end) != STATUS_OK) {
        return; /* the one before still stands, and whatever the disk has will be told by the next write */
    }
    /* After a power cut it counts for nothing. */
    log->directory_dirty = directory_dirty;
    if (before > log_active(log)->base_offset) {
        (void)!log_remove_snapshot(log, before);
    }
}
