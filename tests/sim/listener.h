/* Listening ports, and the connections that wait behind them for a loop to take them. */
#ifndef SIM_LISTENER_H
#define SIM_LISTENER_H

#include "common/env/net.h"
#include "tests/sim/process.h"
#include "tests/sim/socket.h"

/* An accepted connection that belongs to no loop yet. */
struct net_accepted {
    struct list link; /* in a listener's backlog, then in the process' accepted */
    struct sim_socket *socket;
};

struct sim_listener {
    struct listener base;
    struct list link; /* in the process' listeners */
    struct sim_loop *loop;
    struct sim_task task;
    struct list backlog; /* of struct net_accepted */
    void (*accepted)(void *context, struct net_accepted *accepted);
    void *context;
    uint16_t port;
};

/* The one on `port`, or NULL. */
struct sim_listener *listener_find(const struct sim_process *process, uint16_t port);
/* A connection whose end is `socket` has come. */
void listener_welcome(struct sim_listener *listener, struct sim_socket *socket);
/* Forgets an end that waits for a loop, if it does. */
void accepted_forget(struct net_accepted *accepted);

enum status listener_open(struct net *net, const char *host, uint16_t port,
                          void (*accepted)(void *context, struct net_accepted *accepted), void *context,
                          struct listener **listener);
uint16_t listener_get_port(struct listener *listener);
void listener_shut(struct listener *listener);
void listener_set(struct listener *listener, const struct listener_options *options);
void accepted_refuse(struct net_accepted *accepted);
void accepted_peer_text(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX]);

void listeners_close_all(struct sim_process *process);
/* Frees listeners and waiting ends; their sockets are closed with all others. */
void listeners_abandon(struct sim_process *process);

#endif
