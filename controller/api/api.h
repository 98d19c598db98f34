/* The requests that controllers answer: one file per request, each with its handler; routes.c has the table. `service`
 * of a request is the machine.
 *
 * Reads are answered by any controller from its committed image. Writes are decided by the active controller and
 * answered when their records are applied; other controllers pass them on (KIP-919). */
#ifndef API_API_H
#define API_API_H

#include "common/rpc/server.h"
#include "controller/machine/machine.h"

/* What one kind of write does. */
struct api_write {
    int16_t key;
    /* Decides: adds records, fills request->response. */
    void (*decide)(struct machine *machine, const struct decision *decision, struct rpc_request *request);
    /* The records are applied; the first is at `offset`. What could not be told before goes into the response. May be
     * NULL. */
    void (*applied)(struct machine *machine, struct rpc_request *request, int64_t offset);
    /* Fills a response that says `error` for everything in the request. */
    void (*fail)(struct rpc_request *request, int16_t error);
    /* If no record was decided and nothing else is on its way, the answer needs no proof that this controller still
     * leads. */
    bool hasty;
    /* Comes from a node that has to find the active controller itself: not passed on. */
    bool direct;
};

/* Ascending by key. */
const struct rpc_route *api_routes(size_t *count);
/* The write of this key, or NULL. */
const struct api_write *api_write_find(int16_t key);

/* Carries out a write, or passes it on. The handler of all writes. */
void api_write_handle(struct rpc_request *request);
/* Passes a request that only the active controller can answer on to it; `request` is that of a write or of
 * DescribeQuorum. */
void api_pass_on(struct rpc_request *request);

/* The node `broker_id`, which the active controller knows, was heard on this request's connection: when that breaks,
 * the node is taken for gone. */
void api_bind_node(struct rpc_request *request, int32_t broker_id);

/* The response shows parts of `image`, and answers may wait behind others: keeps it until this one is sent. */
void api_hold_image(struct rpc_request *request, struct image *image);

static inline struct machine *api_machine(const struct rpc_request *request)
{
    return request->service;
}

void api_fetch(struct rpc_request *request);
void api_api_versions(struct rpc_request *request);
void api_describe_configs(struct rpc_request *request);
void api_describe_quorum(struct rpc_request *request);
void api_describe_quorum_fail(struct rpc_request *request, int16_t error);
void api_fetch_snapshot(struct rpc_request *request);
void api_describe_cluster(struct rpc_request *request);
void api_list_config_resources(struct rpc_request *request);
void api_describe_topic_partitions(struct rpc_request *request);

extern const struct api_write api_create_topics;
extern const struct api_write api_delete_topics;
extern const struct api_write api_alter_configs;
extern const struct api_write api_create_partitions;
extern const struct api_write api_incremental_alter_configs;
extern const struct api_write api_broker_registration;
extern const struct api_write api_broker_heartbeat;
extern const struct api_write api_unregister_broker;
extern const struct api_write api_allocate_producer_ids;

/* Of CLUSTER_METADATA_TOPIC. */
extern const struct uuid metadata_topic_id;

#endif
