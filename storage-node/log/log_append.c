/* Appending: check, assign, queue, and at the turn's end one vectored write. A roll in the middle of a turn writes what
 * is queued first, so a queue always belongs to the active segment and a snapshot shows written batches only.
 *
 *     partition_log_append ... partition_log_append ...   partition_log_flush
 *        log_end moves            log_end moves              written_end catches up
 *
 * A turn that queues much writes in between, too.
 *
 * A write that fails for want of space or descriptors undoes the turn: the file is cut back, producers and log end are
 * as before. Any other failure takes the log offline (KAFKA-10778: nothing is accepted behind an unknown write). */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"
#include "common/base/uuid.h"
#include "common/batch/control_record.h"
#include "common/env/disk.h"

#define QUEUE_CAPACITY_MIN 4
/* More than so many bytes do not wait for the turn's end: they would have left the processor's caches by then. */
#define QUEUE_SIZE_MAX (256U << 10)

bool log_failure_passes(enum status status)
{
    /* BUSY: a deleted topic of the same name still has the directory. */
    return status == STATUS_NO_SPACE || status == STATUS_NO_DESCRIPTORS || status == STATUS_BUSY;
}

int64_t log_segment_ms(const struct partition_log *log, const struct segment *segment)
{
    const struct log_config *config = &log->config;
    const int64_t range =
        config->segment_jitter_ms < config->segment_ms ? config->segment_jitter_ms : config->segment_ms;
    uint64_t spread;

    if (range <= 0) {
        return config->segment_ms;
    }
    /* From the segment's identity instead of chance: the same after a restart. */
    spread = hash_bytes(log->topic_id.data, sizeof(log->topic_id.data)) ^ hash_u64((uint64_t)segment->base_offset) ^
             hash_u64((uint64_t)log->partition + 1);
    return config->segment_ms - (int64_t)(hash_u64(spread) % (uint64_t)range);
}

static bool log_indexes_full(struct partition_log *log, struct segment *segment)
{
    const uint32_t bytes_max = log->config.segment_index_bytes;
    uint32_t offsets;
    uint32_t times;

    if (index_file_count(&log->files, &segment->offsets.file, &offsets) != STATUS_OK ||
        index_file_count(&log->files, &segment->times.file, &times) != STATUS_OK) {
        return false;
    }
    /* One time entry is kept free for the seal. */
    return offsets >= bytes_max / OFFSET_INDEX_ENTRY_SIZE || times + 1 >= bytes_max / TIME_INDEX_ENTRY_SIZE;
}

/* True if the batch belongs into a new segment. */
static bool log_must_roll(struct partition_log *log, const struct batch_header *header, int64_t last_offset)
{
    struct segment *segment = log_active(log);
    const uint64_t used = segment->size + log->queued_size;
    const uint64_t size_max =
        log->config.segment_bytes < SEGMENT_SIZE_MAX ? log->config.segment_bytes : SEGMENT_SIZE_MAX;
    int64_t first;

    if (last_offset - segment->base_offset > INT32_MAX) {
        return true;
    }
    if (used == 0) {
        return false;
    }
    if (used + batch_size(header) > size_max || log_indexes_full(log, segment)) {
        return true;
    }
    if (segment->size == 0) {
        first = log->queued[0].max_timestamp;
    } else if (segment_load_first_timestamp(&log->files, segment) == STATUS_OK) {
        first = segment->first_timestamp;
    } else {
        return false;
    }
    if (first <= TIMESTAMP_NONE || header->max_timestamp <= TIMESTAMP_NONE) {
        return log_now(log) - segment->created_ms > log_segment_ms(log, segment);
    }
    return header->max_timestamp > first && header->max_timestamp - first > log_segment_ms(log, segment);
}

void log_preallocate(struct partition_log *log, struct file *file)
{
    if (log->config.preallocate) {
        /* Only a help against fragmentation: blocks are reserved, the size stays what was written. */
        (void)!file_allocate(file, 0, log->config.segment_bytes);
    }
}

enum status log_add_segment(struct partition_log *log, int64_t base_offset, int64_t now_ms)
{
    struct segment *segment = segment_create(base_offset, now_ms);

    if (!log_spare_take(log, segment)) {
        struct file *file;
        enum status status = segment_open(&log->files, segment, FILE_CREATE | FILE_EXCLUSIVE, &file);

        if (status != STATUS_OK) {
            segment_destroy(&log->files, segment);
            return status;
        }
        log_preallocate(log, file);
    }
    segment->offsets.file.stored = 0;
    segment->times.file.stored = 0;
    log->directory_dirty = true;
    log_segments_push(log, segment);
    return STATUS_OK;
}

/* Forgets the empty segment that was the active one: its base was too far from what came. */
static enum status log_drop_empty(struct partition_log *log)
{
    struct segment *segment = log->segments[log->segment_count - 2];
    enum status status = STATUS_OK;

    ASSERT(segment->size == 0);
    for (int part = SEGMENT_LOG; part <= SEGMENT_TXN_INDEX && status == STATUS_OK; part++) {
        UNINITIALIZED char path[DISK_PATH_MAX];

        segment_path(&log->files, segment->base_offset, (enum segment_part)part, "", path);
        status = disk_remove(log->files.disk, path);
        if (status == STATUS_NOT_FOUND) {
            status = STATUS_OK;
        }
    }
    log->segments[log->segment_count - 2] = log_active(log);
    log->segment_count--;
    segment_destroy(&log->files, segment);
    return status;
}

/* Makes durable what lies in front of a segment that is about to begin behind a hole, blocking: nothing else tells
 * recovery such a hole from a lost piece. */
static enum status log_sync_before_leap(struct partition_log *log)
{
    size_t i = log->segment_count;
    enum status status;

    while (i > 0 && log->segments[i - 1]->size == 0) {
        i--;
    }
    if (i == 0) {
        return STATUS_OK;
    }
    status = segment_sync(&log->files, log->segments[i - 1]);
    if (status == STATUS_OK) {
        status = disk_sync_directory(log->files.disk, log->files.directory);
    }
    return status == STATUS_OK ? STATUS_OK : STATUS_IO;
}

enum status log_roll(struct partition_log *log, int64_t base_offset)
{
    const int64_t base = base_offset > log->log_end ? base_offset : log->log_end;
    enum status status = partition_log_flush(log);
    const bool empty = log_active(log)->size == 0;
    const bool busy = log_is_busy(log, log_now(log));

    if (status == STATUS_OK) {
        status = log_make(log);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (empty && log_active(log)->base_offset == base) {
        return STATUS_OK;
    }
    if (!empty) {
        status = segment_seal(&log->files, log_active(log));
        if (status == STATUS_OK) {
            status = log_write_snapshot(log, base);
            /* A snapshot only saves time at the next start. */
            status = log_failure_passes(status) ? STATUS_OK : status;
        }
    }
    if (status == STATUS_OK && base > log->log_end) {
        status = log_sync_before_leap(log);
    }
    if (status == STATUS_OK) {
        status = log_add_segment(log, base, log_now(log));
    }
    if (status == STATUS_OK && busy) {
        segment_make_indexes(&log->files, log_active(log));
    }
    if (status == STATUS_OK && empty) {
        status = log_drop_empty(log);
    }
    if (status != STATUS_OK) {
        return status;
    }
    memory_free(log->tail);
    log->tail = NULL;
    log_settle_after_roll(log, base);
    return STATUS_OK;
}

void log_note_producer(struct partition_log *log, const struct batch_header *header, struct bytes batch,
                       int64_t base_offset, int64_t now_ms)
{
    struct completed_transaction completed;
    struct record_iterator iterator;
    struct control_record control;
    struct record record;

    if (!batch_has_producer(header)) {
        return;
    }
    if (!header->control) {
        producer_state_note(&log->producers, header, base_offset, now_ms);
        return;
    }
    if (header->compression != COMPRESSION_NONE || batch.size < RECORD_BATCH_HEADER_SIZE) {
        return;
    }
    record_iterator_init(&iterator, header,
                         bytes_of(batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE));
    if (record_next(&iterator, &record) != STATUS_OK || control_record_read(&record, &control) != STATUS_OK ||
        (control.type != CONTROL_ABORT && control.type != CONTROL_COMMIT)) {
        return;
    }
    if (producer_state_note_marker(&log->producers, header, base_offset,
                                   control.type == CONTROL_COMMIT ? MARKER_COMMIT : MARKER_ABORT,
                                   control.coordinator_epoch, now_ms, &completed)) {
        log_transaction_completed(log, &completed);
    }
}

static void log_queue_push(struct partition_log *log, struct bytes batch, const struct queued_batch *queued)
{
    if (log->queued_count == log->queued_capacity) {
        log->queued_capacity = log->queued_capacity > 0 ? log->queued_capacity * 2 : QUEUE_CAPACITY_MIN;
        log->queued = memory_resize(log->queued, log->queued_capacity, sizeof(*log->queued));
        log->parts = memory_resize(log->parts, log->queued_capacity + LOG_ROOM_PARTS, sizeof(*log->parts));
    }
    log->queued[log->queued_count] = *queued;
    log->parts[log->queued_count] = batch;
    log->queued_count++;
    log->queued_size += batch.size;
}

/* Takes the queue back: as if the turn had appended nothing. */
static void log_queue_undo(struct partition_log *log)
{
    log->queued_count = 0;
    log->queued_size = 0;
    log->log_end = log->written_end;
    producer_state_rollback(&log->producers);
    log_transactions_cut(log, log->written_end);
    if (epoch_cache_truncate(&log->epochs, log->written_end + 1)) {
        log->epochs_dirty = true;
    }
}

/* Deals with a failed write or roll. */
static enum status log_turn_failed(struct partition_log *log, enum status status)
{
    log_queue_undo(log);
    if (!log_failure_passes(status)) {
        log_fail(log, status);
    }
    return status;
}

/* Queues a batch whose offsets are final in `header`. */
static enum status log_enqueue(struct partition_log *log, const struct batch_header *header, struct bytes batch)
{
    const int64_t last_offset = batch_last_offset(header);
    const struct queued_batch queued = {
        .base_offset = header->base_offset, .last_offset = last_offset, .max_timestamp = header->max_timestamp};

    if (log_must_roll(log, header, last_offset)) {
        /* The new segment begins at our end, also if the batch begins behind it: then segments never have a hole
         * between them, and recovery knows a lost piece when it sees one. Only a leap of 2^31 offsets starts at the
         * batch. */
        const bool leap = last_offset - log->log_end > INT32_MAX;
        enum status status = log_roll(log, leap ? header->base_offset : log->log_end);

        if (status != STATUS_OK) {
            log->turn_failure = log_turn_failed(log, status);
            return status;
        }
    }
    if (header->partition_leader_epoch > epoch_cache_latest(&log->epochs) &&
        epoch_cache_start(&log->epochs, header->partition_leader_epoch, header->base_offset)) {
        log->epochs_dirty = true;
    }
    log_note_producer(log, header, batch, header->base_offset, log_now(log));
    log_queue_push(log, batch, &queued);
    log->log_end = last_offset + 1;
    return STATUS_OK;
}

/* Writes a long queue now. A failure undoes the turn, and is told at its end. */
static enum status log_flush_long_queue(struct partition_log *log)
{
    if (log->queued_size >= QUEUE_SIZE_MAX) {
        log->turn_failure = partition_log_flush(log);
    }
    return log->turn_failure;
}

enum append_verdict partition_log_append(struct partition_log *log, struct space batch, int32_t leader_epoch,
                                         struct append_result *result)
{
    struct producer_batch duplicate;
    struct batch_header header;
    const enum status read = batch_header_read(bytes_of(batch.data, batch.size), &header);

    ASSERT(read == STATUS_OK);
    ASSERT(batch_size(&header) == batch.size);
    ASSERT(header.last_offset_delta >= 0);
    if (log->failure != STATUS_OK || log->turn_failure != STATUS_OK) {
        return APPEND_FAILED;
    }
    if (log->log_end > LOG_OFFSET_MAX - 1 - header.last_offset_delta) {
        return APPEND_FAILED; /* 2^63 offsets were never used up: a name or a leader was wrong once */
    }
    if (batch_has_producer(&header)) {
        const enum append_verdict verdict = producer_state_check(&log->producers, &header, &duplicate);

        if (verdict == APPEND_DUPLICATE) {
            result->base_offset = duplicate.last_offset - duplicate.offset_delta;
            result->last_offset = duplicate.last_offset;
            result->append_time_ms =
                header.timestamp_type == TIMESTAMP_LOG_APPEND_TIME ? duplicate.timestamp : TIMESTAMP_NONE;
        }
        if (verdict != APPEND_OK) {
            return verdict;
        }
    }
    header.base_offset = log->log_end;
    header.partition_leader_epoch = leader_epoch;
    if (log_enqueue(log, &header, bytes_of(batch.data, batch.size)) != STATUS_OK) {
        return APPEND_FAILED;
    }
    batch_assign(batch, header.base_offset, leader_epoch);
    result->base_offset = header.base_offset;
    result->last_offset = batch_last_offset(&header);
    result->append_time_ms =
        header.timestamp_type == TIMESTAMP_LOG_APPEND_TIME ? header.max_timestamp : TIMESTAMP_NONE;
    return log_flush_long_queue(log) == STATUS_OK ? APPEND_OK : APPEND_FAILED;
}

enum status partition_log_append_copy(struct partition_log *log, struct bytes batch)
{
    struct batch_header header;
    const enum status read = batch_header_read(batch, &header);
    enum status status;

    ASSERT(read == STATUS_OK);
    ASSERT(batch_size(&header) == batch.size);
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    if (log->turn_failure != STATUS_OK) {
        return log->turn_failure;
    }
    if (header.last_offset_delta < 0 || header.base_offset < log->log_end ||
        header.base_offset > LOG_OFFSET_MAX - 1 - header.last_offset_delta) {
        return STATUS_OUT_OF_RANGE;
    }
    status = log_enqueue(log, &header, batch);
    return status == STATUS_OK ? log_flush_long_queue(log) : status;
}

/* The tail with more room, in order from place 0 on. */
static struct log_tail *log_tail_grow(struct log_tail *tail)
{
    const uint32_t capacity = tail != NULL ? tail->capacity * 2 : TAIL_BATCHES_MIN;
    struct log_tail *grown = memory_alloc(sizeof(*grown) + capacity * sizeof(grown->batches[0]));

    grown->first = 0;
    grown->count = tail != NULL ? tail->count : 0;
    grown->capacity = capacity;
    for (uint32_t i = 0; i < grown->count; i++) {
        grown->batches[i] = tail->batches[(tail->first + i) % tail->capacity];
    }
    memory_free(tail);
    return grown;
}

/* Keeps the places of the newest batches. */
static void log_tail_push(struct partition_log *log, const struct segment *segment, const struct batch_place *place)
{
    struct log_tail *tail = log->tail;

    if (tail == NULL || (tail->count == tail->capacity && tail->capacity < TAIL_BATCHES_MAX)) {
        tail = log_tail_grow(tail);
        log->tail = tail;
    }
    if (tail->count == tail->capacity) {
        tail->first = (tail->first + 1) % tail->capacity;
        tail->count--;
    }
    tail->batches[(tail->first + tail->count) % tail->capacity] =
        (struct tail_batch){.base_offset = (int32_t)(place->base_offset - segment->base_offset),
                            .last_offset = (int32_t)(place->last_offset - segment->base_offset),
                            .position = place->position};
    tail->count++;
}

/* Takes note of what the write has put into the segment. Failing index entries are left out: they are hints. */
static enum status log_note_written(struct partition_log *log, struct segment *segment)
{
    enum status result = STATUS_OK;

    for (size_t i = 0; i < log->queued_count; i++) {
        const struct batch_place place = {.base_offset = log->queued[i].base_offset,
                                          .last_offset = log->queued[i].last_offset,
                                          .max_timestamp = log->queued[i].max_timestamp,
                                          .position = segment->size,
                                          .size = (uint32_t)log->parts[i].size};
        const enum status status = segment_note(&log->files, segment, &place, log->config.index_interval_bytes);

        if (status != STATUS_OK && !log_failure_passes(status)) {
            result = status;
        }
        log_tail_push(log, segment, &place);
    }
    return result;
}

/* Writes the queue behind the active segment's last batch. On failure the file may hold any part of it. */
static enum status log_write_queue(struct partition_log *log, struct segment *segment)
{
    struct file *file;
    enum status status = segment_open(&log->files, segment, 0, &file);

    if (status != STATUS_OK) {
        return status;
    }
    status = log_write_with_room(log, segment, file);
    if (status != STATUS_OK) {
        if (log_failure_passes(status)) {
            status = file_truncate(file, segment->size) == STATUS_OK ? status : STATUS_IO;
            segment->file_end = 0;
        }
        return status;
    }
    if (segment->pinned == NULL && log->config.durability == DURABILITY_FSYNC) {
        /* An error of writing back is told to descriptors that were open before it happened. */
        segment->pinned = file_ref(file);
    }
    return log_note_written(log, segment);
}

enum status partition_log_flush(struct partition_log *log)
{
    enum status status = log->turn_failure;

    log->turn_failure = STATUS_OK;
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    if (status != STATUS_OK || log->queued_count == 0) {
        return status;
    }
    status = log_make(log);
    /* Aborted transactions first: an entry whose marker is not there says nothing wrong, a missing one does. */
    if (status == STATUS_OK) {
        status = log_write_aborted(log, log_active(log)->base_offset, log->written_end, log->log_end);
    }
    if (status == STATUS_OK) {
        status = log_write_queue(log, log_active(log));
    }
    if (status != STATUS_OK) {
        return log_turn_failed(log, status);
    }
    producer_state_commit(&log->producers);
    log->append_ms = log_now(log);
    log->changed = true;
    if (log->written_end == log->durable_end) {
        log->dirty_since_ms = log->append_ms;
    }
    log->written_end = log->log_end;
    log->unsaved += log->queued_size;
    log->queued_count = 0;
    log->queued_size = 0;
    if (log->written_end - log->durable_end >= log->config.flush_messages) {
        log->sync_wanted = log->written_end;
    }
    log_sync_start(log);
    return STATUS_OK;
}
