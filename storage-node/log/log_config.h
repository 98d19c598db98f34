/* What a partition's log does, as its topic's effective configs say. A value type: the owner copies it in and may
 * replace it at any time (partition_log_configure). Names, units and defaults are Kafka's topic configs. */
#ifndef LOG_LOG_CONFIG_H
#define LOG_LOG_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

/* When an append counts as kept. */
enum durability {
    DURABILITY_FSYNC,    /* the default: the high watermark and acks=all wait for fdatasync (group commit) */
    DURABILITY_INTERVAL, /* synced every flush.messages or flush.ms; answered from the page cache */
    DURABILITY_MEMORY    /* synced half a minute after a segment rolled, and at shutdown */
};

struct log_config {
    enum durability durability;
    uint32_t segment_bytes;         /* segment.bytes */
    int64_t segment_ms;             /* segment.ms */
    int64_t segment_jitter_ms;      /* segment.jitter.ms: each segment rolls earlier by a part of it */
    uint32_t segment_index_bytes;   /* segment.index.bytes */
    uint32_t index_interval_bytes;  /* index.interval.bytes */
    int64_t retention_ms;           /* retention.ms, -1: no limit */
    int64_t retention_bytes;        /* retention.bytes, -1: no limit */
    int64_t file_delete_delay_ms;   /* file.delete.delay.ms */
    int64_t flush_messages;         /* flush.messages */
    int64_t flush_ms;               /* flush.ms */
    bool delete_old;                /* cleanup.policy contains delete */
    bool compact;                   /* cleanup.policy contains compact */
    bool preallocate;               /* preallocate */
    int64_t producer_expiry_ms;     /* producer.id.expiration.ms: an idle producer's window is forgotten after it */
};

#endif
