/* TCP streams: libuv tells when a socket is ready, receiving and sending are our own calls.
 *
 * Receiving: recv straight into the handler's space. A receive that did not fill its space emptied the socket, so
 * the usual turn costs one call. A stream stops after RECEIVES_PER_TURN or RECEIVE_BYTES_PER_TURN: the socket stays
 * readable and its turn comes again after the others'. Only the first receive of a turn is cut short by that.
 *
 * Back-pressure is lazy: a handler without space only sets `paused`. Most resume before more bytes come; only an
 * event that finds the stream paused takes the socket out of epoll.
 *
 * Sending: sends queue up in `sends` and are written in the flush phase of the turn,
 *
 *     first send (from `part`)      next sends ...
 *     [memory|memory|FILE|memory]   [memory] [memory|FILE]
 *      '---------' '---'  '----------------------' '---'
 *       sendmsg    sendfile        sendmsg          sendfile
 *
 * where sendmsg carries MSG_MORE if a file part follows, so that a header and its records share packets. When the
 * system takes no more (`waiting`) only a writable event starts it again. */
#include "common/runtime/stream.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define RECEIVES_PER_TURN 16
#define RECEIVE_BYTES_PER_TURN ((size_t)1024 * 1024)
#define SEND_BYTES_PER_TURN ((size_t)2048 * 1024)
#define SEND_VECTORS_MAX 256

/* How a write ended. */
enum write_result { WRITE_GOES_ON, WRITE_WAITS, WRITE_FAILED };

static void stream_handle(struct turn_event *event);
static void stream_flush(struct turn_event *event);

struct tcp_stream *stream_create(struct runtime_loop *loop, const struct stream_handler *handler, void *context,
                                 size_t peer_size)
{
    struct tcp_stream *stream = memory_alloc(sizeof(*stream) + peer_size);

    ASSERT(peer_size >= ADDRESS_TEXT_MAX);
    ASSERT(handler->space != NULL);
    *stream = (struct tcp_stream){.base = {.net = &loop->net},
                                  .loop = loop,
                                  .handler = handler,
                                  .context = context,
                                  .state = STREAM_UNBOUND,
                                  .descriptor = -1};
    turn_event_init(&stream->event, stream_handle);
    turn_event_init(&stream->flush, stream_flush);
    list_init(&stream->all);
    list_init(&stream->sends);
    list_append(&loop->streams, &stream->all);
    return stream;
}

enum status stream_bind(struct tcp_stream *stream, int descriptor)
{
    if (uv_poll_init(&stream->loop->uv, &stream->poll, descriptor) != 0) {
        return STATUS_NO_DESCRIPTORS;
    }
    stream->poll.data = stream;
    stream->descriptor = descriptor;
    stream->interest = 0;
    stream->events = 0;
    return STATUS_OK;
}

/* libuv has let go: on with the next address, or with the end. */
static void stream_unbound(uv_handle_t *handle)
{
    struct tcp_stream *stream = handle->data;

    if (stream->state == STREAM_CLOSING) {
        turn_event_queue(&stream->loop->ready, &stream->event);
        return;
    }
    ASSERT(stream->state == STREAM_RETRYING);
    stream->state = STREAM_UNBOUND;
    connect_next(stream);
}

void stream_unbind(struct tcp_stream *stream)
{
    turn_event_cancel(&stream->event);
    turn_event_cancel(&stream->flush);
    /* In this order: libuv takes the descriptor out of epoll before its number can be used again. */
    uv_close((uv_handle_t *)&stream->poll, stream_unbound);
    (void)close(stream->descriptor);
    stream->descriptor = -1;
}

/* Called by libuv while it collects. */
static void stream_became_ready(uv_poll_t *poll, int status, int events)
{
    struct tcp_stream *stream = poll->data;

    if (status < 0) {
        /* An error waits at the socket, and libuv has stopped watching: the next calls find out what it is. */
        stream->interest = 0;
        events = UV_READABLE | UV_WRITABLE | UV_DISCONNECT;
    }
    stream->events |= events;
    turn_event_queue(&stream->loop->ready, &stream->event);
}

void stream_watch(struct tcp_stream *stream)
{
    const bool writing = stream->waiting || stream->state == STREAM_CONNECTING;
    const int wanted = (stream->reading ? UV_READABLE : 0) | (writing ? UV_WRITABLE : 0);

    if (wanted != stream->interest) {
        const int error =
            wanted != 0 ? uv_poll_start(&stream->poll, wanted, stream_became_ready) : uv_poll_stop(&stream->poll);

        ASSERT(error == 0);
        stream->interest = wanted;
    }
}

void stream_shut(struct tcp_stream *stream, enum status why)
{
    const enum stream_state before = stream->state;

    if (before == STREAM_CLOSING) {
        return;
    }
    stream->state = STREAM_CLOSING;
    stream->why = why;
    connect_forget(stream);
    switch (before) {
    case STREAM_UNBOUND:
        turn_event_queue(&stream->loop->ready, &stream->event);
        break;
    case STREAM_CONNECTING:
    case STREAM_OPEN:
        stream_unbind(stream);
        break;
    case STREAM_RETRYING:
    case STREAM_CLOSING:
        break;
    }
}

void stream_open(struct tcp_stream *stream)
{
    connect_forget(stream);
    stream->state = STREAM_OPEN;
    stream->reading = true;
    stream_watch(stream);
    if (!list_empty(&stream->sends)) {
        turn_event_queue(&stream->loop->flush, &stream->flush);
    }
    if (stream->handler->opened != NULL) {
        stream->handler->opened(stream->context);
    }
}

/* The last callbacks. */
static void stream_finish(struct tcp_stream *stream)
{
    const struct stream_handler *handler = stream->handler;
    const enum status status = stream->why == STATUS_OK || stream->why == STATUS_END ? STATUS_CLOSED : stream->why;
    struct list *link;

    while ((link = list_take_first(&stream->sends)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, status);
    }
    list_remove(&stream->all);
    handler->closed(stream->context, stream->why);
    memory_free(stream);
}

static void stream_receive(struct tcp_stream *stream)
{
    const struct stream_handler *handler = stream->handler;
    size_t left = RECEIVE_BYTES_PER_TURN;

    for (int i = 0; i < RECEIVES_PER_TURN && left > 0; i++) {
        const struct space space = handler->space(stream->context);
        const size_t size = space.size < left ? space.size : left;
        ssize_t got;

        if (stream->state != STREAM_OPEN) {
            return;
        }
        if (size == 0) {
            stream->paused = true;
            return;
        }
        if (i > 0 && size < space.size) {
            return; /* the space is often for one frame: half of it would have left the caches when the rest comes */
        }
        got = recv(stream->descriptor, space.data, size, 0);
        if (got < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                stream_shut(stream, status_from_errno(errno));
            }
            return;
        }
        if (got == 0) {
            stream_shut(stream, STATUS_END);
            return;
        }
        handler->received(stream->context, (size_t)got);
        if (stream->state != STREAM_OPEN || (size_t)got < size) {
            return;
        }
        left -= (size_t)got;
    }
}

/* What the socket of a paused stream reports: bytes can wait, errors cannot. */
static void stream_ready_while_paused(struct tcp_stream *stream, int events)
{
    int error = 0;
    socklen_t size = sizeof(error);

    stream->reading = false;
    if ((events & UV_DISCONNECT) != 0 &&
        getsockopt(stream->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) {
        stream_shut(stream, status_from_errno(error));
    }
}

/* The event of a stream, in the handlers' phase. */
static void stream_handle(struct turn_event *event)
{
    struct tcp_stream *stream = CONTAINER_OF(event, struct tcp_stream, event);
    const int events = stream->events;

    stream->events = 0;
    if (stream->state == STREAM_CLOSING) {
        stream_finish(stream);
        return;
    }
    if (stream->state == STREAM_CONNECTING) {
        connect_decide(stream);
        return;
    }
    ASSERT(stream->state == STREAM_OPEN);
    if (stream->waiting && (events & UV_WRITABLE) != 0) {
        stream->waiting = false;
        turn_event_queue(&stream->loop->flush, &stream->flush);
    }
    if ((events & UV_READABLE) != 0) {
        if (stream->paused) {
            stream_ready_while_paused(stream, events);
        } else {
            stream_receive(stream);
        }
    }
    /* A stream about to flush changes its interest after that, once. */
    if (stream->state == STREAM_OPEN && list_empty(&stream->flush.link)) {
        stream_watch(stream);
    }
}

/* The system has taken `size` more bytes. Moves the sends that are complete to `taken`. */
static void stream_consume(struct tcp_stream *stream, size_t size, struct list *taken)
{
    stream->unsent -= size;
    while (!list_empty(&stream->sends)) {
        struct send *send = LIST_ENTRY(stream->sends.next, struct send, link);

        for (; stream->part < send->part_count; stream->part++) {
            struct send_part *part = &send->parts[stream->part];
            const size_t step = part->size < size ? part->size : size;

            part->size -= step;
            size -= step;
            if (part->file != NULL) {
                part->offset += step;
            } else if (step > 0) {
                part->data += step;
            }
            if (part->size > 0) {
                return;
            }
        }
        list_remove(&send->link);
        list_append(taken, &send->link);
        stream->part = 0;
    }
    ASSERT(size == 0);
}

/* Shows the memory parts up to the next file part in `vectors`. `*more`: something follows. */
static size_t stream_gather(const struct tcp_stream *stream, struct iovec *vectors, size_t *size, bool *more)
{
    size_t first = stream->part;
    size_t count = 0;

    *size = 0;
    *more = true;
    LIST_EACH(link, &stream->sends) {
        const struct send *send = LIST_ENTRY(link, struct send, link);

        for (size_t i = first; i < send->part_count; i++) {
            const struct send_part *part = &send->parts[i];

            if (part->size == 0) {
                continue;
            }
            if (part->file != NULL || count == SEND_VECTORS_MAX || *size >= SEND_BYTES_PER_TURN) {
                return count;
            }
            /* iovec serves reading too, so it has no const; sendmsg does not write. */
            vectors[count] = (struct iovec){.iov_base = (void *)(uintptr_t)part->data, .iov_len = part->size};
            *size += part->size;
            count++;
        }
        first = 0;
    }
    *more = false;
    return count;
}

static enum write_result stream_write_memory(struct tcp_stream *stream, struct list *taken, size_t *written)
{
    UNINITIALIZED struct iovec vectors[SEND_VECTORS_MAX];
    struct msghdr message = {.msg_iov = vectors};
    size_t size;
    bool more;
    ssize_t count;

    message.msg_iovlen = stream_gather(stream, vectors, &size, &more);
    do {
        count = sendmsg(stream->descriptor, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? WRITE_WAITS : WRITE_FAILED;
    }
    *written += (size_t)count;
    stream_consume(stream, (size_t)count, taken);
    return (size_t)count < size ? WRITE_WAITS : WRITE_GOES_ON;
}

static enum write_result stream_write_file(struct tcp_stream *stream, struct send_part *part, struct list *taken,
                                           size_t *written)
{
    const size_t size = part->size < SEND_BYTES_PER_TURN ? part->size : SEND_BYTES_PER_TURN;
    off_t offset = (off_t)part->offset;
    ssize_t count;

    do {
        count = sendfile(stream->descriptor, disk_file_descriptor(part->file), &offset, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return errno == EAGAIN ? WRITE_WAITS : WRITE_FAILED;
    }
    if (count == 0) {
        /* The file is shorter than what was promised to the peer, who can only be told by closing. */
        errno = EIO;
        return WRITE_FAILED;
    }
    *written += (size_t)count;
    stream_consume(stream, (size_t)count, taken);
    return WRITE_GOES_ON;
}

/* Writes until everything is taken, the system has enough, or the turn's share is used up. */
static enum write_result stream_write(struct tcp_stream *stream, struct list *taken)
{
    enum write_result result = WRITE_GOES_ON;
    size_t written = 0;

    stream_consume(stream, 0, taken);
    while (result == WRITE_GOES_ON && !list_empty(&stream->sends) && written < SEND_BYTES_PER_TURN) {
        struct send *send = LIST_ENTRY(stream->sends.next, struct send, link);
        struct send_part *part = &send->parts[stream->part];

        result = part->file != NULL ? stream_write_file(stream, part, taken, &written)
                                    : stream_write_memory(stream, taken, &written);
    }
    return result;
}

/* The flush phase of one stream. */
static void stream_flush(struct turn_event *event)
{
    struct tcp_stream *stream = CONTAINER_OF(event, struct tcp_stream, flush);
    struct list taken;
    struct list *link;
    enum write_result result;
    int error;
    bool drained;

    ASSERT(stream->state == STREAM_OPEN);
    list_init(&taken);
    result = stream_write(stream, &taken);
    error = errno;
    if (result == WRITE_WAITS) {
        stream->waiting = true;
        stream->waited = true;
    }
    drained = stream->waited && list_empty(&stream->sends);
    /* Budget used up: the rest belongs to the next turn. Queued here, before the callbacks, because they may close. */
    if (result == WRITE_GOES_ON && !list_empty(&stream->sends)) {
        turn_event_queue(&stream->loop->flush, &stream->flush);
    }
    if (result == WRITE_FAILED) {
        stream_shut(stream, status_from_errno(error));
    }
    while ((link = list_take_first(&taken)) != NULL) {
        struct send *send = LIST_ENTRY(link, struct send, link);

        send->sent(send, STATUS_OK);
    }
    if (stream->state == STREAM_OPEN && drained) {
        stream->waited = false;
        if (stream->handler->drained != NULL) {
            stream->handler->drained(stream->context);
        }
    }
    if (stream->state == STREAM_OPEN) {
        stream_watch(stream);
    }
}

static void stream_queue(struct stream *base, struct send *send)
{
    struct tcp_stream *stream = tcp_stream_of(base);

    loop_assert_owned(stream->loop);
    ASSERT(!stream->dismissed);
    for (size_t i = 0; i < send->part_count; i++) {
        stream->unsent += send->parts[i].size;
    }
    list_append(&stream->sends, &send->link);
    if (stream->state == STREAM_OPEN && !stream->waiting) {
        turn_event_queue(&stream->loop->flush, &stream->flush);
    }
}

static size_t stream_unsent_bytes(const struct stream *base)
{
    return ((const struct tcp_stream *)(const void *)base)->unsent;
}

static void stream_go_on(struct stream *base)
{
    struct tcp_stream *stream = tcp_stream_of(base);

    loop_assert_owned(stream->loop);
    if (!stream->paused || stream->state != STREAM_OPEN) {
        return;
    }
    stream->paused = false;
    stream->reading = true;
    /* There most likely are bytes already: look at once, in the next turn, without asking epoll. */
    stream->events |= UV_READABLE;
    turn_event_queue(&stream->loop->ready, &stream->event);
}

static void stream_dismiss(struct stream *base)
{
    struct tcp_stream *stream = tcp_stream_of(base);

    loop_assert_owned(stream->loop);
    stream->dismissed = true;
    stream_shut(stream, STATUS_OK);
}

static const char *stream_peer_text(const struct stream *base)
{
    return ((const struct tcp_stream *)(const void *)base)->peer;
}

static struct stream *stream_adopt(struct net *net, struct net_accepted *accepted, const struct stream_handler *handler,
                                   void *context)
{
    struct runtime_loop *loop = loop_of_net(net);
    struct tcp_stream *stream;

    loop_assert_owned(loop);
    stream = stream_create(loop, handler, context, ADDRESS_TEXT_MAX);
    address_format(&accepted->peer, stream->peer);
    if (stream_bind(stream, accepted->descriptor) != STATUS_OK) {
        list_remove(&stream->all);
        memory_free(stream);
        accepted_refuse(accepted);
        return NULL;
    }
    memory_free(accepted);
    stream->state = STREAM_OPEN;
    stream->reading = true;
    stream_watch(stream);
    return &stream->base;
}

void stream_close_all(struct runtime_loop *loop)
{
    LIST_EACH(link, &loop->streams) {
        stream_shut(LIST_ENTRY(link, struct tcp_stream, all), STATUS_OK);
    }
}

const struct net_ops runtime_net_ops = {
    .listen = listener_open,
    .listener_port = listener_get_port,
    .listener_tune = listener_set,
    .listener_close = listener_shut,
    .adopt = stream_adopt,
    .refuse = accepted_refuse,
    .accepted_peer = accepted_peer_text,
    .connect = connect_start,
    .send = stream_queue,
    .unsent = stream_unsent_bytes,
    .resume = stream_go_on,
    .close = stream_dismiss,
    .peer = stream_peer_text,
};
