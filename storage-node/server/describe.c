/* Facts of the image as several answers tell them. */
#include "storage-node/server/describe.h"

#include "common/base/assert.h"
#include "common/wire/error.h"
#include "storage-node/server/service.h"

#define TOPIC_NAME_MAX 249

static void describe_release_image(struct rpc_request *request)
{
    image_unref(request->release_context);
}

void describe_hold_image(struct shard *shard, struct rpc_request *request)
{
    ASSERT(request->release == NULL);
    request->release = describe_release_image;
    request->release_context = image_ref(shard->image);
}

const struct endpoint_image *describe_endpoint(const struct shard *shard, const struct broker_image *broker,
                                               uint32_t listener)
{
    const struct string name =
        listener < shard->service->listener_count ? shard->service->listener_names[listener] : STRING_NULL;

    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (string_equal(broker->endpoints[i].name, name)) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

int16_t describe_leader_error(const struct shard *shard, const struct partition_image *row, uint32_t listener)
{
    const struct broker_image *leader = row->leader >= 0 ? image_broker(shard->image, row->leader) : NULL;

    if (leader == NULL || leader->fenced) {
        return ERROR_LEADER_NOT_AVAILABLE;
    }
    return describe_endpoint(shard, leader, listener) != NULL ? ERROR_NONE : ERROR_LISTENER_NOT_FOUND;
}

int32_t describe_offline(const struct shard *shard, struct arena *arena, const struct partition_image *row,
                         int32_t **offline)
{
    int32_t count = 0;

    *offline = NULL;
    for (int16_t i = 0; i < row->replica_count; i++) {
        const struct broker_image *broker = image_broker(shard->image, row->replicas[i]);

        if (broker == NULL || broker->fenced) {
            if (*offline == NULL) {
                *offline = arena_need(arena, (size_t)row->replica_count, sizeof(**offline));
            }
            (*offline)[count++] = row->replicas[i];
        }
    }
    return count;
}

bool describe_is_internal(struct string topic)
{
    return string_is(topic, "__consumer_offsets") || string_is(topic, "__transaction_state") ||
           string_is(topic, "__share_group_state");
}

bool describe_topic_name_valid(struct string name)
{
    if (name.data == NULL || name.size == 0 || name.size > TOPIC_NAME_MAX || string_is(name, ".") || string_is(name,
                                                                                                               "..")) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return true;
}
