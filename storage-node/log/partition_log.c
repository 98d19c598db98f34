/* Lifecycle and queries of a partition's log. The invariants are in partition_log.h, the map of files in
 * log_state.h. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

/* What a partition at rest may take, its name, epochs and allocator's overhead beside it. */
_Static_assert(sizeof(struct partition_log) + sizeof(struct segment) <= 1400, "a partition at rest is small");

int64_t log_now(const struct partition_log *log)
{
    return log->env != NULL ? env_wall_ms(log->env) : 0;
}

size_t log_segment_at(const struct partition_log *log, int64_t offset)
{
    size_t low = 0;
    size_t high = log->segment_count;

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (log->segments[middle]->base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

void log_segments_push(struct partition_log *log, struct segment *segment)
{
    if (log->segment_count > 0) {
        ASSERT(segment->base_offset > log_active(log)->base_offset);
        log->sealed_size += log_active(log)->size;
    }
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity > 0 ? log->segment_capacity * 2 : 1;
        log->segments = memory_resize(log->segments, log->segment_capacity, sizeof(*log->segments));
    }
    log->segments[log->segment_count++] = segment;
}

void log_forget_places(struct partition_log *log)
{
    memory_free(log->tail);
    memory_free(log->hints);
    log->tail = NULL;
    log->hints = NULL;
}

void log_free(struct partition_log *log)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        segment_destroy(&log->files, log->segments[i]);
    }
    memory_free(log->segments);
    memory_free(log->queued);
    memory_free(log->parts);
    memory_free(log->tail);
    memory_free(log->hints);
    memory_free(log->completed);
    log_spare_forget(log);
    log_front_job_forget(log);
    memory_free(log->deleted);
    epoch_cache_deinit(&log->epochs);
    producer_state_deinit(&log->producers);
    memory_free(log->files.directory);
    memory_free(log);
}

void partition_log_attach(struct partition_log *log, struct env *env, struct file_cache *cache,
                          void (*failed)(void *context, enum status status), void *context)
{
    ASSERT(log->env == NULL);
    log->env = env;
    log->files.cache = cache;
    log->failed = failed;
    log->failed_context = context;
}

void partition_log_detach(struct partition_log *log)
{
    ASSERT(partition_log_idle(log));
    ASSERT(!partition_log_syncing(log));
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];

        file_cache_drop(log->files.cache, &segment->slot);
        file_cache_drop(log->files.cache, &segment->offsets.file.slot);
        file_cache_drop(log->files.cache, &segment->times.file.slot);
    }
    env_hook_cancel(&log->hook);
    log->env = NULL;
    log->files.cache = NULL;
}

void partition_log_close(struct partition_log *log)
{
    if (log == NULL) {
        return;
    }
    ASSERT(log->queued_count == 0);
    ASSERT(list_empty(&log->waiters));
    ASSERT(list_empty(&log->finished));
    env_hook_cancel(&log->hook);
    log_sync_orphan(log);
    log_free(log);
}

bool partition_log_idle(const struct partition_log *log)
{
    return list_empty(&log->waiters) && list_empty(&log->finished) && log->queued_count == 0 &&
           (log->failure == STATUS_OK || log->failure_told || log->failed == NULL);
}

bool partition_log_syncing(const struct partition_log *log)
{
    return log->sync != NULL;
}

bool partition_log_made(const struct partition_log *log)
{
    return log->directory_made;
}

bool partition_log_quiet(const struct partition_log *log)
{
    const bool to_flush = log->written_end > log->durable_end && log->config.flush_ms < INT64_MAX;

    if (log->failure != STATUS_OK) {
        return true;
    }
    return log->tail == NULL && log->deleted_count == 0 && log->spare_count == 0 && log->spare_job == NULL &&
           log->queued_count == 0 && !to_flush && list_empty(&log->waiters) &&
           log->settled_end >= log_active(log)->base_offset;
}

char *partition_log_copy_directory(const struct partition_log *log)
{
    return memory_copy_text(log->files.directory, strlen(log->files.directory));
}

bool partition_log_dirty(const struct partition_log *log)
{
    return log->queued_count > 0 || log->turn_failure != STATUS_OK;
}

void partition_log_start_epoch(struct partition_log *log, int32_t leader_epoch)
{
    if (leader_epoch > epoch_cache_latest(&log->epochs) &&
        epoch_cache_start(&log->epochs, leader_epoch, log->log_end)) {
        /* Written when the segment is closed: until then recovery finds the epoch in the batches. */
        log->epochs_dirty = true;
    }
}

int32_t partition_log_latest_epoch(const struct partition_log *log)
{
    return epoch_cache_latest(&log->epochs);
}

void partition_log_epoch_end(const struct partition_log *log, int32_t leader_epoch, int32_t *epoch, int64_t *end_offset)
{
    struct epoch_start end = {.epoch = EPOCH_NONE, .offset = OFFSET_NONE};

    if (!epoch_cache_end(&log->epochs, leader_epoch, log->log_end, &end)) {
        end = (struct epoch_start){.epoch = EPOCH_NONE, .offset = OFFSET_NONE};
    }
    *epoch = end.epoch;
    *end_offset = end.offset;
}

int32_t partition_log_epoch_of(const struct partition_log *log, int64_t offset)
{
    return epoch_cache_of(&log->epochs, offset);
}

int64_t partition_log_start_offset(const struct partition_log *log)
{
    return log->log_start;
}

int64_t partition_log_end_offset(const struct partition_log *log)
{
    return log->log_end;
}

int64_t partition_log_written_end(const struct partition_log *log)
{
    return log->written_end;
}

int64_t partition_log_durable_end(const struct partition_log *log)
{
    return log->durable_end;
}

uint64_t partition_log_size(const struct partition_log *log)
{
    /* A restart that failed half-way leaves a log offline and without segments. */
    return log->segment_count > 0 ? log->sealed_size + log_active(log)->size : 0;
}

size_t partition_log_segment_count(const struct partition_log *log)
{
    return log->segment_count;
}

struct uuid partition_log_topic_id(const struct partition_log *log)
{
    return log->topic_id;
}

uint64_t partition_log_cut_bytes(const struct partition_log *log)
{
    return log->cut_bytes;
}

enum status partition_log_failure(const struct partition_log *log)
{
    return log->failure;
}

void partition_log_configure(struct partition_log *log, const struct log_config *config)
{
    log->config = *config;
}

const struct log_config *partition_log_config(const struct partition_log *log)
{
    return &log->config;
}

void partition_log_producers(const struct partition_log *log,
                             void (*each)(void *context, const struct producer_view *producer), void *context)
{
    const struct producer *producer;
    size_t at = 0;

    while ((producer = map_next(&log->producers.producers, &at)) != NULL) {
        struct producer_view view = {.producer_id = producer->id,
                                     .producer_epoch = producer->epoch,
                                     .last_sequence = SEQUENCE_NONE,
                                     .last_timestamp_ms = producer->last_timestamp,
                                     .last_offset = OFFSET_NONE,
                                     .coordinator_epoch = producer->coordinator_epoch,
                                     .txn_first_offset = producer->txn_first_offset};

        if (producer->batch_count > 0) {
            view.last_sequence = producer->batches[producer->batch_count - 1].last_sequence;
            view.last_offset = producer->batches[producer->batch_count - 1].last_offset;
        }
        each(context, &view);
    }
}
