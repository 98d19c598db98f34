/* DescribeTopicPartitions (KIP-966): topics in the order of their names, a page of partitions at a time. Storage nodes
 * answer it like Kafka's brokers; that controllers do as well is for the command line, which talks to controllers. */
#include "controller/api/api.h"

#include "common/base/memory.h"
#include "common/wire/error.h"
#include "wire/describe_topic_partitions.h"

#include <stdlib.h>

/* Kafka's max.request.partition.size.limit. */
#define PARTITIONS_MAX 2000

/* The page being filled. */
struct page {
    struct rpc_request *request;
    const struct image *image;
    struct describe_topic_partitions_response *response;
    size_t topic_capacity;
    int32_t left;        /* partitions that still fit */
    struct string first; /* from the cursor: topics before it were told, null: none */
    int32_t first_partition;
};

static int32_t *copy_ids(struct arena *arena, const int32_t *ids, int32_t count)
{
    int32_t *copy = arena_need(arena, (size_t)count, sizeof(*copy));

    if (count > 0) {
        memcpy(copy, ids, (size_t)count * sizeof(*copy));
    }
    return copy;
}

static void fill_partition(const struct page *page, const struct partition_image *partition, int32_t index,
                           struct describe_topic_partitions_response_topics_partitions *row)
{
    struct arena *arena = &page->request->arena;

    describe_topic_partitions_response_topics_partitions_init(row);
    row->partition_index = index;
    row->error_code = partition->leader < 0 ? ERROR_LEADER_NOT_AVAILABLE : ERROR_NONE;
    row->leader_id = partition->leader;
    row->leader_epoch = partition->leader_epoch;
    row->replica_nodes_count = partition->replica_count;
    row->replica_nodes = copy_ids(arena, partition->replicas, partition->replica_count);
    row->isr_nodes_count = partition->isr_count;
    row->isr_nodes = copy_ids(arena, partition->isr, partition->isr_count);
    row->eligible_leader_replicas_count = partition->elr_count;
    row->eligible_leader_replicas = copy_ids(arena, partition->elr, partition->elr_count);
    row->last_known_elr_count = partition->last_known_elr_count;
    row->last_known_elr = copy_ids(arena, partition->last_known_elr, partition->last_known_elr_count);
    row->offline_replicas = arena_need(arena, (size_t)partition->replica_count, sizeof(*row->offline_replicas));
    row->offline_replicas_count = 0;
    for (int16_t i = 0; i < partition->replica_count; i++) {
        const struct broker_image *broker = image_broker(page->image, partition->replicas[i]);

        if (broker == NULL || broker->fenced) {
            row->offline_replicas[row->offline_replicas_count++] = partition->replicas[i];
        }
    }
}

static struct describe_topic_partitions_response_topics *add_topic(struct page *page, struct string name)
{
    struct describe_topic_partitions_response *response = page->response;
    struct describe_topic_partitions_response_topics *topic;

    if ((size_t)response->topics_count == page->topic_capacity) {
        const size_t capacity = page->topic_capacity == 0 ? 16 : 2 * page->topic_capacity;
        struct describe_topic_partitions_response_topics *grown =
            arena_need(&page->request->arena, capacity, sizeof(*grown));

        if (response->topics_count > 0) {
            memcpy(grown, response->topics, (size_t)response->topics_count * sizeof(*grown));
        }
        response->topics = grown;
        page->topic_capacity = capacity;
    }
    topic = &response->topics[response->topics_count++];
    describe_topic_partitions_response_topics_init(topic);
    topic->name = name;
    topic->partitions_count = 0;
    return topic;
}

static void end_page(struct page *page, struct string topic, int32_t partition)
{
    page->response->next_cursor = arena_need(&page->request->arena, 1, sizeof(*page->response->next_cursor));
    page->response->next_cursor->topic_name = topic;
    page->response->next_cursor->partition_index = partition;
}

/* False: the page is full. */
static bool tell_topic(struct page *page, const struct topic_image *topic)
{
    const struct string name = topic_image_name(topic);
    const int32_t count = topic_image_partition_count(topic);
    struct describe_topic_partitions_response_topics *row;
    int32_t first = string_equal(name, page->first) ? page->first_partition : 0;

    if (page->left == 0) {
        end_page(page, name, 0);
        return false;
    }
    row = add_topic(page, name);
    row->topic_id = topic_image_id(topic);
    row->is_internal = string_is(name, "__consumer_offsets") || string_is(name, "__transaction_state") ||
                       string_is(name, "__share_group_state");
    row->partitions_count = count - first < page->left ? count - first : page->left;
    row->partitions_count = row->partitions_count > 0 ? row->partitions_count : 0;
    row->partitions = arena_need(&page->request->arena, (size_t)row->partitions_count, sizeof(*row->partitions));
    for (int32_t i = 0; i < row->partitions_count; i++) {
        struct partition_image partition;

        if (topic_image_partition(topic, first + i, &partition)) {
            fill_partition(page, &partition, first + i, &row->partitions[i]);
        }
    }
    page->left -= row->partitions_count;
    if (first + row->partitions_count < count) {
        end_page(page, name, first + row->partitions_count);
        return false;
    }
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return string_compare(*(const struct string *)a, *(const struct string *)b);
}

/* The topics that the request names, each once, from the cursor on. */
static void tell_named(struct page *page, const struct describe_topic_partitions_request *body)
{
    const size_t count = (size_t)body->topics_count;
    struct string *names = arena_need(&page->request->arena, count, sizeof(*names));

    for (size_t i = 0; i < count; i++) {
        names[i] = body->topics[i].name;
    }
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        const struct topic_image *topic = image_topic_by_name(page->image, names[i]);

        if ((i > 0 && string_equal(names[i], names[i - 1])) ||
            (page->first.data != NULL && string_compare(names[i], page->first) < 0)) {
            continue;
        }
        if (topic == NULL) {
            add_topic(page, names[i])->error_code = ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else if (!tell_topic(page, topic)) {
            return;
        }
    }
}

static void tell_all(struct page *page)
{
    size_t at = page->first.data != NULL ? image_topic_lower_bound(page->image, page->first) : 0;

    while (at < image_topic_count(page->image) && tell_topic(page, image_topic_at(page->image, at))) {
        at++;
    }
}

void api_describe_topic_partitions(struct rpc_request *request)
{
    const struct describe_topic_partitions_request *body = request->body;
    struct page page = {
        .request = request,
        .image = api_machine(request)->image,
        .response = request->response,
        .left = PARTITIONS_MAX,
    };

    api_hold_image(request, api_machine(request)->image);
    page.response->topics_count = 0;
    if (body->response_partition_limit > 0 && body->response_partition_limit < page.left) {
        page.left = body->response_partition_limit;
    }
    if (body->cursor != NULL) {
        page.first = body->cursor->topic_name;
        page.first_partition = body->cursor->partition_index > 0 ? body->cursor->partition_index : 0;
    }
    if (body->topics_count > 0) {
        tell_named(&page, body);
    } else {
        tell_all(&page);
    }
    rpc_request_complete(request);
}
