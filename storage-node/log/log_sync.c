/* Durability. One job at a time is on its way; it makes durable, in this order:
 *
 *     the epoch file, if it is behind and a sealed segment is to be synced
 *     sealed segments not synced yet          with indexes and the snapshot behind them
 *     the active segment                      .log only
 *     the directory, if names were made       a file without a name is lost
 *     its own name and partition.metadata     if it is new
 *
 * Recovery walks the segment that holds the recovery point, or ends at it, and makes its indexes and epochs anew, so
 * files other than the .log matter for segments in front of it only. A sealed segment is settled when all of them are
 * synced; durable_end passes its end only with that.
 *
 * and then durable_end moves to where the log was written when the job began. What is written meanwhile shares the next
 * job: that is the group commit. A failed sync is final (the system may have dropped the pages and will say OK next
 * time). */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/env/disk.h"
#include "storage-node/log/partition_metadata.h"

/* How long sealed segments of class memory wait for their sync: by then the system has written most of them back by
 * itself, and what retention deletes meanwhile is never written at all. A crash costs a walk over so many seconds of
 * log. */
#define SETTLE_AFTER_MS 30000

struct sync_item {
    int64_t base_offset;
    int64_t end_offset;
    struct file *file; /* pinned .log, one reference; NULL: opened by name */
    bool sealed;
};

struct sync_job {
    struct env_job job;
    struct partition_log *log; /* the loop's, not the worker's; NULL: closed meanwhile */
    struct log_files files;    /* without cache, with a directory name of its own; NULL: no name is needed */
    int64_t target;            /* durable_end when done; the loop's, a cut lowers it */
    int64_t settled;           /* settled_end when done; as target */
    struct buffer epochs;      /* text for the epoch file; empty: leave it */
    bool directory;
    bool identity;             /* the directory is new: its own name and partition.metadata too */
    bool orphaned; /* atomic: the log was closed, and its directory may be another's by now */
    enum status status;
    size_t count;
    struct sync_item items[];
};

/* A name that is gone was deleted by retention: nothing to keep. */
static enum status sync_part(const struct log_files *files, int64_t offset, enum segment_part part)
{
    UNINITIALIZED char path[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    segment_path(files, offset, part, "", path);
    status = disk_open(files->disk, path, FILE_READ, &file);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    status = file_sync(file);
    file_unref(file);
    return status == STATUS_OK ? STATUS_OK : STATUS_IO;
}

static enum status sync_item(const struct log_files *files, const struct sync_item *item)
{
    enum status status;

    if (item->file != NULL) {
        status = file_sync(item->file) == STATUS_OK ? STATUS_OK : STATUS_IO;
    } else {
        status = sync_part(files, item->base_offset, SEGMENT_LOG);
    }
    if (status == STATUS_OK && item->sealed) {
        status = sync_part(files, item->base_offset, SEGMENT_OFFSET_INDEX);
        if (status == STATUS_OK) {
            status = sync_part(files, item->base_offset, SEGMENT_TIME_INDEX);
        }
        if (status == STATUS_OK) {
            status = sync_part(files, item->end_offset, SEGMENT_SNAPSHOT);
        }
        if (status == STATUS_OK) {
            status = sync_part(files, item->base_offset, SEGMENT_TXN_INDEX);
        }
    }
    return status;
}

enum status log_sync_identity(const struct log_files *files)
{
    UNINITIALIZED char path[DISK_PATH_MAX];
    struct file *file;
    enum status status;

    log_file_path(files, PARTITION_METADATA_NAME, path);
    status = disk_open(files->disk, path, FILE_READ, &file);
    if (status == STATUS_OK) {
        status = file_sync(file) == STATUS_OK ? STATUS_OK : STATUS_IO;
        file_unref(file);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK;
    }
    return status == STATUS_OK ? disk_sync_parent(files->disk, files->directory) : status;
}

static void sync_work(struct env_job *env_job)
{
    struct sync_job *job = CONTAINER_OF(env_job, struct sync_job, job);
    enum status status = STATUS_OK;

    if (job->epochs.size > 0 && !__atomic_load_n(&job->orphaned, __ATOMIC_ACQUIRE)) {
        UNINITIALIZED char path[DISK_PATH_MAX];

        log_file_path(&job->files, EPOCH_FILE_NAME, path);
        status = disk_replace_file(job->files.disk, path, buffer_bytes(&job->epochs));
    }
    for (size_t i = 0; i < job->count && status == STATUS_OK; i++) {
        status = sync_item(&job->files, &job->items[i]);
    }
    if (status == STATUS_OK && job->directory) {
        status = disk_sync_directory(job->files.disk, job->files.directory) == STATUS_OK ? STATUS_OK : STATUS_IO;
    }
    if (status == STATUS_OK && job->identity) {
        status = log_sync_identity(&job->files);
    }
    job->status = status;
}

static void sync_job_free(struct sync_job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        file_unref(job->items[i].file);
    }
    buffer_deinit(&job->epochs);
    memory_free(job->files.directory);
    memory_free(job);
}

/* Moves `sync` to those whose `done` runs at the end of the turn. */
static void log_sync_finish(struct partition_log *log, struct log_sync *sync)
{
    list_remove(&sync->link);
    list_append(&log->finished, &sync->link);
    env_at_turn_end(log->env, &log->hook);
}

static void log_sync_told(struct partition_log *log)
{
    struct list *link = log->waiters.next;

    while (link != &log->waiters) {
        struct log_sync *sync = LIST_ENTRY(link, struct log_sync, link);

        link = link->next;
        if (sync->offset <= log->durable_end || log->failure != STATUS_OK || log->given_up) {
            log_sync_finish(log, sync);
        }
    }
}

/* Descriptors are kept only for what is not durable. */
static void log_unpin(struct partition_log *log)
{
    for (size_t i = log->segment_count; i > 0; i--) {
        struct segment *segment = log->segments[i - 1];

        if (segment->end_offset <= log->durable_end && segment->pinned != NULL) {
            file_unref(segment->pinned);
            segment->pinned = NULL;
        }
        if (segment->end_offset < log->durable_end && segment->pinned == NULL) {
            break;
        }
    }
}

static void sync_done(struct env_job *env_job)
{
    struct sync_job *job = CONTAINER_OF(env_job, struct sync_job, job);
    struct partition_log *log = job->log;
    const enum status status = job->status;

    if (log == NULL) {
        sync_job_free(job);
        return;
    }
    log->sync = NULL;
    if (status == STATUS_OK && log->failure == STATUS_OK) {
        if (job->target > log->durable_end) {
            log->durable_end = job->target;
        }
        if (job->settled > log->settled_end) {
            log->settled_end = job->settled;
        }
        log->dirty_since_ms = log->written_end > log->durable_end ? log_now(log) : 0;
        log_unpin(log);
    } else {
        log->epochs_dirty = log->epochs_dirty || job->epochs.size > 0;
        log->directory_dirty = log->directory_dirty || job->directory;
        log->identity_dirty = log->identity_dirty || job->identity;
        log->settle_wanted = true;
    }
    sync_job_free(job);
    if (status != STATUS_OK && !log_failure_passes(status)) {
        log_fail(log, status);
    }
    log_sync_told(log);
    if (status == STATUS_OK) {
        /* Else partition_log_maintain tries again: no space for the epoch file, no descriptor for a segment. */
        log_sync_start(log);
    }
}

static struct sync_job *sync_job_create(struct partition_log *log, int64_t target)
{
    const struct segment *active = log_active(log);
    struct sync_job *job;
    size_t first = log->segment_count;
    size_t last = target > active->base_offset ? log->segment_count : log->segment_count - 1;
    bool named = false;

    while (first > 0 && log->segments[first - 1]->end_offset > log->settled_end) {
        first--;
    }
    if (first > last) {
        first = last;
    }
    job = memory_alloc_zero(1, sizeof(*job) + (last - first) * sizeof(job->items[0]));
    job->job.work = sync_work;
    job->job.done = sync_done;
    job->log = log;
    job->files.disk = log->files.disk;
    job->target = target;
    job->settled = active->base_offset;
    buffer_init(&job->epochs);
    for (size_t i = first; i < last; i++) {
        const struct segment *segment = log->segments[i];

        job->items[job->count++] =
            (struct sync_item){.base_offset = segment->base_offset,
                               .end_offset = segment->end_offset,
                               .file = segment->pinned != NULL ? file_ref(segment->pinned) : NULL,
                               .sealed = segment != active};
        named = named || segment != active || segment->pinned == NULL;
    }
    if (named || log->directory_dirty || log->identity_dirty) {
        job->files.directory = memory_copy_text(log->files.directory, strlen(log->files.directory));
    }
    return job;
}

void log_sync_start(struct partition_log *log)
{
    const int64_t wanted = log->sync_wanted < log->written_end ? log->sync_wanted : log->written_end;
    int64_t target = log->durable_end;

    if (log->env == NULL || log->sync != NULL || log->failure != STATUS_OK || log->queued_count > 0 ||
        log->given_up) {
        return;
    }
    if (wanted > log->durable_end) {
        const int64_t active_base = log_active(log)->base_offset;

        target = wanted > active_base ? log->written_end : active_base;
    }
    if (target == log->durable_end &&
        (!log->settle_wanted || log->settled_end >= log_active(log)->base_offset)) {
        return;
    }
    log->sync = sync_job_create(log, target);
    log->settle_wanted = false;
    log->rolled_ms = 0;
    if (log->epochs_dirty && log->sync->count > 0 && log->sync->items[0].sealed) {
        epoch_cache_encode(&log->epochs, &log->sync->epochs);
        log->epochs_dirty = false;
    }
    log->sync->directory = log->directory_dirty;
    log->sync->identity = log->identity_dirty;
    log->directory_dirty = false;
    log->identity_dirty = false;
    env_submit(log->env, ENV_LANE_SYNC, &log->sync->job);
}

void log_settle_after_roll(struct partition_log *log, int64_t base)
{
    if (log->config.durability == DURABILITY_MEMORY) {
        log->rolled_ms = log->rolled_ms > 0 ? log->rolled_ms : log_now(log);
        return;
    }
    /* The recovery point may pass the old segment only after it is synced, so get it over with. */
    log->sync_wanted = base;
    log->settle_wanted = true;
    log_sync_start(log);
}

void log_settle_aged(struct partition_log *log, int64_t now_ms)
{
    const int64_t active_base = log_active(log)->base_offset;

    if (now_ms < log->rolled_ms) {
        log->rolled_ms = now_ms; /* the clock was put back */
    }
    if (log->settled_end < active_base && log->rolled_ms > 0 &&
        (now_ms - log->rolled_ms >= SETTLE_AFTER_MS || log->config.durability != DURABILITY_MEMORY)) {
        log->rolled_ms = 0;
        log->settle_wanted = true;
        log->sync_wanted = log->sync_wanted > active_base ? log->sync_wanted : active_base;
    }
}

void log_sync_orphan(struct partition_log *log)
{
    if (log->sync != NULL) {
        __atomic_store_n(&log->sync->orphaned, true, __ATOMIC_RELEASE);
        log->sync->log = NULL;
        log->sync = NULL;
    }
}

void partition_log_sync(struct partition_log *log, struct log_sync *sync)
{
    ASSERT(log->env != NULL);
    ASSERT(sync->offset >= 0);
    list_init(&sync->link);
    list_append(&log->waiters, &sync->link);
    if (log->failure != STATUS_OK || sync->offset <= log->durable_end) {
        log_sync_finish(log, sync);
        return;
    }
    if (sync->offset > log->sync_wanted) {
        log->sync_wanted = sync->offset;
    }
    log_sync_start(log);
}

void partition_log_give_up(struct partition_log *log)
{
    log->given_up = true;
    if (log->sync == NULL) {
        log_sync_told(log);
    }
}

void log_sync_cut(struct partition_log *log, int64_t offset)
{
    struct list *link = log->waiters.next;

    if (log->sync != NULL && log->sync->target > offset) {
        log->sync->target = offset;
    }
    if (log->sync != NULL && log->sync->settled > offset) {
        log->sync->settled = offset;
    }
    if (log->settled_end > offset) {
        log->settled_end = offset;
    }
    if (log->durable_end > offset) {
        log->durable_end = offset;
    }
    if (log->sync_wanted > offset) {
        log->sync_wanted = offset;
    }
    while (link != &log->waiters) {
        struct log_sync *sync = LIST_ENTRY(link, struct log_sync, link);

        link = link->next;
        if (sync->offset > offset) {
            sync->offset = LOG_SYNC_CUT;
            log_sync_finish(log, sync);
        }
    }
}

void log_fail(struct partition_log *log, enum status status)
{
    if (log->failure != STATUS_OK) {
        return;
    }
    log->failure = status;
    log->queued_count = 0;
    log->queued_size = 0;
    log->log_end = log->written_end;
    if (log->env != NULL) {
        log_sync_told(log);
        env_at_turn_end(log->env, &log->hook);
    }
}

void log_hook_run(void *context)
{
    struct partition_log *log = context;
    struct list *link;

    while ((link = list_take_first(&log->finished)) != NULL) {
        struct log_sync *sync = LIST_ENTRY(link, struct log_sync, link);
        enum status status = STATUS_OK;

        if (log->failure != STATUS_OK) {
            status = STATUS_IO;
        } else if (sync->offset == LOG_SYNC_CUT) {
            status = STATUS_OUT_OF_RANGE;
        } else if (sync->offset > log->durable_end) {
            status = STATUS_CLOSED;
        }
        sync->done(sync, status);
    }
    if (log->failure != STATUS_OK && !log->failure_told) {
        log->failure_told = true;
        if (log->failed != NULL) {
            log->failed(log->failed_context, log->failure);
        }
    }
}

enum status log_write_epochs(struct partition_log *log)
{
    UNINITIALIZED char path[DISK_PATH_MAX];
    struct buffer text;
    enum status status;

    if (!log->epochs_dirty || !log->made) {
        return STATUS_OK;
    }
    if (log->sync != NULL && log->sync->epochs.size > 0) {
        return STATUS_BUSY; /* a worker is at the file with what was true before */
    }
    buffer_init(&text);
    epoch_cache_encode(&log->epochs, &text);
    log_file_path(&log->files, EPOCH_FILE_NAME, path);
    status = disk_replace_file(log->files.disk, path, buffer_bytes(&text));
    buffer_deinit(&text);
    log->epochs_dirty = status != STATUS_OK;
    return status;
}
