/* Moving the start of the log forward, and the periodic care that goes with it. What is deleted goes in two steps:
 * renamed at once, so that a start finds no half of it, and removed after file.delete.delay.ms by a worker, because
 * a consumer may still read from it and removing blocks: also a file of one page waits for its pages on their way to
 * the disk and, where the file system tells the disk what is free, for the disk. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"

/* Looking for idle producers walks all of them. */
#define EXPIRY_PAUSE_MS 60000
/* Without an append for so long a log counts as resting. */
#define REST_AFTER_MS 1000

/* Removes what is left of one segment, or makes its .log the log's spare. Carries all it needs: the log may be gone
 * when it ends. */
struct removal_job {
    struct env_job job;
    struct log_files files; /* with a directory name of its own */
    int64_t base_offset;
    enum segment_part first;   /* of what is removed */
    struct file *file;         /* what becomes the spare; else NULL */
    struct partition_log *log; /* of such a job, the loop's; NULL: it is gone */
    bool refused;              /* the loop's: the file is to be removed after all */
    enum status status;
};

/* NOT_FOUND is no failure. */
static enum status segment_rename_part(const struct log_files *files, int64_t base_offset, enum segment_part part)
{
    UNINITIALIZED char from[DISK_PATH_MAX];
    UNINITIALIZED char to[DISK_PATH_MAX];
    enum status status;

    segment_path(files, base_offset, part, "", from);
    segment_path(files, base_offset, part, SEGMENT_DELETED, to);
    status = disk_rename(files->disk, from, to);
    if (status == STATUS_NO_SPACE) {
        /* The longer name needs another block of the directory. Deleting is what makes room, so it must not fail
         * for want of it; who reads from the file has it open. */
        status = disk_remove(files->disk, from);
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void log_deleted_push(struct partition_log *log, int64_t base_offset, int64_t due_ms, struct file *file)
{
    log->deleted = memory_resize(log->deleted, log->deleted_count + 1, sizeof(*log->deleted));
    log->deleted[log->deleted_count++] =
        (struct deleted_segment){.base_offset = base_offset, .due_ms = due_ms, .file = file};
}

/* `expired`: by retention, so that its file may be written over. */
static enum status log_delete_segment(struct partition_log *log, size_t at, int64_t due_ms, bool expired)
{
    struct segment *segment = log->segments[at];
    const int64_t base_offset = segment->base_offset;
    enum status status = STATUS_OK;

    for (int part = SEGMENT_LOG; part <= SEGMENT_SNAPSHOT && status == STATUS_OK; part++) {
        /* The snapshot at the log's end is of use. */
        if (part != SEGMENT_SNAPSHOT || base_offset != log->log_end) {
            status = segment_rename_part(&log->files, base_offset, (enum segment_part)part);
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    log_deleted_push(log, base_offset, due_ms, expired ? log_spare_candidate(log, segment, log_now(log)) : NULL);
    segment_destroy(&log->files, segment);
    memmove(&log->segments[at], &log->segments[at + 1], (log->segment_count - at - 1) * sizeof(struct segment *));
    log->segment_count--;
    return STATUS_OK;
}

static enum status log_delete_run(struct partition_log *log, size_t first, size_t count, int64_t due_ms, bool expired)
{
    enum status status = STATUS_OK;

    ASSERT(first + count <= log->segment_count);
    /* At the front the oldest goes first, at the end the newest: whatever a crash leaves has no hole. */
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = log_delete_segment(log, first == 0 ? 0 : first + count - 1 - i, due_ms, expired);
    }
    log->sealed_size = 0;
    for (size_t i = 0; i + 1 < log->segment_count; i++) {
        log->sealed_size += log->segments[i]->size;
    }
    log->directory_dirty = true;
    log_forget_places(log);
    return status;
}

enum status log_delete_segments(struct partition_log *log, size_t first, size_t count, int64_t due_ms)
{
    return log_delete_run(log, first, count, due_ms, false);
}

static struct removal_job *removal_job_create(const struct partition_log *log, int64_t base_offset)
{
    struct removal_job *job = memory_alloc_zero(1, sizeof(*job));

    job->files.disk = log->files.disk;
    job->files.directory = memory_copy_text(log->files.directory, strlen(log->files.directory));
    job->base_offset = base_offset;
    return job;
}

static void removal_job_free(struct removal_job *job)
{
    file_unref(job->file);
    memory_free(job->files.directory);
    memory_free(job);
}

static void removal_work(struct env_job *env_job)
{
    struct removal_job *job = CONTAINER_OF(env_job, struct removal_job, job);

    for (int part = (int)job->first; part <= SEGMENT_SNAPSHOT; part++) {
        UNINITIALIZED char path[DISK_PATH_MAX];

        segment_path(&job->files, job->base_offset, (enum segment_part)part, SEGMENT_DELETED, path);
        if (disk_remove(job->files.disk, path) != STATUS_OK) {
            continue; /* not there, or the next start removes it */
        }
    }
}

static void removal_done(struct env_job *env_job)
{
    removal_job_free(CONTAINER_OF(env_job, struct removal_job, job));
}

static void log_remove_parts(struct partition_log *log, int64_t base_offset, enum segment_part first)
{
    struct removal_job *job = removal_job_create(log, base_offset);

    job->job.work = removal_work;
    job->job.done = removal_done;
    job->first = first;
    env_submit(log->env, ENV_LANE_BACKGROUND, &job->job);
}

static void spare_work(struct env_job *env_job)
{
    struct removal_job *job = CONTAINER_OF(env_job, struct removal_job, job);

    job->status = disk_sync_directory(job->files.disk, job->files.directory);
}

static void spare_done(struct env_job *env_job)
{
    struct removal_job *job = CONTAINER_OF(env_job, struct removal_job, job);
    struct partition_log *log = job->log;

    if (log != NULL) {
        log->spare_job = NULL;
        if (job->status == STATUS_OK && !job->refused) {
            log_spare_put(log, file_ref(job->file), job->base_offset);
            log_remove_parts(log, job->base_offset, SEGMENT_OFFSET_INDEX);
        } else {
            log_deleted_push(log, job->base_offset, 0, NULL);
        }
    }
    removal_job_free(job);
}

void log_spare_job_refuse(struct partition_log *log, bool gone)
{
    if (log->spare_job != NULL) {
        log->spare_job->refused = true;
        if (gone) {
            log->spare_job->log = NULL;
            log->spare_job = NULL;
        }
    }
}

/* Two steps: the spare must be there before the next roll, and not wait behind removals. */
static void log_make_spare(struct partition_log *log, const struct deleted_segment *deleted)
{
    struct removal_job *job = removal_job_create(log, deleted->base_offset);

    job->job.work = spare_work;
    job->job.done = spare_done;
    job->file = file_ref(deleted->file);
    job->log = log;
    log->spare_job = job;
    env_submit(log->env, ENV_LANE_SYNC, &job->job);
}

static void log_remove(struct partition_log *log, const struct deleted_segment *deleted)
{
    if (deleted->file != NULL && log_spare_wanted(log)) {
        log_make_spare(log, deleted);
        file_unref(deleted->file);
    } else {
        file_unref(deleted->file);
        log_remove_parts(log, deleted->base_offset, SEGMENT_LOG);
    }
}

static void log_remove_deleted(struct partition_log *log, int64_t now_ms)
{
    size_t kept = 0;

    for (size_t i = 0; i < log->deleted_count; i++) {
        const struct deleted_segment deleted = log->deleted[i];

        if (deleted.due_ms > now_ms || log->env == NULL || (deleted.file != NULL && log_spare_wanted_later(log))) {
            log->deleted[kept++] = deleted;
        } else {
            log_remove(log, &deleted);
        }
    }
    log->deleted_count = kept;
    if (kept == 0) {
        memory_free(log->deleted);
        log->deleted = NULL;
    }
}

/* Makes it durable that the oldest segment is gone. */
struct front_job {
    struct env_job job;
    struct log_files files; /* with a directory name of its own */
    struct partition_log *log; /* the loop's; NULL: it is gone */
    enum status status;
};

static void front_work(struct env_job *env_job)
{
    struct front_job *job = CONTAINER_OF(env_job, struct front_job, job);

    job->status = disk_sync_directory(job->files.disk, job->files.directory);
}

static void log_release_front(struct partition_log *log);

static void front_done(struct env_job *env_job)
{
    struct front_job *job = CONTAINER_OF(env_job, struct front_job, job);
    struct partition_log *log = job->log;

    if (log != NULL) {
        log->front_job = NULL;
        if (log->failure == STATUS_OK && job->status == STATUS_OK) {
            log_release_front(log);
        } else if (log->failure == STATUS_OK) {
            log_fail(log, STATUS_IO);
        }
    }
    memory_free(job->files.directory);
    memory_free(job);
}

void log_front_job_forget(struct partition_log *log)
{
    if (log->front_job != NULL) {
        log->front_job->log = NULL;
        log->front_job = NULL;
    }
}

static void log_sync_front(struct partition_log *log)
{
    struct front_job *job = memory_alloc_zero(1, sizeof(*job));

    job->job.work = front_work;
    job->job.done = front_done;
    job->files.disk = log->files.disk;
    job->files.directory = memory_copy_text(log->files.directory, strlen(log->files.directory));
    job->log = log;
    log->front_job = job;
    env_submit(log->env, ENV_LANE_BACKGROUND, &job->job);
}

/* Deletes the first `count` segments; if that is all of them, a new one begins behind them first.
 *
 * Of a log that outlives a power cut they go one by one, each durably before the next: if the second of two new names
 * were on the disk and the first not, there would be a hole, and recovery takes what lies behind a hole for what was
 * never synced. Those that wait lie below the log's start already. */
static enum status log_delete_oldest(struct partition_log *log, size_t count, int64_t now_ms)
{
    const bool ordered = log->config.durability != DURABILITY_MEMORY && log->env != NULL;
    enum status status = STATUS_OK;

    if (count == log->segment_count) {
        status = log_roll(log, log->log_end);
    }
    if (status != STATUS_OK || (ordered && log->front_job != NULL)) {
        return status;
    }
    status = log_delete_run(log, 0, ordered ? 1 : count, now_ms + log->config.file_delete_delay_ms, true);
    if (status == STATUS_OK && ordered) {
        log_sync_front(log);
    }
    return status;
}

/* How many segments lie below the log's start. */
static size_t log_count_below_start(const struct partition_log *log)
{
    size_t count = 0;

    while (count + 1 < log->segment_count && log->segments[count + 1]->base_offset <= log->log_start) {
        count++;
    }
    return count;
}

/* Goes on with those that waited. */
static void log_release_front(struct partition_log *log)
{
    const size_t count = log_count_below_start(log);

    if (count > 0) {
        const enum status status = log_delete_oldest(log, count, log_now(log));

        if (status != STATUS_OK && !log_failure_passes(status)) {
            log_fail(log, status);
        }
    }
}

static void log_move_start(struct partition_log *log, int64_t offset)
{
    if (offset > log->log_start) {
        log->log_start = offset;
        if (epoch_cache_delete_before(&log->epochs, offset)) {
            log->epochs_dirty = true;
        }
    }
}

enum status partition_log_delete_before(struct partition_log *log, int64_t offset, int64_t high_watermark)
{
    enum status status = STATUS_OK;
    size_t count;

    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    if (offset > high_watermark || offset > log->written_end) {
        return STATUS_OUT_OF_RANGE;
    }
    log_move_start(log, offset);
    count = log_count_below_start(log);
    if (count > 0) {
        status = log_delete_oldest(log, count, log_now(log));
    }
    if (status != STATUS_OK && !log_failure_passes(status)) {
        log_fail(log, status);
    }
    return status;
}

/* When nothing tells a segment's age by its records, its file does. */
static int64_t segment_newest_ms(const struct segment *segment)
{
    return segment->max_timestamp > TIMESTAMP_NONE ? segment->max_timestamp : segment->created_ms;
}

/* How many of the oldest segments retention lets go of. */
static size_t log_expired_count(const struct partition_log *log, int64_t now_ms, int64_t high_watermark)
{
    const struct log_config *config = &log->config;
    uint64_t size = partition_log_size(log);
    bool by_size = config->delete_old && config->retention_bytes >= 0;
    size_t count = 0;

    for (; count < log->segment_count; count++) {
        const struct segment *segment = log->segments[count];
        const bool old = config->delete_old && config->retention_ms >= 0 &&
                         now_ms - segment_newest_ms(segment) > config->retention_ms;
        const bool below_start = segment->end_offset <= log->log_start;

        by_size = by_size && size >= segment->size && size - segment->size >= (uint64_t)config->retention_bytes;
        if (segment->size == 0 || segment->end_offset > high_watermark || !(old || by_size || below_start)) {
            break;
        }
        size -= segment->size;
    }
    return count;
}

static void log_retain(struct partition_log *log, int64_t now_ms, int64_t high_watermark)
{
    const size_t count = log_expired_count(log, now_ms, high_watermark);
    const int64_t start = count > 0 ? log->segments[count - 1]->end_offset : log->log_start;
    enum status status;

    if (count == 0) {
        return;
    }
    status = log_delete_oldest(log, count, now_ms);
    if (status == STATUS_OK) {
        log_move_start(log, start);
    } else if (!log_failure_passes(status)) {
        log_fail(log, status);
    }
}

/* A segment that is old enough is closed also if nothing is appended: retention and compaction want it. */
static void log_roll_aged(struct partition_log *log, int64_t now_ms)
{
    const struct segment *segment = log_active(log);

    if (segment->size > 0 && now_ms - segment->created_ms > log_segment_ms(log, segment)) {
        const enum status status = log_roll(log, log->log_end);

        if (status != STATUS_OK && !log_failure_passes(status)) {
            log_fail(log, status);
        }
    }
}

/* A partition at rest gives back what only helps a busy one. */
static void log_rest(struct partition_log *log, int64_t now_ms)
{
    struct segment *segment = log_active(log);

    if (now_ms - log->append_ms < REST_AFTER_MS || log->queued_count > 0 ||
        (log->tail == NULL && log->hints == NULL)) {
        return;
    }
    if (log_room_rest(log, segment) != STATUS_OK || segment_write_waiting(&log->files, segment) != STATUS_OK) {
        return; /* entries keep waiting in memory */
    }
    for (size_t i = 0; i < log->segment_count; i++) {
        file_cache_drop(log->files.cache, &log->segments[i]->slot);
        file_cache_drop(log->files.cache, &log->segments[i]->offsets.file.slot);
        file_cache_drop(log->files.cache, &log->segments[i]->times.file.slot);
    }
    log_forget_places(log);
    memory_free(log->queued);
    memory_free(log->parts);
    log->queued = NULL;
    log->parts = NULL;
    log->queued_capacity = 0;
    if (log->completed_count == 0) {
        memory_free(log->completed);
        log->completed = NULL;
        log->completed_capacity = 0;
    }
}

static void log_expire_producers(struct partition_log *log, int64_t now_ms)
{
    const int64_t expiry_ms = log->config.producer_expiry_ms;
    const int64_t pause_ms = expiry_ms < EXPIRY_PAUSE_MS ? expiry_ms : EXPIRY_PAUSE_MS;

    if (expiry_ms < 0 || log->producers.producers.count == 0 || now_ms - log->expired_ms < pause_ms) {
        return;
    }
    log->expired_ms = now_ms;
    producer_state_expire(&log->producers, now_ms, expiry_ms);
}

bool partition_log_maintain(struct partition_log *log, int64_t now_ms, int64_t high_watermark)
{
    const int64_t start = log->log_start;

    if (log->failure != STATUS_OK || log->queued_count > 0) {
        return false;
    }
    log_roll_aged(log, now_ms);
    if (log->failure == STATUS_OK) {
        log_retain(log, now_ms, high_watermark);
    }
    if (log->failure != STATUS_OK) {
        return log->log_start != start;
    }
    log_expire_producers(log, now_ms);
    log_spare_expire(log, now_ms);
    if (log->deleted_count > 0) {
        log_remove_deleted(log, now_ms);
    }
    if (log->written_end > log->durable_end && now_ms - log->dirty_since_ms >= log->config.flush_ms) {
        log->sync_wanted = log->written_end;
    }
    log_rest(log, now_ms);
    log_settle_aged(log, now_ms);
    log_sync_start(log);
    return log->log_start != start;
}
