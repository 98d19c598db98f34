/* CreatePartitions. */
#include "controller/api/api.h"
#include "controller/state/topic_table.h"
#include "wire/create_partitions.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    topic_table_grow(decision, request->body, request->response);
}

static void fail(struct rpc_request *request, int16_t error)
{
    const struct create_partitions_request *body = request->body;
    struct create_partitions_response *response = request->response;

    response->results_count = body->topics_count;
    response->results = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->results));
    for (int32_t i = 0; i < body->topics_count; i++) {
        create_partitions_response_results_init(&response->results[i]);
        response->results[i].name = body->topics[i].name;
        response->results[i].error_code = error;
    }
}

const struct api_write api_create_partitions = {.key = API_CREATE_PARTITIONS, .decide = decide, .fail = fail};
