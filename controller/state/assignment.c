/* Assignments of partitions to nodes. */
#include "controller/state/assignment.h"

#include "common/base/assert.h"

/* This release stores one replica of each partition. */
#define REPLICATION_MAX 1

static enum kafka_error count_error(const struct decision *decision, const struct assignment *assignment,
                                    struct string *text)
{
    if (assignment->count < 1) {
        *text = STRING("A topic has at least one partition.");
        return ERROR_INVALID_PARTITIONS;
    }
    if (assignment->count > ASSIGNMENT_PARTITIONS_MAX) {
        *text = arena_format(decision->arena, "One request creates at most %d partitions.", ASSIGNMENT_PARTITIONS_MAX);
        return ERROR_INVALID_PARTITIONS;
    }
    if (assignment->replication < 1) {
        *text = STRING("The replication factor is at least one.");
        return ERROR_INVALID_REPLICATION_FACTOR;
    }
    if (assignment->replication > REPLICATION_MAX) {
        *text = arena_format(decision->arena,
                             "This version stores one replica of each partition; a replication factor of %d is not "
                             "possible.",
                             assignment->replication);
        return ERROR_INVALID_REPLICATION_FACTOR;
    }
    return ERROR_NONE;
}

/* One partition's manual replicas. */
static enum kafka_error replicas_error(const struct decision *decision, const struct placement *placement,
                                       const struct assignment *assignment, int32_t index, struct string *text)
{
    const struct assignment_replicas *replicas = &assignment->manual[index];
    bool active = false;

    if (replicas->count != assignment->replication) {
        *text = arena_format(decision->arena, "Partition %d has %d replicas, others have %d.",
                             assignment->first + index,
                             replicas->count, assignment->replication);
        return ERROR_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < replicas->count; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (replicas->ids[i] == replicas->ids[j]) {
                *text = arena_format(decision->arena, "Partition %d names node %d twice.", assignment->first + index,
                                     replicas->ids[i]);
                return ERROR_INVALID_REPLICA_ASSIGNMENT;
            }
        }
        if (image_broker(decision->image, replicas->ids[i]) == NULL) {
            *text = arena_format(decision->arena, "Partition %d names node %d, which is not registered.",
                                 assignment->first + index, replicas->ids[i]);
            return ERROR_INVALID_REPLICA_ASSIGNMENT;
        }
        active = active || placement_has_node(placement, replicas->ids[i]);
    }
    if (!active) {
        *text = arena_format(decision->arena, "All nodes of partition %d are fenced or shutting down.",
                             assignment->first + index);
        return ERROR_INVALID_REPLICA_ASSIGNMENT;
    }
    return ERROR_NONE;
}

enum kafka_error assignment_check(const struct decision *decision, const struct placement *placement,
                                  const struct assignment *assignment, struct string *text)
{
    enum kafka_error error = count_error(decision, assignment, text);

    if (error != ERROR_NONE) {
        return error;
    }
    if (assignment->manual == NULL && (size_t)assignment->replication > placement->node_count) {
        *text = arena_format(decision->arena, "%d replicas need as many active nodes; there are %zu.",
                             assignment->replication, placement->node_count);
        return ERROR_INVALID_REPLICATION_FACTOR;
    }
    for (int32_t i = 0; assignment->manual != NULL && i < assignment->count; i++) {
        error = replicas_error(decision, placement, assignment, i, text);
        if (error != ERROR_NONE) {
            return error;
        }
    }
    return ERROR_NONE;
}

/* Replicas on active nodes start in sync: an empty log lacks nothing. */
static void set_isr(const struct decision *decision, const struct placement *placement, struct partition_record *record)
{
    record->isr = arena_need(decision->arena, (size_t)record->replicas_count, sizeof(*record->isr));
    for (int32_t i = 0; i < record->replicas_count; i++) {
        if (placement_has_node(placement, record->replicas[i])) {
            record->isr[record->isr_count++] = record->replicas[i];
        }
    }
    ASSERT(record->isr_count > 0);
    record->leader = record->isr[0];
}

void assignment_add(const struct decision *decision, struct placement *placement, const struct assignment *assignment,
                    struct uuid topic_id)
{
    for (int32_t i = 0; i < assignment->count; i++) {
        struct partition_record *record = record_list_add(decision->records, METADATA_PARTITION_RECORD);
        const size_t count = (size_t)assignment->replication;

        record->topic_id = topic_id;
        record->partition_id = assignment->first + i;
        record->leader_epoch = 0;
        record->partition_epoch = 0;
        record->replicas_count = assignment->replication;
        record->replicas = arena_need(decision->arena, count, sizeof(*record->replicas));
        record->directories_count = assignment->replication;
        record->directories = arena_need(decision->arena, count, sizeof(*record->directories));
        if (assignment->manual != NULL) {
            memcpy(record->replicas, assignment->manual[i].ids, count * sizeof(*record->replicas));
            placement_assign(placement, assignment->replication, record->replicas, record->directories);
        } else {
            const bool chosen =
                placement_choose(placement, assignment->replication, record->replicas, record->directories);

            ASSERT(chosen);
        }
        set_isr(decision, placement, record);
    }
}
