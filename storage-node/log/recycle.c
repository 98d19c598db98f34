/* Writing expired segments over. A new file costs a page of memory and the file system's bookkeeping for each 4 KiB,
 * and giving them back when it is deleted costs as much again; together that is more than everything else an append
 * does. So a busy partition of class memory keeps one expired .log and makes it its next segment:
 *
 *     7.log --retention--> 7.log.deleted --delay, directory synced--> spare --roll--> 9000.log
 *
 *     9000.log:  [ new batch ][ new batch ][ mark of zeros ][ .... what is left of the old batches .... ]
 *                                          size                                                       file_end
 *
 * Why old batches are never taken for new ones:
 *   - Nobody reads behind `size` while the log is open. Whoever still sends the old segment has its file open: then it
 *     is not written over (the count of references is looked at, and a file that others kept when it left the cache is
 *     never a spare).
 *   - The file is cut to `size` when the segment is closed, cut or stopped cleanly; only a crash leaves the rest.
 *   - After a crash every batch of a log has to begin at or behind the end of the one before. Old ones have offsets
 *     below the log's start at the time of their deletion, and so below every new segment's base. Cutting a log below
 *     its start drops the spare. So recovery ends at the first old batch, whole or not, wherever the new ones end.
 *   - The old name is gone for good, its directory synced, before the first byte is written over: a power cut cannot
 *     bring it back with new contents.
 * A write ends with the mark of zeros, which the next one covers: room.c. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* Only partitions that roll as often keep a spare, and none longer: it takes room that retention has promised to give
 * back. */
#define SPARE_AGE_MAX_MS 60000

bool log_is_busy(const struct partition_log *log, int64_t now_ms)
{
    return log->config.durability == DURABILITY_MEMORY && now_ms - log_active(log)->created_ms <= SPARE_AGE_MAX_MS;
}

struct file *log_spare_candidate(struct partition_log *log, const struct segment *segment, int64_t now_ms)
{
    if (log->env == NULL || !log_is_busy(log, now_ms) || segment == log_active(log) ||
        segment->size < log->config.segment_bytes / 2 || segment->pinned != NULL || segment->slot.file == NULL ||
        segment->slot.outlived) {
        return NULL;
    }
    ASSERT(segment->file_end == 0);
    return file_ref(segment->slot.file);
}

bool log_spare_wanted(const struct partition_log *log)
{
    return log->spare.file == NULL && log->spare_job == NULL && log->config.durability == DURABILITY_MEMORY;
}

void log_spare_put(struct partition_log *log, struct file *file, int64_t base_offset)
{
    ASSERT(log->spare.file == NULL);
    log->spare = (struct spare){.file = file, .base_offset = base_offset, .since_ms = log_now(log)};
}

void log_spare_forget(struct partition_log *log)
{
    file_unref(log->spare.file);
    log->spare.file = NULL;
    for (size_t i = 0; i < log->deleted_count; i++) {
        file_unref(log->deleted[i].file);
        log->deleted[i].file = NULL;
    }
    log_spare_job_refuse(log, true);
}

void log_spare_drop(struct partition_log *log, int64_t now_ms)
{
    if (log->spare.file != NULL) {
        log_deleted_push(log, log->spare.base_offset, now_ms, NULL);
        file_unref(log->spare.file);
        log->spare.file = NULL;
    }
    for (size_t i = 0; i < log->deleted_count; i++) {
        file_unref(log->deleted[i].file);
        log->deleted[i].file = NULL;
    }
    log_spare_job_refuse(log, false);
}

void log_spare_expire(struct partition_log *log, int64_t now_ms)
{
    if (log->spare.file != NULL && (now_ms - log->spare.since_ms > SPARE_AGE_MAX_MS ||
                                    log->config.durability != DURABILITY_MEMORY)) {
        log_spare_drop(log, now_ms);
    }
}

/* Renames the spare to be the .log of `base_offset`. Marked first: under its new name it is never without. */
static enum status spare_rename(struct partition_log *log, int64_t base_offset)
{
    UNINITIALIZED char from[DISK_PATH_MAX];
    UNINITIALIZED char to[DISK_PATH_MAX];
    enum status status = segment_mark_start(log->spare.file);

    if (status == STATUS_OK) {
        segment_path(&log->files, log->spare.base_offset, SEGMENT_LOG, SEGMENT_DELETED, from);
        segment_path(&log->files, base_offset, SEGMENT_LOG, "", to);
        status = disk_rename(log->files.disk, from, to);
    }
    return status;
}

bool log_spare_take(struct partition_log *log, struct segment *segment)
{
    uint64_t size;

    if (log->spare.file == NULL || log->config.durability != DURABILITY_MEMORY || file_is_shared(log->spare.file)) {
        return false;
    }
    if (file_size(log->spare.file, &size) != STATUS_OK || size > SEGMENT_SIZE_MAX ||
        spare_rename(log, segment->base_offset) != STATUS_OK) {
        log_spare_drop(log, log_now(log));
        return false;
    }
    file_unref(log->spare.file);
    log->spare.file = NULL;
    segment->file_end = (uint32_t)size;
    segment->zeros = false;
    log->changed = true;
    return true;
}
