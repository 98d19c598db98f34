/* DescribeConfigs on a node: topics and the cluster from its image, itself from its own file. */
#include "common/config/config_describe.h"
#include "storage-node/server/describe.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/service.h"
#include "wire/describe_configs.h"

void handle_describe_configs(struct rpc_request *request)
{
    struct shard *shard = shard_of_request(request);
    const struct config_describe_options options = {
        .image = shard->image, .config = shard->service->config, .own_id = shard->node_id};

    config_describe_drop_repeated(request->body);
    describe_hold_image(shard, request);
    config_describe(&options, request->body, &request->arena, request->response);
    rpc_request_complete(request);
}
