/* Reading and writing the records of a batch. The reader is a cursor over bytes that nobody vouches for: every step
 * answers false at the first thing that does not fit, and no size is used before it was held against what is left. */
#include "common/batch/record.h"

#include "common/base/assert.h"
#include "common/base/varint.h"

static bool take_varint(struct bytes *rest, unsigned bits_max, int64_t *value)
{
    uint64_t raw = 0;
    size_t size;

    /* Nothing left may be null, and null has no end to point at. */
    if (rest->size == 0) {
        return false;
    }
    size = varint_read(rest->data, rest->data + rest->size, bits_max, &raw);
    if (size == 0) {
        return false;
    }
    *value = zigzag_decode(raw);
    rest->data += size;
    rest->size -= size;
    return true;
}

static bool take_bytes(struct bytes *rest, int64_t size, struct bytes *value)
{
    if (size < 0 || (uint64_t)size > rest->size) {
        return false;
    }
    *value = bytes_of(rest->data, (size_t)size);
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

/* A size and that many bytes; -1 is null. */
static bool take_nullable(struct bytes *rest, struct bytes *value)
{
    int64_t size;

    if (!take_varint(rest, 32, &size)) {
        return false;
    }
    if (size == -1) {
        *value = BYTES_NULL;
        return true;
    }
    return take_bytes(rest, size, value);
}

static bool take_header(struct bytes *rest, struct record_header *header)
{
    struct bytes key;

    if (!take_nullable(rest, &key) || key.data == NULL || !take_nullable(rest, &header->value)) {
        return false;
    }
    header->key = (struct string){(const char *)key.data, key.size};
    return true;
}

bool record_header_next(struct bytes *rest, struct record_header *header)
{
    return rest->size > 0 && take_header(rest, header);
}

enum status record_header_find(const struct record *record, const char *key, struct bytes *value)
{
    struct bytes rest = record->headers;
    struct record_header header;
    enum status status = STATUS_NOT_FOUND;

    while (record_header_next(&rest, &header)) {
        if (string_is(header.key, key)) {
            *value = header.value;
            status = STATUS_OK;
        }
    }
    return status;
}

enum status batch_records(struct bytes batch, const struct batch_header *header, struct compression_context *context,
                          size_t limit, struct buffer *scratch, struct bytes *records)
{
    const struct bytes inside =
        bytes_of(batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE);
    enum status status;

    ASSERT(batch.size >= RECORD_BATCH_HEADER_SIZE);
    if (header->compression >= COMPRESSION_COUNT) {
        return STATUS_UNSUPPORTED;
    }
    if (header->compression == COMPRESSION_NONE) {
        *records = inside;
        return STATUS_OK;
    }
    buffer_clear(scratch);
    status = compression_decode(context, (enum compression)header->compression, inside, limit, scratch);
    if (status == STATUS_OK) {
        *records = buffer_bytes(scratch);
    }
    return status;
}

void record_iterator_init(struct record_iterator *iterator, const struct batch_header *header, struct bytes records)
{
    *iterator = (struct record_iterator){
        .batch = header,
        .rest = records,
        .left = header->record_count,
        .offset_delta_last = -1,
    };
}

/* Decodes `body`, a record behind its length, which must fill it exactly. */
static bool record_decode(struct bytes body, struct record *record, int64_t *timestamp_delta, int64_t *offset_delta)
{
    struct bytes attributes;
    struct record_header header;
    int64_t header_count;

    if (!take_bytes(&body, 1, &attributes) || !take_varint(&body, 64, timestamp_delta) ||
        !take_varint(&body, 32, offset_delta) || !take_nullable(&body, &record->key) ||
        !take_nullable(&body, &record->value) || !take_varint(&body, 32, &header_count) || header_count < 0) {
        return false;
    }
    record->headers = body;
    record->header_count = (int32_t)header_count;
    /* Each header takes bytes, so that a large count ends with them. */
    for (int64_t i = 0; i < header_count; i++) {
        if (!take_header(&body, &header)) {
            return false;
        }
    }
    return body.size == 0;
}

enum status record_next(struct record_iterator *iterator, struct record *record)
{
    const struct batch_header *batch = iterator->batch;
    int64_t length;
    int64_t timestamp_delta;
    int64_t offset_delta;
    struct bytes body;

    if (iterator->left <= 0) {
        return iterator->left == 0 && iterator->rest.size == 0 ? STATUS_END : STATUS_CORRUPT;
    }
    if (!take_varint(&iterator->rest, 32, &length) || !take_bytes(&iterator->rest, length, &body) ||
        !record_decode(body, record, &timestamp_delta, &offset_delta)) {
        return STATUS_CORRUPT;
    }
    if (offset_delta <= iterator->offset_delta_last || offset_delta > batch->last_offset_delta ||
        __builtin_add_overflow(batch->base_offset, offset_delta, &record->offset)) {
        return STATUS_CORRUPT;
    }
    record->timestamp = batch->timestamp_type == TIMESTAMP_LOG_APPEND_TIME
                            ? batch->max_timestamp
                            : (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)timestamp_delta);
    iterator->offset_delta_last = offset_delta;
    iterator->left--;
    return STATUS_OK;
}

static enum batch_error record_error(const struct record *record, const struct batch_header *header,
                                     const struct batch_limits *limits, int32_t index)
{
    if (limits->origin == BATCH_FROM_LOG) {
        return BATCH_ERROR_NONE;
    }
    if (record->offset != header->base_offset + index) {
        return BATCH_ERROR_RECORD_OFFSET;
    }
    if (limits->key_required && record->key.data == NULL) {
        return BATCH_ERROR_RECORD_KEY;
    }
    if (record->timestamp != TIMESTAMP_NONE &&
        (record->timestamp < limits->timestamp_min || record->timestamp > limits->timestamp_max)) {
        return BATCH_ERROR_TIMESTAMP;
    }
    return BATCH_ERROR_NONE;
}

static enum batch_error records_validate(struct record_iterator *iterator, const struct batch_limits *limits,
                                         struct records_summary *summary)
{
    struct record record;
    enum status status;

    for (int32_t index = 0; (status = record_next(iterator, &record)) == STATUS_OK; index++) {
        const enum batch_error error = record_error(&record, iterator->batch, limits, index);

        if (error != BATCH_ERROR_NONE) {
            return error;
        }
        if (index == 0 || record.timestamp > summary->max_timestamp) {
            summary->max_timestamp = record.timestamp;
            summary->max_timestamp_offset = record.offset;
        }
    }
    return status == STATUS_END ? BATCH_ERROR_NONE : BATCH_ERROR_RECORD;
}

enum batch_error batch_validate_records(struct bytes batch, const struct batch_header *header,
                                        const struct batch_limits *limits, struct compression_context *context,
                                        struct buffer *scratch, struct records_summary *summary)
{
    struct records_summary found = {.max_timestamp = TIMESTAMP_NONE, .max_timestamp_offset = -1};
    struct record_iterator iterator;
    struct bytes records;
    enum batch_error error;

    switch (batch_records(batch, header, context, limits->decompressed_size_max, scratch, &records)) {
    case STATUS_OK:
        break;
    case STATUS_TOO_LARGE:
        return BATCH_ERROR_DECOMPRESSED_SIZE;
    case STATUS_UNSUPPORTED:
        return BATCH_ERROR_COMPRESSION;
    default:
        return BATCH_ERROR_COMPRESSED_DATA;
    }
    found.size = records.size;
    record_iterator_init(&iterator, header, records);
    error = records_validate(&iterator, limits, &found);
    if (error == BATCH_ERROR_NONE && summary != NULL) {
        *summary = found;
    }
    return error;
}

static size_t varint_signed_size(int64_t value)
{
    return varint_size(zigzag_encode(value));
}

static size_t nullable_size(struct bytes value)
{
    return value.data == NULL ? 1 : varint_signed_size((int64_t)value.size) + value.size;
}

/* Bytes of a record behind its length. */
static size_t body_size(const struct record_draft *draft, int64_t timestamp_delta, int32_t offset_delta)
{
    size_t size = 1 + varint_signed_size(timestamp_delta) + varint_signed_size(offset_delta) +
                  nullable_size(draft->key) + nullable_size(draft->value) +
                  varint_signed_size((int64_t)draft->header_count);

    for (size_t i = 0; i < draft->header_count; i++) {
        ASSERT(draft->headers[i].key.data != NULL);
        size += nullable_size(bytes_of_string(draft->headers[i].key)) + nullable_size(draft->headers[i].value);
    }
    return size;
}

size_t record_size(const struct record_draft *draft, int64_t timestamp_delta, int32_t offset_delta)
{
    const size_t body = body_size(draft, timestamp_delta, offset_delta);

    return varint_signed_size((int64_t)body) + body;
}

static void write_varint_signed(int64_t value, struct buffer *out)
{
    out->size += varint_write(buffer_reserve(out, VARINT64_SIZE_MAX), zigzag_encode(value));
}

static void write_nullable(struct bytes value, struct buffer *out)
{
    if (value.data == NULL) {
        write_varint_signed(-1, out);
        return;
    }
    write_varint_signed((int64_t)value.size, out);
    buffer_append(out, value.data, value.size);
}

void record_write(const struct record_draft *draft, int64_t timestamp_delta, int32_t offset_delta, struct buffer *out)
{
    const size_t body = body_size(draft, timestamp_delta, offset_delta);
    const uint8_t attributes = 0;

    ASSERT(body <= INT32_MAX);
    write_varint_signed((int64_t)body, out);
    buffer_append(out, &attributes, sizeof(attributes));
    write_varint_signed(timestamp_delta, out);
    write_varint_signed(offset_delta, out);
    write_nullable(draft->key, out);
    write_nullable(draft->value, out);
    write_varint_signed((int64_t)draft->header_count, out);
    for (size_t i = 0; i < draft->header_count; i++) {
        write_nullable(bytes_of_string(draft->headers[i].key), out);
        write_nullable(draft->headers[i].value, out);
    }
}
