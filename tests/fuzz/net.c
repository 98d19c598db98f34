/* See net.h. */
#include "tests/fuzz/net.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

static struct fuzz_stream *stream_of(const struct stream *stream)
{
    return CONTAINER_OF(stream, struct fuzz_stream, stream);
}

static struct fuzz_stream *stream_create(struct net *net, const struct stream_handler *handler, void *context)
{
    struct fuzz_net *own = CONTAINER_OF(net, struct fuzz_net, net);
    struct fuzz_stream *stream = memory_alloc_zero(1, sizeof(*stream));

    stream->stream.net = net;
    stream->handler = handler;
    stream->context = context;
    list_init(&stream->sends);
    list_append(&own->streams, &stream->link);
    return stream;
}

static struct stream *net_adopt_any(struct net *net, struct net_accepted *accepted,
                                    const struct stream_handler *handler, void *context)
{
    struct fuzz_stream *stream = stream_create(net, handler, context);

    *(struct fuzz_stream **)(void *)accepted = stream;
    stream->keep_sent = true;
    return &stream->stream;
}

static void net_refuse_any(struct net_accepted *accepted)
{
    *(struct fuzz_stream **)(void *)accepted = NULL;
}

static struct stream *net_connect_any(struct net *net, const char *host, uint16_t port,
                                      const struct stream_handler *handler, void *context)
{
    struct fuzz_stream *stream = stream_create(net, handler, context);

    (void)host;
    (void)port;
    stream->connecting = true;
    return &stream->stream;
}

static void net_send(struct stream *base, struct send *send)
{
    struct fuzz_stream *stream = stream_of(base);

    ASSERT(!stream->closing);
    list_init(&send->link);
    list_append(&stream->sends, &send->link);
    for (size_t i = 0; i < send->part_count; i++) {
        stream->unsent += send->parts[i].size;
    }
}

static size_t net_unsent(const struct stream *stream)
{
    return stream_of(stream)->unsent;
}

static void net_resume(struct stream *stream)
{
    (void)stream;
}

static void net_close(struct stream *base)
{
    stream_of(base)->closing = true;
}

static const char *net_peer(const struct stream *stream)
{
    (void)stream;
    return "fuzzer:1";
}

static const struct net_ops ops = {.adopt = net_adopt_any,
                                   .refuse = net_refuse_any,
                                   .connect = net_connect_any,
                                   .send = net_send,
                                   .unsent = net_unsent,
                                   .resume = net_resume,
                                   .close = net_close,
                                   .peer = net_peer};

void fuzz_net_init(struct fuzz_net *net)
{
    *net = (struct fuzz_net){.net.ops = &ops};
    list_init(&net->streams);
}

void fuzz_net_deinit(struct fuzz_net *net)
{
    ASSERT(list_empty(&net->streams));
}

struct net_accepted *fuzz_net_accepted(struct fuzz_stream **stream)
{
    return (struct net_accepted *)(void *)stream;
}

static void stream_take(struct fuzz_stream *stream, const struct send *send)
{
    for (size_t i = 0; i < send->part_count; i++) {
        ASSERT(send->parts[i].file == NULL);
        stream->unsent -= send->parts[i].size;
        if (stream->keep_sent && send->parts[i].size > 0) {
            buffer_append(&stream->sent, send->parts[i].data, send->parts[i].size);
        }
    }
}

static bool stream_flush(struct fuzz_stream *stream, enum status status)
{
    const bool waited = !list_empty(&stream->sends);
    struct list *link;

    while ((link = list_take_first(&stream->sends)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        if (status == STATUS_OK) {
            stream_take(stream, send);
        }
        send->sent(send, status);
    }
    if (waited && status == STATUS_OK && !stream->closing && stream->handler->drained != NULL) {
        stream->handler->drained(stream->context);
    }
    return waited;
}

static bool stream_run(struct fuzz_net *net, struct fuzz_stream *stream)
{
    if (stream->closing || stream->ended) {
        stream->why = stream->closing ? STATUS_OK : STATUS_END;
        stream->closing = true;
        (void)stream_flush(stream, STATUS_CLOSED);
        list_remove(&stream->link);
        stream->handler->closed(stream->context, stream->why);
        if (stream->gone != NULL) {
            *stream->gone = true;
        }
        buffer_deinit(&stream->sent);
        memory_free(stream);
        return true;
    }
    if (stream->connecting) {
        stream->connecting = !net->opens;
        if (net->opens && stream->handler->opened != NULL) {
            stream->handler->opened(stream->context);
        }
        return net->opens;
    }
    return !net->slow && stream_flush(stream, STATUS_OK);
}

bool fuzz_net_run(struct fuzz_net *net)
{
    bool any = false;
    struct list *next;

    for (struct list *link = net->streams.next; link != &net->streams; link = next) {
        next = link->next; /* streams that a callback adds come last, only this one may go */
        any = stream_run(net, LIST_ENTRY(link, struct fuzz_stream, link)) || any;
    }
    return any;
}

size_t fuzz_net_feed(struct fuzz_stream *stream, struct bytes bytes, size_t chunk_max)
{
    size_t at = 0;

    while (at < bytes.size && !stream->closing && !stream->ended) {
        const struct space space = stream->handler->space(stream->context);
        size_t size = bytes.size - at;

        if (space.size == 0) {
            break;
        }
        size = size < chunk_max ? size : chunk_max;
        size = size < space.size ? size : space.size;
        memcpy(space.data, bytes.data + at, size);
        at += size;
        stream->handler->received(stream->context, size);
    }
    return at;
}

void fuzz_net_end(struct fuzz_stream *stream)
{
    stream->ended = true;
}
