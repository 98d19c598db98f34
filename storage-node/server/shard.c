/* What handlers of one loop have in common. */
#include "storage-node/server/shard.h"

#include "common/base/assert.h"
#include "common/wire/error.h"
#include "storage-node/server/service.h"

uint32_t shard_of(const struct shard *shard, struct uuid topic_id, int32_t partition)
{
    /* Neighbours go to different loops, and topics do not all begin on the same one. */
    return (uint32_t)((hash_bytes(topic_id.data,
                                  sizeof(topic_id.data)) + (uint64_t)(uint32_t)partition) % shard->count);
}

struct shard *shard_at(const struct shard *shard, uint32_t index)
{
    ASSERT(index < shard->service->shard_count);
    return &shard->service->shards[index];
}

int16_t shard_resolve(const struct shard *shard, struct string name, struct uuid topic_id, int32_t partition,
                      const struct topic_image **topic, struct partition_image *row)
{
    *topic = name.data != NULL ? image_topic_by_name(shard->image, name) : image_topic_by_id(shard->image, topic_id);
    if (*topic == NULL) {
        return name.data != NULL ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_UNKNOWN_TOPIC_ID;
    }
    if (!topic_image_partition(*topic, partition, row)) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return row->leader == shard->node_id ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
}

int16_t shard_check_epoch(const struct partition *partition, int32_t current_leader_epoch)
{
    if (current_leader_epoch < 0 || current_leader_epoch == partition->leader_epoch) {
        return ERROR_NONE;
    }
    return current_leader_epoch < partition->leader_epoch ? ERROR_FENCED_LEADER_EPOCH : ERROR_UNKNOWN_LEADER_EPOCH;
}

int16_t shard_partition(const struct shard *shard, struct uuid topic_id, int32_t index, struct partition **partition)
{
    *partition = replica_set_find(&shard->replicas, topic_id, index);
    /* While the node stops a worker may have the logs. */
    if (*partition == NULL || shard->replicas.stopping || (*partition)->state == PARTITION_LOADING ||
        (*partition)->state == PARTITION_CLOSING) {
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    if ((*partition)->state == PARTITION_OFFLINE) {
        return ERROR_KAFKA_STORAGE_ERROR;
    }
    return (*partition)->leader ? ERROR_NONE : ERROR_NOT_LEADER_OR_FOLLOWER;
}

struct partition *shard_partition_loading(const struct shard *shard, struct uuid topic_id, int32_t index)
{
    struct partition *partition = replica_set_find(&shard->replicas, topic_id, index);

    return partition != NULL && partition->state == PARTITION_LOADING && !shard->replicas.stopping ? partition : NULL;
}

int16_t shard_error_of(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return ERROR_NONE;
    case STATUS_TIMEOUT:
        return ERROR_REQUEST_TIMED_OUT;
    case STATUS_NOT_LEADER:
    case STATUS_CLOSED:
        return ERROR_NOT_LEADER_OR_FOLLOWER;
    case STATUS_NOT_FOUND:
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    case STATUS_OUT_OF_RANGE:
        return ERROR_OFFSET_OUT_OF_RANGE;
    case STATUS_CORRUPT:
    case STATUS_TRUNCATED:
        return ERROR_CORRUPT_MESSAGE;
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_DESCRIPTORS:
    case STATUS_DENIED:
        return ERROR_KAFKA_STORAGE_ERROR;
    default:
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
}
