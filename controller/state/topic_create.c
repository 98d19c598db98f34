/* CreateTopics (KIP-4, KIP-525), as a decision. */
#include "controller/state/topic_table.h"

#include "common/base/assert.h"
#include "common/base/prng.h"
#include "common/config/topic_config.h"
#include "controller/state/assignment.h"
#include "controller/state/repeats.h"
#include "controller/state/topic_name.h"

#include "wire/create_topics.h"

/* The described configs of one topic, and what reading them takes. */
#define TOPIC_ROOM ((size_t)256 * 1024)
/* Records, lists and array growth for one partition. */
#define PARTITION_ROOM ((size_t)512)

struct creation {
    const struct decision *decision;
    const struct create_topics_request *request;
    struct create_topics_response *response;
    struct placement placement;
    struct prng prng;
    int32_t partitions_left;
};

/* One topic of the request while it is judged. */
struct new_topic {
    const struct create_topics_request_topics *request;
    struct create_topics_response_topics *response;
    struct assignment assignment;
    struct config_image *configs; /* canonical */
    bool collides;                /* with one before it in the request */
};

static void fail(struct new_topic *topic, enum kafka_error error, struct string text)
{
    topic->response->error_code = (int16_t)error;
    topic->response->error_message = text;
}

static bool check_name(const struct creation *creation, struct new_topic *topic)
{
    const struct image *image = creation->decision->image;
    struct arena *arena = creation->decision->arena;
    const struct string name = topic->request->name;
    const char *error = topic_name_error(name, arena);
    struct string other;

    if (error != NULL) {
        fail(topic, ERROR_INVALID_TOPIC_EXCEPTION, string_of(error));
        return false;
    }
    if (string_is(name, CLUSTER_METADATA_TOPIC)) {
        fail(topic, ERROR_INVALID_TOPIC_EXCEPTION, STRING("The topic __cluster_metadata is the controllers' own."));
        return false;
    }
    if (image_topic_by_name(image, name) != NULL) {
        fail(topic, ERROR_TOPIC_ALREADY_EXISTS, arena_format(arena, "Topic '%.*s' already exists.", STRING_ARGS(name)));
        return false;
    }
    other = topic_name_collision(image, name);
    if (other.data != NULL || topic->collides) {
        fail(topic, ERROR_INVALID_TOPIC_EXCEPTION,
             arena_format(arena, "Topic '%.*s' collides with '%.*s': '.' and '_' count as the same.", STRING_ARGS(name),
                          STRING_ARGS(other.data != NULL ? other : STRING("another of this request"))));
        return false;
    }
    return true;
}

/* The manual assignment in order of the partitions; false if their numbers are not 0 to n-1. */
static bool manual_assignment(const struct creation *creation, struct new_topic *topic)
{
    const int32_t count = topic->request->assignments_count;
    struct assignment_replicas *replicas = arena_need(creation->decision->arena, (size_t)count, sizeof(*replicas));

    if (topic->request->num_partitions != -1 || topic->request->replication_factor != -1) {
        fail(topic, ERROR_INVALID_REQUEST,
             STRING("With a manual assignment the number of partitions and the replication factor must be -1."));
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_topics_assignments *from = &topic->request->assignments[i];

        if (from->partition_index < 0 || from->partition_index >= count ||
            replicas[from->partition_index].ids != NULL || from->broker_ids_count < 1 ||
            from->broker_ids_count > METADATA_REPLICAS_MAX) {
            fail(topic, ERROR_INVALID_REPLICA_ASSIGNMENT,
                 STRING("A manual assignment names each partition from 0 on once, with at least one replica."));
            return false;
        }
        replicas[from->partition_index] =
            (struct assignment_replicas){.count = from->broker_ids_count, .ids = from->broker_ids};
    }
    topic->assignment =
        (struct assignment){.count = count, .replication = (int16_t)replicas[0].count, .manual = replicas};
    return true;
}

static bool check_assignment(const struct creation *creation, struct new_topic *topic)
{
    const struct config *config = creation->decision->config;
    const int32_t partitions = topic->request->num_partitions;
    const int16_t replication = topic->request->replication_factor;
    enum kafka_error error;
    struct string text = STRING_NULL;

    if (topic->request->assignments_count > 0) {
        if (!manual_assignment(creation, topic)) {
            return false;
        }
    } else {
        topic->assignment = (struct assignment){
            .count = partitions == -1 ? config_int32(config, "num.partitions") : partitions,
            .replication = replication == -1 ? config_int16(config, "default.replication.factor") : replication};
    }
    error = assignment_check(creation->decision, &creation->placement, &topic->assignment, &text);
    if (error != ERROR_NONE) {
        fail(topic, error, text);
        return false;
    }
    if (topic->assignment.count > creation->partitions_left) {
        fail(topic, ERROR_INVALID_PARTITIONS,
             arena_format(creation->decision->arena, "One request creates at most %d partitions.",
                          ASSIGNMENT_PARTITIONS_MAX));
        return false;
    }
    return true;
}

static bool check_configs(const struct creation *creation, struct new_topic *topic)
{
    struct arena *arena = creation->decision->arena;
    const struct create_topics_request_topics_configs *configs = topic->request->configs;

    if (topic->request->configs_count > (int32_t)topic_config_count()) {
        fail(topic, ERROR_INVALID_CONFIG, STRING("A config is given twice."));
        return false;
    }
    topic->configs = arena_need(arena, (size_t)topic->request->configs_count, sizeof(*topic->configs));
    for (int32_t i = 0; i < topic->request->configs_count; i++) {
        struct config_problem problem;

        for (int32_t j = 0; j < i; j++) {
            if (string_equal(configs[i].name, configs[j].name)) {
                fail(topic, ERROR_INVALID_CONFIG,
                     arena_format(arena, "%.*s is given twice", STRING_ARGS(configs[i].name)));
                return false;
            }
        }
        topic->configs[i].name = configs[i].name;
        if (topic_config_check(configs[i].name, configs[i].value, arena, &topic->configs[i].value, &problem) !=
            STATUS_OK) {
            fail(topic, ERROR_INVALID_CONFIG, arena_copy_string(arena, string_of(problem.text)));
            return false;
        }
    }
    return true;
}

/* The configs that the topic will have (KIP-525). */
static void describe_configs(const struct creation *creation, const struct new_topic *topic)
{
    struct arena *arena = creation->decision->arena;
    const struct topic_config_sources sources = {.image = creation->decision->image,
                                                 .config = creation->decision->config,
                                                 .broker_id = -1,
                                                 .topic = topic->request->name,
                                                 .overrides = topic->configs,
                                                 .override_count = (size_t)topic->request->configs_count};
    struct create_topics_response_topics *response = topic->response;

    response->configs = arena_need(arena, topic_config_count(), sizeof(*response->configs));
    response->configs_count = (int32_t)topic_config_count();
    for (size_t i = 0; i < topic_config_count(); i++) {
        const struct topic_config_definition *definition = topic_config_at(i);
        struct topic_config_value values[TOPIC_CONFIG_VALUES_MAX];

        topic_config_values(&sources, definition, arena, values);
        create_topics_response_topics_configs_init(&response->configs[i]);
        response->configs[i].name = string_of(definition->definition.name);
        response->configs[i].value = values[0].text;
        response->configs[i].config_source = (int8_t)values[0].source;
    }
}

static uint64_t next_random(void *context)
{
    return prng_next(context);
}

static void add_records(struct creation *creation, const struct new_topic *topic)
{
    const struct decision *decision = creation->decision;
    const struct uuid id = uuid_random(next_random, &creation->prng);
    struct topic_record *record = record_list_add(decision->records, METADATA_TOPIC_RECORD);

    record->name = topic->request->name;
    record->topic_id = id;
    for (int32_t i = 0; i < topic->request->configs_count; i++) {
        struct config_record *config = record_list_add(decision->records, METADATA_CONFIG_RECORD);

        config->resource_type = CONFIG_TOPIC;
        config->resource_name = topic->request->name;
        config->name = topic->configs[i].name;
        config->value = topic->configs[i].value;
    }
    placement_begin_topic(&creation->placement, NULL);
    assignment_add(decision, &creation->placement, &topic->assignment, id);
    topic->response->topic_id = id;
}

static void create_one(struct creation *creation, struct new_topic *topic)
{
    if (!check_name(creation, topic) || !check_assignment(creation, topic)) {
        return;
    }
    if (!decision_has_room(creation->decision, TOPIC_ROOM + (size_t)topic->assignment.count * PARTITION_ROOM)) {
        fail(topic, ERROR_INVALID_REQUEST, STRING("Too many topics in one request."));
        return;
    }
    if (!check_configs(creation, topic)) {
        return;
    }
    creation->partitions_left -= topic->assignment.count;
    topic->response->num_partitions = topic->assignment.count;
    topic->response->replication_factor = topic->assignment.replication;
    describe_configs(creation, topic);
    if (!creation->request->validate_only) {
        add_records(creation, topic);
    }
}

/* The names of the request, or with `plain` the names with '_' for '.': equal ones collide. */
static const enum repeat *find_repeats(const struct decision *decision, const struct create_topics_request *request,
                                       bool plain)
{
    struct bytes *keys = arena_need(decision->arena, (size_t)request->topics_count, sizeof(*keys));

    for (int32_t i = 0; i < request->topics_count; i++) {
        keys[i] = bytes_of_string(plain ? topic_name_plain(request->topics[i].name, decision->arena)
                                        : request->topics[i].name);
    }
    return repeats_find(keys, request->topics_count, decision->arena);
}

void topic_table_create(const struct decision *decision, const struct create_topics_request *request,
                        struct create_topics_response *response)
{
    struct creation creation = {.decision = decision,
                                .request = request,
                                .response = response,
                                .partitions_left = ASSIGNMENT_PARTITIONS_MAX};
    const enum repeat *repeats = find_repeats(decision, request, false);
    const enum repeat *collisions = find_repeats(decision, request, true);

    create_topics_response_init(response);
    response->topics = arena_need(decision->arena, (size_t)request->topics_count, sizeof(*response->topics));
    prng_init(&creation.prng, decision->seed);
    placement_init(&creation.placement, decision->image, prng_next(&creation.prng), decision->arena);
    for (int32_t i = 0; i < request->topics_count; i++) {
        struct new_topic topic = {.request = &request->topics[i],
                                  .response = &response->topics[response->topics_count],
                                  .collides = collisions[i] == REPEAT_LATER};

        if (repeats[i] == REPEAT_LATER) {
            continue;
        }
        create_topics_response_topics_init(topic.response);
        topic.response->name = topic.request->name;
        response->topics_count++;
        if (repeats[i] == REPEAT_FIRST) {
            fail(&topic, ERROR_INVALID_REQUEST, STRING("The request names this topic more than once."));
        } else {
            create_one(&creation, &topic);
        }
    }
}
