/* Topic configs applied to a produced batch. */
#include "storage-node/server/convert.h"

#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/batch/compression.h"
#include "common/batch/record.h"

/* a - b and a + b of non-negative b, held within int64. */
static int64_t time_before(int64_t time_ms, int64_t span_ms)
{
    return time_ms < INT64_MIN + span_ms ? INT64_MIN : time_ms - span_ms;
}

static int64_t time_after(int64_t time_ms, int64_t span_ms)
{
    return time_ms > INT64_MAX - span_ms ? INT64_MAX : time_ms + span_ms;
}

struct batch_limits topic_batch_limits(const struct topic_config *config, int64_t now_ms)
{
    struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);

    limits.size_max = (size_t)config->max_message_bytes;
    limits.decompressed_size_max = (size_t)config->max_decompressed_message_bytes;
    limits.key_required = config->cleanup_compact;
    if (!config->message_timestamp_append) {
        limits.timestamp_min = time_before(now_ms, config->message_timestamp_before_max_ms);
        limits.timestamp_max = time_after(now_ms, config->message_timestamp_after_max_ms);
    }
    return limits;
}

static int compression_level_of(const struct topic_config *config)
{
    switch (config->compression_type) {
    case TOPIC_COMPRESSION_GZIP:
        return config->compression_gzip_level;
    case TOPIC_COMPRESSION_LZ4:
        return config->compression_lz4_level;
    case TOPIC_COMPRESSION_ZSTD:
        return config->compression_zstd_level;
    case TOPIC_COMPRESSION_PRODUCER:
    case TOPIC_COMPRESSION_NONE:
    case TOPIC_COMPRESSION_SNAPPY:
        break;
    }
    return 0;
}

/* The batch with its records under another codec. Everything else of it stays, the checksum is new. */
static enum batch_error batch_recompress(const struct topic_config *config, const struct batch_limits *limits,
                                         const struct batch_header *header, struct bytes batch, struct batch_copy *copy)
{
    struct buffer scratch;
    struct buffer stored;
    struct bytes records;
    struct batch_header stored_header = *header;
    enum batch_error error;

    buffer_init(&scratch);
    buffer_init(&stored);
    error = batch_validate_records(batch, header, limits, NULL, &scratch, NULL);
    if (error == BATCH_ERROR_NONE &&
        batch_records(batch, header, NULL, limits->decompressed_size_max, &scratch, &records) != STATUS_OK) {
        error = BATCH_ERROR_COMPRESSED_DATA;
    }
    if (error != BATCH_ERROR_NONE) {
        buffer_deinit(&scratch);
        return error;
    }
    buffer_append(&stored, batch.data, RECORD_BATCH_HEADER_SIZE);
    if (config->compression_type == TOPIC_COMPRESSION_NONE) {
        buffer_append(&stored, records.data, records.size);
    } else {
        compression_encode(NULL, (enum compression)config->compression_type, compression_level_of(config), records,
                           &stored);
    }
    stored_header.attributes =
        (uint16_t)((header->attributes & ~(unsigned)BATCH_COMPRESSION_MASK) | (unsigned)config->compression_type);
    stored_header.batch_length = (int32_t)(stored.size - RECORD_BATCH_OVERHEAD);
    batch_header_write(&stored_header, (struct space){stored.data, stored.size});
    batch_set_crc((struct space){stored.data, stored.size});
    buffer_deinit(&scratch);
    copy->data = stored.data;
    copy->size = stored.size;
    if (copy->size > (size_t)config->max_message_bytes) {
        batch_copy_free(copy);
        return BATCH_ERROR_TOO_LARGE;
    }
    return BATCH_ERROR_NONE;
}

static bool batch_is_recompressed(const struct topic_config *config, const struct batch_header *header)
{
    return config->compression_type != TOPIC_COMPRESSION_PRODUCER &&
           (unsigned)config->compression_type != header->compression;
}

bool batch_needs_conversion(const struct topic_config *config, const struct batch_header *header)
{
    return batch_is_recompressed(config, header) || config->cleanup_compact;
}

void batch_stamp(const struct topic_config *config, int64_t now_ms, struct space batch)
{
    if (config->message_timestamp_append) {
        batch_set_timestamp(batch, TIMESTAMP_LOG_APPEND_TIME, now_ms);
    }
}

enum batch_error batch_convert(const struct topic_config *config, int64_t now_ms, const struct batch_header *header,
                               struct space batch, struct batch_copy *copy)
{
    const struct batch_limits limits = topic_batch_limits(config, now_ms);
    enum batch_error error = BATCH_ERROR_NONE;

    *copy = (struct batch_copy){NULL, 0};
    if (batch_is_recompressed(config, header)) {
        error = batch_recompress(config, &limits, header, bytes_of(batch.data, batch.size), copy);
    } else if (limits.key_required) {
        struct buffer scratch;

        buffer_init(&scratch);
        error = batch_validate_records(bytes_of(batch.data, batch.size), header, &limits, NULL, &scratch, NULL);
        buffer_deinit(&scratch);
    }
    if (error != BATCH_ERROR_NONE) {
        return error;
    }
    if (copy->data != NULL) {
        batch = (struct space){copy->data, copy->size};
    }
    batch_stamp(config, now_ms, batch);
    return BATCH_ERROR_NONE;
}

void batch_copy_free(struct batch_copy *copy)
{
    memory_free(copy->data);
    *copy = (struct batch_copy){NULL, 0};
}
