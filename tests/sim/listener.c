/* See listener.h. A loop takes its backlog in the handlers' phase; what it has taken is the program's to adopt or
 * refuse. */
#include "tests/sim/listener.h"

#include "common/base/assert.h"
#include "tests/sim/stream.h"

#include <string.h>

static bool host_is_own(const struct sim_process *process, const char *host)
{
    static const char *const own[] = {"", "0.0.0.0", "::", "localhost", "127.0.0.1", "::1"};

    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        if (strcmp(host, own[i]) == 0) {
            return true;
        }
    }
    return strcmp(host, process->name) == 0;
}

struct sim_listener *listener_find(const struct sim_process *process, uint16_t port)
{
    LIST_EACH(link, &process->listeners) {
        struct sim_listener *listener = LIST_ENTRY(link, struct sim_listener, link);

        if (listener->port == port) {
            return listener;
        }
    }
    return NULL;
}

void accepted_forget(struct net_accepted *accepted)
{
    list_remove(&accepted->link);
    sim_free(accepted);
}

static void listener_handle(struct sim_task *task)
{
    struct sim_listener *listener = CONTAINER_OF(task, struct sim_listener, task);
    struct sim_process *process = listener->loop->process;
    const uint16_t port = listener->port;

    /* The callback may close the listener. */
    while (listener_find(process, port) == listener && !list_empty(&listener->backlog)) {
        struct list *link = list_take_first(&listener->backlog);

        list_append(&process->accepted, link);
        listener->accepted(listener->context, LIST_ENTRY(link, struct net_accepted, link));
    }
}

void listener_welcome(struct sim_listener *listener, struct sim_socket *socket)
{
    struct net_accepted *accepted = sim_alloc(sizeof(*accepted));

    accepted->socket = socket;
    list_append(&listener->backlog, &accepted->link);
    sim_task_queue(listener->loop, &listener->loop->ready, &listener->task);
}

enum status listener_open(struct net *net, const char *host, uint16_t port,
                          void (*accepted)(void *context, struct net_accepted *accepted), void *context,
                          struct listener **result)
{
    struct sim_loop *loop = CONTAINER_OF(net, struct sim_net, base)->loop;
    struct sim_process *process = loop->process;
    struct sim_listener *listener;

    loop_assert_owned(loop);
    if (!host_is_own(process, host)) {
        return STATUS_UNREACHABLE;
    }
    while (port == 0) {
        port = listener_find(process, process->next_port) == NULL ? process->next_port : 0;
        process->next_port++;
    }
    if (listener_find(process, port) != NULL) {
        return STATUS_ADDRESS_IN_USE;
    }
    listener = sim_alloc(sizeof(*listener));
    listener->base.net = net;
    listener->loop = loop;
    listener->accepted = accepted;
    listener->context = context;
    listener->port = port;
    list_init(&listener->backlog);
    sim_task_init(&listener->task, listener_handle);
    list_append(&process->listeners, &listener->link);
    *result = &listener->base;
    return STATUS_OK;
}

uint16_t listener_get_port(struct listener *base)
{
    return CONTAINER_OF(base, struct sim_listener, base)->port;
}

static void listener_free(struct sim_listener *listener, bool close)
{
    while (!list_empty(&listener->backlog)) {
        struct net_accepted *accepted = LIST_ENTRY(listener->backlog.next, struct net_accepted, link);
        struct sim_socket *socket = accepted->socket;

        accepted_forget(accepted);
        if (close) {
            socket_close(socket);
        }
    }
    list_remove(&listener->task.link);
    list_remove(&listener->link);
    sim_free(listener);
}

void listener_shut(struct listener *base)
{
    struct sim_listener *listener = CONTAINER_OF(base, struct sim_listener, base);

    loop_assert_owned(listener->loop);
    listener_free(listener, true);
}

/* The simulated system has neither. */
void listener_set(struct listener *listener, const struct listener_options *options)
{
    (void)listener;
    (void)options;
}

void accepted_peer_text(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX])
{
    memcpy(text, accepted->socket->peer, NET_ADDRESS_TEXT_MAX);
}

void accepted_refuse(struct net_accepted *accepted)
{
    struct sim_socket *socket = accepted->socket;

    accepted_forget(accepted);
    socket_close(socket);
}

void listeners_close_all(struct sim_process *process)
{
    while (!list_empty(&process->listeners)) {
        listener_free(LIST_ENTRY(process->listeners.next, struct sim_listener, link), true);
    }
}

void listeners_abandon(struct sim_process *process)
{
    while (!list_empty(&process->listeners)) {
        listener_free(LIST_ENTRY(process->listeners.next, struct sim_listener, link), false);
    }
    while (!list_empty(&process->accepted)) {
        accepted_forget(LIST_ENTRY(process->accepted.next, struct net_accepted, link));
    }
}
