/* An answer that says of everything that was asked: it failed. */
#include "common/rpc/failure.h"

#include "wire/allocate_producer_ids.h"
#include "wire/alter_configs.h"
#include "wire/broker_heartbeat.h"
#include "wire/broker_registration.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/describe_configs.h"
#include "wire/describe_quorum.h"
#include "wire/incremental_alter_configs.h"
#include "wire/list_config_resources.h"
#include "wire/unregister_broker.h"

static void fail_create_topics(struct rpc_request *request, int16_t error, struct string text)
{
    const struct create_topics_request *body = request->body;
    struct create_topics_response *response = request->response;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        create_topics_response_topics_init(&response->topics[i]);
        response->topics[i].name = body->topics[i].name;
        response->topics[i].error_code = error;
        response->topics[i].error_message = text;
    }
}

static void fail_delete_topics(struct rpc_request *request, int16_t error, struct string text)
{
    const struct delete_topics_request *body = request->body;
    struct delete_topics_response *response = request->response;
    const bool by_row = request->version >= 6;
    const int32_t count = by_row ? body->topics_count : body->topic_names_count;

    response->responses_count = count;
    response->responses = arena_need(&request->arena, (size_t)count, sizeof(*response->responses));
    for (int32_t i = 0; i < count; i++) {
        delete_topics_response_responses_init(&response->responses[i]);
        response->responses[i].name = by_row ? body->topics[i].name : body->topic_names[i];
        response->responses[i].topic_id = by_row ? body->topics[i].topic_id : UUID_ZERO;
        response->responses[i].error_code = error;
        response->responses[i].error_message = text;
    }
}

static void fail_create_partitions(struct rpc_request *request, int16_t error, struct string text)
{
    const struct create_partitions_request *body = request->body;
    struct create_partitions_response *response = request->response;

    response->results_count = body->topics_count;
    response->results = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->results));
    for (int32_t i = 0; i < body->topics_count; i++) {
        create_partitions_response_results_init(&response->results[i]);
        response->results[i].name = body->topics[i].name;
        response->results[i].error_code = error;
        response->results[i].error_message = text;
    }
}

static void fail_alter_configs(struct rpc_request *request, int16_t error, struct string text)
{
    const struct alter_configs_request *body = request->body;
    struct alter_configs_response *response = request->response;

    response->responses_count = body->resources_count;
    response->responses = arena_need(&request->arena, (size_t)body->resources_count, sizeof(*response->responses));
    for (int32_t i = 0; i < body->resources_count; i++) {
        alter_configs_response_responses_init(&response->responses[i]);
        response->responses[i].resource_type = body->resources[i].resource_type;
        response->responses[i].resource_name = body->resources[i].resource_name;
        response->responses[i].error_code = error;
        response->responses[i].error_message = text;
    }
}

static void fail_incremental_alter_configs(struct rpc_request *request, int16_t error, struct string text)
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
        response->responses[i].error_message = text;
    }
}

static void fail_describe_configs(struct rpc_request *request, int16_t error, struct string text)
{
    const struct describe_configs_request *body = request->body;
    struct describe_configs_response *response = request->response;

    response->results_count = body->resources_count;
    response->results = arena_need(&request->arena, (size_t)body->resources_count, sizeof(*response->results));
    for (int32_t i = 0; i < body->resources_count; i++) {
        describe_configs_response_results_init(&response->results[i]);
        response->results[i].resource_type = body->resources[i].resource_type;
        response->results[i].resource_name = body->resources[i].resource_name;
        response->results[i].error_code = error;
        response->results[i].error_message = text;
    }
}

void rpc_answer_failure(struct rpc_request *request, int16_t error, const char *text)
{
    switch (request->api->key) {
    case API_CREATE_TOPICS:
        fail_create_topics(request, error, string_of(text));
        break;
    case API_DELETE_TOPICS:
        fail_delete_topics(request, error, string_of(text));
        break;
    case API_CREATE_PARTITIONS:
        fail_create_partitions(request, error, string_of(text));
        break;
    case API_ALTER_CONFIGS:
        fail_alter_configs(request, error, string_of(text));
        break;
    case API_INCREMENTAL_ALTER_CONFIGS:
        fail_incremental_alter_configs(request, error, string_of(text));
        break;
    case API_DESCRIBE_CONFIGS:
        fail_describe_configs(request, error, string_of(text));
        break;
    case API_DESCRIBE_QUORUM:
        ((struct describe_quorum_response *)request->response)->error_code = error;
        ((struct describe_quorum_response *)request->response)->error_message = string_of(text);
        break;
    case API_UNREGISTER_BROKER:
        ((struct unregister_broker_response *)request->response)->error_code = error;
        ((struct unregister_broker_response *)request->response)->error_message = string_of(text);
        break;
    case API_LIST_CONFIG_RESOURCES:
        ((struct list_config_resources_response *)request->response)->error_code = error;
        break;
    case API_BROKER_REGISTRATION:
        ((struct broker_registration_response *)request->response)->error_code = error;
        break;
    case API_BROKER_HEARTBEAT:
        ((struct broker_heartbeat_response *)request->response)->error_code = error;
        break;
    case API_ALLOCATE_PRODUCER_IDS:
        ((struct allocate_producer_ids_response *)request->response)->error_code = error;
        break;
    default:
        break;
    }
}
