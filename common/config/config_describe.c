/* DescribeConfigs. A topic has every config of the topic table. A node that describes itself has all keys of its own
 * file; of another node, and of the cluster-wide default, only what was set dynamically is known here. */
#include "common/config/config_describe.h"

#include "common/base/assert.h"
#include "common/config/topic_config.h"
#include "common/wire/error.h"

#include "wire/describe_configs.h"

#include <inttypes.h>
#include <stdlib.h>

struct description {
    const struct config_describe_options *options;
    const struct describe_configs_request *request;
    const struct describe_configs_request_resources *resource;
    struct describe_configs_response_results *result;
    struct arena *arena;
};

static bool wanted(const struct description *description, struct string name)
{
    const struct describe_configs_request_resources *resource = description->resource;

    for (int32_t i = 0; i < resource->configuration_keys_count; i++) {
        if (string_equal(resource->configuration_keys[i], name)) {
            return true;
        }
    }
    return resource->configuration_keys_count < 0;
}

static void fail(const struct description *description, enum kafka_error error, struct string text)
{
    description->result->error_code = (int16_t)error;
    description->result->error_message = text;
}

/* The next row of the result, whose array has room for it. */
static struct describe_configs_response_results_configs *add_row(const struct description *description,
                                                                 const struct config_definition *definition)
{
    struct describe_configs_response_results_configs *row =
        &description->result->configs[description->result->configs_count++];

    describe_configs_response_results_configs_init(row);
    row->name = string_of(definition->name);
    row->config_type = (int8_t)definition->type;
    row->read_only = (definition->flags & CONFIG_FLAG_DYNAMIC) == 0;
    if (description->request->include_documentation) {
        row->documentation = string_of(definition->doc);
    }
    return row;
}

static void add_synonym(const struct description *description, struct describe_configs_response_results_configs *row,
                        struct topic_config_value value)
{
    row->synonyms[row->synonyms_count++] = (struct describe_configs_response_results_configs_synonyms){
        .name = value.key,
        .value = value.text,
        .source = (int8_t)value.source,
    };
    ASSERT(description->request->include_synonyms);
}

/* Value and source of the row from `values`, strongest first. */
static void set_values(const struct description *description, struct describe_configs_response_results_configs *row,
                       const struct topic_config_value *values, size_t count)
{
    row->value = values[0].text;
    row->config_source = (int8_t)values[0].source;
    if (!description->request->include_synonyms) {
        return;
    }
    row->synonyms = arena_need(description->arena, count, sizeof(*row->synonyms));
    for (size_t i = 0; i < count; i++) {
        add_synonym(description, row, values[i]);
    }
}

static void describe_topic(const struct description *description)
{
    const struct config_describe_options *options = description->options;
    const struct string topic = description->resource->resource_name;
    const struct topic_config_sources sources = {
        .image = options->image, .config = options->config, .broker_id = options->own_id, .topic = topic};

    if (image_topic_by_name(options->image, topic) == NULL) {
        fail(description, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
             arena_format(description->arena, "There is no topic %.*s.", STRING_ARGS(topic)));
        return;
    }
    description->result->configs =
        arena_need(description->arena, topic_config_count(), sizeof(*description->result->configs));
    for (size_t i = 0; i < topic_config_count(); i++) {
        const struct topic_config_definition *definition = topic_config_at(i);
        struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX];
        size_t count;

        if (wanted(description, string_of(definition->definition.name))) {
            count = topic_config_values(&sources, definition, description->arena, values);
            set_values(description, add_row(description, &definition->definition), values, count);
        }
    }
}

static void collect(struct topic_config_value *values, size_t *count, struct string key, struct string text,
                    enum topic_config_source source)
{
    if (text.data != NULL) {
        values[(*count)++] = (struct topic_config_value){.key = key, .text = text, .source = source};
    }
}

/* What one key of a node is: set for that node, for all, in the file (only if it is ours), or by default. */
static size_t broker_values(const struct description *description, const struct config_entry *entry, bool own,
                            struct topic_config_value values[4])
{
    const struct image *image = description->options->image;
    const struct string resource = description->resource->resource_name;
    const struct string key = string_of(entry->definition->name);
    size_t count = 0;

    if (resource.size > 0) {
        collect(values, &count, key, image_config(image, CONFIG_BROKER, resource, key), TOPIC_CONFIG_FROM_BROKER);
    }
    collect(values, &count, key, image_config(image, CONFIG_BROKER, STRING(""), key), TOPIC_CONFIG_FROM_BROKER_DEFAULT);
    if (own && entry->source != CONFIG_SOURCE_DEFAULT) {
        collect(values, &count, key, entry->value.text, TOPIC_CONFIG_FROM_FILE);
    }
    if (own) {
        collect(values, &count, key, entry->standard.text, TOPIC_CONFIG_FROM_DEFAULT);
    }
    return count;
}

/* The node id that a BROKER resource names, -1 for the default of all, -2 if it is none. */
static int32_t resource_broker(struct string name)
{
    int64_t id = 0;

    if (name.size == 0) {
        return -1;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') {
            return -2;
        }
        id = id * 10 + (name.data[i] - '0');
        if (id > INT32_MAX) {
            return -2;
        }
    }
    return (int32_t)id;
}

static void describe_broker(const struct description *description)
{
    const struct config *config = description->options->config;
    const int32_t id = resource_broker(description->resource->resource_name);
    const bool own = id >= 0 && id == description->options->own_id;

    if (id == -2 || (id >= 0 && !own && image_broker(description->options->image, id) == NULL)) {
        fail(description, ERROR_INVALID_REQUEST,
             arena_format(description->arena, "There is no node %.*s.",
                          STRING_ARGS(description->resource->resource_name)));
        return;
    }
    description->result->configs =
        arena_need(description->arena, config_count(config), sizeof(*description->result->configs));
    for (size_t i = 0; i < config_count(config); i++) {
        const struct config_entry *entry = config_at(config, i);
        struct topic_config_value values[4];
        size_t count;

        if (!wanted(description, string_of(entry->definition->name))) {
            continue;
        }
        count = broker_values(description, entry, own, values);
        if (count > 0) {
            set_values(description, add_row(description, entry->definition), values, count);
        } else if (own) {
            add_row(description, entry->definition)->config_source = TOPIC_CONFIG_FROM_DEFAULT;
        }
    }
}

static int resources_compare(const void *a, const void *b)
{
    const struct describe_configs_request_resources *x = a;
    const struct describe_configs_request_resources *y = b;

    return x->resource_type != y->resource_type ? x->resource_type - y->resource_type
                                                : string_compare(x->resource_name, y->resource_name);
}

void config_describe_drop_repeated(struct describe_configs_request *request)
{
    int32_t kept = 0;

    if (request->resources_count > 1) {
        qsort(request->resources, (size_t)request->resources_count, sizeof(*request->resources), resources_compare);
    }
    for (int32_t i = 0; i < request->resources_count; i++) {
        if (kept == 0 || resources_compare(&request->resources[kept - 1], &request->resources[i]) != 0) {
            request->resources[kept++] = request->resources[i];
        }
    }
    request->resources_count = kept;
}

void config_describe(const struct config_describe_options *options, const struct describe_configs_request *request,
                     struct arena *arena, struct describe_configs_response *response)
{
    describe_configs_response_init(response);
    response->results = arena_need(arena, (size_t)request->resources_count, sizeof(*response->results));
    response->results_count = request->resources_count;
    for (int32_t i = 0; i < request->resources_count; i++) {
        const struct description description = {.options = options,
                                                .request = request,
                                                .resource = &request->resources[i],
                                                .result = &response->results[i],
                                                .arena = arena};

        describe_configs_response_results_init(description.result);
        description.result->resource_type = description.resource->resource_type;
        description.result->resource_name = description.resource->resource_name;
        switch (description.resource->resource_type) {
        case CONFIG_TOPIC:
            describe_topic(&description);
            break;
        case CONFIG_BROKER:
            describe_broker(&description);
            break;
        default:
            fail(&description, ERROR_INVALID_REQUEST, STRING("This release describes topics and nodes only."));
            break;
        }
    }
}
