/* One client's connection: bytes to frames to requests, and answers in order. Internal to rpc. */
#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "common/rpc/block.h"
#include "common/rpc/server.h"

/* With others waiting for receive memory, a half frame that keeps some of it must grow within this time, and all in all
 * come in at this rate. */
#define RPC_STALL_NS (3 * NS_PER_SECOND)
#define RPC_STALL_BYTES_PER_SECOND (32 * 1024)
/* Large receive blocks that are not used for so long are given back. */
#define RPC_TRIM_NS NS_PER_SECOND
/* Request objects kept for reuse. */
#define RPC_REQUESTS_KEPT 64

struct rpc_server {
    struct env *env;
    struct rpc_server_options options;
    struct rpc_block_pool blocks;
    struct list connections; /* of struct rpc_connection */
    struct list starved;     /* connections that wait for receive memory */
    struct list requests_free;
    size_t requests_free_count;
    uint32_t connection_count;
    uint64_t connections_total;
    uint64_t requests_total;
    uint64_t bad_frames_total;
    struct env_timer idle_timer;
    struct env_timer stall_timer; /* runs while connections starve */
    struct env_timer trim_timer;  /* runs while large receive blocks are kept */
    struct env_hook resume_hook;  /* wakes starved connections once memory came back */
    void (*stopped)(void *context);
    void *stopped_context;
    bool stopping;
};

struct rpc_connection {
    struct list link;         /* in server->connections */
    struct list starved_link; /* in server->starved */
    struct rpc_server *server;
    struct stream *stream;    /* NULL once closed */
    struct rpc_block *block;  /* where bytes go now; NULL at rest */
    struct list pipeline;     /* of struct rpc_request, oldest first */
    struct env_hook resume_hook; /* continues after back-pressure, outside of whatever ended it */
    struct rpc_place *place;  /* NULL: not counted */
    uint32_t listener;
    uint32_t in_flight;
    size_t frame_last;        /* size of the last whole frame with its length: the next one most likely is alike */
    uint64_t active_ns;       /* last bytes or answer */
    uint64_t frame_ns;        /* since when `block` ends with a half frame */
    size_t unsent_seen;       /* at the last look for idle connections: a slow reader that reads is not idle */
    bool started;             /* the first 8 bytes were looked at */
    bool closing;
    bool parsing;             /* handlers are being called: requests stay in the pipeline until that is over */
    bool blocked;             /* no more is read or parsed before an answer has left */
    void *upgraded;           /* not Kafka's protocol: see struct rpc_upgrade */
    void *session;
    void (*session_gone)(void *session);
};

/* For server.c. */
void rpc_connection_open(struct rpc_server *server, struct net_accepted *accepted, uint32_t listener,
                         struct rpc_place *place);
void rpc_connection_close(struct rpc_connection *connection);
/* Continues after back-pressure: parses what is there, reads on. */
void rpc_connection_resume(struct rpc_connection *connection);

/* Lets go of receive memory, and tells who waits for some. */
void rpc_server_unref_block(struct rpc_server *server, struct rpc_block *block);

/* For connection.c, in request.c. */

/* A request object from the server's pool. */
struct rpc_request *rpc_request_acquire(struct rpc_connection *connection);
/* Lets go of block, files and memory; the object returns to the pool. */
void rpc_request_release(struct rpc_request *request);
/* Sends every finished answer at the head of the pipeline. */
void rpc_pipeline_drain(struct rpc_connection *connection);
/* A connection without stream and requests goes away. */
void rpc_connection_reap(struct rpc_connection *connection);

#endif
