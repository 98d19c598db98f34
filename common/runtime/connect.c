/* Connecting: look the name up on a worker unless it is an address, then try its addresses one after the other. */
#include "common/runtime/stream.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#define CONNECT_ADDRESSES_MAX 8

/* What a stream needs until it is open. Belongs to the stream, but while `resolving` to the job: a stream that closes
 * meanwhile leaves it behind with stream == NULL. */
struct connect_plan {
    struct env_job job;
    struct tcp_stream *stream;
    bool resolving;
    enum status status; /* of the look-up, then of the last attempt */
    struct address addresses[CONNECT_ADDRESSES_MAX];
    size_t count;
    size_t next;
    uint16_t port;
    char host[NET_HOST_MAX + 1];
};

void connect_forget(struct tcp_stream *stream)
{
    struct connect_plan *plan = stream->plan;

    if (plan == NULL) {
        return;
    }
    stream->plan = NULL;
    plan->stream = NULL;
    if (!plan->resolving) {
        memory_free(plan);
    }
}

/* On a worker. */
static void connect_resolve(struct env_job *job)
{
    struct connect_plan *plan = CONTAINER_OF(job, struct connect_plan, job);

    plan->status = address_resolve(plan->host, plan->port, plan->addresses, CONNECT_ADDRESSES_MAX, &plan->count);
}

static void connect_resolved(struct env_job *job)
{
    struct connect_plan *plan = CONTAINER_OF(job, struct connect_plan, job);

    plan->resolving = false;
    if (plan->stream == NULL) {
        memory_free(plan);
    } else {
        connect_next(plan->stream);
    }
}

/* Starts connecting `stream` to `address`; what follows is told by its events. */
static enum status connect_attempt(struct tcp_stream *stream, const struct address *address)
{
    static const int one = 1;
    const int descriptor = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum status status;
    int error = 0;

    if (descriptor < 0) {
        return status_from_errno(errno);
    }
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    if (connect(descriptor, &address->as.any, address->size) != 0) {
        error = errno;
    }
    status = error == 0 || error == EINPROGRESS || error == EINTR ? stream_bind(stream, descriptor)
                                                                  : status_from_errno(error);
    if (status != STATUS_OK) {
        (void)close(descriptor);
        return status;
    }
    stream->state = STREAM_CONNECTING;
    if (error == 0) {
        turn_event_queue(&stream->loop->ready, &stream->event);
    } else {
        stream_watch(stream);
    }
    return STATUS_OK;
}

void connect_next(struct tcp_stream *stream)
{
    struct connect_plan *plan = stream->plan;

    ASSERT(stream->state == STREAM_UNBOUND);
    while (plan->next < plan->count) {
        plan->status = connect_attempt(stream, &plan->addresses[plan->next++]);
        if (plan->status == STATUS_OK) {
            return;
        }
    }
    stream_shut(stream, plan->status);
}

/* TCP can connect a port of this machine's ephemeral range to itself if nobody listens there. */
static bool connect_is_to_itself(int descriptor, const struct address *peer)
{
    struct address own = {.size = sizeof(own.as)};

    return getsockname(descriptor, &own.as.any, &own.size) == 0 && address_equal(&own, peer);
}

void connect_decide(struct tcp_stream *stream)
{
    struct address peer = {.size = sizeof(peer.as)};
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(stream->descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error == 0 && getpeername(stream->descriptor, &peer.as.any, &peer.size) != 0) {
        if (errno == ENOTCONN) {
            /* A false alarm: it still connects. */
            stream_watch(stream);
            return;
        }
        error = errno;
    }
    if (error == 0 && connect_is_to_itself(stream->descriptor, &peer)) {
        error = ECONNREFUSED;
    }
    if (error != 0) {
        stream->plan->status = status_from_errno(error);
        stream->state = STREAM_RETRYING;
        stream_unbind(stream);
        return;
    }
    address_format(&peer, stream->peer);
    stream_open(stream);
}

struct stream *connect_start(struct net *net, const char *host, uint16_t port, const struct stream_handler *handler,
                             void *context)
{
    struct runtime_loop *loop = loop_of_net(net);
    struct tcp_stream *stream = stream_create(loop, handler, context, NET_ADDRESS_TEXT_MAX);
    struct connect_plan *plan = memory_alloc_zero(1, sizeof(*plan));

    loop_assert_owned(loop);
    stream->plan = plan;
    plan->stream = stream;
    plan->port = port;
    plan->status = STATUS_UNREACHABLE;
    snprintf(stream->peer, NET_ADDRESS_TEXT_MAX, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
    if (strlen(host) > NET_HOST_MAX) {
        stream_shut(stream, STATUS_UNREACHABLE);
    } else if (address_parse(host, port, &plan->addresses[0])) {
        plan->count = 1;
        connect_next(stream);
    } else {
        memcpy(plan->host, host, strlen(host) + 1);
        plan->resolving = true;
        plan->job.work = connect_resolve;
        plan->job.done = connect_resolved;
        env_submit(&loop->env, ENV_LANE_BACKGROUND, &plan->job);
    }
    return &stream->base;
}
