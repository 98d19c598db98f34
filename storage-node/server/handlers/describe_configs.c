/* DescribeConfigs on a node: topics and the cluster from its image, itself from its own file. */
#include "common/config/config_describe.h"
#include "storage-node/server/describe.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"
#include "wire/describe_configs.h"

#include <stdlib.h>

static int configs_compare(const void *a, const void *b)
{
    const struct describe_configs_request_resources *x = a;
    const struct describe_configs_request_resources *y = b;

    return x->resource_type != y->resource_type ? x->resource_type - y->resource_type
                                                : string_compare(x->resource_name, y->resource_name);
}

/* Each resource is described once, however often it is named: a description is hundreds of times as long as a name. */
static void configs_drop_repeated(struct describe_configs_request *body)
{
    int32_t kept = 0;

    if (body->resources_count > 1) {
        qsort(body->resources, (size_t)body->resources_count, sizeof(*body->resources), configs_compare);
    }
    for (int32_t i = 0; i < body->resources_count; i++) {
        if (kept == 0 || configs_compare(&body->resources[kept - 1], &body->resources[i]) != 0) {
            body->resources[kept++] = body->resources[i];
        }
    }
    body->resources_count = kept;
}

void handle_describe_configs(struct rpc_request *request)
{
    struct shard *shard = shard_of_request(request);
    const struct config_describe_options options = {
        .image = shard->image, .config = shard->service->config, .own_id = shard->node_id};

    configs_drop_repeated(request->body);
    describe_hold_image(shard, request);
    config_describe(&options, request->body, &request->arena, request->response);
    rpc_request_complete(request);
}
