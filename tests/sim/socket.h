/* Connections as the systems of two machines see them: what a program has sent travels in segments, arrives in the
 * other system's buffer and waits there to be read. A connection outlives the program at either end until both systems
 * are done with it.
 *
 *     program -- socket_send --> flight (segments, in order) -- arrival event --> received -- socket_read --> program
 *                '------------------------ unread <= capacity ------------------------'
 *
 * Links that lose or hold segments make a connection stall and try again later and later, as TCP does, and fail when
 * that has taken too long. */
#ifndef SIM_SOCKET_H
#define SIM_SOCKET_H

#include "common/env/net.h"
#include "tests/sim/process.h"
#include "tests/sim/world.h"

struct sim_stream;
struct sim_connection;

/* One end of a connection. */
struct sim_socket {
    struct sim_connection *connection;
    struct sim_process *host;  /* NULL: the end that is not connected yet */
    struct sim_stream *stream; /* NULL: nobody's (yet) */
    bool closed;               /* the program is done with it, or gone */
    bool ended;                /* the peer's end of data came */
    enum status failed;        /* why the system gave the connection up, or STATUS_OK */
    struct list received;      /* of struct sim_segment */
    struct list flight;        /* of struct sim_segment */
    struct sim_event arrival;  /* of the first segment in flight */
    uint64_t last_arrival_ns;
    size_t unread;             /* bytes sent that the peer's program has not read */
    size_t capacity;
    uint64_t stalled_ns;       /* since when nothing gets through; 0: it does */
    unsigned attempts;
    char peer[NET_ADDRESS_TEXT_MAX];
};

struct sim_connection {
    struct list link; /* in the world's connections */
    struct sim_world *world;
    struct sim_socket ends[2]; /* [0] has connected, [1] was accepted */
    /* The handshake: */
    struct sim_event handshake;
    bool greeted;             /* the listener knows, the client does not yet */
    uint64_t started_ns;
    char host[NET_HOST_MAX + 1];
    uint16_t port;
};

/* Starts a connection of `host`, whose end is returned. Its stream hears of the outcome. */
struct sim_socket *connection_start(struct sim_process *host, struct sim_stream *stream, const char *name,
                                    uint16_t port);
/* Frees connections that are over, or all. */
void connection_free_all(struct sim_world *world);
/* The program of `process` has crashed: its system closes its ends, or is silent after a power cut. */
void connections_abandon(struct sim_process *process, enum sim_crash how);

/* Bytes that the system would take now. */
size_t socket_room(const struct sim_socket *socket);
/* Takes `size` bytes, at most socket_room. */
void socket_send(struct sim_socket *socket, const uint8_t *data, size_t size);
/* Bytes that wait to be read. */
size_t socket_available(const struct sim_socket *socket);
/* Gives up to `size` of them. */
size_t socket_read(struct sim_socket *socket, uint8_t *into, size_t size);
/* The program is done with it. */
void socket_close(struct sim_socket *socket);

/* cable.c: what the network does to segments. */
void cable_init(struct sim_world *world, unsigned from, unsigned to);
bool cable_open(const struct sim_process *from, const struct sim_process *to);
/* How long a segment takes, with the retransmissions that its losses cost. */
uint64_t cable_delay_ns(const struct sim_process *from, const struct sim_process *to);
bool cable_corrupts(const struct sim_process *from, const struct sim_process *to);
/* How long the system waits before the next attempt to get through. */
uint64_t cable_retry_ns(struct sim_world *world, unsigned attempts);

#endif
