/* KIP-951: who leads instead. */
#include "storage-node/server/leader_hint.h"

#include "common/wire/error.h"
#include "storage-node/server/describe.h"
#include "wire/fetch.h"
#include "wire/produce.h"

/* Leaders named in one answer. */
#define HINT_LEADERS_MAX 64

struct hint_leaders {
    int32_t ids[HINT_LEADERS_MAX];
    int32_t count;
};

static bool hint_wanted(int16_t error)
{
    return error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_FENCED_LEADER_EPOCH;
}

/* The partition's row, if the image knows the topic. */
static bool hint_find(const struct shard *shard, struct string name, struct uuid id, int32_t partition,
                      struct partition_image *row)
{
    const struct topic_image *topic = name.data != NULL && name.size > 0 ? image_topic_by_name(shard->image, name)
                                                                         : image_topic_by_id(shard->image, id);

    return topic != NULL && topic_image_partition(topic, partition, row);
}

static void hint_remember(struct hint_leaders *leaders, int32_t id)
{
    for (int32_t i = 0; i < leaders->count; i++) {
        if (leaders->ids[i] == id) {
            return;
        }
    }
    if (id >= 0 && leaders->count < HINT_LEADERS_MAX) {
        leaders->ids[leaders->count++] = id;
    }
}

/* The address of a broker for clients of this listener; NULL if it is not registered or has none. */
static const struct endpoint_image *hint_endpoint(const struct shard *shard, int32_t id, uint32_t listener,
                                                  struct string *rack)
{
    const struct broker_image *broker = image_broker(shard->image, id);

    if (broker == NULL) {
        return NULL;
    }
    *rack = broker->rack;
    return describe_endpoint(shard, broker, listener);
}

void leader_hint_produce(struct shard *shard, struct rpc_request *request)
{
    struct produce_response *response = request->response;
    struct hint_leaders leaders = {.count = 0};

    if (request->version < 10) {
        return;
    }
    for (int32_t i = 0; i < response->responses_count; i++) {
        struct produce_response_responses *topic = &response->responses[i];

        for (int32_t j = 0; j < topic->partition_responses_count; j++) {
            struct produce_response_responses_partition_responses *answer = &topic->partition_responses[j];
            struct partition_image row;

            if (hint_wanted(answer->error_code) && hint_find(shard, topic->name, topic->topic_id, answer->index,
                                                             &row)) {
                answer->current_leader.leader_id = row.leader;
                answer->current_leader.leader_epoch = row.leader_epoch;
                hint_remember(&leaders, row.leader);
            }
        }
    }
    response->node_endpoints = arena_need(&request->arena, (size_t)leaders.count, sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < leaders.count; i++) {
        struct string rack;
        const struct endpoint_image *endpoint = hint_endpoint(shard, leaders.ids[i], request->listener, &rack);

        if (endpoint != NULL) {
            response->node_endpoints[response->node_endpoints_count++] = (struct produce_response_node_endpoints){
                .node_id = leaders.ids[i],
                .host = arena_copy_string(&request->arena, endpoint->host),
                .port = endpoint->port,
                .rack = arena_copy_string(&request->arena, rack),
            };
        }
    }
}

void leader_hint_fetch(struct shard *shard, struct rpc_request *request)
{
    struct fetch_response *response = request->response;
    struct hint_leaders leaders = {.count = 0};

    if (request->version < 16) {
        return;
    }
    for (int32_t i = 0; i < response->responses_count; i++) {
        struct fetch_response_responses *topic = &response->responses[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct fetch_response_responses_partitions *answer = &topic->partitions[j];
            struct partition_image row;

            if (hint_wanted(answer->error_code) &&
                hint_find(shard, topic->topic, topic->topic_id, answer->partition_index, &row)) {
                answer->current_leader.leader_id = row.leader;
                answer->current_leader.leader_epoch = row.leader_epoch;
                hint_remember(&leaders, row.leader);
            }
        }
    }
    response->node_endpoints = arena_need(&request->arena, (size_t)leaders.count, sizeof(*response->node_endpoints));
    for (int32_t i = 0; i < leaders.count; i++) {
        struct string rack;
        const struct endpoint_image *endpoint = hint_endpoint(shard, leaders.ids[i], request->listener, &rack);

        if (endpoint != NULL) {
            response->node_endpoints[response->node_endpoints_count++] = (struct fetch_response_node_endpoints){
                .node_id = leaders.ids[i],
                .host = arena_copy_string(&request->arena, endpoint->host),
                .port = endpoint->port,
                .rack = arena_copy_string(&request->arena, rack),
            };
        }
    }
}
