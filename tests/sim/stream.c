/* Streams of a loop. As in common/runtime, receiving happens in the handlers' phase and sending in the flush phase; how
 * much of either the system takes or gives at a time is drawn.
 *
 *     CONNECTING --stream_connected--> OPEN --stream_shut--> CLOSING --stream_handle--> gone */
#include "tests/sim/stream.h"

#include "common/base/assert.h"
#include "tests/sim/listener.h"
#include "tests/sim/socket.h"

#include <string.h>

#define RECEIVES_PER_TURN 16
#define SHORT_PER_MILLION 100000
#define FILE_CHUNK 65536

enum stream_state { STREAM_CONNECTING, STREAM_OPEN, STREAM_CLOSING };

struct sim_stream {
    struct stream base;
    struct list all; /* in the loop's streams */
    struct sim_loop *loop;
    struct sim_socket *socket; /* NULL when closing */
    const struct stream_handler *handler;
    void *context;
    enum stream_state state;
    enum status why;
    bool connected; /* the handler shall hear of it */
    bool dismissed; /* stream_close was called */
    bool paused;    /* the handler had no space */
    bool waiting;   /* the system had no room */
    bool waited;    /* `drained` is due when everything is taken */
    struct sim_task ready;
    struct sim_task flush;
    struct list sends;
    size_t part; /* of the first send: the first that is not taken whole */
    size_t unsent;
    char peer[NET_ADDRESS_TEXT_MAX];
};

static struct sim_stream *stream_from(const struct stream *base)
{
    return CONTAINER_OF(base, struct sim_stream, base);
}

static void stream_handle(struct sim_task *task);
static void stream_flush(struct sim_task *task);

static struct sim_stream *stream_create(struct sim_loop *loop, const struct stream_handler *handler, void *context)
{
    struct sim_stream *stream = sim_alloc(sizeof(*stream));

    ASSERT(handler->space != NULL);
    stream->base.net = &loop->net.base;
    stream->loop = loop;
    stream->handler = handler;
    stream->context = context;
    sim_task_init(&stream->ready, stream_handle);
    sim_task_init(&stream->flush, stream_flush);
    list_init(&stream->sends);
    list_append(&loop->streams, &stream->all);
    return stream;
}

void stream_notice(struct sim_stream *stream)
{
    sim_task_queue(stream->loop, &stream->loop->ready, &stream->ready);
}

void stream_connected(struct sim_stream *stream)
{
    stream->connected = true;
    stream_notice(stream);
}

static void stream_shut(struct sim_stream *stream, enum status why)
{
    struct sim_socket *socket = stream->socket;

    if (stream->state == STREAM_CLOSING) {
        return;
    }
    stream->state = STREAM_CLOSING;
    stream->why = why;
    stream->socket = NULL;
    list_remove(&stream->flush.link);
    list_init(&stream->flush.link);
    socket_close(socket);
    stream_notice(stream);
}

/* The last callbacks. */
static void stream_finish(struct sim_stream *stream)
{
    const enum status status = stream->why == STATUS_OK || stream->why == STATUS_END ? STATUS_CLOSED : stream->why;
    struct list *link;

    while ((link = list_take_first(&stream->sends)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, status);
    }
    list_remove(&stream->all);
    stream->handler->closed(stream->context, stream->why);
    sim_free(stream);
}

/* One receive; false if the turn is over for this stream. */
static bool stream_receive(struct sim_stream *stream)
{
    struct sim_world *world = stream->loop->process->world;
    const struct space space = stream->handler->space(stream->context);
    size_t size = space.size;
    size_t got;

    if (stream->state != STREAM_OPEN) {
        return false;
    }
    if (size == 0) {
        stream->paused = true;
        return false;
    }
    if (sim_chance(world, SHORT_PER_MILLION)) {
        size = 1 + (size_t)prng_below(&world->prng, size);
    }
    got = socket_read(stream->socket, space.data, size);
    if (got > 0) {
        stream->handler->received(stream->context, got);
        return stream->state == STREAM_OPEN;
    }
    if (stream->socket->failed != STATUS_OK) {
        stream_shut(stream, stream->socket->failed);
    } else if (stream->socket->ended) {
        stream_shut(stream, STATUS_END);
    }
    return false;
}

static bool stream_has_news(const struct sim_stream *stream)
{
    return stream->socket->failed != STATUS_OK || stream->socket->ended || !list_empty(&stream->socket->received);
}

static void stream_receive_some(struct sim_stream *stream)
{
    for (int i = 0; i < RECEIVES_PER_TURN; i++) {
        if (!stream_has_news(stream) || !stream_receive(stream)) {
            return;
        }
    }
    if (stream_has_news(stream)) {
        stream_notice(stream);
    }
}

/* False if there is nothing more to do. */
static bool stream_open(struct sim_stream *stream)
{
    if (stream->socket->failed != STATUS_OK) {
        stream_shut(stream, stream->socket->failed);
        return false;
    }
    if (!stream->connected) {
        return false;
    }
    stream->state = STREAM_OPEN;
    if (!list_empty(&stream->sends)) {
        sim_task_queue(stream->loop, &stream->loop->flush, &stream->flush);
    }
    if (stream->handler->opened != NULL) {
        stream->handler->opened(stream->context);
    }
    return stream->state == STREAM_OPEN;
}

static void stream_handle(struct sim_task *task)
{
    struct sim_stream *stream = CONTAINER_OF(task, struct sim_stream, ready);

    if (stream->state == STREAM_CLOSING) {
        stream_finish(stream);
        return;
    }
    if (stream->state == STREAM_CONNECTING && !stream_open(stream)) {
        return;
    }
    if (stream->waiting && socket_room(stream->socket) > 0) {
        stream->waiting = false;
        sim_task_queue(stream->loop, &stream->loop->flush, &stream->flush);
    }
    if (!stream->paused) {
        stream_receive_some(stream);
    } else if (stream->socket->failed != STATUS_OK) {
        /* Bytes can wait, failures cannot. */
        stream_shut(stream, stream->socket->failed);
    }
}

/* Gives up to `size` bytes of `part` to the system. */
static enum status stream_give(struct sim_stream *stream, const struct send_part *part, size_t size)
{
    uint8_t chunk[FILE_CHUNK];

    if (part->file == NULL) {
        socket_send(stream->socket, part->data, size);
        return STATUS_OK;
    }
    for (size_t done = 0; done < size;) {
        const size_t step = size - done < FILE_CHUNK ? size - done : FILE_CHUNK;
        size_t got;
        const enum status status = file_read(part->file, part->offset + done, chunk, step, &got);

        if (status != STATUS_OK || got < step) {
            /* The file is shorter than what was promised to the peer, who can only be told by closing. */
            return STATUS_IO;
        }
        socket_send(stream->socket, chunk, step);
        done += step;
    }
    return STATUS_OK;
}

/* As much of the first send as the system takes; true if it took all of it. */
static bool stream_write_send(struct sim_stream *stream, struct send *send, enum status *status)
{
    struct sim_world *world = stream->loop->process->world;

    for (; stream->part < send->part_count; stream->part++) {
        struct send_part *part = &send->parts[stream->part];
        const size_t room = socket_room(stream->socket);
        size_t step = part->size < room ? part->size : room;

        if (step > 1 && sim_chance(world, SHORT_PER_MILLION)) {
            step = 1 + (size_t)prng_below(&world->prng, step);
        }
        *status = stream_give(stream, part, step);
        if (*status != STATUS_OK) {
            return false;
        }
        stream->unsent -= step;
        part->size -= step;
        if (part->file != NULL) {
            part->offset += step;
        } else if (step > 0) {
            part->data += step;
        }
        if (part->size > 0) {
            return false;
        }
    }
    stream->part = 0;
    return true;
}

static void stream_call_taken(struct list *taken)
{
    struct list *link;

    while ((link = list_take_first(taken)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, STATUS_OK);
    }
}

/* The flush phase of one stream. */
static void stream_flush(struct sim_task *task)
{
    struct sim_stream *stream = CONTAINER_OF(task, struct sim_stream, flush);
    enum status status = stream->socket->failed;
    struct list taken;
    bool drained;

    ASSERT(stream->state == STREAM_OPEN);
    list_init(&taken);
    while (status == STATUS_OK && !list_empty(&stream->sends)) {
        struct send *send = LIST_ENTRY(stream->sends.next, struct send, link);

        if (!stream_write_send(stream, send, &status)) {
            break;
        }
        list_remove(&send->link);
        list_append(&taken, &send->link);
    }
    if (status == STATUS_OK && !list_empty(&stream->sends)) {
        stream->waited = true;
        if (socket_room(stream->socket) > 0) {
            sim_task_queue(stream->loop, &stream->loop->flush, &stream->flush);
        } else {
            stream->waiting = true;
        }
    }
    drained = stream->waited && list_empty(&stream->sends);
    if (status != STATUS_OK) {
        stream_shut(stream, status);
    }
    stream_call_taken(&taken);
    if (stream->state == STREAM_OPEN && drained) {
        stream->waited = false;
        if (stream->handler->drained != NULL) {
            stream->handler->drained(stream->context);
        }
    }
}

static void stream_queue(struct stream *base, struct send *send)
{
    struct sim_stream *stream = stream_from(base);

    loop_assert_owned(stream->loop);
    ASSERT(!stream->dismissed);
    for (size_t i = 0; i < send->part_count; i++) {
        stream->unsent += send->parts[i].size;
    }
    list_append(&stream->sends, &send->link);
    if (stream->state == STREAM_OPEN && !stream->waiting) {
        sim_task_queue(stream->loop, &stream->loop->flush, &stream->flush);
    }
}

static size_t stream_unsent_bytes(const struct stream *base)
{
    return stream_from(base)->unsent;
}

static void stream_go_on(struct stream *base)
{
    struct sim_stream *stream = stream_from(base);

    loop_assert_owned(stream->loop);
    if (stream->paused && stream->state == STREAM_OPEN) {
        stream->paused = false;
        stream_notice(stream);
    }
}

static void stream_dismiss(struct stream *base)
{
    struct sim_stream *stream = stream_from(base);

    loop_assert_owned(stream->loop);
    stream->dismissed = true;
    stream_shut(stream, STATUS_OK);
}

static const char *stream_peer_text(const struct stream *base)
{
    return stream_from(base)->peer;
}

static struct stream *stream_adopt(struct net *net, struct net_accepted *accepted, const struct stream_handler *handler,
                                   void *context)
{
    struct sim_loop *loop = CONTAINER_OF(net, struct sim_net, base)->loop;
    struct sim_stream *stream = stream_create(loop, handler, context);

    loop_assert_owned(loop);
    stream->state = STREAM_OPEN;
    stream->socket = accepted->socket;
    stream->socket->stream = stream;
    memcpy(stream->peer, stream->socket->peer, sizeof(stream->peer));
    accepted_forget(accepted);
    if (stream_has_news(stream)) {
        stream_notice(stream);
    }
    return &stream->base;
}

static struct stream *stream_connect(struct net *net, const char *host, uint16_t port,
                                     const struct stream_handler *handler, void *context)
{
    struct sim_loop *loop = CONTAINER_OF(net, struct sim_net, base)->loop;
    struct sim_stream *stream = stream_create(loop, handler, context);

    loop_assert_owned(loop);
    stream->state = STREAM_CONNECTING;
    stream->socket = connection_start(loop->process, stream, host, port);
    memcpy(stream->peer, stream->socket->peer, sizeof(stream->peer));
    return &stream->base;
}

void streams_close_all(struct sim_loop *loop)
{
    LIST_EACH(link, &loop->streams) {
        stream_shut(LIST_ENTRY(link, struct sim_stream, all), STATUS_OK);
    }
}

void streams_abandon(struct sim_loop *loop)
{
    while (!list_empty(&loop->streams)) {
        struct sim_stream *stream = LIST_ENTRY(loop->streams.next, struct sim_stream, all);

        if (stream->socket != NULL) {
            stream->socket->stream = NULL;
        }
        list_remove(&stream->all);
        sim_free(stream);
    }
}

const struct net_ops sim_net_ops = {
    .listen = listener_open,
    .listener_port = listener_get_port,
    .listener_tune = listener_set,
    .listener_close = listener_shut,
    .adopt = stream_adopt,
    .refuse = accepted_refuse,
    .accepted_peer = accepted_peer_text,
    .connect = stream_connect,
    .send = stream_queue,
    .unsent = stream_unsent_bytes,
    .resume = stream_go_on,
    .close = stream_dismiss,
    .peer = stream_peer_text,
};
