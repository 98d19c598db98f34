/* Writing expired segments over. A new file costs a page of memory and the file system's bookkeeping for each 4 KiB,
 * and giving them back when it is deleted costs as much again; together that is more than everything else an append
 * does. So a busy partition of class memory keeps an expired .log and makes it its next segment:
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
 * back. A second one is kept where the first has come too late. */
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

static size_t log_spares_max(const struct partition_log *log)
{
    return log->config.durability != DURABILITY_MEMORY ? 0 : log->spare_missed ? SPARES_MAX : 1;
}

bool log_spare_wanted(const struct partition_log *log)
{
    return log->spare_job == NULL && log->spare_count < log_spares_max(log);
}

bool log_spare_wanted_later(const struct partition_log *log)
{
    return log->spare_job != NULL && log->spare_count + 1U < log_spares_max(log);
}

void log_spare_put(struct partition_log *log, struct file *file, int64_t base_offset)
{
    ASSERT(log->spare_count < SPARES_MAX);
    if (log->spares == NULL) {
        log->spares = memory_alloc(SPARES_MAX * sizeof(*log->spares));
    }
    log->spares[log->spare_count++] =
        (struct spare){.file = file, .base_offset = base_offset, .since_ms = log_now(log)};
}

static void log_spare_unref_all(struct partition_log *log)
{
    for (size_t i = 0; i < log->spare_count; i++) {
        file_unref(log->spares[i].file);
    }
    log->spare_count = 0;
    memory_free(log->spares);
    log->spares = NULL;
    for (size_t i = 0; i < log->deleted_count; i++) {
        file_unref(log->deleted[i].file);
        log->deleted[i].file = NULL;
    }
}

void log_spare_forget(struct partition_log *log)
{
    log_spare_unref_all(log);
    log_spare_job_refuse(log, true);
}

void log_spare_drop(struct partition_log *log, int64_t now_ms)
{
    for (size_t i = 0; i < log->spare_count; i++) {
        log_deleted_push(log, log->spares[i].base_offset, now_ms, NULL);
    }
    log_spare_unref_all(log);
    log_spare_job_refuse(log, false);
    log->spare_missed = false;
}

void log_spare_expire(struct partition_log *log, int64_t now_ms)
{
    if (log->spare_count > 0 && (now_ms - log->spares[0].since_ms > SPARE_AGE_MAX_MS ||
                                 log->config.durability != DURABILITY_MEMORY)) {
        log_spare_drop(log, now_ms);
    }
}

/* Renames the spare to be the .log of `base_offset`. Marked first: under its new name it is never without. */
static enum status spare_rename(struct partition_log *log, const struct spare *spare, int64_t base_offset)
{
    UNINITIALIZED char from[DISK_PATH_MAX];
    UNINITIALIZED char to[DISK_PATH_MAX];
    enum status status = segment_mark_start(spare->file);

    if (status == STATUS_OK) {
        segment_path(&log->files, spare->base_offset, SEGMENT_LOG, SEGMENT_DELETED, from);
        segment_path(&log->files, base_offset, SEGMENT_LOG, "", to);
        status = disk_rename(log->files.disk, from, to);
    }
    return status;
}

/* The sync of the directory that makes a spare may take longer than the log takes to fill a segment. */
static void log_note_miss(struct partition_log *log)
{
    bool under_way = log->spare_job != NULL;

    for (size_t i = 0; i < log->deleted_count && !under_way; i++) {
        under_way = log->deleted[i].file != NULL;
    }
    log->spare_missed = log->spare_missed || under_way;
}

bool log_spare_take(struct partition_log *log, struct segment *segment)
{
    struct spare *spare = log->spares;
    uint64_t size;

    if (log->spare_count == 0) {
        log_note_miss(log);
        return false;
    }
    if (log->config.durability != DURABILITY_MEMORY || file_is_shared(spare->file)) {
        return false;
    }
    if (file_size(spare->file, &size) != STATUS_OK || size > SEGMENT_SIZE_MAX ||
        spare_rename(log, spare, segment->base_offset) != STATUS_OK) {
        log_spare_drop(log, log_now(log));
        return false;
    }
    file_unref(spare->file);
    log->spare_count--;
    memmove(log->spares, log->spares + 1, log->spare_count * sizeof(log->spares[0]));
    segment->file_end = (uint32_t)size;
    segment->zeros = false;
    log->changed = true;
    return true;
}
