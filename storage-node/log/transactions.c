/* What read_committed consumers need of the log (KIP-98): how far it is decided, and which transactions were aborted.
 *
 * A completed transaction still holds the last stable offset back while its marker is above the high watermark: until
 * then a fail-over could take the marker away. */
#include "storage-node/log/log_state.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

void log_transaction_completed(struct partition_log *log, const struct completed_transaction *completed)
{
    const int64_t first_open = producer_state_first_open(&log->producers);

    if (log->completed_count == log->completed_capacity) {
        log->completed_capacity = log->completed_capacity > 0 ? log->completed_capacity * 2 : 4;
        log->completed = memory_resize(log->completed, log->completed_capacity, sizeof(*log->completed));
    }
    log->completed[log->completed_count] = *completed;
    log->completed[log->completed_count].last_stable_offset =
        first_open != OFFSET_NONE ? first_open : completed->marker_offset + 1;
    log->completed_count++;
}

void log_transactions_cut(struct partition_log *log, int64_t offset)
{
    while (log->completed_count > 0 && log->completed[log->completed_count - 1].marker_offset >= offset) {
        log->completed_count--;
    }
}

enum status log_write_aborted(struct partition_log *log, int64_t base_offset, int64_t from, int64_t to)
{
    struct segment *segment = log->segments[log_segment_at(log, base_offset)];
    size_t first = log->completed_count;
    enum status status = STATUS_OK;

    while (first > 0 && log->completed[first - 1].marker_offset >= from) {
        first--;
    }
    for (size_t i = first; i < log->completed_count && status == STATUS_OK; i++) {
        const struct completed_transaction *completed = &log->completed[i];
        const struct txn_index_entry entry = {.producer_id = completed->producer_id,
                                              .first_offset = completed->first_offset,
                                              .last_offset = completed->marker_offset,
                                              .last_stable_offset = completed->last_stable_offset};

        if (completed->marker_offset >= to) {
            break;
        }
        if (completed->aborted) {
            status = txn_index_append(&log->files, base_offset, &entry, 1);
            segment->aborted = TXN_INDEX_THERE;
            log->directory_dirty = true;
        }
    }
    return status;
}

int64_t partition_log_first_unstable(struct partition_log *log, int64_t high_watermark)
{
    int64_t first = producer_state_first_open(&log->producers);
    size_t decided = 0;

    while (decided < log->completed_count && log->completed[decided].marker_offset < high_watermark) {
        decided++;
    }
    if (decided > 0) {
        log->completed_count -= decided;
        memmove(log->completed, log->completed + decided, log->completed_count * sizeof(*log->completed));
    }
    for (size_t i = 0; i < log->completed_count; i++) {
        if (first == OFFSET_NONE || log->completed[i].first_offset < first) {
            first = log->completed[i].first_offset;
        }
    }
    return first;
}

enum status partition_log_aborted(struct partition_log *log, int64_t from, int64_t to,
                                  void (*each)(void *context, int64_t producer_id, int64_t first_offset), void *context)
{
    if (log->failure != STATUS_OK) {
        return log->failure;
    }
    for (size_t i = log_segment_at(log, from); i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        struct txn_index_entry *entries;
        bool complete = false;
        size_t count;
        enum status status;

        if (segment->aborted == TXN_INDEX_MISSING) {
            continue;
        }
        status = txn_index_read(&log->files, segment->base_offset, &entries, &count);
        if (status != STATUS_OK) {
            return status;
        }
        segment->aborted = entries != NULL ? TXN_INDEX_THERE : TXN_INDEX_MISSING;
        for (size_t k = 0; k < count && !complete; k++) {
            if (entries[k].last_offset >= from && entries[k].first_offset < to) {
                each(context, entries[k].producer_id, entries[k].first_offset);
            }
            /* From here on no marker can tell of a transaction that began below this offset. */
            complete = entries[k].last_stable_offset >= to;
        }
        memory_free(entries);
        if (complete) {
            break;
        }
    }
    return STATUS_OK;
}
