/* Requests that only the active controller may answer, passed on to it over one connection (KIP-919: any controller
 * will do). Connections between controllers for this purpose say so by their client id, and what comes over them is
 * never passed on again: two controllers that disagree about who is active cannot play ball with a request. */
#ifndef MACHINE_FORWARDER_H
#define MACHINE_FORWARDER_H

#include "common/rpc/client.h"
#include "common/rpc/server.h"
#include "controller/quorum/quorum.h"

#define FORWARDER_CLIENT_ID "controller-"

struct forwarder_options {
    int32_t id; /* our own */
    const struct quorum_voter *voters; /* borrowed for the forwarder's life */
    int voter_count;
    uint32_t timeout_ms;
    size_t waiting_max; /* requests while the connection is being made */
};

struct forwarder {
    struct env *env;
    struct forwarder_options options;
    int32_t target;            /* who is active; QUORUM_ID_UNKNOWN: nobody, or we */
    struct rpc_client *client; /* to whom it was active when it was opened; NULL: none */
    int32_t client_target;
    bool open;
    bool leaving;              /* the client is being closed */
    struct list waiting;       /* of struct forwarded */
    size_t waiting_count;
    bool closed;
    void (*done)(void *context);
    void *context;
};

void forwarder_init(struct forwarder *forwarder, struct env *env, const struct forwarder_options *options);
/* Who is active now. What waits for another one fails. */
void forwarder_aim(struct forwarder *forwarder, int32_t target);
/* Passes the request on; it completes with the answer, or `failed` gets it with the reason: STATUS_NOT_LEADER if it
 * certainly did not arrive, else it may have been carried out. `failed` may be called at once. */
void forwarder_pass(struct forwarder *forwarder, struct rpc_request *request,
                    void (*failed)(struct rpc_request *request, enum status why));
/* True if the request has been passed on once already. */
bool forwarder_has_passed(const struct rpc_request *request);
/* Everything that waits fails; `done` follows, perhaps at once, when the connection is gone. */
void forwarder_close(struct forwarder *forwarder, void (*done)(void *context), void *context);

#endif
