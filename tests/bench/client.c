/* Calls that wait for their answer, before the load begins. */
#include "tests/bench/load.h"

#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/wire/api.h"
#include "common/wire/error.h"
#include "wire/create_topics.h"
#include "wire/metadata.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX (256u << 20)
#define RETRY_NS 1000000

int client_try_connect(const char *host, uint16_t port)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    const int on = 1;
    int fd = -1;

    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return -1;
    }
    for (const struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

int client_connect(const char *host, uint16_t port, double timeout_s)
{
    const uint64_t until = load_now_ns() + (uint64_t)(timeout_s * 1e9);
    int fd;

    while ((fd = client_try_connect(host, port)) < 0) {
        if (load_now_ns() >= until) {
            load_fail("cannot connect to %s:%u", host, port);
        }
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
    return fd;
}

static bool send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);

        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, uint8_t *data, size_t size)
{
    return size == 0 || recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static bool client_send(int fd, const struct api *api, int16_t version, const void *body)
{
    const struct request_header header = {api->key, version, 1, STRING("millrace-load")};
    struct writer writer;
    struct buffer frame;
    size_t from = 0;
    bool sent;

    writer_init(&writer);
    buffer_init(&frame);
    request_header_write(&header, &writer);
    api->request.write(body, &writer, version);
    store_u32(buffer_reserve(&frame, 4), (uint32_t)writer_size(&writer));
    frame.size = 4;
    for (size_t i = 0; i < writer.splice_count; i++) {
        const struct splice *splice = &writer.splices[i];

        buffer_append(&frame, writer.buffer.data + from, splice->at - from);
        buffer_append(&frame, splice->records.data, splice->records.size);
        from = splice->at;
    }
    buffer_append(&frame, writer.buffer.data + from, writer.buffer.size - from);
    sent = send_all(fd, frame.data, frame.size);
    buffer_deinit(&frame);
    writer_deinit(&writer);
    return sent;
}

void *client_call(int fd, int16_t key, int16_t version, const void *body, struct arena *arena)
{
    const struct api *api = api_find(key);
    struct reader reader;
    uint8_t prefix[4];
    uint8_t *answer;
    void *message;
    uint32_t size;

    if (!client_send(fd, api, version, body) || !receive_all(fd, prefix, sizeof(prefix))) {
        return NULL;
    }
    size = load_u32(prefix);
    answer = size <= ANSWER_MAX ? arena_alloc(arena, size) : NULL;
    if (answer == NULL) {
        load_fail("an answer of %u bytes", size);
    }
    if (!receive_all(fd, answer, size)) {
        return NULL;
    }
    message = arena_need(arena, 1, api->response.size);
    reader_init(&reader, bytes_of(answer, size), arena);
    response_header_read(key, version, &reader);
    api->response.init(message);
    api->response.read(message, &reader, version);
    if (!reader_ok(&reader)) {
        load_fail("the answer to %s is malformed", api->name);
    }
    return message;
}

static void view_take(const struct metadata_response *response, struct cluster_view *view)
{
    const struct metadata_response_topics *topic = &response->topics[0];

    view->broker_count = 0;
    for (int32_t i = 0; i < response->brokers_count && i < BROKERS_MAX; i++) {
        struct broker_address *broker = &view->brokers[view->broker_count++];

        broker->id = response->brokers[i].node_id;
        broker->port = (uint16_t)response->brokers[i].port;
        snprintf(broker->host, sizeof(broker->host), "%.*s", STRING_ARGS(response->brokers[i].host));
    }
    view->leaders = memory_resize(view->leaders, (size_t)topic->partitions_count + 1, sizeof(*view->leaders));
    view->partitions = topic->partitions_count;
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        view->leaders[i] = -1;
    }
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        const struct metadata_response_topics_partitions *partition = &topic->partitions[i];

        for (uint32_t j = 0; j < view->broker_count; j++) {
            if (partition->partition_index < view->partitions && partition->partition_index >= 0 &&
                view->brokers[j].id == partition->leader_id) {
                view->leaders[partition->partition_index] = (int32_t)j;
            }
        }
    }
}

bool client_view(int fd, const struct load_options *options, struct cluster_view *view)
{
    struct metadata_request_topics topic = {.name = string_of(options->topic)};
    struct metadata_request request;
    const struct metadata_response *response;
    struct arena arena;
    bool complete = false;

    metadata_request_init(&request);
    request.topics_count = 1;
    request.topics = &topic;
    request.allow_auto_topic_creation = false;
    arena_init(&arena, 2u * ANSWER_MAX);
    response = client_call(fd, API_METADATA, 9, &request, &arena);
    if (response != NULL && response->topics_count == 1 && response->topics[0].error_code == ERROR_NONE &&
        response->topics[0].partitions_count >= options->partitions) {
        view_take(response, view);
        complete = true;
    }
    arena_deinit(&arena);
    return complete;
}

int16_t client_create(int fd, const struct load_options *options)
{
    struct create_topics_request_topics_configs configs[CREATE_CONFIGS_MAX];
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    const struct create_topics_response *response;
    struct arena arena;
    int16_t error;

    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = string_of(options->topic);
    topic.num_partitions = options->partitions;
    topic.replication_factor = options->replicas;
    topic.configs_count = (int32_t)options->config_count;
    topic.configs = configs;
    for (size_t i = 0; i < options->config_count; i++) {
        const struct string config = options->configs[i];
        const size_t name = (size_t)((const char *)memchr(config.data, '=', config.size) - config.data);

        configs[i].name = (struct string){config.data, name};
        configs[i].value = (struct string){config.data + name + 1, config.size - name - 1};
    }
    request.topics_count = 1;
    request.topics = &topic;
    arena_init(&arena, ANSWER_MAX);
    response = client_call(fd, API_CREATE_TOPICS, 5, &request, &arena);
    if (response == NULL || response->topics_count != 1) {
        load_fail("no answer to CreateTopics");
    }
    error = response->topics[0].error_code;
    if (error != ERROR_NONE && error != ERROR_TOPIC_ALREADY_EXISTS &&
        response->topics[0].error_message.data != NULL) {
        fprintf(stderr, "millrace-load: %.*s\n", STRING_ARGS(response->topics[0].error_message));
    }
    arena_deinit(&arena);
    return error;
}
