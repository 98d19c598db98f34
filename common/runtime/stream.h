/* A TCP stream as stream.c, connect.c and listener.c see it. Private to common/runtime.
 *
 *     net_connect           net_adopt
 *          |                    |
 *       UNBOUND --> CONNECTING --> OPEN --> CLOSING --> gone
 *          ^            |                     ^
 *          '- RETRYING <'   (next address)    '-- stream_shut, from every state
 *
 * CLOSING lasts until libuv has let go of the poll handle; then the stream's event runs, calls `sent` of what is left,
 * `closed`, and frees. */
#ifndef RUNTIME_STREAM_H
#define RUNTIME_STREAM_H

#include "common/runtime/address.h"
#include "common/runtime/loop.h"

enum stream_state {
    STREAM_UNBOUND,    /* no descriptor: resolving the name, or between addresses */
    STREAM_CONNECTING, /* waiting for the connection to be made */
    STREAM_RETRYING,   /* libuv lets go of the last attempt's handle */
    STREAM_OPEN,
    STREAM_CLOSING,
};

struct connect_plan;

struct tcp_stream {
    struct stream base;
    struct runtime_loop *loop;
    struct list all;         /* in the loop's `streams` */
    struct turn_event event; /* something is ready, or the stream is finished */
    struct turn_event flush; /* sends wait for the end of the turn */
    const struct stream_handler *handler;
    void *context;

    enum stream_state state;
    enum status why;         /* it closes */
    bool dismissed;          /* by the user: nothing may be sent any more */
    int descriptor;
    int interest;            /* what libuv watches: UV_READABLE, UV_WRITABLE */
    int events;              /* what became ready, not handled yet */

    bool reading;            /* watch for bytes to receive */
    bool paused;             /* `space` had no room; goes on at stream_resume */
    bool waiting;            /* the system takes no more: until it is writable */
    bool waited;             /* `drained` is due when everything is sent */

    struct list sends;       /* of struct send */
    size_t part;             /* index of the first unsent part of the first send */
    size_t unsent;           /* bytes in `sends` */

    struct connect_plan *plan; /* until open; connect.c */
    uv_poll_t poll;
    char peer[];             /* text */
};

static inline struct tcp_stream *tcp_stream_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct tcp_stream, base);
}

/* UNBOUND, in the loop's list. `peer_size` bytes of room for the peer's text, at least ADDRESS_TEXT_MAX. */
struct tcp_stream *stream_create(struct runtime_loop *loop, const struct stream_handler *handler, void *context,
                                 size_t peer_size);
/* Takes `descriptor` if OK, and has libuv watch it. STATUS_NO_DESCRIPTORS. */
MUST_USE enum status stream_bind(struct tcp_stream *stream, int descriptor);
/* Closes the descriptor; stream_unbound follows when libuv is done with it. */
void stream_unbind(struct tcp_stream *stream);
/* Tells libuv what the stream waits for now, if that has changed. */
void stream_watch(struct tcp_stream *stream);
/* Starts the end. Only the first reason counts. */
void stream_shut(struct tcp_stream *stream, enum status why);
/* The connection is made: from CONNECTING to OPEN. */
void stream_open(struct tcp_stream *stream);

/* connect.c */
struct stream *connect_start(struct net *net, const char *host, uint16_t port, const struct stream_handler *handler,
                             void *context);
/* An attempt has succeeded or failed. */
void connect_decide(struct tcp_stream *stream);
/* Starts an attempt with the next address, or shuts the stream. */
void connect_next(struct tcp_stream *stream);
/* The stream needs its plan no longer. */
void connect_forget(struct tcp_stream *stream);

/* listener.c */
struct net_accepted {
    int descriptor;
    struct address peer;
};

enum status listener_open(struct net *net, const char *host, uint16_t port,
                          void (*accepted)(void *context, struct net_accepted *accepted), void *context,
                          struct listener **listener);
uint16_t listener_get_port(struct listener *listener);
void listener_shut(struct listener *listener);
void listener_set(struct listener *listener, const struct listener_options *options);
void accepted_refuse(struct net_accepted *accepted);
void accepted_peer_text(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX]);

#endif
