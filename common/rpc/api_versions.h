/* The answer to ApiVersions that both kinds of servers give: what their routes offer, and the features. */
#ifndef RPC_API_VERSIONS_H
#define RPC_API_VERSIONS_H

#include "common/rpc/server.h"

/* A feature's name with the levels we support and the level that the cluster has finalized (0: none). */
struct rpc_feature {
    const char *name;
    int16_t level_min;
    int16_t level_max;
    int16_t finalized;
};

/* Fills request->response from the server's routes. `epoch`: metadata offset that `finalized` levels are from; -1: not
 * known, then no level is told. If the client names a cluster id or node id (version 5, KIP-1242) that are not ours,
 * the answer is REBOOTSTRAP_REQUIRED. `cluster_id` borrowed until the answer is sent. The caller completes the
 * request. */
void rpc_answer_api_versions(struct rpc_request *request, const struct rpc_route *routes, size_t route_count,
                             const struct rpc_feature *features, size_t feature_count, int64_t epoch,
                             struct string cluster_id, int32_t node_id);

#endif
