/* Configs of topics and nodes, as decisions. Both requests come down to a list of changes per resource: key, and the
 * value that it is to have, or null to go back to what the layers below say. Only real changes become records. */
#include "controller/state/config_table.h"

#include "common/base/assert.h"
#include "common/config/node_config.h"
#include "common/config/topic_config.h"
#include "controller/state/repeats.h"

#include "wire/alter_configs.h"
#include "wire/incremental_alter_configs.h"

/* Changes of one resource: a topic has fewer configs, and no node needs more. */
#define CHANGES_MAX 256
/* What judging one value may take. */
#define CHANGE_ROOM ((size_t)256 * 1024)

enum operation { OPERATION_SET = 0, OPERATION_DELETE = 1, OPERATION_APPEND = 2, OPERATION_SUBTRACT = 3 };

/* One resource of a request, whichever request it is, while it is judged. */
struct alteration {
    const struct decision *decision;
    int8_t type;
    struct string name;
    size_t change_count;
    struct config_image changes[CHANGES_MAX]; /* value null: remove */
    enum kafka_error error;
    struct string text;
};

static bool fail(struct alteration *alteration, enum kafka_error error, struct string text)
{
    alteration->error = error;
    alteration->text = text;
    return false;
}

/* The definition of a key that may be changed on a node while it runs, or NULL. */
static const struct config_definition *dynamic_definition(struct string key)
{
    const struct config_schema *schema = node_config_schema();

    for (size_t i = 0; i < CONFIG_TABLES_MAX && schema->tables[i] != NULL; i++) {
        const struct config_definition *definition =
            config_definition_find(schema->tables[i]->rows, schema->tables[i]->count, key);

        if (definition != NULL) {
            return (definition->flags & CONFIG_FLAG_DYNAMIC) != 0 ? definition : NULL;
        }
    }
    return NULL;
}

/* The key's definition for this type of resource; NULL after failing. */
static const struct config_definition *find_definition(struct alteration *alteration, struct string key)
{
    struct arena *arena = alteration->decision->arena;
    const struct config_definition *definition;
    struct config_problem problem;
    struct string ignored;

    if (alteration->type == CONFIG_BROKER) {
        definition = dynamic_definition(key);
        if (definition == NULL) {
            fail(alteration, ERROR_INVALID_CONFIG,
                 arena_format(arena, "%.*s cannot be changed while nodes run", STRING_ARGS(key)));
        }
        return definition;
    }
    if (topic_config_find(key) != NULL) {
        return &topic_config_find(key)->definition;
    }
    if (topic_config_check(key, STRING(""), arena, &ignored, &problem) != STATUS_OK) {
        fail(alteration, ERROR_INVALID_CONFIG, arena_copy_string(arena, string_of(problem.text)));
    }
    return NULL;
}

/* Judges the value and notes the change. */
static bool add_value(struct alteration *alteration, const struct config_definition *definition, struct string value)
{
    struct arena *arena = alteration->decision->arena;
    struct config_image *change = &alteration->changes[alteration->change_count];
    struct config_problem problem;
    struct config_value parsed;
    enum status status;

    change->name = string_of(definition->name);
    if (alteration->type == CONFIG_TOPIC) {
        status = topic_config_check(change->name, value, arena, &change->value, &problem);
    } else if (value.data == NULL) {
        config_problem_set(&problem, "%s: a value is needed", definition->name);
        status = STATUS_INVALID;
    } else {
        status = config_value_parse(definition, value, arena, &parsed, &problem);
        change->value = parsed.text;
    }
    if (status != STATUS_OK) {
        return fail(alteration, ERROR_INVALID_CONFIG, arena_copy_string(arena, string_of(problem.text)));
    }
    alteration->change_count++;
    return true;
}

/* The list that APPEND and SUBTRACT start from: the effective one. */
static struct string present_list(const struct alteration *alteration, const struct config_definition *definition)
{
    const struct decision *decision = alteration->decision;
    struct string value;

    if (alteration->type == CONFIG_TOPIC) {
        const struct topic_config_sources sources = {
            .image = decision->image, .config = decision->config, .broker_id = -1, .topic = alteration->name};
        struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX];

        topic_config_values(&sources, topic_config_find(string_of(definition->name)), decision->arena, values);
        return values[0].text;
    }
    value = image_config(decision->image, CONFIG_BROKER, alteration->name, string_of(definition->name));
    if (value.data == NULL) {
        value = image_config(decision->image, CONFIG_BROKER, STRING(""), string_of(definition->name));
    }
    return value.data != NULL ? value : string_of(definition->standard);
}

static bool item_in(const struct config_value *list, struct string item)
{
    for (size_t i = 0; i < list->item_count; i++) {
        if (string_equal(list->items[i], item)) {
            return true;
        }
    }
    return false;
}

/* The list with the items of `value` added or taken away; null after failing. */
static struct string changed_list(struct alteration *alteration, const struct config_definition *definition,
                                  enum operation operation, struct string value)
{
    struct arena *arena = alteration->decision->arena;
    struct config_problem problem;
    struct config_value present;
    struct config_value items;
    struct string text = STRING("");

    if (definition->type != CONFIG_TYPE_LIST) {
        fail(alteration, ERROR_INVALID_CONFIG,
             arena_format(arena, "%s is not a list: nothing can be appended or subtracted", definition->name));
        return STRING_NULL;
    }
    if (value.data == NULL ||
        config_value_parse(definition, present_list(alteration, definition), arena, &present, &problem) != STATUS_OK) {
        fail(alteration, ERROR_INVALID_CONFIG, arena_format(arena, "%s: a value is needed", definition->name));
        return STRING_NULL;
    }
    if (config_value_parse(definition, value, arena, &items, &problem) != STATUS_OK) {
        fail(alteration, ERROR_INVALID_CONFIG, arena_copy_string(arena, string_of(problem.text)));
        return STRING_NULL;
    }
    for (size_t i = 0; i < present.item_count; i++) {
        if (operation == OPERATION_APPEND || !item_in(&items, present.items[i])) {
            text = arena_format(arena, "%.*s%s%.*s", STRING_ARGS(text), text.size > 0 ? "," : "",
                                STRING_ARGS(present.items[i]));
        }
    }
    for (size_t i = 0; operation == OPERATION_APPEND && i < items.item_count; i++) {
        if (!item_in(&present, items.items[i])) {
            text = arena_format(arena, "%.*s%s%.*s", STRING_ARGS(text), text.size > 0 ? "," : "",
                                STRING_ARGS(items.items[i]));
        }
    }
    return text;
}

/* Notes one change of an incremental request; `operation` is as it came. */
static bool add_change(struct alteration *alteration, struct string key, int8_t operation, struct string value)
{
    const struct config_definition *definition;

    if (alteration->change_count == CHANGES_MAX || !decision_has_room(alteration->decision, CHANGE_ROOM)) {
        return fail(alteration, ERROR_INVALID_REQUEST, STRING("Too many configs in one request."));
    }
    for (size_t i = 0; i < alteration->change_count; i++) {
        if (string_equal(alteration->changes[i].name, key)) {
            return fail(alteration, ERROR_INVALID_REQUEST,
                        arena_format(alteration->decision->arena, "%.*s is given twice", STRING_ARGS(key)));
        }
    }
    /* A key that this release does not know may still be set: it can be removed. */
    if (operation == OPERATION_DELETE &&
        image_config(alteration->decision->image, (enum config_resource)alteration->type, alteration->name, key).data !=
            NULL) {
        alteration->changes[alteration->change_count++] = (struct config_image){key, STRING_NULL};
        return true;
    }
    definition = find_definition(alteration, key);
    if (definition == NULL) {
        return false;
    }
    switch (operation) {
    case OPERATION_SET:
        return add_value(alteration, definition, value);
    case OPERATION_DELETE:
        alteration->changes[alteration->change_count++] = (struct config_image){key, STRING_NULL};
        return true;
    case OPERATION_APPEND:
    case OPERATION_SUBTRACT:
        value = changed_list(alteration, definition, (enum operation)operation, value);
        return value.data != NULL && add_value(alteration, definition, value);
    default:
        return fail(alteration, ERROR_INVALID_REQUEST,
                    arena_format(alteration->decision->arena, "%d is not an operation.", operation));
    }
}

/* Nodes are named by their id in decimal digits, without sign or leading zeros. */
static bool names_broker(const struct image *image, struct string name)
{
    int64_t id = 0;

    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9' || (name.data[0] == '0' && name.size > 1)) {
            return false;
        }
        id = id * 10 + (name.data[i] - '0');
        if (id > INT32_MAX) {
            return false;
        }
    }
    return image_broker(image, (int32_t)id) != NULL;
}

static bool check_resource(struct alteration *alteration, bool repeated)
{
    const struct image *image = alteration->decision->image;
    struct arena *arena = alteration->decision->arena;

    if (repeated) {
        return fail(alteration, ERROR_INVALID_REQUEST, STRING("The request names this resource more than once."));
    }
    switch (alteration->type) {
    case CONFIG_TOPIC:
        if (image_topic_by_name(image, alteration->name) == NULL) {
            return fail(alteration, ERROR_UNKNOWN_TOPIC_OR_PARTITION, STRING("There is no such topic."));
        }
        return true;
    case CONFIG_BROKER:
        if (alteration->name.size > 0 && !names_broker(image, alteration->name)) {
            return fail(alteration, ERROR_INVALID_REQUEST,
                        arena_format(arena, "There is no node %.*s.", STRING_ARGS(alteration->name)));
        }
        return true;
    default:
        return fail(alteration, ERROR_INVALID_REQUEST, STRING("This version has configs of topics and nodes only."));
    }
}

static void add_records(const struct alteration *alteration)
{
    for (size_t i = 0; i < alteration->change_count; i++) {
        const struct config_image *change = &alteration->changes[i];
        const struct string before = image_config(alteration->decision->image, (enum config_resource)alteration->type,
                                                  alteration->name, change->name);
        struct config_record *record;

        if (string_equal(before, change->value)) {
            continue;
        }
        record = record_list_add(alteration->decision->records, METADATA_CONFIG_RECORD);
        record->resource_type = alteration->type;
        record->resource_name = alteration->name;
        record->name = change->name;
        record->value = change->value;
    }
}

/* A resource is its type and its name. */
static struct bytes resource_key(struct arena *arena, int8_t type, struct string name)
{
    return bytes_of_string(arena_format(arena, "%d %.*s", type, STRING_ARGS(name)));
}

void config_table_alter(const struct decision *decision, const struct incremental_alter_configs_request *request,
                        struct incremental_alter_configs_response *response)
{
    const int32_t count = request->resources_count;
    struct bytes *keys = arena_need(decision->arena, (size_t)count, sizeof(*keys));
    struct alteration *alteration = arena_need(decision->arena, 1, sizeof(*alteration));
    const enum repeat *repeats;

    for (int32_t i = 0; i < count; i++) {
        keys[i] =
            resource_key(decision->arena, request->resources[i].resource_type, request->resources[i].resource_name);
    }
    repeats = repeats_find(keys, count, decision->arena);
    incremental_alter_configs_response_init(response);
    response->responses_count = count;
    response->responses = arena_need(decision->arena, (size_t)count, sizeof(*response->responses));
    for (int32_t i = 0; i < count; i++) {
        const struct incremental_alter_configs_request_resources *resource = &request->resources[i];
        bool good;

        *alteration = (struct alteration){
            .decision = decision, .type = resource->resource_type, .name = resource->resource_name};
        good = check_resource(alteration, repeats[i] != REPEAT_NONE);
        for (int32_t j = 0; good && j < resource->configs_count; j++) {
            good = add_change(alteration, resource->configs[j].name, resource->configs[j].config_operation,
                              resource->configs[j].value);
        }
        if (good && !request->validate_only) {
            add_records(alteration);
        }
        response->responses[i].resource_type = resource->resource_type;
        response->responses[i].resource_name = resource->resource_name;
        response->responses[i].error_code = (int16_t)alteration->error;
        response->responses[i].error_message = alteration->text;
    }
}

/* What is set now and not named in the request goes. */
static bool remove_others(struct alteration *alteration, const struct alter_configs_request_resources *resource)
{
    const struct image *image = alteration->decision->image;
    const enum config_resource type = (enum config_resource)alteration->type;

    for (size_t i = 0; i < image_config_count(image, type, alteration->name); i++) {
        const struct config_image set = image_config_at(image, type, alteration->name, i);
        bool named = false;

        for (int32_t j = 0; j < resource->configs_count; j++) {
            named = named || string_equal(resource->configs[j].name, set.name);
        }
        if (!named && !add_change(alteration, set.name, OPERATION_DELETE, STRING_NULL)) {
            return false;
        }
    }
    return true;
}

void config_table_replace(const struct decision *decision, const struct alter_configs_request *request,
                          struct alter_configs_response *response)
{
    const int32_t count = request->resources_count;
    struct bytes *keys = arena_need(decision->arena, (size_t)count, sizeof(*keys));
    struct alteration *alteration = arena_need(decision->arena, 1, sizeof(*alteration));
    const enum repeat *repeats;

    for (int32_t i = 0; i < count; i++) {
        keys[i] =
            resource_key(decision->arena, request->resources[i].resource_type, request->resources[i].resource_name);
    }
    repeats = repeats_find(keys, count, decision->arena);
    alter_configs_response_init(response);
    response->responses_count = count;
    response->responses = arena_need(decision->arena, (size_t)count, sizeof(*response->responses));
    for (int32_t i = 0; i < count; i++) {
        const struct alter_configs_request_resources *resource = &request->resources[i];
        bool good;

        *alteration = (struct alteration){
            .decision = decision, .type = resource->resource_type, .name = resource->resource_name};
        good = check_resource(alteration, repeats[i] != REPEAT_NONE);
        for (int32_t j = 0; good && j < resource->configs_count; j++) {
            const bool remove = resource->configs[j].value.data == NULL;

            good = add_change(alteration, resource->configs[j].name, remove ? OPERATION_DELETE : OPERATION_SET,
                              resource->configs[j].value);
        }
        good = good && remove_others(alteration, resource);
        if (good && !request->validate_only) {
            add_records(alteration);
        }
        response->responses[i].resource_type = resource->resource_type;
        response->responses[i].resource_name = resource->resource_name;
        response->responses[i].error_code = (int16_t)alteration->error;
        response->responses[i].error_message = alteration->text;
    }
}
