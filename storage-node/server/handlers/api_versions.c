/* ApiVersions 0-5: what this node offers, and the features that the cluster has finalized. */
#include "common/rpc/api_versions.h"

#include "common/base/assert.h"
#include "storage-node/server/features.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"

#define FEATURES_MAX 16

void handle_api_versions(struct rpc_request *request)
{
    struct shard *shard = shard_of_request(request);
    struct rpc_feature features[FEATURES_MAX];
    size_t feature_count;
    size_t route_count;
    const struct rpc_feature *supported = node_features(&feature_count);
    const struct rpc_route *routes = node_routes(&route_count);

    ASSERT(feature_count <= FEATURES_MAX);
    for (size_t i = 0; i < feature_count; i++) {
        features[i] = supported[i];
        features[i].finalized = image_feature(shard->image, string_of(features[i].name));
    }
    rpc_answer_api_versions(request, routes, route_count, features, feature_count, image_offset(shard->image),
                            string_of(shard->service->cluster_id), shard->node_id);
    rpc_request_complete(request);
}
