/* IncrementalAlterConfigs. */
#include "controller/api/api.h"
#include "controller/state/config_table.h"
#include "wire/incremental_alter_configs.h"

static void decide(struct machine *machine, const struct decision *decision, struct rpc_request *request)
{
    (void)machine;
    config_table_alter(decision, request->body, request->response);
}

static void fail(struct rpc_request *request, int16_t error)
{
    const struct incremental_alter_configs_request *body = request->body;
    struct incremental_alter_configs_response *response = request->response;

    response->responses_count = body->resources_count;
    response->responses = arena_need(&request->arena, (size_t)body->resources_count, sizeof(*response->responses));
    for (int32_t i = 0; i < body->resources_count; i++) {
        incremental_alter_configs_response_responses_init(&response->responses[i]);
        response->responses[i].resource_type = body->resources[i].resource_type;
        response->responses[i].resource_name = body->resources[i].resource_name;
        response->responses[i].error_code = error;
    }
}

const struct api_write api_incremental_alter_configs = {.key = API_INCREMENTAL_ALTER_CONFIGS, .decide = decide,
                                                        .fail = fail};
