/* The answering side of the Kafka protocol on one loop: connections, frames, requests in order, answers in order.
 *
 *     bytes -> block -> frame -> header -> route -> decode -> handle ... rpc_request_complete -> encode -> send
 *
 * A connection's requests are started in the order they came, as many as are in the buffer, unless one of them holds
 * back the others; handlers may finish in any order, later; answers leave in the order of the requests. Handlers never
 * see reader or writer. Decoded requests borrow from the receive block: record batches are stored from where the socket
 * put them.
 *
 * Back-pressure: a connection with `requests_in_flight_max` unanswered requests, or with a megabyte of answers that its
 * client does not take, or a server whose receive memory is used up, stops reading; nothing is dropped. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/env/env.h"
#include "common/env/net.h"
#include "common/rpc/gate.h"
#include "common/wire/api.h"

struct rpc_server;
struct rpc_connection;
struct rpc_block;

/* One request in flight. Owned by its connection's pipeline; valid for the handler until it completes it. */
struct rpc_request {
    const struct api *api;
    int16_t version;
    bool version_unknown; /* only ApiVersions: the client asked for a version we do not know; answer in version 0 */
    int32_t correlation_id;
    struct string client_id; /* null if none; borrowed from the frame */
    struct arena arena;      /* the request's memory, for handlers too; lives until the answer is sent */
    void *body;              /* the decoded request */
    void *response;          /* initialised response of api->response, for the handler to fill */
    void *service;           /* of the server's options */
    struct env *env;         /* of the connection's loop */
    uint64_t received_ns;
    size_t frame_size;       /* bytes of the request on the wire */
    uint32_t listener;       /* of the connection, as given to rpc_server_adopt */
    /* Called once when the answer's last byte has been taken by the system, or the connection is gone: the place to
     * release files that the response shows. May be NULL. Handlers set it with rpc_request_on_release. */
    void (*release)(struct rpc_request *request);
    void *release_context;
    /* Called once if the connection closes while the handler still has the request, if requests that wait hold too much
     * memory, or if it holds back others for longer than a connection may be idle: the handler must complete it soon,
     * with what it has. */
    void (*cancel)(struct rpc_request *request);
    void *cancel_context;

    /* Private to rpc. */
    struct env_message message;
    struct env *at; /* the loop whose handler has it; nobody else looks at it */
    bool away;      /* home's: it is on another loop, or on its way */
    void (*run)(struct rpc_request *request);
    struct list link;
    size_t held; /* of the server's held_bytes */
    struct rpc_connection *connection;
    struct rpc_block *block;
    struct writer writer;
    struct send send;
    bool completed;
    bool silent;
    bool close_after;
};

typedef void (*rpc_handler)(struct rpc_request *request);

/* An API that this server offers. */
struct rpc_route {
    int16_t key;
    int16_t version_min; /* as ApiVersions tells; older ones than the schema decodes close the connection */
    int16_t version_max;
    rpc_handler handle;
};

/* A connection that starts with `preface` is not Kafka's protocol: its bytes go elsewhere (raft peers on a controller's
 * port). */
struct rpc_upgrade {
    struct bytes preface; /* 8 bytes; impossible as the start of a Kafka frame */
    void *(*open)(void *service, void (*close)(void *connection), void *connection); /* NULL: refuse */
    bool (*bytes)(void *upgraded, struct bytes data);                                /* false: close */
    void (*closed)(void *upgraded);
};

struct rpc_server_options {
    const struct rpc_route *routes; /* ascending by key; borrowed */
    size_t route_count;
    void *service;
    uint32_t frame_size_max;         /* socket.request.max.bytes */
    uint32_t requests_in_flight_max; /* per connection */
    size_t receive_bytes_max;        /* of all connections' blocks together */
    size_t held_bytes_max;           /* of requests that wait, beside blocks; 0: as the blocks, but 32 MiB at least */
    uint64_t idle_ns_max;            /* connections.max.idle.ms; 0: never */
    const struct rpc_upgrade *upgrade; /* NULL: none */
};

struct rpc_server *rpc_server_create(struct env *env, const struct rpc_server_options *options);
/* Closes all connections; `done` is called when the last is gone and every handler has completed its requests. */
void rpc_server_stop(struct rpc_server *server, void (*done)(void *context), void *context);
/* After `done`. */
void rpc_server_destroy(struct rpc_server *server);
/* Makes an accepted connection one of this server's; on the server's loop. `listener`: the number that its requests
 * will carry. Takes `place`, and leaves it when the connection is gone; NULL: the connection is not counted. */
void rpc_server_adopt(struct rpc_server *server, struct net_accepted *accepted, uint32_t listener,
                      struct rpc_place *place);

struct rpc_server_stats {
    uint32_t connections;
    uint64_t connections_total;
    uint64_t requests_total;
    uint64_t bad_frames_total; /* connections closed because of undecodable bytes */
    size_t receive_bytes;
};
void rpc_server_stats_get(const struct rpc_server *server, struct rpc_server_stats *stats);
const struct rpc_route *rpc_server_routes(const struct rpc_server *server, size_t *count);

/* Continues the request on another loop: `run` is called there with it, and may complete it there; answer and release
 * happen at home. The handler must not touch the request afterwards. On its own loop `run` is called at once. */
void rpc_request_run_on(struct rpc_request *request, struct env *env, void (*run)(struct rpc_request *request));
/* For a handler that is called with a request that may wait for long: until it is answered, nothing that comes behind
 * it in its connection is started, as Kafka has it for all requests. So a connection has one such request. */
void rpc_request_hold_back(struct rpc_request *request);
/* Encodes request->response and sends it when its turn comes. The handler must not touch the request afterwards. May be
 * called inside the handler. */
void rpc_request_complete(struct rpc_request *request);
/* Finishes without an answer (Produce with acks=0). */
void rpc_request_complete_silently(struct rpc_request *request);
/* Finishes by closing the connection once the answers before it are sent, as Kafka does where there is no way to
 * answer. */
void rpc_request_complete_by_closing(struct rpc_request *request);
/* "address:port" of the client. */
const char *rpc_request_peer(const struct rpc_request *request);
/* A place for a service to keep what belongs to a connection, NULL at first; `gone` is called when it closes. */
void **rpc_request_session(struct rpc_request *request, void (*gone)(void *session));

#endif
