/* A request's way out: finished answers leave from the head of the pipeline, in order.
 *
 *     pipeline:  [done] [done] [open] [done]        the first two are encoded and sent, the last waits for the third
 *
 * A request stays in the pipeline until its answer's last byte was taken by the system: what waits in a slow reader's
 * socket counts as in flight, so it stops that connection and no other. */
#include "common/rpc/connection.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"

/* An answer's encoding buffer larger than this is not kept with the request object. */
#define RPC_WRITER_KEPT (16 * 1024)
#define RPC_SPLICES_KEPT 64

struct rpc_request *rpc_request_acquire(struct rpc_connection *connection)
{
    struct rpc_server *server = connection->server;
    struct list *link = list_take_first(&server->requests_free);
    struct rpc_request *request;

    if (link != NULL) {
        request = LIST_ENTRY(link, struct rpc_request, link);
        server->requests_free_count--;
    } else {
        request = memory_alloc_zero(1, sizeof(*request));
        list_init(&request->link);
        arena_init(&request->arena, 0);
        writer_init(&request->writer);
    }
    request->connection = connection;
    request->service = server->options.service;
    request->env = server->env;
    request->at = server->env;
    request->listener = connection->listener;
    request->received_ns = env_now_ns(server->env);
    return request;
}

static void rpc_request_recycle(struct rpc_server *server, struct rpc_request *request)
{
    struct arena arena;
    struct writer writer;

    if (server->requests_free_count >= RPC_REQUESTS_KEPT) {
        arena_deinit(&request->arena);
        writer_deinit(&request->writer);
        memory_free(request);
        return;
    }
    arena_reset(&request->arena);
    if (request->writer.buffer.capacity > RPC_WRITER_KEPT || request->writer.splice_capacity > RPC_SPLICES_KEPT) {
        writer_deinit(&request->writer);
        writer_init(&request->writer);
    } else {
        writer_clear(&request->writer);
    }
    arena = request->arena;
    writer = request->writer;
    *request = (struct rpc_request){.arena = arena, .writer = writer};
    list_init(&request->link);
    list_append(&server->requests_free, &request->link);
    server->requests_free_count++;
}

void rpc_request_hold(struct rpc_request *request)
{
    struct rpc_server *server = request->connection->server;
    /* The arena of a request that travels is another loop's. */
    request->held = sizeof(*request) + (request->away ? request->frame_size : request->arena.total);
    server->held_bytes += request->held;
    if (server->held_bytes > server->options.held_bytes_max) {
        env_at_turn_end(server->env, &server->hurry_hook);
        if (!env_timer_active(&server->retry_timer)) {
            env_timer_start(server->env, &server->retry_timer, RPC_RETRY_NS);
        }
    }
}

size_t rpc_connection_hurry(struct rpc_connection *connection)
{
    const bool parsing = connection->parsing;
    size_t bytes = 0;

    /* What is completed meanwhile stays in the pipeline until we are through it. */
    connection->parsing = true;
    LIST_EACH(link, &connection->pipeline)
    {
        struct rpc_request *request = LIST_ENTRY(link, struct rpc_request, link);
        void (*cancel)(struct rpc_request *request) = request->cancel;

        if (!request->completed && !request->away && cancel != NULL) {
            request->cancel = NULL;
            bytes += request->held;
            cancel(request);
        }
    }
    connection->parsing = parsing;
    return bytes;
}

void rpc_request_release(struct rpc_request *request)
{
    struct rpc_server *server = request->connection->server;

    server->held_bytes -= request->held;
    request->held = 0;
    if (request->release != NULL) {
        request->release(request);
    }
    if (request->block != NULL) {
        rpc_server_unref_block(server, request->block);
    }
    list_remove(&request->link);
    rpc_request_recycle(server, request);
}

/* The request leaves the pipeline; the connection may read on. */
static void rpc_request_retire(struct rpc_request *request)
{
    struct rpc_connection *connection = request->connection;

    connection->in_flight--;
    connection->active_ns = env_now_ns(connection->server->env);
    rpc_request_release(request);
    if (connection->blocked) {
        env_at_turn_end(connection->server->env, &connection->resume_hook);
    }
}

/* The oldest request is one that waited to close the connection until all before it was sent. */
static bool rpc_pipeline_closes(const struct rpc_connection *connection)
{
    const struct rpc_request *request;

    if (list_empty(&connection->pipeline)) {
        return false;
    }
    request = LIST_ENTRY(connection->pipeline.next, struct rpc_request, link);
    return request->completed && request->close_after;
}

static void rpc_request_sent(struct send *send, enum status status)
{
    struct rpc_request *request = CONTAINER_OF(send, struct rpc_request, send);
    struct rpc_connection *connection = request->connection;

    (void)status;
    rpc_request_retire(request);
    if (rpc_pipeline_closes(connection)) {
        rpc_pipeline_drain(connection);
    }
}

/* Turns buffer and splices into the parts of one send. */
static void rpc_request_gather(struct rpc_request *request)
{
    struct writer *writer = &request->writer;
    struct send_part *parts = arena_need(&request->arena, 2 * writer->splice_count + 1, sizeof(*parts));
    size_t count = 0;
    size_t at = 0;

    for (size_t i = 0; i < writer->splice_count; i++) {
        const struct splice *splice = &writer->splices[i];

        if (splice->at > at) {
            parts[count++] = (struct send_part){.data = writer->buffer.data + at, .size = splice->at - at};
            at = splice->at;
        }
        parts[count++] = (struct send_part){.data = splice->records.data,
                                            .file = splice->records.file,
                                            .offset = splice->records.offset,
                                            .size = splice->records.size};
    }
    if (writer->buffer.size > at) {
        parts[count++] = (struct send_part){.data = writer->buffer.data + at, .size = writer->buffer.size - at};
    }
    list_init(&request->send.link);
    request->send.parts = parts;
    request->send.part_count = count;
    request->send.sent = rpc_request_sent;
}

static void rpc_request_encode(struct rpc_request *request)
{
    struct writer *writer = &request->writer;

    write_int32(writer, 0);
    response_header_write(request->correlation_id, request->api->key, request->version, writer);
    request->api->response.write(request->response, writer, request->version);
    store_i32(writer->buffer.data, (int32_t)(writer_size(writer) - 4));
    rpc_request_gather(request);
}

void rpc_pipeline_drain(struct rpc_connection *connection)
{
    struct list *link = connection->pipeline.next;

    while (link != &connection->pipeline) {
        struct rpc_request *request = LIST_ENTRY(link, struct rpc_request, link);

        link = link->next;
        if (request->send.sent != NULL && connection->stream != NULL) {
            continue; /* on its way */
        }
        if (!request->completed) {
            if (connection->stream == NULL) {
                continue; /* its handler still has it */
            }
            break;
        }
        if (request->silent || connection->stream == NULL || connection->closing) {
            if (request->close_after && connection->stream != NULL && !connection->closing) {
                if (request->link.previous != &connection->pipeline) {
                    break; /* closing would drop the answers that are on their way */
                }
                rpc_connection_close(connection);
            }
            rpc_request_retire(request);
            continue;
        }
        rpc_request_encode(request);
        stream_send(connection->stream, &request->send);
    }
}

static void rpc_request_arrived(struct env_message *message)
{
    struct rpc_request *request = CONTAINER_OF(message, struct rpc_request, message);

    if (request->at == request->env) {
        request->away = false;
    }
    request->run(request);
}

void rpc_request_run_on(struct rpc_request *request, struct env *env, void (*run)(struct rpc_request *request))
{
    if (request->at == env) {
        run(request);
        return;
    }
    if (request->at == request->env) {
        request->away = true;
    }
    request->at = env;
    request->run = run;
    request->message.deliver = rpc_request_arrived;
    env_post(env, &request->message);
}

static void rpc_request_finish(struct rpc_request *request)
{
    struct rpc_connection *connection = request->connection;

    if (request->at != request->env) {
        rpc_request_run_on(request, request->env, rpc_request_finish);
        return;
    }
    ASSERT(!request->completed);
    request->completed = true;
    request->cancel = NULL;
    if (connection->ahead == request) {
        /* What waits behind it goes on when the answer is sent. */
        connection->ahead = NULL;
    }
    if (!connection->parsing) {
        rpc_pipeline_drain(connection);
        rpc_connection_reap(connection);
    }
}

void rpc_request_hold_back(struct rpc_request *request)
{
    ASSERT(request->connection->parsing && request->at == request->env);
    request->connection->ahead = request;
}

void rpc_request_complete(struct rpc_request *request)
{
    rpc_request_finish(request);
}

void rpc_request_complete_silently(struct rpc_request *request)
{
    request->silent = true;
    rpc_request_finish(request);
}

void rpc_request_complete_by_closing(struct rpc_request *request)
{
    request->silent = true;
    request->close_after = true;
    rpc_request_finish(request);
}

const char *rpc_request_peer(const struct rpc_request *request)
{
    return request->connection->stream != NULL ? stream_peer(request->connection->stream) : "(closed)";
}

void **rpc_request_session(struct rpc_request *request, void (*gone)(void *session))
{
    request->connection->session_gone = gone;
    return &request->connection->session;
}
