/* Listening sockets. Connections are accepted in batches; their options are inherited from the listening socket, so one
 * costs a single call. When the process has no descriptor left the listener rests: the connections wait in the backlog
 * instead of turning the loop hot. */
#include "common/runtime/stream.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096
#define ACCEPTS_PER_TURN 64
#define ACCEPT_REST_NS (100 * NS_PER_MS)
#define LISTEN_ADDRESSES_MAX 8

struct tcp_listener {
    struct listener base;
    struct runtime_loop *loop;
    struct list all;         /* in the loop's `listeners` */
    struct turn_event event; /* connections wait */
    struct env_timer rest;
    void (*accepted)(void *context, struct net_accepted *accepted);
    void *context;
    int descriptor; /* -1: closed */
    uv_poll_t poll;
};

static void listener_became_ready(uv_poll_t *poll, int status, int events)
{
    struct tcp_listener *listener = poll->data;

    (void)status;
    (void)events;
    turn_event_queue(&listener->loop->ready, &listener->event);
}

static void listener_watch(void *context)
{
    struct tcp_listener *listener = context;
    const int error = uv_poll_start(&listener->poll, UV_READABLE, listener_became_ready);

    ASSERT(error == 0);
}

/* A connection that failed while it waited is no reason to stop. */
static bool accept_error_is_of_peer(int error)
{
    return error == ECONNABORTED || error == EINTR || error == EPROTO || error == EPERM || error == ENETDOWN ||
           error == ENOPROTOOPT || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH ||
           error == ENETUNREACH;
}

static void listener_handle(struct turn_event *event)
{
    struct tcp_listener *listener = CONTAINER_OF(event, struct tcp_listener, event);

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct address peer = {.size = sizeof(peer.as)};
        struct net_accepted *accepted;
        const int descriptor = accept4(listener->descriptor, &peer.as.any, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (descriptor < 0) {
            if (errno == EAGAIN) {
                return;
            }
            if (accept_error_is_of_peer(errno)) {
                continue;
            }
            uv_poll_stop(&listener->poll);
            env_timer_start(&listener->loop->env, &listener->rest, ACCEPT_REST_NS);
            return;
        }
        accepted = memory_alloc(sizeof(*accepted));
        *accepted = (struct net_accepted){.descriptor = descriptor, .peer = peer};
        listener->accepted(listener->context, accepted);
        if (listener->descriptor < 0) {
            return;
        }
    }
}

/* A socket that listens on `address`, in `*descriptor`. */
static enum status listener_bind(const struct address *address, int *descriptor)
{
    static const int one = 1;
    static const int zero = 0;
    const int opened = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum status status;

    if (opened < 0) {
        return errno == EAFNOSUPPORT ? STATUS_UNREACHABLE : status_from_errno(errno);
    }
    (void)setsockopt(opened, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    (void)setsockopt(opened, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    (void)setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (address->as.any.sa_family == AF_INET6) {
        (void)setsockopt(opened, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    }
    if (bind(opened, &address->as.any, address->size) != 0 || listen(opened, LISTEN_BACKLOG) != 0) {
        status = status_from_errno(errno);
        (void)close(opened);
        return status;
    }
    *descriptor = opened;
    return STATUS_OK;
}

/* Clients that know a name only by IPv4 are more than the other kind: of a name's addresses that family is tried
 * first. */
static void listener_prefer_ipv4(struct address *addresses, size_t count)
{
    for (size_t i = 1; i < count && addresses[0].as.any.sa_family != AF_INET; i++) {
        if (addresses[i].as.any.sa_family == AF_INET) {
            const struct address first = addresses[0];

            addresses[0] = addresses[i];
            addresses[i] = first;
        }
    }
}

/* All addresses that `host` may stand for, the ones to prefer first. */
static enum status listener_addresses(const char *host, uint16_t port, struct address *addresses, size_t *count)
{
    enum status status;

    *count = 1;
    if (host[0] == '\0' || strcmp(host, "::") == 0) {
        /* One socket for both families, or IPv4 alone where the system has no IPv6. */
        *count = 2;
        if (!address_parse("::", port, &addresses[0]) || !address_parse("0.0.0.0", port, &addresses[1])) {
            return STATUS_INVALID;
        }
        return STATUS_OK;
    }
    if (address_parse(host, port, &addresses[0])) {
        return STATUS_OK;
    }
    status = address_resolve(host, port, addresses, LISTEN_ADDRESSES_MAX, count);
    listener_prefer_ipv4(addresses, *count);
    return status;
}

/* Tries the addresses until one works; one that is in use is an answer, not a reason to listen elsewhere. */
static enum status listener_bind_first(const struct address *addresses, size_t count, int *descriptor)
{
    enum status status = STATUS_UNREACHABLE;

    for (size_t i = 0; i < count && status != STATUS_OK && status != STATUS_ADDRESS_IN_USE; i++) {
        status = listener_bind(&addresses[i], descriptor);
    }
    return status;
}

enum status listener_open(struct net *net, const char *host, uint16_t port,
                          void (*accepted)(void *context, struct net_accepted *accepted), void *context,
                          struct listener **result)
{
    struct runtime_loop *loop = loop_of_net(net);
    struct address addresses[LISTEN_ADDRESSES_MAX];
    struct tcp_listener *listener;
    size_t count;
    int descriptor = -1;
    enum status status;

    loop_assert_owned(loop);
    status = listener_addresses(host, port, addresses, &count);
    if (status == STATUS_OK) {
        status = listener_bind_first(addresses, count, &descriptor);
    }
    if (status != STATUS_OK) {
        return status;
    }
    listener = memory_alloc_zero(1, sizeof(*listener));
    *listener = (struct tcp_listener){
        .base = {.net = net}, .loop = loop, .accepted = accepted, .context = context, .descriptor = descriptor};
    if (uv_poll_init(&loop->uv, &listener->poll, descriptor) != 0) {
        (void)close(descriptor);
        memory_free(listener);
        return STATUS_NO_DESCRIPTORS;
    }
    listener->poll.data = listener;
    turn_event_init(&listener->event, listener_handle);
    env_timer_init(&listener->rest, listener_watch, listener);
    list_init(&listener->all);
    list_append(&loop->listeners, &listener->all);
    listener_watch(listener);
    *result = &listener->base;
    return STATUS_OK;
}

uint16_t listener_get_port(struct listener *base)
{
    struct tcp_listener *listener = CONTAINER_OF(base, struct tcp_listener, base);
    struct address own = {.size = sizeof(own.as)};

    if (getsockname(listener->descriptor, &own.as.any, &own.size) != 0) {
        return 0;
    }
    return ntohs(own.as.any.sa_family == AF_INET ? own.as.v4.sin_port : own.as.v6.sin6_port);
}

/* What a socket accepts inherits its buffer sizes. A size that the system does not grant is not worth a failure. */
void listener_set(struct listener *base, const struct listener_options *options)
{
    const struct tcp_listener *listener = CONTAINER_OF(base, struct tcp_listener, base);

    (void)listen(listener->descriptor, options->backlog);
    if (options->receive_buffer_bytes >= 0) {
        (void)setsockopt(listener->descriptor, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer_bytes,
                         sizeof(options->receive_buffer_bytes));
    }
    if (options->send_buffer_bytes >= 0) {
        (void)setsockopt(listener->descriptor, SOL_SOCKET, SO_SNDBUF, &options->send_buffer_bytes,
                         sizeof(options->send_buffer_bytes));
    }
}

static void listener_closed(uv_handle_t *handle)
{
    memory_free(handle->data);
}

void listener_shut(struct listener *base)
{
    struct tcp_listener *listener = CONTAINER_OF(base, struct tcp_listener, base);

    loop_assert_owned(listener->loop);
    ASSERT(listener->descriptor >= 0);
    list_remove(&listener->all);
    turn_event_cancel(&listener->event);
    env_timer_stop(&listener->loop->env, &listener->rest);
    uv_close((uv_handle_t *)&listener->poll, listener_closed);
    (void)close(listener->descriptor);
    listener->descriptor = -1;
}

void listener_close_all(struct runtime_loop *loop)
{
    while (!list_empty(&loop->listeners)) {
        listener_shut(&LIST_ENTRY(loop->listeners.next, struct tcp_listener, all)->base);
    }
}

void accepted_peer_text(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX])
{
    address_format(&accepted->peer, text);
}

void accepted_refuse(struct net_accepted *accepted)
{
    (void)close(accepted->descriptor);
    memory_free(accepted);
}
