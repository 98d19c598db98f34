/* DescribeProducers (KIP-664): whose sequences a partition remembers. */
#include "storage-node/server/handlers/handlers.h"

#include "common/wire/error.h"
#include "storage-node/server/tour.h"
#include "wire/describe_producers.h"

/* Producers in an answer at most: a request may name a partition as often as it likes. */
#define PRODUCERS_MAX 100000

struct producers_list {
    struct describe_producers_response_topics_partitions *answer;
    int32_t max;
    bool counting;
};

static void producers_each(void *context, const struct producer_view *producer)
{
    struct producers_list *list = context;
    struct describe_producers_response_topics_partitions_active_producers *row;

    if (list->counting) {
        if (list->answer->active_producers_count < list->max) {
            list->answer->active_producers_count++;
        }
        return;
    }
    if (list->answer->active_producers_count >= list->max) {
        return;
    }
    row = &list->answer->active_producers[list->answer->active_producers_count++];
    describe_producers_response_topics_partitions_active_producers_init(row);
    row->producer_id = producer->producer_id;
    row->producer_epoch = producer->producer_epoch;
    row->last_sequence = producer->last_sequence;
    row->last_timestamp = producer->last_timestamp_ms;
    row->coordinator_epoch = -1;
    row->current_txn_start_offset = -1;
}

/* `*left`: how many producers the answer may still name. */
static void producers_one(struct shard *shard, struct rpc_request *request, struct uuid topic_id, int32_t *left,
                          struct describe_producers_response_topics_partitions *answer)
{
    struct partition *partition;
    struct producers_list list = {.answer = answer, .max = *left, .counting = true};

    answer->error_code = shard_partition(shard, topic_id, answer->partition_index, &partition);
    if (answer->error_code != ERROR_NONE) {
        return;
    }
    partition_log_producers(partition->log, producers_each, &list);
    answer->active_producers =
        arena_need(&request->arena, (size_t)answer->active_producers_count, sizeof(*answer->active_producers));
    answer->active_producers_count = 0;
    list.counting = false;
    partition_log_producers(partition->log, producers_each, &list);
    *left -= answer->active_producers_count;
}

static void producers_visit(struct shard *shard, struct tour *tour)
{
    struct describe_producers_response *response = tour->request->response;

    for (int32_t i = 0; i < response->topics_count; i++) {
        struct describe_producers_response_topics *topic = &response->topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            struct describe_producers_response_topics_partitions *answer = &topic->partitions[j];
            const struct topic_image *image;
            struct partition_image row;

            if (answer->error_code == ERROR_NONE &&
                shard_resolve(shard, topic->name, UUID_ZERO, answer->partition_index, &image, &row) == ERROR_NONE &&
                shard_of(shard, topic_image_id(image), answer->partition_index) == shard->index) {
                producers_one(shard, tour->request, topic_image_id(image), tour->context, answer);
            }
        }
    }
    tour_next(tour);
}

static void producers_finish(struct tour *tour)
{
    rpc_request_complete(tour->request);
}

void handle_describe_producers(struct rpc_request *request)
{
    const struct describe_producers_request *body = request->body;
    struct describe_producers_response *response = request->response;
    int32_t *left;

    response->topics_count = body->topics_count;
    response->topics = arena_need(&request->arena, (size_t)body->topics_count, sizeof(*response->topics));
    for (int32_t i = 0; i < body->topics_count; i++) {
        const struct describe_producers_request_topics *topic = &body->topics[i];
        struct describe_producers_response_topics *answer = &response->topics[i];

        describe_producers_response_topics_init(answer);
        answer->name = topic->name;
        answer->partitions_count = topic->partition_indexes_count;
        answer->partitions =
            arena_need(&request->arena, (size_t)topic->partition_indexes_count, sizeof(*answer->partitions));
        for (int32_t j = 0; j < topic->partition_indexes_count; j++) {
            const struct topic_image *image;
            struct partition_image row;

            describe_producers_response_topics_partitions_init(&answer->partitions[j]);
            answer->partitions[j].partition_index = topic->partition_indexes[j];
            answer->partitions[j].error_code = shard_resolve(shard_of_request(request), topic->name, UUID_ZERO,
                                                             topic->partition_indexes[j], &image, &row);
        }
    }
    left = arena_need(&request->arena, 1, sizeof(*left));
    *left = PRODUCERS_MAX;
    tour_start(request, producers_visit, producers_finish, left);
}
