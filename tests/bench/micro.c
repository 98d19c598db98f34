/* Micro-benchmarks of the data path's pure parts, on hot memory: what one call costs, the least of several rounds.
 *
 *     millrace-micro            all, one line each: name, ns per call, GB/s where bytes are gone over */
#include "tests/bench/load.h"

#include "common/base/crc32c.h"
#include "common/base/memory.h"
#include "common/batch/record_batch.h"
#include "common/wire/api.h"
#include "wire/produce.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 7
#define ROUND_NS 20000000u
#define SIZES 4

struct micro {
    struct batch batch;
    struct buffer produce; /* an encoded Produce request */
    struct buffer compressed;
    struct buffer scratch;
    struct compression_context *context;
    enum compression codec;
    struct arena arena;
    struct writer writer;
    uint64_t sum; /* of results, so that no call can be left out */
};

/* Reports of the generator's parts that this program shares. */
void load_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void measure(const char *name, size_t bytes, struct micro *micro, void (*call)(struct micro *micro))
{
    double best = 1e18;

    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t begin = load_now_ns();
        uint64_t calls = 0;
        uint64_t end = begin;

        while (end - begin < ROUND_NS) {
            for (int i = 0; i < 64; i++) {
                call(micro);
            }
            calls += 64;
            end = load_now_ns();
        }
        if ((double)(end - begin) / (double)calls < best) {
            best = (double)(end - begin) / (double)calls;
        }
    }
    printf("%-34s %12.1f ns", name, best);
    if (bytes > 0) {
        printf("  %7.2f GB/s", (double)bytes / best);
    }
    printf("\n");
}

static void call_crc(struct micro *micro)
{
    micro->sum += crc32c(micro->batch.bytes.data, micro->batch.bytes.size);
}

static void call_validate(struct micro *micro)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_header header;

    micro->sum += (uint64_t)batch_validate(buffer_bytes(&micro->batch.bytes), &limits, &header);
}

static void call_assign(struct micro *micro)
{
    batch_assign((struct space){micro->batch.bytes.data, micro->batch.bytes.size}, (int64_t)(micro->sum & 0xffff), 1);
    micro->sum++;
}

static void call_decode(struct micro *micro)
{
    struct produce_request request;
    struct request_header header;
    struct reader reader;

    arena_reset(&micro->arena);
    reader_init(&reader, buffer_bytes(&micro->produce), &micro->arena);
    request_header_read(&header, &reader);
    produce_request_init(&request);
    produce_request_read(&request, &reader, 9);
    ASSERT(reader_done(&reader));
    micro->sum += (uint64_t)request.topic_data_count;
}

static void call_encode(struct micro *micro)
{
    struct produce_response_responses_partition_responses partition;
    struct produce_response_responses topic;
    struct produce_response response;

    produce_response_init(&response);
    produce_response_responses_init(&topic);
    produce_response_responses_partition_responses_init(&partition);
    topic.name = STRING("bench");
    topic.partition_responses_count = 1;
    topic.partition_responses = &partition;
    response.responses_count = 1;
    response.responses = &topic;
    writer_clear(&micro->writer);
    response_header_write(1, API_PRODUCE, 9, &micro->writer);
    produce_response_write(&response, &micro->writer, 9);
    micro->sum += writer_size(&micro->writer);
}

static void call_compress(struct micro *micro)
{
    buffer_clear(&micro->scratch);
    compression_encode(micro->context, micro->codec, compression_level_default(micro->codec),
                       buffer_bytes(&micro->batch.bytes), &micro->scratch);
    micro->sum += micro->scratch.size;
}

static void call_decompress(struct micro *micro)
{
    buffer_clear(&micro->scratch);
    ASSERT(compression_decode(micro->context, micro->codec, buffer_bytes(&micro->compressed),
                              micro->batch.bytes.size, &micro->scratch) == STATUS_OK);
    micro->sum += micro->scratch.size;
}

/* A Produce request with the batch, as a client sends it. */
static void make_produce(struct micro *micro)
{
    struct produce_request_topic_data_partition_data partition;
    struct produce_request_topic_data topic;
    struct produce_request request;
    struct writer writer;
    const struct request_header header = {API_PRODUCE, 9, 1, STRING("client")};

    produce_request_init(&request);
    produce_request_topic_data_init(&topic);
    produce_request_topic_data_partition_data_init(&partition);
    partition.records = (struct records){.data = micro->batch.bytes.data, .size = micro->batch.bytes.size};
    topic.name = STRING("bench");
    topic.partition_data_count = 1;
    topic.partition_data = &partition;
    request.topic_data_count = 1;
    request.topic_data = &topic;
    writer_init(&writer);
    request_header_write(&header, &writer);
    produce_request_write(&request, &writer, 9);
    buffer_clear(&micro->produce);
    if (writer.splice_count > 0) {
        const size_t at = writer.splices[0].at;

        buffer_append(&micro->produce, writer.buffer.data, at);
        buffer_append(&micro->produce, micro->batch.bytes.data, micro->batch.bytes.size);
        buffer_append(&micro->produce, writer.buffer.data + at, writer.buffer.size - at);
    } else {
        buffer_append(&micro->produce, writer.buffer.data, writer.buffer.size);
    }
    writer_deinit(&writer);
}

static void measure_size(struct micro *micro, uint32_t records)
{
    const struct load_options options = {.records = records, .record_size = 1024};
    char name[64];
    size_t size;

    batch_make(&micro->batch, &options);
    size = micro->batch.bytes.size;
    make_produce(micro);
    snprintf(name, sizeof(name), "crc32c %zu B", size);
    measure(name, size, micro, call_crc);
    snprintf(name, sizeof(name), "batch_validate %zu B", size);
    measure(name, size, micro, call_validate);
    snprintf(name, sizeof(name), "decode Produce v9, %zu B", micro->produce.size);
    measure(name, 0, micro, call_decode);
    buffer_deinit(&micro->batch.bytes);
}

static void measure_codec(struct micro *micro, enum compression codec)
{
    char name[64];

    micro->codec = codec;
    buffer_clear(&micro->compressed);
    compression_encode(micro->context, codec, compression_level_default(codec), buffer_bytes(&micro->batch.bytes),
                       &micro->compressed);
    snprintf(name, sizeof(name), "%s compress", compression_name(codec));
    measure(name, micro->batch.bytes.size, micro, call_compress);
    snprintf(name, sizeof(name), "%s decompress", compression_name(codec));
    measure(name, micro->batch.bytes.size, micro, call_decompress);
}

int main(void)
{
    static const uint32_t sizes[SIZES] = {1, 15, 60, 900};
    const struct load_options options = {.records = 60, .record_size = 1024};
    struct micro *micro = memory_alloc_zero(1, sizeof(*micro));

    buffer_init(&micro->produce);
    buffer_init(&micro->compressed);
    buffer_init(&micro->scratch);
    arena_init(&micro->arena, 1u << 20);
    writer_init(&micro->writer);
    micro->context = compression_context_create();
    for (size_t i = 0; i < SIZES; i++) {
        measure_size(micro, sizes[i]);
    }
    batch_make(&micro->batch, &options);
    measure("batch_assign", 0, micro, call_assign);
    measure("encode Produce answer v9", 0, micro, call_encode);
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        measure_codec(micro, (enum compression)codec);
    }
    return micro->sum == 0;
}
