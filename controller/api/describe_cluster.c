/* DescribeCluster (KIP-700, KIP-919): the controllers and which of them is active, or the storage nodes. Kafka's
 * controllers refuse the second question; ours answer it, because the command line talks to controllers. */
#include "controller/api/api.h"

#include "common/wire/error.h"
#include "wire/describe_cluster.h"

#define ENDPOINT_TYPE_NODES 1
#define ENDPOINT_TYPE_CONTROLLERS 2

static void list_controllers(struct rpc_request *request, struct describe_cluster_response *response)
{
    const struct machine *machine = api_machine(request);
    const int count = machine->options.quorum.voter_count;

    response->controller_id = machine->leader_id;
    response->brokers_count = count;
    response->brokers = arena_need(&request->arena, (size_t)count, sizeof(*response->brokers));
    for (int i = 0; i < count; i++) {
        const struct quorum_voter *voter = &machine->options.quorum.voters[i];

        describe_cluster_response_brokers_init(&response->brokers[i]);
        response->brokers[i].broker_id = voter->id;
        response->brokers[i].host = string_of(voter->host);
        response->brokers[i].port = voter->port;
    }
}

static void list_nodes(struct rpc_request *request, struct describe_cluster_response *response)
{
    const struct machine *machine = api_machine(request);
    const struct describe_cluster_request *body = request->body;
    const size_t count = image_broker_count(machine->image);
    int32_t at = 0;

    api_hold_image(request, api_machine(request)->image);
    response->brokers = arena_need(&request->arena, count, sizeof(*response->brokers));
    for (size_t i = 0; i < count; i++) {
        const struct broker_image *broker = image_broker_at(machine->image, i);

        if ((broker->fenced && !body->include_fenced_brokers) || broker->endpoint_count == 0) {
            continue;
        }
        describe_cluster_response_brokers_init(&response->brokers[at]);
        response->brokers[at].broker_id = broker->id;
        response->brokers[at].host = broker->endpoints[0].host;
        response->brokers[at].port = broker->endpoints[0].port;
        response->brokers[at].rack = broker->rack;
        response->brokers[at].is_fenced = broker->fenced;
        at++;
    }
    response->brokers_count = at;
}

void api_describe_cluster(struct rpc_request *request)
{
    const struct machine *machine = api_machine(request);
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response *response = request->response;

    response->cluster_id = string_of(machine->options.cluster_id);
    response->endpoint_type = body->endpoint_type;
    response->brokers_count = 0;
    if (body->endpoint_type == ENDPOINT_TYPE_CONTROLLERS) {
        list_controllers(request, response);
    } else if (body->endpoint_type == ENDPOINT_TYPE_NODES) {
        list_nodes(request, response);
    } else {
        response->endpoint_type = ENDPOINT_TYPE_CONTROLLERS;
        response->error_code = ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        response->error_message = STRING("endpoint types are 1 for storage nodes and 2 for controllers");
    }
    rpc_request_complete(request);
}
