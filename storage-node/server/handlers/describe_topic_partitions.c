/* DescribeTopicPartitions (KIP-966): topics page by page. */
#include "storage-node/server/handlers/handlers.h"

#include "common/wire/error.h"
#include "storage-node/server/authorized.h"
#include "storage-node/server/describe.h"
#include "wire/describe_topic_partitions.h"

#include <stdlib.h>

/* max.request.partition.size.limit: partitions in one answer at most. */
#define PARTITIONS_MAX 2000

struct partitions_page {
    struct shard *shard;
    struct rpc_request *request;
    struct describe_topic_partitions_response *response;
    int32_t left;
    struct string cursor_topic; /* null: from the beginning */
    int32_t cursor_partition;
};

static void partitions_fill(struct partitions_page *page, int32_t index, const struct partition_image *row,
                            struct describe_topic_partitions_response_topics_partitions *answer)
{
    describe_topic_partitions_response_topics_partitions_init(answer);
    answer->partition_index = index;
    answer->error_code = describe_leader_error(page->shard, row, page->request->listener);
    answer->leader_id = row->leader;
    answer->leader_epoch = row->leader_epoch;
    answer->replica_nodes_count = row->replica_count;
    answer->replica_nodes = (int32_t *)(uintptr_t)row->replicas;
    answer->isr_nodes_count = row->isr_count;
    answer->isr_nodes = (int32_t *)(uintptr_t)row->isr;
    answer->eligible_leader_replicas_count = row->elr_count;
    answer->eligible_leader_replicas = (int32_t *)(uintptr_t)row->elr;
    answer->last_known_elr_count = row->last_known_elr_count;
    answer->last_known_elr = (int32_t *)(uintptr_t)row->last_known_elr;
    answer->offline_replicas_count =
        describe_offline(page->shard, &page->request->arena, row, &answer->offline_replicas);
}

/* One topic, or as much of it as fits. False: the page is full and the cursor is set. */
static bool partitions_topic(struct partitions_page *page, const struct topic_image *topic, struct string name)
{
    struct describe_topic_partitions_response_topics *answer;
    const int32_t count = topic != NULL ? topic_image_partition_count(topic) : 0;
    int32_t first = 0;

    if (page->left == 0) {
        page->response->next_cursor = arena_need(&page->request->arena, 1, sizeof(*page->response->next_cursor));
        page->response->next_cursor->topic_name = name;
        page->response->next_cursor->partition_index = 0;
        return false;
    }
    answer = &page->response->topics[page->response->topics_count++];
    describe_topic_partitions_response_topics_init(answer);
    answer->name = name;
    answer->topic_authorized_operations = AUTHORIZED_UNKNOWN;
    if (topic == NULL) {
        answer->error_code =
            describe_topic_name_valid(name) ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    answer->topic_id = topic_image_id(topic);
    answer->is_internal = describe_is_internal(name);
    answer->topic_authorized_operations = AUTHORIZED_TOPIC;
    if (page->cursor_topic.data != NULL && string_equal(page->cursor_topic, name)) {
        first = page->cursor_partition < count ? page->cursor_partition : count;
    }
    answer->partitions = arena_need(&page->request->arena, (size_t)(count - first), sizeof(*answer->partitions));
    for (int32_t i = first; i < count; i++) {
        struct partition_image row;

        if (page->left == 0) {
            page->response->next_cursor = arena_need(&page->request->arena, 1, sizeof(*page->response->next_cursor));
            page->response->next_cursor->topic_name = name;
            page->response->next_cursor->partition_index = i;
            return false;
        }
        if (topic_image_partition(topic, i, &row)) {
            partitions_fill(page, i, &row, &answer->partitions[answer->partitions_count++]);
            page->left--;
        }
    }
    return true;
}

static int partitions_compare_names(const void *a, const void *b)
{
    return string_compare(((const struct describe_topic_partitions_request_topics *)a)->name,
                          ((const struct describe_topic_partitions_request_topics *)b)->name);
}

void handle_describe_topic_partitions(struct rpc_request *request)
{
    struct describe_topic_partitions_request *body = request->body;
    struct shard *shard = shard_of_request(request);
    struct partitions_page page = {.shard = shard, .request = request, .response = request->response};
    const bool all = body->topics_count == 0;
    const size_t count = all ? image_topic_count(shard->image) : (size_t)body->topics_count;
    size_t first = 0;

    describe_hold_image(shard, request);
    page.left = body->response_partition_limit > 0 && body->response_partition_limit < PARTITIONS_MAX
                    ? body->response_partition_limit
                    : PARTITIONS_MAX;
    if (body->cursor != NULL) {
        page.cursor_topic = body->cursor->topic_name;
        page.cursor_partition = body->cursor->partition_index > 0 ? body->cursor->partition_index : 0;
        first = all ? image_topic_lower_bound(shard->image, page.cursor_topic) : 0;
    }
    page.response->topics = arena_need(&request->arena, count, sizeof(*page.response->topics));
    if (!all) {
        qsort(body->topics, (size_t)body->topics_count, sizeof(*body->topics), partitions_compare_names);
    }
    for (size_t i = first; i < count; i++) {
        const struct topic_image *topic = all ? image_topic_at(shard->image, i)
                                              : image_topic_by_name(shard->image, body->topics[i].name);
        const struct string name = all ? topic_image_name(topic) : body->topics[i].name;

        if (!all && page.cursor_topic.data != NULL && string_compare(name, page.cursor_topic) < 0) {
            continue;
        }
        if (!partitions_topic(&page, topic, name)) {
            break;
        }
    }
    rpc_request_complete(request);
}
