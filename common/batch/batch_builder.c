/* Builds a record batch. The records are written behind room for the header, so that an uncompressed batch is
 * finished in place; a compressed one is put together in a second buffer. */
#include "common/batch/batch_builder.h"

#include "common/base/assert.h"

struct batch_options batch_options_default(void)
{
    return (struct batch_options){
        .partition_leader_epoch = -1,
        .append_time = TIMESTAMP_NONE,
        .delete_horizon = TIMESTAMP_NONE,
        .producer_id = PRODUCER_ID_NONE,
        .producer_epoch = -1,
        .base_sequence = -1,
        .size_max = COMPRESSION_SIZE_MAX,
    };
}

void batch_builder_init(struct batch_builder *builder, const struct batch_options *options)
{
    buffer_init(&builder->records);
    buffer_init(&builder->finished);
    batch_builder_reset(builder, options);
}

void batch_builder_deinit(struct batch_builder *builder)
{
    buffer_deinit(&builder->records);
    buffer_deinit(&builder->finished);
}

static void header_reserve(struct buffer *buffer)
{
    buffer_clear(buffer);
    memset(buffer_reserve(buffer, RECORD_BATCH_HEADER_SIZE), 0, RECORD_BATCH_HEADER_SIZE);
    buffer->size = RECORD_BATCH_HEADER_SIZE;
}

void batch_builder_reset(struct batch_builder *builder, const struct batch_options *options)
{
    ASSERT(options->base_offset >= 0);
    ASSERT(options->size_max >= RECORD_BATCH_HEADER_SIZE);
    ASSERT(options->size_max <= COMPRESSION_SIZE_MAX);
    ASSERT(compression_level_valid(options->compression, options->compression_level) ||
           options->compression == COMPRESSION_NONE);
    builder->options = *options;
    builder->record_count = 0;
    builder->last_offset_delta = -1;
    builder->base_timestamp = options->delete_horizon;
    builder->max_timestamp = TIMESTAMP_NONE;
    header_reserve(&builder->records);
    buffer_clear(&builder->finished);
}

enum status batch_builder_append(struct batch_builder *builder, const struct record_draft *draft)
{
    return batch_builder_append_at(builder, builder->options.base_offset + builder->last_offset_delta + 1, draft);
}

enum status batch_builder_append_at(struct batch_builder *builder, int64_t offset, const struct record_draft *draft)
{
    const int64_t offset_delta = offset - builder->options.base_offset;
    int64_t timestamp_delta = 0;

    ASSERT(offset_delta > builder->last_offset_delta);
    if (offset_delta > INT32_MAX) {
        return STATUS_FULL;
    }
    if (builder->record_count > 0 || builder->options.delete_horizon != TIMESTAMP_NONE) {
        timestamp_delta = timestamp_difference(draft->timestamp, builder->base_timestamp);
    }
    if (record_size(draft, timestamp_delta, (int32_t)offset_delta) >
        builder->options.size_max - batch_builder_size(builder)) {
        return STATUS_FULL;
    }
    if (builder->record_count == 0 && builder->options.delete_horizon == TIMESTAMP_NONE) {
        builder->base_timestamp = draft->timestamp;
    }
    if (draft->timestamp > builder->max_timestamp) {
        builder->max_timestamp = draft->timestamp;
    }
    record_write(draft, timestamp_delta, (int32_t)offset_delta, &builder->records);
    builder->last_offset_delta = (int32_t)offset_delta;
    builder->record_count++;
    return STATUS_OK;
}

void batch_builder_extend(struct batch_builder *builder, int64_t offset, int64_t max_timestamp)
{
    const int64_t offset_delta = offset - builder->options.base_offset;

    ASSERT(offset_delta >= builder->last_offset_delta);
    ASSERT(offset_delta >= 0 && offset_delta <= INT32_MAX);
    builder->last_offset_delta = (int32_t)offset_delta;
    if (max_timestamp > builder->max_timestamp) {
        builder->max_timestamp = max_timestamp;
    }
}

static uint16_t header_attributes(const struct batch_options *options, enum compression compression)
{
    unsigned attributes = (unsigned)compression;

    attributes |= options->append_time != TIMESTAMP_NONE ? BATCH_LOG_APPEND_TIME : 0U;
    attributes |= options->transactional ? BATCH_TRANSACTIONAL : 0U;
    attributes |= options->control ? BATCH_CONTROL : 0U;
    attributes |= options->delete_horizon != TIMESTAMP_NONE ? BATCH_DELETE_HORIZON : 0U;
    return (uint16_t)attributes;
}

/* Writes all of the header but the checksum. */
static void header_write(const struct batch_builder *builder, enum compression compression, struct space batch)
{
    const struct batch_options *options = &builder->options;
    struct batch_header header = {
        .base_offset = options->base_offset,
        .batch_length = (int32_t)(batch.size - RECORD_BATCH_OVERHEAD),
        .partition_leader_epoch = options->partition_leader_epoch,
        .magic = RECORD_BATCH_MAGIC,
        .attributes = header_attributes(options, compression),
        .last_offset_delta = builder->last_offset_delta,
        .base_timestamp = builder->base_timestamp,
        .max_timestamp = options->append_time != TIMESTAMP_NONE ? options->append_time : builder->max_timestamp,
        .producer_id = options->producer_id,
        .producer_epoch = options->producer_epoch,
        .base_sequence = options->base_sequence,
        .record_count = builder->record_count,
    };

    batch_header_write(&header, batch);
}

struct space batch_builder_finish(struct batch_builder *builder)
{
    /* A batch that compaction emptied has no bytes to compress. */
    const enum compression compression =
        builder->record_count > 0 ? builder->options.compression : COMPRESSION_NONE;
    struct buffer *buffer = &builder->records;

    ASSERT(builder->last_offset_delta >= 0);
    if (compression != COMPRESSION_NONE) {
        const struct bytes records = bytes_of(builder->records.data + RECORD_BATCH_HEADER_SIZE,
                                              builder->records.size - RECORD_BATCH_HEADER_SIZE);

        buffer = &builder->finished;
        header_reserve(buffer);
        compression_encode(builder->options.context, compression, builder->options.compression_level, records, buffer);
        ASSERT(buffer->size <= COMPRESSION_SIZE_MAX);
    }
    const struct space batch = {buffer->data, buffer->size};

    header_write(builder, compression, batch);
    batch_set_crc(batch);
    return batch;
}
