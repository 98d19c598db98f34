/* DeleteRecords (KIP-107): moves the beginning of partitions forward. */
#include "common/wire/error.h"
#include "storage-node/server/handlers/handlers.h"
#include "storage-node/server/tour.h"
#include "wire/delete_records.h"

static void delete_records_one(struct shard *shard, const struct delete_records_request_topics_partitions *wanted,
                               struct uuid topic_id, struct delete_records_response_topics_partitions *answer)
{
    struct partition *partition;
    int64_t offset = wanted->offset;
    enum status status;

    answer->error_code = shard_partition(shard, topic_id, wanted->partition_index, &partition);
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    if (offset == -1) {
        offset = partition->high_watermark;
    }
    if (offset < 0 || offset > partition->high_watermark) {
        answer->error_code = ERROR_OFFSET_OUT_OF_RANGE;
        return;
    }
    if (offset > partition_log_start_offset(partition->log)) {
        status = partition_log_delete_before(partition->log, offset, partition->high_watermark);
        if (status != STATUS_OK) {
            answer->error_code = shard_error_of(status);
            return;
        }
        partition_advance(partition);
    }
    answer->low_watermark = partition_log_start_offset(partition->log);
}

static void delete_records_visit(struct shard *shard, struct tour *tour)
{
    const struct delete_records_request *body = tour->request->body;
    struct delete_records_response *response = tour->request->response;

    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct delete_records_request_topics *topic = &body->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct delete_records_response_topics_partitions *answer = &response->topics[i].partitions[j];
            const struct topic_image *image;
            struct partition_image row;

            if (answer->error_code == ERROR_NONE && answer->low_watermark < 0 &&
                shard_resolve(shard, topic->name, UUID_ZERO, answer->partition_index, &image, &row) == ERROR_NONE &&
                shard_of(shard, topic_image_id(image), answer->partition_index) == shard->index) {
                delete_records_one(shard, &topic->partitions[j], topic_image_id(image), answer);
            }
        }
    }
    tour_next(tour);
}

static void delete_records_finish(struct tour *tour)
{
    rpc_request_complete(tour->request);
}

void handle_delete_records(struct rpc_request *request)
{
    const struct delete_records_request *body = request->body;
    struct delete_records_response *response = request->response;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct delete_records_request_topics *topic = &body->topics[i];
        struct delete_records_response_topics *answer = &response->topics[i];

        delete_records_response_topics_init(answer);
        answer->name = topic->name;
        answer->partitions_count = topic->partitions_count;
        answer->partitions = arena_need(&request->arena, (size_t)topic->partitions_count, sizeof(*answer->partitions));
        for (int32_t j = 0; j < topic->partitions_count; j++) {
            const struct topic_image *image;
            struct partition_image row;

            delete_records_response_topics_partitions_init(&answer->partitions[j]);
            answer->partitions[j].partition_index = topic->partitions[j].partition_index;
            answer->partitions[j].low_watermark = -1;
            answer->partitions[j].error_code = shard_resolve(shard_of_request(request), topic->name, UUID_ZERO,
                                                             topic->partitions[j].partition_index, &image, &row);
        }
    }
    tour_start(request, delete_records_visit, delete_records_finish, NULL);
}
