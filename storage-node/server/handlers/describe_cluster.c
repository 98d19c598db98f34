/* DescribeCluster (KIP-700, KIP-919): who is in the cluster, as a node sees it. */
#include "storage-node/server/handlers/handlers.h"

#include "common/wire/error.h"
#include "storage-node/server/authorized.h"
#include "storage-node/server/describe.h"
#include "storage-node/server/service.h"
#include "wire/describe_cluster.h"

#define ENDPOINT_BROKERS 1

void handle_describe_cluster(struct rpc_request *request)
{
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response *response = request->response;
    struct shard *shard = shard_of_request(request);
    const size_t count = image_broker_count(shard->image);

    response->endpoint_type = body->endpoint_type;
    response->cluster_authorized_operations =
        body->include_cluster_authorized_operations ? AUTHORIZED_CLUSTER : AUTHORIZED_UNKNOWN;
    if (body->endpoint_type != ENDPOINT_BROKERS) {
        response->error_code = ERROR_MISMATCHED_ENDPOINT_TYPE;
        response->error_message = STRING("this is a storage node; controllers are asked at their own listener");
        rpc_request_complete(request);
        return;
    }
    describe_hold_image(shard, request);
    response->cluster_id = string_of(shard->service->cluster_id);
    response->controller_id = -1;
    response->brokers = arena_need(&request->arena, count, sizeof(*response->brokers));
    for (size_t i = 0; i < count; i++) {
        const struct broker_image *broker = image_broker_at(shard->image, i);
        const struct endpoint_image *endpoint = describe_endpoint(shard, broker, request->listener);

        if (endpoint == NULL || (broker->fenced && !body->include_fenced_brokers)) {
            continue;
        }
        describe_cluster_response_brokers_init(&response->brokers[response->brokers_count]);
        response->brokers[response->brokers_count++] =
            (struct describe_cluster_response_brokers){.broker_id = broker->id,
                                                       .host = endpoint->host,
                                                       .port = endpoint->port,
                                                       .rack = broker->rack,
                                                       .is_fenced = broker->fenced};
        if (!broker->fenced && (response->controller_id < 0 || broker->id == shard->node_id)) {
            response->controller_id = broker->id;
        }
    }
    rpc_request_complete(request);
}
