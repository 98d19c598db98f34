/* One client's connection.
 *
 * Frames are parsed in place. A block is filled from the socket; complete frames in it become requests that hold a
 * reference; a frame that does not fit into the rest of its block moves, as far as it has come, into a new one that is
 * large enough:
 *
 *     [ frame 1 ][ frame 2 ][ half of fram...      ->      [ half of frame 3 .......... room for the rest ]
 *     0        parsed      used         capacity
 *
 * A frame's claimed size is believed at once up to RPC_FRAME_TRUSTED; larger blocks double as the bytes really come. */
#include "common/rpc/connection.h"

#include "common/base/assert.h"
#include "common/base/endian.h"
#include "common/base/memory.h"
#include "common/trace/trace.h"

#define RPC_FRAME_TRUSTED (2 * 1024 * 1024)
/* Of frames from this size on no receive brings a part that would have to be moved, if it can be foreseen. */
#define RPC_FRAME_ALIGNED_MIN ((size_t)16 * 1024)
/* Smaller frames move to their request's arena: thousands of waiting fetches must not hold a receive block each. */
#define RPC_FRAME_COPIED_MAX 4096
/* With this much on its way to the client no further request of it is started: answers take memory until they are
 * sent. */
#define RPC_UNSENT_MAX (1024 * 1024)
/* What decoding may allocate beside the frame: structures are larger than the bytes they come from. */
#define RPC_ARENA_BASE (16 * 1024 * 1024)
#define RPC_ARENA_PER_BYTE 16
#define RPC_ARENA_MAX (128 * 1024 * 1024)
/* Kafka's request header needs at least key, version and correlation id. */
#define RPC_FRAME_SIZE_MIN 8

static struct space rpc_connection_space(void *context);
static void rpc_connection_received(void *context, size_t size);
static void rpc_connection_closed(void *context, enum status why);

static const struct stream_handler RPC_CONNECTION_HANDLER = {
    .space = rpc_connection_space,
    .received = rpc_connection_received,
    .closed = rpc_connection_closed,
};

static void rpc_connection_resume_later(void *context)
{
    rpc_connection_resume(context);
}

void rpc_connection_open(struct rpc_server *server, struct net_accepted *accepted, uint32_t listener,
                         struct rpc_place *place)
{
    struct rpc_connection *connection = memory_alloc_zero(1, sizeof(*connection));

    connection->server = server;
    connection->listener = listener;
    connection->place = place;
    connection->active_ns = env_now_ns(server->env);
    list_init(&connection->link);
    list_init(&connection->starved_link);
    list_init(&connection->postponed_link);
    list_init(&connection->pipeline);
    env_hook_init(&connection->resume_hook, rpc_connection_resume_later, connection);
    connection->stream = net_adopt(server->env->net, accepted, &RPC_CONNECTION_HANDLER, connection);
    if (connection->stream == NULL) {
        rpc_place_leave(place, server->env);
        memory_free(connection);
        return;
    }
    list_append(&server->connections, &connection->link);
    server->connection_count++;
    server->connections_total++;
}

void rpc_connection_close(struct rpc_connection *connection)
{
    connection->closing = true;
    if (connection->stream != NULL) {
        stream_close(connection->stream);
    }
}

/* True if answers must be given, or taken by the client, before it is listened to again. */
static bool rpc_connection_is_full(const struct rpc_connection *connection)
{
    const struct rpc_server *server = connection->server;

    return connection->ahead != NULL || connection->in_flight >= server->options.requests_in_flight_max ||
           (connection->in_flight > 0 && server->held_bytes > server->options.held_bytes_max) ||
           (connection->stream != NULL && stream_unsent(connection->stream) >= RPC_UNSENT_MAX);
}

/* How many bytes of the incomplete frame that starts at `parsed` are believed to come; never less than there are. */
static size_t rpc_connection_wanted(const struct rpc_block *block, size_t have)
{
    const size_t frame = 4 + (size_t)load_u32(block->data + block->parsed);
    const size_t believed = 2 * have > RPC_FRAME_TRUSTED ? 2 * have : RPC_FRAME_TRUSTED;
    const size_t wanted = frame < believed ? frame : believed;

    return wanted > have ? wanted : have;
}

/* Makes sure that the block has room for more of the current frame. False: no memory now. */
static bool rpc_connection_make_room(struct rpc_connection *connection)
{
    struct rpc_block *block = connection->block;
    struct rpc_block *next;
    size_t have;
    size_t wanted = RPC_BLOCK_SIZE;
    bool fits;

    if (block == NULL) {
        const size_t alike = connection->frame_last < RPC_FRAME_TRUSTED ? connection->frame_last : RPC_BLOCK_SIZE;

        connection->block = rpc_block_acquire(&connection->server->blocks, alike);
        if (connection->block == NULL && alike > RPC_BLOCK_SIZE) {
            connection->block = rpc_block_acquire(&connection->server->blocks, RPC_BLOCK_SIZE);
        }
        return connection->block != NULL;
    }
    have = block->used - block->parsed;
    if (have < 4 || !connection->started) {
        /* Nothing is known of the frame's size. */
        fits = block->capacity - block->used >= 4 * RPC_FRAME_SIZE_MIN;
    } else {
        wanted = rpc_connection_wanted(block, have);
        fits = block->used < block->capacity && block->parsed + wanted <= block->capacity;
    }
    if (fits) {
        return true;
    }
    next = rpc_block_extend(block, wanted);
    if (next == NULL) {
        return false;
    }
    memcpy(next->data, block->data + block->parsed, have);
    next->used = have;
    connection->block = next;
    rpc_server_unref_block(connection->server, block);
    return true;
}

/* How far the block is to be filled. Frames of a connection most often are alike: then a receive that ends where a
 * frame will end spares moving the half one behind it. Of small frames many halves are cheaper than one more
 * receive. */
static size_t rpc_connection_fill(const struct rpc_connection *connection)
{
    const struct rpc_block *block = connection->block;
    const size_t alike = connection->frame_last;
    const size_t have = block->used - block->parsed;
    size_t end = block->parsed + alike;

    if (alike < RPC_FRAME_ALIGNED_MIN) {
        return block->capacity;
    }
    if (have >= 4 && connection->started) {
        end = block->parsed + 4 + (size_t)load_u32(block->data + block->parsed);
    }
    if (end <= block->used || end > block->capacity) {
        return block->capacity;
    }
    return end + (block->capacity - end) / alike * alike;
}

static void rpc_connection_starve(struct rpc_connection *connection)
{
    struct rpc_server *server = connection->server;

    list_remove(&connection->starved_link);
    list_append(&server->starved, &connection->starved_link);
    env_at_turn_end(server->env, &server->reclaim_hook);
    if (!env_timer_active(&server->stall_timer)) {
        env_timer_start(server->env, &server->stall_timer, RPC_STALL_NS);
    }
}

/* The connection has had its share of this turn: it goes on in a later one, after those that came before it. */
static void rpc_connection_postpone(struct rpc_connection *connection)
{
    if (list_empty(&connection->postponed_link)) {
        list_append(&connection->server->postponed, &connection->postponed_link);
        connection->blocked = true;
    }
}

static struct space rpc_connection_space(void *context)
{
    struct rpc_connection *connection = context;

    if (connection->closing) {
        return (struct space){NULL, 0};
    }
    if (rpc_connection_is_full(connection)) {
        connection->blocked = true;
        return (struct space){NULL, 0};
    }
    if (rpc_connection_has_had_its_share(connection)) {
        rpc_connection_postpone(connection);
        return (struct space){NULL, 0};
    }
    if (!rpc_connection_make_room(connection)) {
        rpc_connection_starve(connection);
        return (struct space){NULL, 0};
    }
    return (struct space){connection->block->data + connection->block->used,
                          rpc_connection_fill(connection) - connection->block->used};
}

static const struct rpc_route *rpc_route_find(const struct rpc_server *server, int16_t key)
{
    size_t low = 0;
    size_t high = server->options.route_count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (server->options.routes[middle].key == key) {
            return &server->options.routes[middle];
        }
        if (server->options.routes[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void rpc_connection_reject(struct rpc_connection *connection, const char *why,
                                  const struct request_header *header)
{
    connection->server->bad_frames_total++;
    trace_info("connection_rejected", T_TEXT("peer", stream_peer(connection->stream)), T_TEXT("why", why),
               T_INT("api_key", header->key), T_INT("api_version", header->version));
    rpc_connection_close(connection);
}

/* Decodes the body; false if its bytes are wrong. */
static bool rpc_request_decode(struct rpc_request *request, struct reader *reader)
{
    const struct api *api = request->api;

    request->body = arena_need(&request->arena, 1, api->request.size);
    request->response = arena_need(&request->arena, 1, api->response.size);
    api->request.init(request->body);
    api->response.init(request->response);
    if (request->version_unknown) {
        return true;
    }
    api->request.read(request->body, reader, request->version);
    return reader_done(reader);
}

/* Keeps the frame's bytes for as long as the request lives: where they are, or copied. */
static const uint8_t *rpc_request_keep(struct rpc_request *request, const uint8_t *at, size_t size)
{
    uint8_t *copy;

    if (size > RPC_FRAME_COPIED_MAX) {
        request->block = rpc_block_ref(request->connection->block);
        return at;
    }
    copy = arena_need(&request->arena, size, 1);
    memcpy(copy, at, size);
    return copy;
}

/* One frame of `size` bytes at `at` becomes a request in the pipeline and is started. */
static void rpc_connection_frame(struct rpc_connection *connection, const uint8_t *at, size_t size)
{
    struct rpc_server *server = connection->server;
    struct rpc_request *request = rpc_request_acquire(connection);
    struct request_header header = {0};
    const struct rpc_route *route;
    struct reader reader;
    size_t used;
    size_t limit = RPC_ARENA_BASE + RPC_ARENA_PER_BYTE * size;

    request->arena.limit = limit < RPC_ARENA_MAX ? limit : RPC_ARENA_MAX;
    reader_init(&reader, bytes_of(rpc_request_keep(request, at, size), size), &request->arena);
    request_header_read(&header, &reader);
    route = rpc_route_find(server, header.key);
    request->api = route != NULL ? api_find(header.key) : NULL;
    if (!reader_ok(&reader) || request->api == NULL) {
        rpc_connection_reject(connection, reader_ok(&reader) ? "unknown api" : "bad request header", &header);
        rpc_request_release(request);
        return;
    }
    request->version = header.version;
    request->correlation_id = header.correlation_id;
    request->client_id = header.client_id;
    request->frame_size = size + 4;
    if (header.version < route->version_min || header.version > route->version_max ||
        header.version < request->api->version_min) {
        if (header.key != API_API_VERSIONS) {
            rpc_connection_reject(connection, "unsupported version", &header);
            rpc_request_release(request);
            return;
        }
        /* KIP-511: a client newer than us learns what we speak from an answer in version 0. */
        request->version_unknown = true;
        request->version = 0;
    }
    if (!rpc_request_decode(request, &reader)) {
        rpc_connection_reject(connection, "undecodable request", &header);
        rpc_request_release(request);
        return;
    }
    /* What handlers take from now on is in proportion to what was decoded, and checked by them. */
    request->arena.limit = SIZE_MAX / 2;
    list_append(&connection->pipeline, &request->link);
    connection->in_flight++;
    server->requests_total++;
    used = arena_used(&request->arena);
    route->handle(request);
    /* What a handler takes tells what it does; of a request that travels only what it brought is known. */
    rpc_connection_count(connection, 1 + (request->away ? used : arena_used(&request->arena)) / RPC_TURN_UNIT_BYTES);
    /* Completed at once: it is still there, because nothing else takes it out while frames are parsed. */
    if (request->completed) {
        rpc_pipeline_drain(connection);
    } else {
        rpc_request_hold(request);
    }
}

static void rpc_connection_close_upgraded(void *connection)
{
    rpc_connection_close(connection);
}

/* The first bytes tell which protocol it is. False: too few of them yet. */
static bool rpc_connection_sniff(struct rpc_connection *connection)
{
    const struct rpc_upgrade *upgrade = connection->server->options.upgrade;
    struct rpc_block *block = connection->block;
    size_t size = block->used - block->parsed;

    if (upgrade == NULL) {
        connection->started = true;
        return true;
    }
    if (size > upgrade->preface.size) {
        size = upgrade->preface.size;
    }
    if (memcmp(block->data + block->parsed, upgrade->preface.data, size) != 0) {
        connection->started = true;
        return true;
    }
    if (size < upgrade->preface.size) {
        return false;
    }
    connection->started = true;
    block->parsed += size;
    connection->upgraded = upgrade->open(connection->server->options.service,
                                         rpc_connection_close_upgraded, connection);
    if (connection->upgraded == NULL) {
        rpc_connection_close(connection);
    }
    return true;
}

static void rpc_connection_drop_block(struct rpc_connection *connection)
{
    rpc_server_unref_block(connection->server, connection->block);
    connection->block = NULL;
}

bool rpc_connection_reclaim(struct rpc_connection *connection)
{
    if (connection->block == NULL || connection->block->used > connection->block->parsed) {
        return false;
    }
    rpc_connection_drop_block(connection);
    return true;
}

static void rpc_connection_parse(struct rpc_connection *connection)
{
    struct rpc_server *server = connection->server;

    connection->parsing = true;
    while (!connection->closing && !rpc_connection_is_full(connection)) {
        struct rpc_block *block = connection->block;
        const size_t have = block != NULL ? block->used - block->parsed : 0;
        int32_t size;

        if (have == 0 || (!connection->started && !rpc_connection_sniff(connection))) {
            break;
        }
        if (connection->upgraded != NULL) {
            const struct bytes data = bytes_of(block->data + block->parsed, block->used - block->parsed);

            block->parsed = block->used;
            if (data.size > 0 && !server->options.upgrade->bytes(connection->upgraded, data)) {
                rpc_connection_close(connection);
            }
            break;
        }
        if (have < 4) {
            break;
        }
        size = load_i32(block->data + block->parsed);
        if (size < RPC_FRAME_SIZE_MIN || (uint32_t)size > server->options.frame_size_max) {
            const struct request_header none = {.key = -1, .version = -1};

            rpc_connection_reject(connection, "frame size out of range", &none);
            break;
        }
        if (have - 4 < (size_t)size) {
            break;
        }
        if (rpc_connection_has_had_its_share(connection)) {
            rpc_connection_postpone(connection);
            break;
        }
        block->parsed += 4 + (size_t)size;
        connection->frame_ns = connection->active_ns;
        connection->frame_last = 4 + (size_t)size;
        rpc_connection_frame(connection, block->data + block->parsed - (size_t)size, (size_t)size);
    }
    connection->parsing = false;
    rpc_pipeline_drain(connection);
    connection->blocked = connection->blocked || rpc_connection_is_full(connection);
    /* A connection at rest holds no receive memory. */
    if (connection->block != NULL && connection->block->parsed == connection->block->used) {
        rpc_connection_drop_block(connection);
    }
}

static void rpc_connection_received(void *context, size_t size)
{
    struct rpc_connection *connection = context;

    connection->active_ns = env_now_ns(connection->server->env);
    if (connection->block->used == connection->block->parsed) {
        connection->frame_ns = connection->active_ns;
    }
    connection->block->used += size;
    ASSERT(connection->block->used <= connection->block->capacity);
    rpc_connection_count(connection, size / RPC_TURN_UNIT_RECEIVED);
    rpc_connection_parse(connection);
}

void rpc_connection_resume(struct rpc_connection *connection)
{
    if (connection->closing || connection->parsing || !list_empty(&connection->postponed_link)) {
        return;
    }
    connection->blocked = false;
    /* Time in which we did not read is not the client's. */
    connection->frame_ns = env_now_ns(connection->server->env);
    if (stream_unsent(connection->stream) == 0) {
        connection->active_ns = connection->frame_ns;
    }
    rpc_connection_parse(connection);
    if (!connection->closing && !connection->blocked) {
        stream_resume(connection->stream);
    }
}

static void rpc_connection_closed(void *context, enum status why)
{
    struct rpc_connection *connection = context;

    (void)why;
    connection->stream = NULL;
    connection->closing = true;
    list_remove(&connection->starved_link);
    list_remove(&connection->postponed_link);
    if (connection->upgraded != NULL) {
        connection->server->options.upgrade->closed(connection->upgraded);
        connection->upgraded = NULL;
    }
    if (connection->block != NULL) {
        rpc_connection_drop_block(connection);
    }
    (void)rpc_connection_hurry(connection);
    connection->parsing = false;
    rpc_pipeline_drain(connection);
    rpc_connection_reap(connection);
}
