/* Header of the record batch: decode, judge, patch. Nothing here allocates, and nothing reads outside the view it was
 * given. The order of checks in batch_validate is: can we find our way, is it undamaged, does it make sense; so a
 * flipped bit is CRC and never one of the causes for which a producer would drop its data. */
#include "common/batch/record_batch.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "common/base/endian.h"
#include "common/batch/compression.h"

enum place {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
};

/* The length of a batch up to and including its magic, the same in all formats. */
#define LENGTH_WITH_MAGIC (AT_MAGIC + 1 - RECORD_BATCH_OVERHEAD)

static void header_decode(const uint8_t *at, struct batch_header *header)
{
    const uint16_t attributes = load_u16(at + AT_ATTRIBUTES);

    *header = (struct batch_header){
        .base_offset = load_i64(at + AT_BASE_OFFSET),
        .batch_length = load_i32(at + AT_LENGTH),
        .partition_leader_epoch = load_i32(at + AT_LEADER_EPOCH),
        .crc = load_u32(at + AT_CRC),
        .magic = (int8_t)at[AT_MAGIC],
        .compression = (uint8_t)(attributes & BATCH_COMPRESSION_MASK),
        .timestamp_type = (attributes & BATCH_LOG_APPEND_TIME) != 0 ? TIMESTAMP_LOG_APPEND_TIME : TIMESTAMP_CREATE_TIME,
        .transactional = (attributes & BATCH_TRANSACTIONAL) != 0,
        .control = (attributes & BATCH_CONTROL) != 0,
        .delete_horizon = (attributes & BATCH_DELETE_HORIZON) != 0,
        .attributes = attributes,
        .last_offset_delta = load_i32(at + AT_LAST_OFFSET_DELTA),
        .base_timestamp = load_i64(at + AT_BASE_TIMESTAMP),
        .max_timestamp = load_i64(at + AT_MAX_TIMESTAMP),
        .producer_id = load_i64(at + AT_PRODUCER_ID),
        .producer_epoch = load_i16(at + AT_PRODUCER_EPOCH),
        .base_sequence = load_i32(at + AT_BASE_SEQUENCE),
        .record_count = load_i32(at + AT_RECORD_COUNT),
    };
}

enum status batch_header_read(struct bytes input, struct batch_header *header)
{
    int32_t length;

    if (input.size < RECORD_BATCH_OVERHEAD) {
        return STATUS_TRUNCATED;
    }
    length = load_i32(input.data + AT_LENGTH);
    if (length < LENGTH_WITH_MAGIC) {
        return STATUS_CORRUPT;
    }
    if (input.size <= AT_MAGIC) {
        return STATUS_TRUNCATED;
    }
    if (input.data[AT_MAGIC] != RECORD_BATCH_MAGIC) {
        return STATUS_UNSUPPORTED;
    }
    if (length < RECORD_BATCH_HEADER_SIZE - RECORD_BATCH_OVERHEAD) {
        return STATUS_CORRUPT;
    }
    if (input.size < RECORD_BATCH_HEADER_SIZE) {
        return STATUS_TRUNCATED;
    }
    header_decode(input.data, header);
    return STATUS_OK;
}

void batch_header_write(const struct batch_header *header, struct space batch)
{
    uint8_t *at = batch.data;

    ASSERT(batch.size == batch_size(header));
    store_i64(at + AT_BASE_OFFSET, header->base_offset);
    store_i32(at + AT_LENGTH, header->batch_length);
    store_i32(at + AT_LEADER_EPOCH, header->partition_leader_epoch);
    at[AT_MAGIC] = (uint8_t)header->magic;
    store_u16(at + AT_ATTRIBUTES, header->attributes);
    store_i32(at + AT_LAST_OFFSET_DELTA, header->last_offset_delta);
    store_i64(at + AT_BASE_TIMESTAMP, header->base_timestamp);
    store_i64(at + AT_MAX_TIMESTAMP, header->max_timestamp);
    store_i64(at + AT_PRODUCER_ID, header->producer_id);
    store_i16(at + AT_PRODUCER_EPOCH, header->producer_epoch);
    store_i32(at + AT_BASE_SEQUENCE, header->base_sequence);
    store_i32(at + AT_RECORD_COUNT, header->record_count);
}

enum status batch_next(struct bytes *rest, struct bytes *batch)
{
    struct batch_header header;
    enum status status;

    if (rest->size == 0) {
        return STATUS_END;
    }
    status = batch_header_read(*rest, &header);
    if (status != STATUS_OK) {
        return status;
    }
    if (rest->size < batch_size(&header)) {
        return STATUS_TRUNCATED;
    }
    *batch = bytes_of(rest->data, batch_size(&header));
    rest->data += batch->size;
    rest->size -= batch->size;
    return STATUS_OK;
}

bool batch_crc_matches(struct bytes batch)
{
    struct bytes rest = batch;

    if (batch_next(&rest, &batch) != STATUS_OK) {
        return false;
    }
    return crc32c(batch.data + AT_ATTRIBUTES, batch.size - AT_ATTRIBUTES) == load_u32(batch.data + AT_CRC);
}

const char *batch_error_text(enum batch_error error)
{
    switch (error) {
#define X(name, code, text)                                                                                            \
    case BATCH_ERROR_##name:                                                                                           \
        return text;
        BATCH_ERROR_LIST(X)
#undef X
    }
    return "unknown batch error";
}

int16_t batch_error_code(enum batch_error error)
{
    switch (error) {
#define X(name, code, text)                                                                                            \
    case BATCH_ERROR_##name:                                                                                           \
        return code;
        BATCH_ERROR_LIST(X)
#undef X
    }
    UNREACHABLE();
}

struct batch_limits batch_limits_none(enum batch_origin origin)
{
    return (struct batch_limits){
        .origin = origin,
        .size_max = SIZE_MAX,
        .decompressed_size_max = INT32_MAX,
        .timestamp_min = INT64_MIN,
        .timestamp_max = INT64_MAX,
    };
}

/* Finds the batch's frame: after NONE the header is decoded and all its bytes are there. */
static enum batch_error frame_error(struct bytes batch, const struct batch_limits *limits, struct batch_header *header)
{
    switch (batch_header_read(batch, header)) {
    case STATUS_OK:
        break;
    case STATUS_TRUNCATED:
        return BATCH_ERROR_TRUNCATED;
    case STATUS_UNSUPPORTED:
        return batch.data[AT_MAGIC] < RECORD_BATCH_MAGIC ? BATCH_ERROR_OLD_MAGIC : BATCH_ERROR_UNKNOWN_MAGIC;
    default:
        return BATCH_ERROR_SIZE;
    }
    if (batch_size(header) > limits->size_max) {
        return BATCH_ERROR_TOO_LARGE;
    }
    if (batch.size != batch_size(header)) {
        return batch.size < batch_size(header) ? BATCH_ERROR_TRUNCATED : BATCH_ERROR_SURPLUS;
    }
    return BATCH_ERROR_NONE;
}

static enum batch_error offsets_error(const struct batch_header *header, const struct batch_limits *limits)
{
    const size_t records_size = header->compression == COMPRESSION_NONE ? batch_size(header) - RECORD_BATCH_HEADER_SIZE
                                                                        : limits->decompressed_size_max;

    if (header->last_offset_delta < 0) {
        return BATCH_ERROR_OFFSET_RANGE;
    }
    if (header->base_offset < 0 || header->base_offset > INT64_MAX - header->last_offset_delta) {
        return BATCH_ERROR_BASE_OFFSET;
    }
    /* A count that cannot be true would take offsets by the billion for one small batch. */
    if (header->record_count < 0 || (size_t)header->record_count > records_size / RECORD_SIZE_MIN) {
        return BATCH_ERROR_RECORD_COUNT;
    }
    if (limits->origin == BATCH_FROM_LOG) {
        /* Compaction drops records, even all of them, but never adds any. */
        return header->record_count > (int64_t)header->last_offset_delta + 1 ? BATCH_ERROR_OFFSET_RANGE
                                                                            : BATCH_ERROR_NONE;
    }
    if (header->base_offset != 0) {
        return BATCH_ERROR_BASE_OFFSET;
    }
    if (header->record_count == 0) {
        return BATCH_ERROR_RECORD_COUNT;
    }
    return header->record_count != (int64_t)header->last_offset_delta + 1 ? BATCH_ERROR_OFFSET_RANGE : BATCH_ERROR_NONE;
}

static enum batch_error producer_error(const struct batch_header *header)
{
    if (header->producer_id < PRODUCER_ID_NONE) {
        return BATCH_ERROR_PRODUCER_ID;
    }
    if (!batch_has_producer(header)) {
        /* Epoch and sequence are anything then: Sarama, for one, leaves the sequence 0. */
        return header->transactional ? BATCH_ERROR_TRANSACTION : BATCH_ERROR_NONE;
    }
    if (header->producer_epoch < 0) {
        return BATCH_ERROR_PRODUCER_EPOCH;
    }
    /* Transaction markers carry the producer but no sequence. */
    if (header->base_sequence < 0 && !header->control) {
        return BATCH_ERROR_SEQUENCE;
    }
    return BATCH_ERROR_NONE;
}

static bool timestamp_allowed(int64_t timestamp, const struct batch_limits *limits)
{
    return timestamp == TIMESTAMP_NONE ||
           (timestamp >= limits->timestamp_min && timestamp <= limits->timestamp_max);
}

/* What only brokers may write, and the times that a client may claim. */
static enum batch_error client_error(const struct batch_header *header, const struct batch_limits *limits)
{
    if ((header->attributes & ~(unsigned)BATCH_ATTRIBUTES_KNOWN) != 0) {
        return BATCH_ERROR_ATTRIBUTES;
    }
    if (header->control && limits->origin == BATCH_FROM_CLIENT) {
        return BATCH_ERROR_CONTROL;
    }
    if (header->delete_horizon) {
        return BATCH_ERROR_DELETE_HORIZON;
    }
    if (header->timestamp_type == TIMESTAMP_LOG_APPEND_TIME) {
        return BATCH_ERROR_TIMESTAMP_TYPE;
    }
    if (!timestamp_allowed(header->base_timestamp, limits) || !timestamp_allowed(header->max_timestamp, limits)) {
        return BATCH_ERROR_TIMESTAMP;
    }
    return BATCH_ERROR_NONE;
}

enum batch_error batch_validate(struct bytes batch, const struct batch_limits *limits, struct batch_header *header)
{
    struct batch_header found;
    enum batch_error error = frame_error(batch, limits, &found);

    if (error == BATCH_ERROR_NONE && !limits->crc_checked && !batch_crc_matches(batch)) {
        error = BATCH_ERROR_CRC;
    }
    if (error == BATCH_ERROR_NONE && found.compression >= COMPRESSION_COUNT) {
        error = BATCH_ERROR_COMPRESSION;
    }
    if (error == BATCH_ERROR_NONE) {
        error = offsets_error(&found, limits);
    }
    if (error == BATCH_ERROR_NONE && limits->origin != BATCH_FROM_LOG) {
        error = client_error(&found, limits);
    }
    if (error == BATCH_ERROR_NONE) {
        error = producer_error(&found);
    }
    if (error == BATCH_ERROR_NONE && header != NULL) {
        *header = found;
    }
    return error;
}

static void assert_batch(struct space batch)
{
    ASSERT(batch.size >= RECORD_BATCH_HEADER_SIZE);
    ASSERT(batch.data[AT_MAGIC] == RECORD_BATCH_MAGIC);
    ASSERT((size_t)load_u32(batch.data + AT_LENGTH) + RECORD_BATCH_OVERHEAD == batch.size);
}

void batch_assign(struct space batch, int64_t base_offset, int32_t partition_leader_epoch)
{
    assert_batch(batch);
    ASSERT(base_offset >= 0);
    store_i64(batch.data + AT_BASE_OFFSET, base_offset);
    store_i32(batch.data + AT_LEADER_EPOCH, partition_leader_epoch);
}

void batch_set_timestamp(struct space batch, enum timestamp_type type, int64_t max_timestamp)
{
    uint16_t attributes;
    uint16_t wanted;

    assert_batch(batch);
    attributes = load_u16(batch.data + AT_ATTRIBUTES);
    wanted = (uint16_t)(attributes & ~BATCH_LOG_APPEND_TIME);
    if (type == TIMESTAMP_LOG_APPEND_TIME) {
        wanted |= BATCH_LOG_APPEND_TIME;
    }
    if (wanted == attributes && load_i64(batch.data + AT_MAX_TIMESTAMP) == max_timestamp) {
        return;
    }
    store_u16(batch.data + AT_ATTRIBUTES, wanted);
    store_i64(batch.data + AT_MAX_TIMESTAMP, max_timestamp);
    batch_set_crc(batch);
}

void batch_set_crc(struct space batch)
{
    assert_batch(batch);
    store_u32(batch.data + AT_CRC, crc32c(batch.data + AT_ATTRIBUTES, batch.size - AT_ATTRIBUTES));
}
