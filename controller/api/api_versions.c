/* ApiVersions (KIP-35, KIP-584): what this controller offers, and the features that the cluster has finalized. */
#include "common/rpc/api_versions.h"

#include "controller/api/api.h"
#include "controller/state/feature_table.h"

void api_api_versions(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct rpc_feature features[] = {
        {FEATURE_METADATA_VERSION, METADATA_VERSION_MIN, METADATA_VERSION_MAX,
         image_feature(machine->image, STRING(FEATURE_METADATA_VERSION))},
    };
    size_t count;
    const struct rpc_route *routes = api_routes(&count);

    rpc_answer_api_versions(request, routes, count, features, ARRAY_COUNT(features), image_offset(machine->image),
                            string_of(machine->options.cluster_id), machine->options.quorum.id);
    rpc_request_complete(request);
}
