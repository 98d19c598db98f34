/* Byte streams between processes (TCP in common/runtime, virtual links in tests/sim).
 *
 * A stream belongs to one loop. Its user gives it a handler; callbacks come from the loop's turns, never from inside a
 * call made by the user. `closed` is always the last one, also after stream_close; the stream is gone when it returns.
 *
 * Receiving: the stream asks `space` where to put the next bytes and reports how many came with `received`. So bytes
 * land where the user wants to keep them, and a user without space is back-pressure: the stream stops reading until
 * stream_resume.
 *
 * Sending: stream_send queues parts, of memory or of a file; all that was queued in a turn leaves in one vectored write
 * (sendfile for file parts) at its end. `sent` of each send is called when the system has taken its last byte, or with
 * an error status when the stream closed before. */
#ifndef ENV_NET_H
#define ENV_NET_H

#include "common/base/attributes.h"
#include "common/base/bytes.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/env/disk.h"

struct env;
struct net;
struct stream;
struct listener;

#define NET_HOST_MAX 255
/* Room for "host:port" with brackets. */
#define NET_ADDRESS_TEXT_MAX 288

/* A piece of a send: memory if file is NULL, else `size` bytes of `file` from `offset`. */
struct send_part {
    const uint8_t *data; /* borrowed until sent */
    struct file *file;   /* referenced by the send's owner until sent */
    uint64_t offset;
    size_t size;
};

struct send {
    struct list link;
    struct send_part *parts; /* owned by the sender until `sent`; the stream changes them as it goes */
    size_t part_count;
    void (*sent)(struct send *send, enum status status);
};

struct stream_handler {
    /* A connecting stream is open. Not called for accepted ones. May be NULL. */
    void (*opened)(void *context);
    /* Where the next bytes go. size 0 stops reading until stream_resume. Never NULL. */
    struct space (*space)(void *context);
    /* `size` > 0 bytes were put at the start of the last space. */
    void (*received)(void *context, size_t size);
    /* Everything queued has been taken by the system, after it had to wait. May be NULL. */
    void (*drained)(void *context);
    /* The stream is gone. STATUS_OK: stream_close was called; STATUS_END: the peer closed; else what failed. All sends
     * were called back before. */
    void (*closed)(void *context, enum status why);
};

/* Of a listener and the connections that it accepts from now on. */
struct listener_options {
    int backlog;               /* connections that may wait to be accepted; the system may allow fewer */
    int receive_buffer_bytes;  /* of the system's, for each connection; -1: as the system likes */
    int send_buffer_bytes;
};

/* An accepted connection that belongs to no loop yet: give it to exactly one by net_adopt, or net_refuse it. */
struct net_accepted;

struct net_ops {
    enum status (*listen)(struct net *net, const char *host, uint16_t port,
                          void (*accepted)(void *context, struct net_accepted *accepted), void *context,
                          struct listener **listener);
    uint16_t (*listener_port)(struct listener *listener);
    void (*listener_tune)(struct listener *listener, const struct listener_options *options);
    void (*listener_close)(struct listener *listener);
    struct stream *(*adopt)(struct net *net, struct net_accepted *accepted, const struct stream_handler *handler,
                            void *context);
    void (*refuse)(struct net_accepted *accepted);
    void (*accepted_peer)(const struct net_accepted *accepted, char text[NET_ADDRESS_TEXT_MAX]);
    struct stream *(*connect)(struct net *net, const char *host, uint16_t port, const struct stream_handler *handler,
                              void *context);
    void (*send)(struct stream *stream, struct send *send);
    size_t (*unsent)(const struct stream *stream);
    void (*resume)(struct stream *stream);
    void (*close)(struct stream *stream);
    const char *(*peer)(const struct stream *stream);
};

struct net {
    const struct net_ops *ops;
};

/* Implementations embed this at the start of their stream. */
struct stream {
    struct net *net;
};

struct listener {
    struct net *net;
};

/* Listens on host ("" or "0.0.0.0" or "::": all interfaces) and port (0: any). STATUS_ADDRESS_IN_USE,
 * STATUS_UNREACHABLE. */
MUST_USE static inline enum status net_listen(struct net *net, const char *host, uint16_t port,
                                              void (*accepted)(void *context, struct net_accepted *accepted),
                                              void *context, struct listener **listener)
{
    return net->ops->listen(net, host, port, accepted, context, listener);
}

static inline uint16_t listener_port(struct listener *listener)
{
    return listener->net->ops->listener_port(listener);
}

/* Right after net_listen. */
static inline void listener_tune(struct listener *listener, const struct listener_options *options)
{
    listener->net->ops->listener_tune(listener, options);
}

static inline void listener_close(struct listener *listener)
{
    listener->net->ops->listener_close(listener);
}

/* Takes `accepted` and makes it a stream of the loop that `net` belongs to; call it on that loop. NULL if the system
 * refuses (descriptor limits); then `accepted` is closed and no callback comes. */
static inline struct stream *net_adopt(struct net *net, struct net_accepted *accepted,
                                       const struct stream_handler *handler, void *context)
{
    return net->ops->adopt(net, accepted, handler, context);
}

/* Closes a connection nobody wants. */
static inline void net_refuse(struct net *net, struct net_accepted *accepted)
{
    net->ops->refuse(accepted);
}

/* "address:port" of the peer. */
static inline void net_accepted_peer(struct net *net, const struct net_accepted *accepted,
                                     char text[NET_ADDRESS_TEXT_MAX])
{
    net->ops->accepted_peer(accepted, text);
}

/* Starts connecting; `opened` or `closed` follows. Host names are resolved on a worker. Never NULL. No timeout of its
 * own: the user closes the stream when it has waited enough. */
static inline struct stream *net_connect(struct net *net, const char *host, uint16_t port,
                                         const struct stream_handler *handler, void *context)
{
    return net->ops->connect(net, host, port, handler, context);
}

/* Queues `send`, in order. Shares it and everything it shows until `sent`. Not after stream_close. */
static inline void stream_send(struct stream *stream, struct send *send)
{
    stream->net->ops->send(stream, send);
}

/* Bytes queued and not yet taken by the system. */
static inline size_t stream_unsent(const struct stream *stream)
{
    return stream->net->ops->unsent(stream);
}

/* Reading goes on: `space` will be asked again. */
static inline void stream_resume(struct stream *stream)
{
    stream->net->ops->resume(stream);
}

/* Closes now, unsent bytes are dropped; `sent` of each send and then `closed` are called later in this or the next
 * turn. Calling it twice is allowed. */
static inline void stream_close(struct stream *stream)
{
    stream->net->ops->close(stream);
}

/* "address:port" of the peer, borrowed as long as the stream lives. */
static inline const char *stream_peer(const struct stream *stream)
{
    return stream->net->ops->peer(stream);
}

#endif
