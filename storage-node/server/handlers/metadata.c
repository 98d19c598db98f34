/* Metadata 0-13: brokers, topics, leaders. Answered from the loop's image; topics that do not exist may be created on
 * the way (auto.create.topics.enable), by the controller. */
#include "storage-node/server/handlers/handlers.h"

#include "common/wire/error.h"
#include "storage-node/server/authorized.h"
#include "storage-node/server/describe.h"
#include "storage-node/server/service.h"
#include "storage-node/server/topic_wish.h"
#include "wire/metadata.h"

#include <stdlib.h>

/* Topics that one request may make by asking for them. */
#define METADATA_WISHES_MAX 100

static void metadata_brokers(struct shard *shard, struct rpc_request *request)
{
    struct metadata_response *response = request->response;
    const size_t count = image_broker_count(shard->image);

    response->controller_id = -1;
    response->brokers = arena_need(&request->arena, count, sizeof(*response->brokers));
    for (size_t i = 0; i < count; i++) {
        const struct broker_image *broker = image_broker_at(shard->image, i);
        const struct endpoint_image *endpoint = describe_endpoint(shard, broker, request->listener);

        if (broker->fenced || endpoint == NULL) {
            continue;
        }
        metadata_response_brokers_init(&response->brokers[response->brokers_count]);
        response->brokers[response->brokers_count++] = (struct metadata_response_brokers){
            .node_id = broker->id, .host = endpoint->host, .port = endpoint->port, .rack = broker->rack};
        /* Clients may send administration to any node: as in Kafka some live one is named. */
        if (response->controller_id < 0 || broker->id == shard->node_id) {
            response->controller_id = broker->id;
        }
    }
}

static void metadata_partitions(struct shard *shard, struct rpc_request *request, const struct topic_image *topic,
                                struct metadata_response_topics *answer)
{
    const int32_t count = topic_image_partition_count(topic);

    answer->partitions_count = count;
    answer->partitions = arena_need(&request->arena, (size_t)count, sizeof(*answer->partitions));
    for (int32_t i = 0; i < count; i++) {
        struct metadata_response_topics_partitions *partition = &answer->partitions[i];
        struct partition_image row;
        int32_t *offline;

        metadata_response_topics_partitions_init(partition);
        if (!topic_image_partition(topic, i, &row)) {
            continue;
        }
        partition->partition_index = i;
        partition->leader_id = row.leader;
        partition->leader_epoch = row.leader_epoch;
        partition->error_code = describe_leader_error(shard, &row, request->listener);
        partition->replica_nodes_count = row.replica_count;
        partition->replica_nodes = (int32_t *)(uintptr_t)row.replicas;
        partition->isr_nodes_count = row.isr_count;
        partition->isr_nodes = (int32_t *)(uintptr_t)row.isr;
        partition->offline_replicas_count = describe_offline(shard, &request->arena, &row, &offline);
        partition->offline_replicas = offline;
    }
}

static void metadata_topic(struct shard *shard, struct rpc_request *request, const struct topic_image *topic,
                           struct metadata_response_topics *answer)
{
    const struct metadata_request *body = request->body;

    metadata_response_topics_init(answer);
    answer->name = topic_image_name(topic);
    answer->topic_id = topic_image_id(topic);
    answer->is_internal = describe_is_internal(answer->name);
    answer->topic_authorized_operations =
        body->include_topic_authorized_operations ? AUTHORIZED_TOPIC : AUTHORIZED_UNKNOWN;
    metadata_partitions(shard, request, topic, answer);
}

static void metadata_all_topics(struct shard *shard, struct rpc_request *request)
{
    struct metadata_response *response = request->response;
    const size_t count = image_topic_count(shard->image);

    response->topics_count = (int32_t)count;
    response->topics = arena_need(&request->arena, count, sizeof(*response->topics));
    for (size_t i = 0; i < count; i++) {
        metadata_topic(shard, request, image_topic_at(shard->image, i), &response->topics[i]);
    }
}

/* Whether the request may make topics that it names. */
static bool metadata_may_create(const struct shard *shard, const struct rpc_request *request)
{
    const struct metadata_request *body = request->body;

    return shard->service->auto_create && (request->version < 4 || body->allow_auto_topic_creation);
}

static int metadata_compare_topics(const void *a, const void *b)
{
    const struct metadata_request_topics *x = *(const struct metadata_request_topics *const *)a;
    const struct metadata_request_topics *y = *(const struct metadata_request_topics *const *)b;
    int order = uuid_compare(x->topic_id, y->topic_id);

    if (order == 0) {
        order = string_compare(x->name, y->name);
    }
    return order != 0 ? order : (x > y) - (x < y);
}

/* Drops topics that are named before: an answer of many partitions for each time would be out of all proportion. */
static void metadata_drop_repeated(struct arena *arena, struct metadata_request *body)
{
    struct metadata_request_topics **sorted = arena_need(arena, (size_t)body->topics_count,
                                                         sizeof(struct metadata_request_topics *));
    bool *repeated = arena_need(arena, (size_t)body->topics_count, sizeof(bool));
    int32_t kept = 0;

    for (int32_t i = 0; i < body->topics_count; i++) {
        sorted[i] = &body->topics[i];
    }
    if (body->topics_count > 1) {
        qsort(sorted, (size_t)body->topics_count, sizeof(struct metadata_request_topics *), metadata_compare_topics);
    }
    for (int32_t i = 1; i < body->topics_count; i++) {
        repeated[sorted[i] - body->topics] = uuid_equal(sorted[i]->topic_id, sorted[i - 1]->topic_id) &&
                                             string_equal(sorted[i]->name, sorted[i - 1]->name);
    }
    for (int32_t i = 0; i < body->topics_count; i++) {
        if (!repeated[i]) {
            body->topics[kept++] = body->topics[i];
        }
    }
    body->topics_count = kept;
}

static void metadata_named_topics(struct shard *shard, struct rpc_request *request)
{
    struct metadata_request *body = request->body;
    struct metadata_response *response = request->response;
    int32_t wishes = 0;

    metadata_drop_repeated(&request->arena, body);
    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct metadata_request_topics *wanted = &body->topics[i];
        struct metadata_response_topics *answer = &response->topics[i];
        const bool by_id = !uuid_is_zero(wanted->topic_id);
        const struct topic_image *topic = by_id ? image_topic_by_id(shard->image, wanted->topic_id)
                                                : image_topic_by_name(shard->image, wanted->name);

        if (topic != NULL) {
            metadata_topic(shard, request, topic, answer);
            continue;
        }
        metadata_response_topics_init(answer);
        answer->topic_id = wanted->topic_id;
        answer->name = request->version >= 12 && by_id ? STRING_NULL : wanted->name;
        answer->topic_authorized_operations = AUTHORIZED_UNKNOWN;
        if (by_id) {
            answer->error_code = ERROR_UNKNOWN_TOPIC_ID;
        } else if (!describe_topic_name_valid(wanted->name)) {
            answer->error_code = ERROR_INVALID_TOPIC_EXCEPTION;
        } else {
            answer->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            if (metadata_may_create(shard, request) && wishes < METADATA_WISHES_MAX) {
                wishes++;
                /* The client asks again; by then it is there. */
                topic_wish(shard, wanted->name);
                answer->error_code = ERROR_LEADER_NOT_AVAILABLE;
            }
        }
    }
}

void handle_metadata(struct rpc_request *request)
{
    const struct metadata_request *body = request->body;
    struct metadata_response *response = request->response;
    struct shard *shard = shard_of_request(request);

    describe_hold_image(shard, request);
    metadata_brokers(shard, request);
    response->cluster_id = string_of(shard->service->cluster_id);
    response->cluster_authorized_operations =
        body->include_cluster_authorized_operations ? AUTHORIZED_CLUSTER : AUTHORIZED_UNKNOWN;
    /* In version 0 an empty list asks for all topics, later null does. */
    if (body->topics_count < 0 || (request->version == 0 && body->topics_count == 0)) {
        metadata_all_topics(shard, request);
    } else {
        metadata_named_topics(shard, request);
    }
    rpc_request_complete(request);
}
