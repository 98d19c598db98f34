/* OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch ended, so that a reader finds out what of its log is still
 * ours. */
#include "common/wire/error.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/tour.h"
#include "wire/offset_for_leader_epoch.h"

static void epoch_one(struct shard *shard, const struct offset_for_leader_epoch_request_topics_partitions *wanted,
                      struct uuid topic_id, struct offset_for_leader_epoch_response_topics_partitions *answer)
{
    struct partition *partition;

    answer->error_code = shard_partition(shard, topic_id, wanted->partition, &partition);
    if (answer->error_code == ERROR_NONE) {
        answer->error_code = shard_check_epoch(partition, wanted->current_leader_epoch);
    }
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    if (wanted->leader_epoch == partition->leader_epoch) {
        answer->leader_epoch = partition->leader_epoch;
        answer->end_offset = partition_log_end_offset(partition->log);
        return;
    }
    if (wanted->leader_epoch > partition->leader_epoch) {
        return; /* an epoch that we do not know of has no end */
    }
    partition_log_epoch_end(partition->log, wanted->leader_epoch, &answer->leader_epoch, &answer->end_offset);
}

static void epoch_visit(struct shard *shard, struct tour *tour)
{
    const struct offset_for_leader_epoch_request *body = tour->request->body;
    struct offset_for_leader_epoch_response *response = tour->request->response;

    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct offset_for_leader_epoch_request_topics *topic = &body->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct offset_for_leader_epoch_response_topics_partitions *answer = &response->topics[i].partitions[j];
            const struct topic_image *image;
            struct partition_image row;

            if (answer->error_code == ERROR_NONE &&
                shard_resolve(shard, topic->topic, UUID_ZERO, answer->partition, &image, &row) == ERROR_NONE &&
                shard_of(shard, topic_image_id(image), answer->partition) == shard->index) {
                epoch_one(shard, &topic->partitions[j], topic_image_id(image), answer);
            }
        }
    }
    tour_next(tour);
}

static void epoch_finish(struct tour *tour)
{
    rpc_request_complete(tour->request);
}

void handle_offset_for_leader_epoch(struct rpc_request *request)
{
    const struct offset_for_leader_epoch_request *body = request->body;
    struct offset_for_leader_epoch_response *response = request->response;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct offset_for_leader_epoch_request_topics *topic = &body->topics[i];
        struct offset_for_leader_epoch_response_topics *answer = &response->topics[i];

        offset_for_leader_epoch_response_topics_init(answer);
        answer->topic = topic->topic;
        answer->partitions_count = topic->partitions_count;
        answer->partitions = arena_need(&request->arena, (size_t)topic->partitions_count, sizeof(*answer->partitions));
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct topic_image *image;
            struct partition_image row;

            offset_for_leader_epoch_response_topics_partitions_init(&answer->partitions[j]);
            answer->partitions[j].partition = topic->partitions[j].partition;
            answer->partitions[j].leader_epoch = -1;
            answer->partitions[j].end_offset = -1;
            answer->partitions[j].error_code = shard_resolve(shard_of_request(request), topic->topic, UUID_ZERO,
                                                             topic->partitions[j].partition, &image, &row);
        }
    }
    tour_start(request, epoch_visit, epoch_finish, NULL);
}
