/* What a client asks before it comes to the point: ApiVersions and Metadata, by the generated codec. */
#include "tests/bench/null_broker.h"

#include "common/base/memory.h"
#include "common/wire/api.h"
#include "wire/api_versions.h"
#include "wire/metadata.h"

#define OUT_SIZE 4096

uint8_t *connection_room(struct connection *connection, uint32_t size)
{
    if (connection->out_capacity - connection->out_size < size) {
        connection->out_capacity = 2 * connection->out_capacity + size + OUT_SIZE;
        connection->out = memory_resize(connection->out, connection->out_capacity, 1);
    }
    return connection->out + connection->out_size;
}

static void answer(struct connection *connection, const struct request_header *header, const void *body)
{
    const struct message_type *type = &api_find(header->key)->response;
    struct writer writer;
    uint8_t *at;

    writer_init(&writer);
    response_header_write(header->correlation_id, header->key, header->version, &writer);
    type->write(body, &writer, header->version);
    at = connection_room(connection, (uint32_t)writer.buffer.size + 4);
    store_u32(at, (uint32_t)writer.buffer.size);
    memcpy(at + 4, writer.buffer.data, writer.buffer.size);
    connection->out_size += (uint32_t)writer.buffer.size + 4;
    writer_deinit(&writer);
}

static void answer_versions(struct connection *connection, const struct request_header *header)
{
    struct api_versions_response_api_keys keys[4] = {{API_PRODUCE, 9, 9}, {API_FETCH, 12, 12}, {API_METADATA, 9, 9},
                                                     {API_API_VERSIONS, 0, 3}};
    struct api_versions_response response;

    api_versions_response_init(&response);
    response.api_keys_count = 4;
    response.api_keys = keys;
    answer(connection, header, &response);
}

static void answer_metadata(const struct broker *broker, struct connection *connection,
                            const struct request_header *header, const struct metadata_request *request,
                            struct arena *arena)
{
    struct metadata_response_brokers self = {.node_id = 0, .host = STRING("127.0.0.1"), .port = broker->port};
    struct metadata_response response;
    int32_t node = 0;

    metadata_response_init(&response);
    response.brokers_count = 1;
    response.brokers = &self;
    response.controller_id = 0;
    response.topics_count = request->topics_count > 0 ? request->topics_count : 0;
    response.topics = arena_need(arena, (size_t)response.topics_count, sizeof(*response.topics));
    for (int32_t i = 0; i < response.topics_count; i++) {
        struct metadata_response_topics *topic = &response.topics[i];

        metadata_response_topics_init(topic);
        topic->name = request->topics[i].name;
        topic->partitions_count = broker->topic_partitions;
        topic->partitions = arena_need(arena, (size_t)topic->partitions_count, sizeof(*topic->partitions));
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            metadata_response_topics_partitions_init(&topic->partitions[j]);
            topic->partitions[j].partition_index = j;
            topic->partitions[j].replica_nodes_count = topic->partitions[j].isr_nodes_count = 1;
            topic->partitions[j].replica_nodes = topic->partitions[j].isr_nodes = &node;
        }
    }
    answer(connection, header, &response);
}

bool null_describe(struct broker *broker, struct connection *connection, struct bytes frame)
{
    struct request_header header;
    struct metadata_request request;
    struct reader reader;
    struct arena arena;
    bool known = false;

    arena_init(&arena, 64u << 20);
    reader_init(&reader, frame, &arena);
    request_header_read(&header, &reader);
    if (reader_ok(&reader) && header.key == API_API_VERSIONS && header.version <= 3) {
        answer_versions(connection, &header);
        known = true;
    } else if (reader_ok(&reader) && header.key == API_METADATA && header.version == 9) {
        metadata_request_init(&request);
        metadata_request_read(&request, &reader, header.version);
        known = reader_ok(&reader);
        if (known) {
            answer_metadata(broker, connection, &header, &request, &arena);
        }
    }
    arena_deinit(&arena);
    return known;
}
