/* One client's connection: bytes to frames to requests, and answers in order. Internal to rpc. */
#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "common/rpc/block.h"
#include "common/rpc/server.h"

/* With others waiting for receive memory, a half frame that keeps some of it must grow within this time, and all in all
 * come in at this rate. */
#define RPC_STALL_NS (3 * NS_PER_SECOND)
#define RPC_STALL_BYTES_PER_SECOND (32 * 1024)
/* How soon those are tried who were not resumed when memory came back. */
#define RPC_RETRY_NS (10 * NS_PER_MS)
/* Large receive blocks that are not used for so long are given back. */
#define RPC_TRIM_NS NS_PER_SECOND
/* What unfinished requests may hold beside receive memory: as much as that, but at least this. */
#define RPC_HELD_MIN (32 * 1024 * 1024)
/* So many requests of one connection may wait without being the first to be hurried. */
#define RPC_HELD_FAIR 4
/* What is started within a turn, counted in units of received bytes and of memory that requests take: a unit is about a
 * microsecond of work, a small request two or three. A connection has so many; all together have so many, of which half
 * are for those that are still busy with what came in earlier turns. Whoever comes when they are used up has the least.
 * So a connection that asks little is served in the turn in which it asks, and a turn stays short, however much others
 * ask. */
#define RPC_TURN_UNITS 192
#define RPC_TURN_UNITS_ALL 384
#define RPC_TURN_UNITS_LEAST 8
#define RPC_TURN_UNIT_BYTES 1024
#define RPC_TURN_UNIT_RECEIVED (16 * 1024)
/* Request objects kept for reuse. */
#define RPC_REQUESTS_KEPT 64

struct rpc_server {
    struct env *env;
    struct rpc_server_options options;
    struct rpc_block_pool blocks;
    struct list connections; /* of struct rpc_connection */
    struct list starved;     /* connections that wait for receive memory */
    struct list postponed;   /* connections that go on in a later turn, in the order of their last one */
    struct list requests_free;
    size_t requests_free_count;
    uint32_t connection_count;
    uint64_t connections_total;
    uint64_t requests_total;
    uint64_t bad_frames_total;
    struct env_timer idle_timer;
    struct env_timer stall_timer; /* runs while connections starve */
    struct env_timer retry_timer; /* some starve after others were resumed */
    struct env_timer trim_timer;  /* runs while large receive blocks are kept */
    struct env_hook resume_hook;  /* wakes starved connections once memory came back */
    struct env_hook reclaim_hook; /* takes unused blocks back from connections */
    struct env_hook hurry_hook;   /* too much is held */
    struct env_hook turn_hook;    /* the turn in which requests were started ends */
    struct env_message turn_next; /* the next one begins */
    bool turn_next_posted;
    bool turn_counted;            /* requests were started in this turn */
    uint32_t turn_units;          /* started in this turn, by all connections */
    uint32_t turn_share;          /* of one connection, while those that were postponed go on; else 0 */
    uint64_t turn;                /* its number */
    size_t held_bytes;            /* by arenas of requests that were not finished at once */
    void (*stopped)(void *context);
    void *stopped_context;
    bool stopping;
};

struct rpc_connection {
    struct list link;         /* in server->connections */
    struct list starved_link; /* in server->starved */
    struct list postponed_link; /* in server->postponed */
    struct rpc_server *server;
    struct stream *stream;    /* NULL once closed */
    struct rpc_request *ahead; /* nothing behind it is started before it is answered; NULL: none */
    struct rpc_block *block;  /* where bytes go now; NULL at rest */
    struct list pipeline;     /* of struct rpc_request, oldest first */
    struct env_hook resume_hook; /* continues after back-pressure, outside of whatever ended it */
    struct rpc_place *place;  /* NULL: not counted */
    uint32_t listener;
    uint32_t in_flight;
    size_t frame_last;        /* size of the last whole frame with its length: the next one most likely is alike */
    uint32_t turn_units;      /* started in turn `turn` */
    uint64_t turn;
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
/* Counts what the connection does in this turn. */
void rpc_connection_count(struct rpc_connection *connection, size_t units);
/* True if the connection has had its share of this turn. */
bool rpc_connection_has_had_its_share(const struct rpc_connection *connection);
/* Takes back a block that nothing came into; true if there was one. */
bool rpc_connection_reclaim(struct rpc_connection *connection);
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
/* The request was not finished at once: from now on its memory counts. */
void rpc_request_hold(struct rpc_request *request);
/* Tells the connection's waiting requests to finish with what they have; how much memory they hold. */
size_t rpc_connection_hurry(struct rpc_connection *connection);
/* A connection without stream and requests goes away. */
void rpc_connection_reap(struct rpc_connection *connection);

#endif
