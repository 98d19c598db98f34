/* ListConfigResources (KIP-714, KIP-1142): resources that have configuration. Topics and nodes are listed all, as Kafka
 * does, because they all have configs; of the other kinds those that have some set. */
#include "controller/api/api.h"

#include "common/wire/error.h"
#include "wire/list_config_resources.h"

static const enum config_resource kinds[] = {CONFIG_TOPIC, CONFIG_BROKER, CONFIG_BROKER_LOGGER, CONFIG_CLIENT_METRICS,
                                             CONFIG_GROUP};

static bool is_wanted(const struct rpc_request *request, enum config_resource kind)
{
    const struct list_config_resources_request *body = request->body;

    if (request->version == 0) {
        return kind == CONFIG_CLIENT_METRICS;
    }
    for (int32_t i = 0; i < body->resource_types_count; i++) {
        if (body->resource_types[i] == (int8_t)kind) {
            return true;
        }
    }
    return body->resource_types_count <= 0;
}

static size_t count_of(const struct image *image, enum config_resource kind)
{
    switch (kind) {
    case CONFIG_TOPIC:
        return image_topic_count(image);
    case CONFIG_BROKER:
    case CONFIG_BROKER_LOGGER:
        return image_broker_count(image);
    case CONFIG_CLIENT_METRICS:
    case CONFIG_GROUP:
        break;
    }
    return image_config_resource_count(image, kind);
}

static struct string name_of(const struct image *image, enum config_resource kind, size_t index, struct arena *arena)
{
    switch (kind) {
    case CONFIG_TOPIC:
        return topic_image_name(image_topic_at(image, index));
    case CONFIG_BROKER:
    case CONFIG_BROKER_LOGGER:
        return arena_format(arena, "%d", (int)image_broker_at(image, index)->id);
    case CONFIG_CLIENT_METRICS:
    case CONFIG_GROUP:
        break;
    }
    return image_config_resource_at(image, kind, index);
}

static bool all_known(const struct list_config_resources_request *body)
{
    for (int32_t i = 0; i < body->resource_types_count; i++) {
        bool known = false;

        for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
            known = known || body->resource_types[i] == (int8_t)kinds[k];
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

void api_list_config_resources(struct rpc_request *request)
{
    const struct image *image = api_machine(request)->image;
    struct list_config_resources_response *response = request->response;
    size_t count = 0;
    int32_t at = 0;

    response->config_resources_count = 0;
    if (!all_known(request->body)) {
        response->error_code = ERROR_UNSUPPORTED_VERSION;
        rpc_request_complete(request);
        return;
    }
    api_hold_image(request, api_machine(request)->image);
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        count += is_wanted(request, kinds[k]) ? count_of(image, kinds[k]) : 0;
    }
    response->config_resources = arena_need(&request->arena, count, sizeof(*response->config_resources));
    for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
        const size_t of_kind = is_wanted(request, kinds[k]) ? count_of(image, kinds[k]) : 0;

        for (size_t i = 0; i < of_kind; i++, at++) {
            list_config_resources_response_config_resources_init(&response->config_resources[at]);
            response->config_resources[at].resource_name = name_of(image, kinds[k], i, &request->arena);
            response->config_resources[at].resource_type = (int8_t)kinds[k];
        }
    }
    response->config_resources_count = at;
    rpc_request_complete(request);
}
