/* Builds a record batch from records: for the controller's metadata log, coordinators, compaction, and producers of our
 * own. A builder holds the records uncompressed until batch_builder_finish; its memory is kept for the next batch. */
#ifndef BATCH_BATCH_BUILDER_H
#define BATCH_BATCH_BUILDER_H

#include "common/batch/record.h"

/* The header's fields that do not follow from the records. */
struct batch_options {
    int64_t base_offset;
    int32_t partition_leader_epoch;
    enum compression compression;
    int compression_level; /* valid for the codec; see compression_level_default */
    struct compression_context *context; /* borrowed while the options are in use; may be NULL */
    bool transactional;
    bool control;
    int64_t append_time;    /* if not TIMESTAMP_NONE: the time of all records, with type LogAppendTime */
    int64_t delete_horizon; /* if not TIMESTAMP_NONE: sets that flag, and this as base timestamp (KIP-534) */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    size_t size_max; /* of the batch before compression */
};

/* Offset 0, no leader epoch, uncompressed, create time, no producer, size up to COMPRESSION_SIZE_MAX. */
struct batch_options batch_options_default(void);

struct batch_builder {
    struct batch_options options;
    struct buffer records;  /* a header's room, then the records */
    struct buffer finished; /* the same compressed */
    int32_t record_count;
    int32_t last_offset_delta; /* -1 at the beginning */
    int64_t base_timestamp;    /* the first record's */
    int64_t max_timestamp;
};

void batch_builder_init(struct batch_builder *builder, const struct batch_options *options);
void batch_builder_deinit(struct batch_builder *builder);
/* Begins a new batch; forgets the old one, whose bytes are gone with that. */
void batch_builder_reset(struct batch_builder *builder, const struct batch_options *options);

/* Adds a record with the next offset. FULL if the batch would exceed size_max; then nothing changed. Copies the
 * bytes. */
MUST_USE enum status batch_builder_append(struct batch_builder *builder, const struct record_draft *draft);
/* The same with an offset of its own, greater than those before: for compaction, which keeps offsets. FULL also if it
 * is 2^31 or more behind the base offset. */
MUST_USE enum status batch_builder_append_at(struct batch_builder *builder, int64_t offset,
                                             const struct record_draft *draft);
/* Moves the last offset of the batch to `offset`, not before that of its last record, and raises the max timestamp. A
 * compacted batch keeps its range when its last records go, and even when all of them go. */
void batch_builder_extend(struct batch_builder *builder, int64_t offset, int64_t max_timestamp);

/* Bytes of the batch so far, uncompressed. */
static inline size_t batch_builder_size(const struct batch_builder *builder)
{
    return builder->records.size;
}

/* The finished batch, header and checksum set; it may be patched in place. Belongs to the builder until reset or
 * deinit. There must be a record, or a range from batch_builder_extend. */
struct space batch_builder_finish(struct batch_builder *builder);

#endif
