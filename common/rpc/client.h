/* The calling side of the Kafka protocol: one connection to one server, calls pipelined, answers in order. Used by
 * storage nodes towards controllers, by controllers among themselves and by the CLI towards both.
 *
 * On opening, ApiVersions is exchanged (version 5 down to what the server accepts), so `opened` means that the peer
 * speaks and rpc_client_version knows what it offers. Everything happens on the loop of `env`. */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/base/status.h"
#include "common/env/env.h"
#include "common/wire/api.h"

struct rpc_client;
struct rpc_call;

struct rpc_client_options {
    const char *host;          /* borrowed for the call of rpc_client_open */
    uint16_t port;
    const char *client_id;     /* borrowed likewise */
    uint32_t connect_timeout_ms;
    uint32_t response_size_max; /* a longer answer closes the connection */
};

struct rpc_client_handler {
    void (*opened)(void *context, struct rpc_client *client);
    /* The last callback; every pending call was finished before with STATUS_CLOSED or its cause. `client` is gone
     * afterwards. STATUS_OK: rpc_client_close was called. */
    void (*closed)(void *context, struct rpc_client *client, enum status why);
};

/* Starts connecting; never NULL. `handler` is borrowed for the client's life. */
struct rpc_client *rpc_client_open(struct env *env, const struct rpc_client_options *options,
                                   const struct rpc_client_handler *handler, void *context);
/* Closes; callbacks come later, not inside this call. */
void rpc_client_close(struct rpc_client *client);

/* The newest version of `key` that both sides know, at most `version_max`; -1 if the server does not offer the API. */
int16_t rpc_client_version(const struct rpc_client *client, int16_t key, int16_t version_max);
/* "address:port" as connected, borrowed. */
const char *rpc_client_peer(const struct rpc_client *client);
/* The answer to ApiVersions as received (generated struct), borrowed for the client's life. */
struct api_versions_response;
const struct api_versions_response *rpc_client_features(const struct rpc_client *client);

/* One call, embedded in its owner, who keeps it until `done`. */
struct rpc_call {
    struct list link;
    /* Set by the caller before rpc_client_call. */
    void (*done)(struct rpc_call *call);
    void *context;
    /* Valid in `done`: STATUS_OK and the decoded response, or what went wrong and NULL: STATUS_TIMEOUT, STATUS_CLOSED,
     * STATUS_CORRUPT (undecodable answer; the connection closes). The response and its views live until
     * rpc_call_deinit. */
    enum status status;
    void *response;
    /* Private to the client. */
    struct arena arena;
    uint8_t *frame;
    int32_t correlation_id;
    int16_t key;
    int16_t version;
    bool pending;
    struct rpc_client *client;
    struct env_timer timer;
};

void rpc_call_init(struct rpc_call *call, void (*done)(struct rpc_call *call), void *context);
/* Frees the response. Not while pending. */
void rpc_call_deinit(struct rpc_call *call);

/* Encodes `request` (generated struct of `key`) at `version` and sends it; only between opened and closed. An answer
 * that does not come within `timeout_ms` finishes the call with STATUS_TIMEOUT and closes the connection (answers are
 * matched in order). */
void rpc_client_call(struct rpc_client *client, struct rpc_call *call, int16_t key, int16_t version,
                     const void *request,
                     uint32_t timeout_ms);
/* For Produce with acks=0: nothing comes back. */
void rpc_client_send(struct rpc_client *client, int16_t key, int16_t version, const void *request);

#endif
