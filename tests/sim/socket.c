/* See socket.h. A connection is freed when both ends are closed: whatever is in flight then, nobody would see. */
#include "tests/sim/socket.h"

#include "common/base/assert.h"
#include "common/base/crc32c.h"
#include "tests/sim/listener.h"
#include "tests/sim/stream.h"

#include <stdio.h>
#include <string.h>

#define SEGMENT_MOST 16384
#define CAPACITY_LEAST (16 * 1024)
#define CAPACITY_MOST (256 * 1024)
#define BYTES_PER_US 1000

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct sim_segment {
    struct list link;
    enum segment_kind kind;
    uint64_t arrives_ns;
    size_t start; /* bytes that were read */
    size_t size;
    uint8_t bytes[];
};

static struct sim_socket *socket_peer(struct sim_socket *socket)
{
    struct sim_socket *ends = socket->connection->ends;

    return socket == &ends[0] ? &ends[1] : &ends[0];
}

static void segments_free(struct list *segments)
{
    struct list *link;

    while ((link = list_take_first(segments)) != NULL) {
        sim_free(LIST_ENTRY(link, struct sim_segment, link));
    }
}

static void socket_drop_flight(struct sim_socket *socket)
{
    sim_event_cancel(socket->connection->world, &socket->arrival);
    segments_free(&socket->flight);
}

static void connection_free(struct sim_connection *connection)
{
    for (int i = 0; i < 2; i++) {
        socket_drop_flight(&connection->ends[i]);
        segments_free(&connection->ends[i].received);
    }
    sim_event_cancel(connection->world, &connection->handshake);
    list_remove(&connection->link);
    sim_free(connection);
}

static void socket_tell(struct sim_socket *socket)
{
    if (socket->stream != NULL) {
        stream_notice(socket->stream);
    }
}

static void socket_fail(struct sim_socket *socket, enum status why)
{
    socket_drop_flight(socket);
    if (socket->failed == STATUS_OK) {
        socket->failed = why;
    }
    socket_tell(socket);
}

static void socket_plan_arrival(struct sim_socket *socket)
{
    struct sim_world *world = socket->connection->world;
    const struct sim_segment *first;

    if (list_empty(&socket->flight) || sim_event_scheduled(&socket->arrival)) {
        return;
    }
    first = LIST_ENTRY(socket->flight.next, struct sim_segment, link);
    sim_event_schedule(world, &socket->arrival,
                       first->arrives_ns > world->now_ns ? first->arrives_ns - world->now_ns : 0);
}

static void socket_launch(struct sim_socket *socket, enum segment_kind kind, const uint8_t *data, size_t size)
{
    struct sim_world *world = socket->connection->world;
    struct sim_process *to = socket_peer(socket)->host;
    struct sim_segment *segment = sim_alloc(sizeof(*segment) + size);
    uint64_t arrives_ns = world->now_ns + cable_delay_ns(socket->host, to) + size * 1000 / BYTES_PER_US;

    segment->kind = kind;
    segment->size = size;
    if (size > 0) {
        memcpy(segment->bytes, data, size);
        if (cable_corrupts(socket->host, to)) {
            segment->bytes[prng_below(&world->prng, size)] ^= (uint8_t)(1U << prng_below(&world->prng, 8));
        }
    }
    /* One connection keeps its order. */
    arrives_ns = arrives_ns > socket->last_arrival_ns ? arrives_ns : socket->last_arrival_ns + 1;
    segment->arrives_ns = arrives_ns;
    socket->last_arrival_ns = arrives_ns;
    list_append(&socket->flight, &segment->link);
    socket_plan_arrival(socket);
}

/* A reset overtakes and drops what is in flight. */
static void socket_reset(struct sim_socket *socket)
{
    socket_drop_flight(socket);
    socket_launch(socket, SEGMENT_RESET, NULL, 0);
}

static void socket_receive(struct sim_socket *socket, struct sim_segment *segment)
{
    struct sim_world *world = socket->connection->world;
    const bool answer = socket->closed && segment->kind != SEGMENT_RESET;

    sim_note(world, socket->host->index + UINT64_C(0x5e6), crc32c(segment->bytes, segment->size));
    world->counters.segments++;
    world->counters.bytes += segment->size;
    switch (segment->kind) {
    case SEGMENT_DATA:
        if (!socket->closed) {
            list_append(&socket->received, &segment->link);
            socket_tell(socket);
            return;
        }
        break;
    case SEGMENT_END:
        socket->ended = true;
        socket_tell(socket);
        break;
    case SEGMENT_RESET:
        if (prng_below(&world->prng, 2) == 0) {
            segments_free(&socket->received);
        }
        socket_fail(socket, STATUS_CLOSED);
        break;
    }
    sim_free(segment);
    if (answer) {
        socket_reset(socket);
    }
}

/* Nothing gets through: later again, unless it has been too long. */
static void socket_stall(struct sim_socket *socket)
{
    struct sim_world *world = socket->connection->world;

    if (socket->stalled_ns == 0) {
        socket->stalled_ns = world->now_ns;
    }
    if (world->now_ns - socket->stalled_ns > world->options.tcp_timeout_ns) {
        socket_fail(socket, STATUS_TIMEOUT);
    } else {
        sim_event_schedule(world, &socket->arrival, cable_retry_ns(world, socket->attempts++));
    }
}

static void socket_arrival(struct sim_event *event)
{
    struct sim_socket *socket = CONTAINER_OF(event, struct sim_socket, arrival);
    struct sim_socket *peer = socket_peer(socket);
    struct sim_segment *segment = LIST_ENTRY(socket->flight.next, struct sim_segment, link);

    if (!cable_open(socket->host, peer->host)) {
        socket_stall(socket);
        return;
    }
    /* A lost acknowledgement is a stall, too, although the segment has arrived. */
    if (cable_open(peer->host, socket->host)) {
        socket->stalled_ns = 0;
        socket->attempts = 0;
    } else if (socket->stalled_ns == 0) {
        socket->stalled_ns = socket->connection->world->now_ns;
    } else if (socket->connection->world->now_ns - socket->stalled_ns >
               socket->connection->world->options.tcp_timeout_ns) {
        socket_fail(socket, STATUS_TIMEOUT);
        return;
    }
    list_remove(&segment->link);
    socket_plan_arrival(socket);
    socket_receive(peer, segment);
}

size_t socket_room(const struct sim_socket *socket)
{
    return socket->unread < socket->capacity ? socket->capacity - socket->unread : 0;
}

void socket_send(struct sim_socket *socket, const uint8_t *data, size_t size)
{
    struct prng *prng = &socket->connection->world->prng;

    ASSERT(!socket->closed);
    ASSERT(size <= socket_room(socket));
    socket->unread += size;
    while (size > 0) {
        /* Cut anywhere, now and then into single bytes. */
        const size_t most = prng_below(prng, 32) == 0 ? 8 : SEGMENT_MOST;
        const size_t drawn = 1 + (size_t)prng_below(prng, most);
        const size_t step = drawn < size ? drawn : size;

        socket_launch(socket, SEGMENT_DATA, data, step);
        data += step;
        size -= step;
    }
}

size_t socket_available(const struct sim_socket *socket)
{
    size_t size = 0;

    LIST_EACH(link, &socket->received) {
        const struct sim_segment *segment = LIST_ENTRY(link, struct sim_segment, link);

        size += segment->size - segment->start;
    }
    return size;
}

size_t socket_read(struct sim_socket *socket, uint8_t *into, size_t size)
{
    struct sim_socket *peer = socket_peer(socket);
    const bool was_full = socket_room(peer) == 0;
    size_t got = 0;

    while (got < size && !list_empty(&socket->received)) {
        struct sim_segment *segment = LIST_ENTRY(socket->received.next, struct sim_segment, link);
        const size_t left = segment->size - segment->start;
        const size_t step = left < size - got ? left : size - got;

        memcpy(into + got, segment->bytes + segment->start, step);
        segment->start += step;
        got += step;
        if (segment->start == segment->size) {
            list_remove(&segment->link);
            sim_free(segment);
        }
    }
    peer->unread -= got;
    if (was_full && got > 0) {
        /* The peer's system hears of it by an acknowledgement, which is not simulated as a segment. */
        socket_tell(peer);
    }
    return got;
}

static void socket_init(struct sim_socket *socket, struct sim_connection *connection)
{
    struct sim_world *world = connection->world;

    socket->connection = connection;
    socket->capacity = CAPACITY_LEAST + (size_t)prng_below(&world->prng, CAPACITY_MOST - CAPACITY_LEAST);
    list_init(&socket->received);
    list_init(&socket->flight);
    sim_event_init(&socket->arrival, socket_arrival);
}

void socket_close(struct sim_socket *socket)
{
    struct sim_connection *connection = socket->connection;
    struct sim_socket *peer = socket_peer(socket);
    const bool unread = !list_empty(&socket->received);

    ASSERT(!socket->closed);
    socket->closed = true;
    socket->stream = NULL;
    segments_free(&socket->received);
    if (socket == &connection->ends[0]) {
        sim_event_cancel(connection->world, &connection->handshake);
    }
    if (peer->host == NULL || peer->closed) {
        connection_free(connection);
    } else if (unread) {
        socket_reset(socket);
    } else if (socket->failed == STATUS_OK) {
        socket_launch(socket, SEGMENT_END, NULL, 0);
    }
}

static struct sim_process *connection_target(const struct sim_connection *connection)
{
    static const char *const local[] = {"", "localhost", "127.0.0.1", "0.0.0.0", "::1", "::"};

    for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
        if (strcmp(connection->host, local[i]) == 0) {
            return connection->ends[0].host;
        }
    }
    return sim_process_find(connection->world, connection->host);
}

static void handshake_retry(struct sim_connection *connection)
{
    struct sim_world *world = connection->world;
    struct sim_socket *client = &connection->ends[0];

    if (world->now_ns - connection->started_ns > 2 * world->options.tcp_timeout_ns) {
        socket_fail(client, STATUS_TIMEOUT);
        return;
    }
    sim_event_schedule(world, &connection->handshake, NS_PER_SECOND + cable_retry_ns(world, client->attempts++));
}

/* The greeting has arrived at `target`. */
static void handshake_greet(struct sim_connection *connection, struct sim_process *target)
{
    struct sim_world *world = connection->world;
    struct sim_socket *client = &connection->ends[0];
    struct sim_socket *server = &connection->ends[1];
    struct sim_listener *listener = listener_find(target, connection->port);

    if (listener == NULL) {
        socket_fail(client, STATUS_REFUSED);
        return;
    }
    connection->greeted = true;
    world->counters.connections++;
    sim_note(world, client->host->index, target->index);
    server->host = target;
    snprintf(server->peer, sizeof(server->peer), "%s:%u", client->host->name,
             30000U + (unsigned)(world->counters.connections % 30000));
    listener_welcome(listener, server);
    sim_event_schedule(world, &connection->handshake, cable_delay_ns(target, client->host));
}

static void connection_handshake(struct sim_event *event)
{
    struct sim_connection *connection = CONTAINER_OF(event, struct sim_connection, handshake);
    struct sim_socket *client = &connection->ends[0];
    struct sim_process *target = connection->greeted ? connection->ends[1].host : connection_target(connection);

    if (client->failed != STATUS_OK) {
        return;
    }
    if (target == NULL) {
        socket_fail(client, STATUS_UNREACHABLE);
    } else if (!cable_open(client->host, target) || !cable_open(target, client->host)) {
        handshake_retry(connection);
    } else if (connection->greeted) {
        stream_connected(client->stream);
    } else {
        handshake_greet(connection, target);
    }
}

struct sim_socket *connection_start(struct sim_process *host, struct sim_stream *stream, const char *name,
                                    uint16_t port)
{
    struct sim_world *world = host->world;
    struct sim_connection *connection = sim_alloc(sizeof(*connection));
    struct sim_process *target;

    connection->world = world;
    connection->started_ns = world->now_ns;
    connection->port = port;
    snprintf(connection->host, sizeof(connection->host), "%s", name);
    for (int i = 0; i < 2; i++) {
        socket_init(&connection->ends[i], connection);
    }
    connection->ends[0].host = host;
    connection->ends[0].stream = stream;
    snprintf(connection->ends[0].peer, sizeof(connection->ends[0].peer), "%s:%u", name, port);
    sim_event_init(&connection->handshake, connection_handshake);
    list_append(&world->connections, &connection->link);
    target = connection_target(connection);
    sim_event_schedule(world, &connection->handshake, cable_delay_ns(host, target != NULL ? target : host));
    return &connection->ends[0];
}

void connection_free_all(struct sim_world *world)
{
    while (!list_empty(&world->connections)) {
        connection_free(LIST_ENTRY(world->connections.next, struct sim_connection, link));
    }
}

/* The machine stopped: nothing leaves any more, and the peers do not know. */
static void socket_silence(struct sim_socket *socket)
{
    struct sim_socket *peer = socket_peer(socket);

    socket->closed = true;
    socket->stream = NULL;
    segments_free(&socket->received);
    socket_drop_flight(socket);
    if (socket == &socket->connection->ends[0]) {
        sim_event_cancel(socket->connection->world, &socket->connection->handshake);
    }
    if (peer->host == NULL || peer->closed) {
        connection_free(socket->connection);
    }
}

void connections_abandon(struct sim_process *process, enum sim_crash how)
{
    struct sim_world *world = process->world;
    struct list *link = world->connections.next;

    while (link != &world->connections) {
        struct sim_connection *connection = LIST_ENTRY(link, struct sim_connection, link);

        link = link->next;
        for (int i = 0; i < 2; i++) {
            struct sim_socket *socket = &connection->ends[i];
            /* If this closes the last end, the connection is gone. */
            const bool last = socket->host != NULL && !socket->closed &&
                              (socket_peer(socket)->host == NULL || socket_peer(socket)->closed);

            if (socket->host != process || socket->closed) {
                continue;
            }
            if (how == SIM_POWER_CUT) {
                socket_silence(socket);
            } else {
                socket_close(socket);
            }
            if (last) {
                break;
            }
        }
    }
}

void sim_reset_connections(struct sim_process *a, struct sim_process *b)
{
    LIST_EACH(link, &a->world->connections) {
        struct sim_connection *connection = LIST_ENTRY(link, struct sim_connection, link);
        struct sim_socket *ends = connection->ends;

        const bool there = ends[0].host == a && ends[1].host == b;
        const bool back = ends[0].host == b && ends[1].host == a;

        if (connection->greeted && (there || back)) {
            socket_fail(&ends[0], STATUS_CLOSED);
            socket_fail(&ends[1], STATUS_CLOSED);
        }
    }
}
