/* The calling side: connect, agree on versions, then calls and answers first in, first out.
 *
 *     connecting --opened--> greeting --ApiVersions answered--> open --close or error--> closed
 *
 * An answer is received into memory of its own, which the call then owns: views in the decoded response stay valid for
 * as long as the call does. */
#include "common/rpc/client.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/env/net.h"
#include "wire/api_versions.h"

#include <stdio.h>

/* What a decoded response may take beside its bytes. */
#define RPC_CLIENT_ARENA_BASE (16 * 1024 * 1024)
#define RPC_CLIENT_ARENA_PER_BYTE 16
/* ApiVersions is asked in this version first; a server that does not know it answers in version 0 (KIP-511). */
#define RPC_CLIENT_GREETING_VERSION 3

enum rpc_client_state { RPC_CLIENT_CONNECTING, RPC_CLIENT_GREETING, RPC_CLIENT_OPEN, RPC_CLIENT_CLOSING };

struct rpc_client {
    struct env *env;
    struct stream *stream;
    const struct rpc_client_handler *handler;
    void *context;
    enum rpc_client_state state;
    enum status why; /* of our own closing */
    char *client_id;
    uint32_t response_size_max;
    int32_t next_correlation_id;
    struct list pending; /* of struct rpc_call, in the order sent */
    struct env_timer connect_timer;
    struct rpc_call greeting;
    uint8_t size_bytes[4];
    size_t size_got;
    uint8_t *frame; /* of the answer being received; NULL while its size is */
    size_t frame_size;
    size_t frame_got;
};

/* One encoded request on its way. */
struct rpc_client_send {
    struct send send;
    struct writer writer;
    struct send_part *parts;
};

static void rpc_client_stream_opened(void *context);
static struct space rpc_client_space(void *context);
static void rpc_client_received(void *context, size_t size);
static void rpc_client_stream_closed(void *context, enum status why);

static const struct stream_handler RPC_CLIENT_HANDLER = {
    .opened = rpc_client_stream_opened,
    .space = rpc_client_space,
    .received = rpc_client_received,
    .closed = rpc_client_stream_closed,
};

static void rpc_client_fail(struct rpc_client *client, enum status why)
{
    if (client->state != RPC_CLIENT_CLOSING) {
        client->state = RPC_CLIENT_CLOSING;
        client->why = why;
        stream_close(client->stream);
    }
}

static void rpc_client_connect_timeout(void *context)
{
    rpc_client_fail(context, STATUS_TIMEOUT);
}

struct rpc_client *rpc_client_open(struct env *env, const struct rpc_client_options *options,
                                   const struct rpc_client_handler *handler, void *context)
{
    struct rpc_client *client = memory_alloc_zero(1, sizeof(*client));

    client->env = env;
    client->handler = handler;
    client->context = context;
    client->client_id = memory_copy_text(options->client_id, strlen(options->client_id));
    client->response_size_max = options->response_size_max;
    list_init(&client->pending);
    env_timer_init(&client->connect_timer, rpc_client_connect_timeout, client);
    env_timer_start(env, &client->connect_timer, options->connect_timeout_ms * NS_PER_MS);
    client->stream = net_connect(env->net, options->host, options->port, &RPC_CLIENT_HANDLER, client);
    return client;
}

void rpc_client_close(struct rpc_client *client)
{
    rpc_client_fail(client, STATUS_OK);
}

void rpc_call_init(struct rpc_call *call, void (*done)(struct rpc_call *call), void *context)
{
    *call = (struct rpc_call){.done = done, .context = context};
    list_init(&call->link);
    arena_init(&call->arena, RPC_CLIENT_ARENA_BASE);
}

void rpc_call_deinit(struct rpc_call *call)
{
    ASSERT(!call->pending);
    arena_deinit(&call->arena);
    memory_free(call->frame);
    call->frame = NULL;
    call->response = NULL;
}

static void rpc_call_finish(struct rpc_call *call, enum status status)
{
    ASSERT(call->pending);
    call->pending = false;
    call->status = status;
    list_remove(&call->link);
    env_timer_stop(call->client->env, &call->timer);
    call->done(call);
}

static void rpc_call_timeout(void *context)
{
    struct rpc_call *call = context;
    struct rpc_client *client = call->client;

    /* Answers are matched in order, so nothing behind this one can be believed: the connection goes. */
    rpc_call_finish(call, STATUS_TIMEOUT);
    rpc_client_fail(client, STATUS_TIMEOUT);
}

static void rpc_client_sent(struct send *send, enum status status)
{
    struct rpc_client_send *out = CONTAINER_OF(send, struct rpc_client_send, send);

    (void)status;
    writer_deinit(&out->writer);
    memory_free(out->parts);
    memory_free(out);
}

static void rpc_client_transmit(struct rpc_client *client, int32_t correlation_id, int16_t key, int16_t version,
                                const void *request)
{
    struct rpc_client_send *out = memory_alloc_zero(1, sizeof(*out));
    struct writer *writer = &out->writer;
    const struct request_header header = {
        .key = key,
        .version = version,
        .correlation_id = correlation_id,
        .client_id = string_of(client->client_id),
    };
    size_t at = 0;
    size_t count = 0;

    writer_init(writer);
    write_int32(writer, 0);
    request_header_write(&header, writer);
    api_find(key)->request.write(request, writer, version);
    store_i32(writer->buffer.data, (int32_t)(writer_size(writer) - 4));
    /* Records that were spliced are copied here: the caller's memory need not outlive the call. */
    if (writer->splice_count > 0) {
        struct buffer flat;

        buffer_init(&flat);
        for (size_t i = 0; i < writer->splice_count; i++) {
            const struct splice *splice = &writer->splices[i];

            ASSERT(splice->records.file == NULL);
            buffer_append(&flat, writer->buffer.data + at, splice->at - at);
            buffer_append(&flat, splice->records.data, splice->records.size);
            at = splice->at;
        }
        buffer_append(&flat, writer->buffer.data + at, writer->buffer.size - at);
        writer_deinit(writer);
        writer_init(writer);
        writer->buffer = flat;
    }
    out->parts = memory_alloc_zero(1, sizeof(*out->parts));
    out->parts[count++] = (struct send_part){.data = writer->buffer.data, .size = writer->buffer.size};
    list_init(&out->send.link);
    out->send.parts = out->parts;
    out->send.part_count = count;
    out->send.sent = rpc_client_sent;
    stream_send(client->stream, &out->send);
}

static void rpc_client_start(struct rpc_client *client, struct rpc_call *call, int16_t key, int16_t version,
                             const void *request, uint32_t timeout_ms)
{
    ASSERT(!call->pending);
    call->client = client;
    call->key = key;
    call->version = version;
    call->correlation_id = client->next_correlation_id++;
    call->pending = true;
    env_timer_init(&call->timer, rpc_call_timeout, call);
    env_timer_start(client->env, &call->timer, timeout_ms * NS_PER_MS);
    list_append(&client->pending, &call->link);
    rpc_client_transmit(client, call->correlation_id, key, version, request);
}

void rpc_client_call(struct rpc_client *client, struct rpc_call *call, int16_t key, int16_t version,
                     const void *request,
                     uint32_t timeout_ms)
{
    ASSERT(client->state == RPC_CLIENT_OPEN || client->state == RPC_CLIENT_CLOSING);
    if (client->state == RPC_CLIENT_CLOSING) {
        /* Never inside this call: it is finished with the others when the stream reports its end. */
        call->client = client;
        call->pending = true;
        env_timer_init(&call->timer, rpc_call_timeout, call);
        list_append(&client->pending, &call->link);
        return;
    }
    rpc_client_start(client, call, key, version, request, timeout_ms);
}

void rpc_client_send(struct rpc_client *client, int16_t key, int16_t version, const void *request)
{
    if (client->state == RPC_CLIENT_OPEN) {
        rpc_client_transmit(client, client->next_correlation_id++, key, version, request);
    }
}

static void rpc_client_greet(struct rpc_client *client, int16_t version)
{
    struct api_versions_request request;

    api_versions_request_init(&request);
    if (version >= 3) {
        request.client_software_name = STRING("millrace");
        request.client_software_version = STRING("0.1.0");
    }
    rpc_client_start(client, &client->greeting, API_API_VERSIONS, version, &request, 10000);
}

static void rpc_client_greeted(struct rpc_call *call)
{
    struct rpc_client *client = call->context;
    const struct api_versions_response *response = call->response;
    const int16_t version = call->version;

    if (call->status != STATUS_OK || client->state != RPC_CLIENT_GREETING) {
        return;
    }
    if (response->error_code == 35 && version > 0) {
        rpc_call_deinit(call);
        rpc_call_init(call, rpc_client_greeted, client);
        rpc_client_greet(client, 0);
        return;
    }
    if (response->error_code != 0) {
        rpc_client_fail(client, STATUS_UNSUPPORTED);
        return;
    }
    client->state = RPC_CLIENT_OPEN;
    env_timer_stop(client->env, &client->connect_timer);
    client->handler->opened(client->context, client);
}

static void rpc_client_stream_opened(void *context)
{
    struct rpc_client *client = context;

    if (client->state != RPC_CLIENT_CONNECTING) {
        return;
    }
    client->state = RPC_CLIENT_GREETING;
    rpc_call_init(&client->greeting, rpc_client_greeted, client);
    rpc_client_greet(client, RPC_CLIENT_GREETING_VERSION);
}

static struct space rpc_client_space(void *context)
{
    struct rpc_client *client = context;

    if (client->state == RPC_CLIENT_CLOSING) {
        return (struct space){NULL, 0};
    }
    if (client->frame == NULL) {
        return (struct space){client->size_bytes + client->size_got, sizeof(client->size_bytes) - client->size_got};
    }
    return (struct space){client->frame + client->frame_got, client->frame_size - client->frame_got};
}

/* Decodes the answer in `frame`, which the call takes. */
static enum status rpc_call_decode(struct rpc_call *call, uint8_t *frame, size_t size)
{
    const struct message_type *type = &api_find(call->key)->response;
    struct reader reader;
    int16_t version = call->version;

    call->frame = frame;
    call->arena.limit = RPC_CLIENT_ARENA_BASE + RPC_CLIENT_ARENA_PER_BYTE * size;
    call->response = arena_need(&call->arena, 1, type->size);
    type->init(call->response);
    reader_init(&reader, bytes_of(frame, size), &call->arena);
    if (response_header_read(call->key, version, &reader) != call->correlation_id) {
        return STATUS_CORRUPT;
    }
    /* A server that does not know the asked version of ApiVersions answers in version 0 with error 35 first. */
    if (call->key == API_API_VERSIONS && reader_left(&reader) >= 2 && load_i16(reader.at) == 35) {
        version = 0;
    }
    type->read(call->response, &reader, version);
    return reader_done(&reader) ? STATUS_OK : STATUS_CORRUPT;
}

static void rpc_client_answer(struct rpc_client *client)
{
    struct rpc_call *call;
    uint8_t *frame = client->frame;
    enum status status;

    client->frame = NULL;
    client->size_got = 0;
    if (list_empty(&client->pending)) {
        memory_free(frame);
        rpc_client_fail(client, STATUS_CORRUPT);
        return;
    }
    call = LIST_ENTRY(client->pending.next, struct rpc_call, link);
    status = rpc_call_decode(call, frame, client->frame_size);
    if (status != STATUS_OK) {
        call->response = NULL;
        rpc_client_fail(client, status);
    }
    rpc_call_finish(call, status);
}

static void rpc_client_received(void *context, size_t size)
{
    struct rpc_client *client = context;

    if (client->frame == NULL) {
        client->size_got += size;
        if (client->size_got < sizeof(client->size_bytes)) {
            return;
        }
        client->frame_size = load_u32(client->size_bytes);
        if (client->frame_size < 4 || client->frame_size > client->response_size_max) {
            rpc_client_fail(client, STATUS_TOO_LARGE);
            return;
        }
        client->frame = memory_alloc(client->frame_size);
        client->frame_got = 0;
        return;
    }
    client->frame_got += size;
    if (client->frame_got == client->frame_size) {
        rpc_client_answer(client);
    }
}

static void rpc_client_stream_closed(void *context, enum status why)
{
    struct rpc_client *client = context;
    const bool by_us = client->state == RPC_CLIENT_CLOSING;
    const enum status cause = by_us ? client->why : why == STATUS_END || why == STATUS_OK ? STATUS_CLOSED : why;

    client->state = RPC_CLIENT_CLOSING;
    env_timer_stop(client->env, &client->connect_timer);
    while (!list_empty(&client->pending)) {
        struct rpc_call *call = LIST_ENTRY(client->pending.next, struct rpc_call, link);

        rpc_call_finish(call, cause == STATUS_OK ? STATUS_CLOSED : cause);
    }
    client->handler->closed(client->context, client, cause);
    if (client->greeting.done != NULL) {
        rpc_call_deinit(&client->greeting);
    }
    memory_free(client->frame);
    memory_free(client->client_id);
    memory_free(client);
}

int16_t rpc_client_version(const struct rpc_client *client, int16_t key, int16_t version_max)
{
    const struct api_versions_response *features = client->greeting.response;
    const struct api *api = api_find(key);

    if (features == NULL || api == NULL) {
        return -1;
    }
    for (int32_t i = 0; i < features->api_keys_count; i++) {
        if (features->api_keys[i].api_key == key) {
            int16_t version = features->api_keys[i].max_version;

            version = version < api->version_max ? version : api->version_max;
            version = version < version_max ? version : version_max;
            return version >= features->api_keys[i].min_version && version >= api->version_min ? version : -1;
        }
    }
    return -1;
}

const char *rpc_client_peer(const struct rpc_client *client)
{
    return stream_peer(client->stream);
}

const struct api_versions_response *rpc_client_features(const struct rpc_client *client)
{
    return client->greeting.response;
}
