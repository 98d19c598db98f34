/* From a topic's effective configs to what its logs do. */
#include "storage-node/replica/topic_log.h"

void topic_log_config(const struct topic_config *topic, int64_t producer_expiry_ms, struct log_config *log)
{
    *log = (struct log_config){
        .segment_bytes = (uint32_t)topic->segment_bytes,
        .segment_ms = topic->segment_ms,
        .segment_jitter_ms = topic->segment_jitter_ms,
        .segment_index_bytes = (uint32_t)topic->segment_index_bytes,
        .index_interval_bytes = (uint32_t)topic->index_interval_bytes,
        .retention_ms = topic->retention_ms,
        .retention_bytes = topic->retention_bytes,
        .file_delete_delay_ms = topic->file_delete_delay_ms,
        .flush_messages = topic->flush_messages,
        .flush_ms = topic->flush_ms,
        .delete_old = topic->cleanup_delete,
        .compact = topic->cleanup_compact,
        .preallocate = topic->preallocate,
        .producer_expiry_ms = producer_expiry_ms,
    };
    switch (topic->durability) {
    case TOPIC_DURABILITY_FSYNC:
        log->durability = DURABILITY_FSYNC;
        break;
    case TOPIC_DURABILITY_INTERVAL:
        log->durability = DURABILITY_INTERVAL;
        break;
    case TOPIC_DURABILITY_MEMORY:
        log->durability = DURABILITY_MEMORY;
        break;
    }
}
