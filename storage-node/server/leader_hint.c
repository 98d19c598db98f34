/* KIP-951: who leads instead. */
#include "storage-node/server/leader_hint.h"

#include "common/wire/error.h"
#include "storage-node/server/describe.h"

void leader_hint_init(struct leader_hint *hint, struct shard *shard, struct rpc_request *request)
{
    hint->shard = shard;
    hint->request = request;
    hint->count = 0;
}

static void hint_remember(struct leader_hint *hint, int32_t id)
{
    for (int32_t i = 0; i < hint->count; i++) {
        if (hint->ids[i] == id) {
            return;
        }
    }
    if (id >= 0 && hint->count < LEADER_HINT_MAX) {
        hint->ids[hint->count++] = id;
    }
}

void leader_hint_partition(struct leader_hint *hint, int16_t error, struct string name, struct uuid topic_id,
                           int32_t partition, int32_t *id, int32_t *epoch)
{
    const struct image *image = hint->shard->image;
    const struct topic_image *topic;
    struct partition_image row;

    if (error != ERROR_NOT_LEADER_OR_FOLLOWER && error != ERROR_FENCED_LEADER_EPOCH) {
        return;
    }
    topic = name.data != NULL && name.size > 0 ? image_topic_by_name(image, name) : image_topic_by_id(image, topic_id);
    if (topic == NULL || !topic_image_partition(topic, partition, &row)) {
        return;
    }
    *id = row.leader;
    *epoch = row.leader_epoch;
    hint_remember(hint, row.leader);
}

int32_t leader_hint_endpoints(const struct leader_hint *hint, struct leader_endpoint endpoints[LEADER_HINT_MAX])
{
    struct arena *arena = &hint->request->arena;
    int32_t count = 0;

    for (int32_t i = 0; i < hint->count; i++) {
        const struct broker_image *broker = image_broker(hint->shard->image, hint->ids[i]);
        const struct endpoint_image *endpoint =
            broker != NULL ? describe_endpoint(hint->shard, broker, hint->request->listener) : NULL;

        if (endpoint != NULL) {
            endpoints[count++] = (struct leader_endpoint){
                .node_id = hint->ids[i],
                .port = endpoint->port,
                .host = arena_copy_string(arena, endpoint->host),
                .rack = arena_copy_string(arena, broker->rack),
            };
        }
    }
    return count;
}
