/* A storage node's tie to the controllers, on its first loop: registration, heartbeats, producer id blocks, requests
 * passed on, and the metadata log, followed by fetching (KIP-631, KIP-595).
 *
 * Two connections go to one controller: `control` for short calls, `feed` for the long polls of the metadata log
 * (answers come in order, so a poll would hold up a heartbeat). When either fails, or the controller says that it is
 * not the active one, the next controller is tried.
 *
 *     CONNECT -> (cluster id unknown: DescribeCluster) -> REGISTER -> heartbeats: fenced -> caught up -> unfenced
 */
#ifndef CLUSTER_CONTROLLER_LINK_H
#define CLUSTER_CONTROLLER_LINK_H

#include "common/metadata/image.h"
#include "common/rpc/client.h"

struct controller_link;

struct controller_link_listener {
    struct string name;
    struct string host;
    uint16_t port;
};

/* Everything is borrowed for the link's life. */
struct controller_link_options {
    struct env *env;
    int32_t node_id;
    const struct controller_link_listener *controllers; /* name unused */
    size_t controller_count;
    struct string cluster_id; /* null: learn it */
    struct uuid incarnation_id;
    const char *rack; /* NULL: none */
    const struct controller_link_listener *listeners; /* advertised */
    size_t listener_count;
    const struct uuid *log_dirs;
    size_t log_dir_count;
    int64_t previous_broker_epoch; /* of a clean stop, -1: none */
    uint32_t heartbeat_ms;
    uint32_t request_timeout_ms; /* of one request to a controller; then another controller is tried */
    uint32_t retry_backoff_ms;   /* before the first repetition; it grows up to ten times that */
    const struct rpc_feature *features;
    size_t feature_count;
};

struct controller_link_handler {
    /* The cluster's id, when it was not known. STATUS other than OK: refuse it, the node stops. */
    enum status (*cluster_id)(void *context, struct string cluster_id);
    /* The metadata moved on: `image` is borrowed for the call, take a reference to keep it. */
    void (*image)(void *context, struct image *image);
    /* The node is registered under this epoch. */
    void (*registered)(void *context, int64_t broker_epoch);
    /* Fenced or not, as the last heartbeat said. */
    void (*fenced)(void *context, bool fenced);
    /* The controllers agree that the node may stop. */
    void (*may_stop)(void *context);
    /* The cluster refuses this node for good: wrong cluster id, id taken... `why` is a sentence. */
    void (*refused)(void *context, const char *why);
};

struct controller_link *controller_link_create(const struct controller_link_options *options,
                                               const struct controller_link_handler *handler, void *context);
/* Closes the connections; callbacks end here. `done` is called when nothing is left. */
void controller_link_stop(struct controller_link *link, void (*done)(void *context), void *context);
void controller_link_destroy(struct controller_link *link); /* after done */
/* From now on heartbeats ask for leave to stop. */
void controller_link_want_stop(struct controller_link *link);
/* The log directories that failed so far, told with the next heartbeat, which goes out at once. */
void controller_link_offline_dirs(struct controller_link *link, const struct uuid *dirs, size_t count);
/* The open connection for short calls, or NULL. */
struct rpc_client *controller_link_client(struct controller_link *link);
int64_t controller_link_broker_epoch(const struct controller_link *link);

#endif
