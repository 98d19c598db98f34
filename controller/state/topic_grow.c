/* CreatePartitions (KIP-195), as a decision. */
#include "controller/state/topic_table.h"

#include "controller/state/assignment.h"
#include "controller/state/repeats.h"

#include "wire/create_partitions.h"

#define PARTITION_ROOM ((size_t)512)

struct growth {
    const struct decision *decision;
    const struct create_partitions_request *request;
    struct create_partitions_response *response;
    struct placement placement;
    int32_t partitions_left;
};

static void fail(struct create_partitions_response_results *result, enum kafka_error error, struct string text)
{
    result->error_code = (int16_t)error;
    result->error_message = text;
}

/* The manual assignments of the new partitions; false if their number is wrong. */
static bool manual_assignment(const struct growth *growth, const struct create_partitions_request_topics *wanted,
                              struct assignment *assignment, struct create_partitions_response_results *result)
{
    struct assignment_replicas *replicas;

    if (wanted->assignments_count != assignment->count) {
        fail(result, ERROR_INVALID_REPLICA_ASSIGNMENT,
             arena_format(growth->decision->arena, "%d partitions are to be added, but %d assignments are given.",
                          assignment->count, wanted->assignments_count));
        return false;
    }
    replicas = arena_need(growth->decision->arena, (size_t)assignment->count, sizeof(*replicas));
    for (int32_t i = 0; i < assignment->count; i++) {
        replicas[i] = (struct assignment_replicas){.count = wanted->assignments[i].broker_ids_count,
                                                   .ids = wanted->assignments[i].broker_ids};
    }
    assignment->manual = replicas;
    return true;
}

static void grow_one(struct growth *growth, const struct create_partitions_request_topics *wanted,
                     struct create_partitions_response_results *result)
{
    const struct decision *decision = growth->decision;
    const struct topic_image *topic = image_topic_by_name(decision->image, wanted->name);
    const int32_t before = topic != NULL ? topic_image_partition_count(topic) : 0;
    struct assignment assignment = {.first = before, .count = wanted->count - before};
    struct partition_image partition;
    enum kafka_error error;

    if (topic == NULL) {
        fail(result, ERROR_UNKNOWN_TOPIC_OR_PARTITION, STRING("There is no such topic."));
        return;
    }
    if (wanted->count <= before) {
        fail(result, ERROR_INVALID_PARTITIONS,
             arena_format(decision->arena, "The topic has %d partitions already; %d are not more than that.", before,
                          wanted->count));
        return;
    }
    if (assignment.count > growth->partitions_left ||
        !decision_has_room(decision, (size_t)assignment.count * PARTITION_ROOM)) {
        fail(result, ERROR_INVALID_PARTITIONS,
             arena_format(decision->arena, "One request creates at most %d partitions.", ASSIGNMENT_PARTITIONS_MAX));
        return;
    }
    assignment.replication = topic_image_partition(topic, 0, &partition) ? partition.replica_count : 1;
    if (wanted->assignments_count >= 0 && !manual_assignment(growth, wanted, &assignment, result)) {
        return;
    }
    error = assignment_check(decision, &growth->placement, &assignment, &result->error_message);
    if (error != ERROR_NONE) {
        result->error_code = (int16_t)error;
        return;
    }
    growth->partitions_left -= assignment.count;
    if (!growth->request->validate_only) {
        placement_begin_topic(&growth->placement, topic);
        assignment_add(decision, &growth->placement, &assignment, topic_image_id(topic));
    }
}

void topic_table_grow(const struct decision *decision, const struct create_partitions_request *request,
                      struct create_partitions_response *response)
{
    struct growth growth = {.decision = decision,
                            .request = request,
                            .response = response,
                            .partitions_left = ASSIGNMENT_PARTITIONS_MAX};
    struct bytes *names = arena_need(decision->arena, (size_t)request->topics_count, sizeof(*names));
    const enum repeat *repeats;

    for (int32_t i = 0; i < request->topics_count; i++) {
        names[i] = bytes_of_string(request->topics[i].name);
    }
    repeats = repeats_find(names, request->topics_count, decision->arena);
    create_partitions_response_init(response);
    response->results = arena_need(decision->arena, (size_t)request->topics_count, sizeof(*response->results));
    placement_init(&growth.placement, decision->image, decision->seed, decision->arena);
    for (int32_t i = 0; i < request->topics_count; i++) {
        const struct create_partitions_request_topics *wanted = &request->topics[i];
        struct create_partitions_response_results *result = &response->results[response->results_count];

        if (repeats[i] == REPEAT_LATER) {
            continue;
        }
        create_partitions_response_results_init(result);
        result->name = wanted->name;
        response->results_count++;
        if (repeats[i] == REPEAT_FIRST) {
            fail(result, ERROR_INVALID_REQUEST, STRING("The request names this topic more than once."));
        } else {
            grow_one(&growth, wanted, result);
        }
    }
}
