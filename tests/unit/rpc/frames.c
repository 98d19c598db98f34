/* Frames of requests and answers. */
#include "tests/unit/rpc/frames.h"

#include "common/base/endian.h"
#include "common/base/memory.h"
#include "wire/init_producer_id.h"
#include "wire/produce.h"

/* The size, then the writer's bytes with what was spliced put in. */
static void frame_append(struct buffer *out, struct writer *writer)
{
    uint8_t size[4];
    size_t at = 0;

    store_i32(size, (int32_t)writer_size(writer));
    buffer_append(out, size, sizeof(size));
    for (size_t i = 0; i < writer->splice_count; i++) {
        buffer_append(out, writer->buffer.data + at, writer->splices[i].at - at);
        buffer_append(out, writer->splices[i].records.data, writer->splices[i].records.size);
        at = writer->splices[i].at;
    }
    buffer_append(out, writer->buffer.data + at, writer->buffer.size - at);
    writer_deinit(writer);
}

void frame_request(struct buffer *out, int16_t key, int16_t version, int32_t correlation_id, const void *body)
{
    const struct request_header header = {
        .key = key, .version = version, .correlation_id = correlation_id, .client_id = STRING("test")};
    struct writer writer;

    writer_init(&writer);
    request_header_write(&header, &writer);
    api_find(key)->request.write(body, &writer, version);
    frame_append(out, &writer);
}

void frame_number(struct buffer *out, int32_t correlation_id, int32_t number)
{
    struct init_producer_id_request body;

    init_producer_id_request_init(&body);
    body.transaction_timeout_ms = number;
    frame_request(out, API_INIT_PRODUCER_ID, 0, correlation_id, &body);
}

static uint8_t record_byte(size_t i, int32_t correlation_id)
{
    return (uint8_t)(i * 7 + (size_t)correlation_id);
}

void frame_produce(struct buffer *out, int32_t correlation_id, size_t size)
{
    struct produce_request_topic_data_partition_data partition;
    struct produce_request_topic_data topic;
    struct produce_request body;
    uint8_t *records = memory_alloc(size);

    for (size_t i = 0; i < size; i++) {
        records[i] = record_byte(i, correlation_id);
    }
    produce_request_init(&body);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&partition);
    partition.records = (struct records){.data = records, .size = size};
    topic.name = STRING("t");
    topic.partition_data = &partition;
    topic.partition_data_count = 1;
    body.topic_data = &topic;
    body.topic_data_count = 1;
    frame_request(out, API_PRODUCE, 3, correlation_id, &body);
    memory_free(records);
}

bool frame_produce_intact(const void *body, int32_t correlation_id, size_t size)
{
    const struct produce_request *request = body;
    const struct records *records;

    if (request->topic_data_count != 1 || request->topic_data[0].partition_data_count != 1) {
        return false;
    }
    records = &request->topic_data[0].partition_data[0].records;
    for (size_t i = 0; i < records->size; i++) {
        if (records->data[i] != record_byte(i, correlation_id)) {
            return false;
        }
    }
    return records->size == size;
}

void frame_answer(struct buffer *out, int16_t key, int16_t version, int32_t correlation_id, const void *body)
{
    struct writer writer;

    writer_init(&writer);
    response_header_write(correlation_id, key, version, &writer);
    api_find(key)->response.write(body, &writer, version);
    frame_append(out, &writer);
}

bool frame_next(const struct buffer *in, size_t *at, struct bytes *frame)
{
    const size_t left = in->size - *at;
    size_t size;

    if (left < 4) {
        return false;
    }
    size = load_u32(in->data + *at);
    if (left - 4 < size) {
        return false;
    }
    *frame = bytes_of(in->data + *at + 4, size);
    *at += 4 + size;
    return true;
}

int32_t frame_correlation_id(struct bytes frame)
{
    return frame.size >= 4 ? load_i32(frame.data) : INT32_MIN;
}

bool frame_decode(struct bytes frame, int16_t key, int16_t version, struct arena *arena, void *body)
{
    struct reader reader;

    reader_init(&reader, frame, arena);
    (void)response_header_read(key, version, &reader);
    api_find(key)->response.init(body);
    api_find(key)->response.read(body, &reader, version);
    return reader_done(&reader);
}
