/* Leader election after a change of one node. */
#include "controller/state/election.h"

#include "common/base/assert.h"

static bool ids_have(const int32_t *ids, int32_t count, int32_t id)
{
    for (int32_t i = 0; i < count; i++) {
        if (ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* An unassigned directory (all zero) is the node's to choose, so it is wherever the node is. */
static bool directory_online(const struct uuid *log_dirs, int32_t count, struct uuid directory)
{
    if (uuid_is_zero(directory)) {
        return true;
    }
    for (int32_t i = 0; i < count; i++) {
        if (uuid_equal(log_dirs[i], directory)) {
            return true;
        }
    }
    return false;
}

/* True if replica number `index` of the partition could lead. */
static bool replica_active(const struct image *image, const struct election_node *node,
                           const struct partition_image *partition, int16_t index)
{
    const int32_t id = partition->replicas[index];
    const struct uuid directory = partition->directories != NULL ? partition->directories[index] : UUID_ZERO;
    const struct broker_image *broker;

    if (id == node->id) {
        return node->active && directory_online(node->log_dirs, node->log_dir_count, directory);
    }
    broker = image_broker(image, id);
    return broker != NULL && !broker->fenced && !broker->in_controlled_shutdown &&
           directory_online(broker->log_dirs, broker->log_dir_count, directory);
}

static bool id_active(const struct image *image, const struct election_node *node,
                      const struct partition_image *partition, int32_t id)
{
    for (int16_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == id) {
            return replica_active(image, node, partition, i);
        }
    }
    return false;
}

/* The ISR without the node if it is not active and others are in it. */
static void choose_isr(const struct image *image, const struct election_node *node,
                       const struct partition_image *partition, struct election_result *result)
{
    const bool leaves = !id_active(image, node, partition, node->id);

    result->isr_count = 0;
    for (int16_t i = 0; i < partition->isr_count; i++) {
        if (partition->isr[i] != node->id || !leaves) {
            result->isr[result->isr_count++] = partition->isr[i];
        }
    }
    if (result->isr_count == 0) {
        memcpy(result->isr, partition->isr, (size_t)partition->isr_count * sizeof(result->isr[0]));
        result->isr_count = partition->isr_count;
    }
}

/* The present leader if it can stay, else the first replica in order of preference. */
static int32_t choose_leader(const struct image *image, const struct election_node *node,
                             const struct partition_image *partition, const struct election_result *result)
{
    if (partition->leader >= 0 && ids_have(result->isr, result->isr_count, partition->leader) &&
        id_active(image, node, partition, partition->leader)) {
        return partition->leader;
    }
    for (int16_t i = 0; i < partition->replica_count; i++) {
        if (ids_have(result->isr, result->isr_count, partition->replicas[i]) &&
            replica_active(image, node, partition, i)) {
            return partition->replicas[i];
        }
    }
    return -1;
}

bool election_run(const struct image *image, const struct election_node *node, const struct partition_image *partition,
                  struct election_result *result)
{
    choose_isr(image, node, partition, result);
    result->leader = choose_leader(image, node, partition, result);
    return result->leader != partition->leader || result->isr_count != partition->isr_count;
}

static void add_change(const struct decision *decision, struct uuid topic, int32_t index,
                       const struct partition_image *partition, const struct election_result *result)
{
    struct partition_change_record *record = record_list_add(decision->records, METADATA_PARTITION_CHANGE_RECORD);

    record->topic_id = topic;
    record->partition_id = index;
    if (result->leader != partition->leader) {
        record->leader = result->leader;
    }
    if (result->isr_count != partition->isr_count) {
        record->isr_count = result->isr_count;
        record->isr = arena_need(decision->arena, (size_t)result->isr_count, sizeof(*record->isr));
        memcpy(record->isr, result->isr, (size_t)result->isr_count * sizeof(*record->isr));
    }
}

size_t election_for_node(const struct decision *decision, const struct election_node *node)
{
    const size_t before = decision->records->count;

    for (size_t i = 0; i < image_topic_count(decision->image); i++) {
        const struct topic_image *topic = image_topic_at(decision->image, i);
        struct partition_image partition;

        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            struct election_result result;

            if (ids_have(partition.replicas, partition.replica_count, node->id) &&
                election_run(decision->image, node, &partition, &result)) {
                add_change(decision, topic_image_id(topic), j, &partition, &result);
            }
        }
    }
    return decision->records->count - before;
}

bool election_leads_any(const struct image *image, int32_t broker_id)
{
    for (size_t i = 0; i < image_topic_count(image); i++) {
        const struct topic_image *topic = image_topic_at(image, i);
        struct partition_image partition;

        for (int32_t j = 0; topic_image_partition(topic, j, &partition); j++) {
            if (partition.leader == broker_id) {
                return true;
            }
        }
    }
    return false;
}
