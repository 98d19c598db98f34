/* One controller: what it answers, what it keeps, and what nodes read from it. */
#include "tests/unit/controller/support.h"

#include "common/base/buffer.h"
#include "common/base/memory.h"

#include "wire/api_versions.h"
#include "wire/describe_cluster.h"
#include "wire/describe_quorum.h"
#include "wire/describe_topic_partitions.h"
#include "wire/fetch_snapshot.h"
#include "wire/list_config_resources.h"

#include <stdio.h>

struct fixture {
    struct cluster *cluster;
    struct client client;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    fixture->cluster = cluster_open(1);
    cluster_start(fixture->cluster, 0);
    assert_int_equal(cluster_active(fixture->cluster), 0);
    client_open(&fixture->client, fixture->cluster, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    client_close(&fixture->client);
    cluster_close(fixture->cluster);
    memory_free(fixture);
    return 0;
}

static const struct image *image_of(const struct fixture *fixture)
{
    return controller_image(fixture->cluster->controllers[0]);
}

/* A broker that is registered and may lead. */
static int64_t add_broker(struct fixture *fixture, int32_t id)
{
    const int64_t epoch = register_broker(&fixture->client, id);

    assert_false(heartbeat(&fixture->client, id, epoch, image_offset(image_of(fixture))));
    return epoch;
}

static void restart(struct fixture *fixture)
{
    client_close(&fixture->client);
    cluster_stop(fixture->cluster, 0);
    cluster_start(fixture->cluster, 0);
    cluster_active(fixture->cluster);
    client_open(&fixture->client, fixture->cluster, 0);
}

static void a_new_cluster_finalizes_its_features(void **state)
{
    struct fixture *fixture = *state;
    struct api_versions_request request;
    const struct api_versions_response *response;

    api_versions_request_init(&request);
    request.client_software_name = STRING("test");
    request.client_software_version = STRING("1");
    response = client_call(&fixture->client, API_API_VERSIONS, 4, &request);
    assert_int_equal(response->error_code, ERROR_NONE);
    assert_int_equal(response->finalized_features_count, 1);
    assert_true(string_is(response->finalized_features[0].name, "metadata.version"));
    assert_int_equal(response->finalized_features_epoch, image_offset(image_of(fixture)));
}

static void a_broker_registers_and_is_unfenced_by_a_heartbeat_that_has_read_it(void **state)
{
    struct fixture *fixture = *state;
    const int64_t epoch = register_broker(&fixture->client, 1);

    assert_int_equal(image_broker(image_of(fixture), 1)->epoch, epoch);
    assert_int_equal(image_offset(image_of(fixture)), epoch);
    assert_true(heartbeat(&fixture->client, 1, epoch, epoch - 1));
    assert_true(image_broker(image_of(fixture), 1)->fenced);
    assert_false(heartbeat(&fixture->client, 1, epoch, epoch));
    assert_false(image_broker(image_of(fixture), 1)->fenced);
}

static void heartbeats_that_change_nothing_write_nothing(void **state)
{
    struct fixture *fixture = *state;
    const int64_t epoch = add_broker(fixture, 1);
    const int64_t offset = image_offset(image_of(fixture));

    for (int i = 0; i < 10; i++) {
        assert_false(heartbeat(&fixture->client, 1, epoch, offset));
    }
    assert_int_equal(image_offset(image_of(fixture)), offset);
}

static void a_stale_epoch_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const int64_t epoch = register_broker(&fixture->client, 1);
    struct broker_heartbeat_request request;
    const struct broker_heartbeat_response *response;

    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    request.broker_epoch = epoch + 1;
    response = client_call(&fixture->client, API_BROKER_HEARTBEAT, 1, &request);
    assert_int_equal(response->error_code, ERROR_STALE_BROKER_EPOCH);
}

static void a_silent_broker_is_fenced_when_its_session_ends(void **state)
{
    struct fixture *fixture = *state;

    add_broker(fixture, 1);
    cluster_run_for(fixture->cluster, SESSION_MS / 2 * NS_PER_MS);
    assert_false(image_broker(image_of(fixture), 1)->fenced);
    cluster_run_for(fixture->cluster, SESSION_MS * NS_PER_MS);
    assert_true(image_broker(image_of(fixture), 1)->fenced);
}

static void a_broker_that_is_heard_of_stays_unfenced(void **state)
{
    struct fixture *fixture = *state;
    const int64_t epoch = add_broker(fixture, 1);

    for (int i = 0; i < 6; i++) {
        cluster_run_for(fixture->cluster, SESSION_MS / 4 * NS_PER_MS);
        assert_false(heartbeat(&fixture->client, 1, epoch, epoch));
    }
    assert_false(image_broker(image_of(fixture), 1)->fenced);
}

static void a_topic_is_answered_when_it_is_committed(void **state)
{
    struct fixture *fixture = *state;
    const struct topic_image *topic;
    struct partition_image partition;

    add_broker(fixture, 1);
    assert_int_equal(create_topic(&fixture->client, "hello", 3), ERROR_NONE);
    topic = image_topic_by_name(image_of(fixture), STRING("hello"));
    assert_non_null(topic);
    assert_int_equal(topic_image_partition_count(topic), 3);
    assert_true(topic_image_partition(topic, 2, &partition));
    assert_int_equal(partition.leader, 1);
    assert_int_equal(create_topic(&fixture->client, "hello", 3), ERROR_TOPIC_ALREADY_EXISTS);
}

static void pipelined_writes_see_each_other(void **state)
{
    struct fixture *fixture = *state;
    struct client other;
    struct create_topics_request_topics topic;
    struct create_topics_request request;
    const struct create_topics_response *first;
    const struct create_topics_response *second;

    add_broker(fixture, 1);
    client_open(&other, fixture->cluster, 0);
    create_topics_request_init(&request);
    create_topics_request_topics_init(&topic);
    topic.name = STRING("same");
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    request.topics_count = 1;
    request.topics = &topic;
    client_begin(&fixture->client, API_CREATE_TOPICS, 7, &request);
    client_begin(&other, API_CREATE_TOPICS, 7, &request);
    first = client_end(&fixture->client);
    second = client_end(&other);
    assert_int_equal(first->topics[0].error_code + second->topics[0].error_code, ERROR_TOPIC_ALREADY_EXISTS);
    client_close(&other);
}

static void replaying_the_fetched_log_gives_the_same_image(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = image_create();
    int64_t snapshot_end;
    int32_t snapshot_epoch;

    add_broker(fixture, 1);
    add_broker(fixture, 2);
    for (int i = 0; i < 20; i++) {
        char name[32];

        snprintf(name, sizeof(name), "topic-%d", i);
        assert_int_equal(create_topic(&fixture->client, name, 4), ERROR_NONE);
    }
    while (image_offset(image) < image_offset(image_of(fixture))) {
        assert_int_equal(fetch_metadata(&fixture->client, &image, 0, &snapshot_end, &snapshot_epoch), ERROR_NONE);
        assert_int_equal(snapshot_end, -1);
    }
    assert_int_equal(image_offset(image), image_offset(image_of(fixture)));
    assert_int_equal(image_epoch(image), image_epoch(image_of(fixture)));
    assert_true(image_hash(image) == image_hash(image_of(fixture)));
    image_unref(image);
}

static void a_fetch_at_the_end_waits_for_the_next_batch(void **state)
{
    struct fixture *fixture = *state;
    struct client node;
    const struct fetch_response *response;
    const int64_t end = image_offset(image_of(fixture)) + 1;

    client_open(&node, fixture->cluster, 0);
    fetch_request_begin(&node, end, 10000);
    cluster_run_for(fixture->cluster, 20 * NS_PER_MS);
    assert_false(node.done);
    register_broker(&fixture->client, 7);
    response = client_end(&node);
    assert_true(response->responses[0].partitions[0].records.size > 0);
    assert_int_equal(response->responses[0].partitions[0].high_watermark, end + 1);
    client_close(&node);
}

static void a_fetch_that_waits_long_enough_comes_back_empty(void **state)
{
    struct fixture *fixture = *state;
    const struct fetch_response *response;

    fetch_request_begin(&fixture->client, image_offset(image_of(fixture)) + 1, 30);
    response = client_end(&fixture->client);
    assert_int_equal(response->responses[0].partitions[0].error_code, ERROR_NONE);
    assert_int_equal(response->responses[0].partitions[0].records.size, 0);
    assert_int_equal(response->responses[0].partitions[0].current_leader.leader_id, 100);
}

static void a_waiting_fetch_may_lose_its_connection(void **state)
{
    struct fixture *fixture = *state;
    struct client node;

    client_open(&node, fixture->cluster, 0);
    fetch_request_begin(&node, image_offset(image_of(fixture)) + 1, 10000);
    cluster_run_for(fixture->cluster, 10 * NS_PER_MS);
    client_close(&node);
    register_broker(&fixture->client, 7);
}

static void another_topic_than_the_metadata_log_is_unknown(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_request_topics_partitions partition;
    struct fetch_request_topics topic;
    struct fetch_request request;
    const struct fetch_response *response;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    request.topics_count = 1;
    request.topics = &topic;
    topic.topic = STRING("other");
    topic.partitions_count = 1;
    topic.partitions = &partition;
    response = client_call(&fixture->client, API_FETCH, 12, &request);
    assert_int_equal(response->responses[0].partitions[0].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void a_restart_keeps_everything(void **state)
{
    struct fixture *fixture = *state;
    uint64_t hash;
    int64_t offset;

    add_broker(fixture, 1);
    assert_int_equal(create_topic(&fixture->client, "kept", 2), ERROR_NONE);
    hash = image_hash(image_of(fixture));
    offset = image_offset(image_of(fixture));
    restart(fixture);
    assert_int_equal(image_offset(image_of(fixture)), offset);
    assert_true(image_hash(image_of(fixture)) == hash);
    assert_int_equal(create_topic(&fixture->client, "kept", 2), ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create_topic(&fixture->client, "more", 2), ERROR_NONE);
}

/* Reads the snapshot in pieces of `piece` bytes. */
static void read_snapshot(struct fixture *fixture, int64_t end, int32_t epoch, int32_t piece, struct buffer *into)
{
    struct fetch_snapshot_request_topics_partitions partition;
    struct fetch_snapshot_request_topics topic;
    struct fetch_snapshot_request request;
    int64_t size = 1;

    fetch_snapshot_request_init(&request);
    fetch_snapshot_request_topics_init(&topic);
    fetch_snapshot_request_topics_partitions_init(&partition);
    request.max_bytes = piece;
    request.topics_count = 1;
    request.topics = &topic;
    topic.name = STRING("__cluster_metadata");
    topic.partitions_count = 1;
    topic.partitions = &partition;
    partition.snapshot_id.end_offset = end;
    partition.snapshot_id.epoch = epoch;
    while ((int64_t)into->size < size) {
        const struct fetch_snapshot_response *response;
        const struct fetch_snapshot_response_topics_partitions *part;

        partition.position = (int64_t)into->size;
        response = client_call(&fixture->client, API_FETCH_SNAPSHOT, 1, &request);
        part = &response->topics[0].partitions[0];
        assert_string_equal(kafka_error_name(part->error_code), "NONE");
        assert_true(part->unaligned_records.size > 0);
        assert_true(part->unaligned_records.size <= (size_t)piece);
        buffer_append(into, part->unaligned_records.data, part->unaligned_records.size);
        size = part->size;
    }
    assert_int_equal(into->size, size);
    partition.position = size;
    assert_int_equal(((const struct fetch_snapshot_response *)client_call(&fixture->client, API_FETCH_SNAPSHOT, 1,
                                                                          &request))
                         ->topics[0].partitions[0].error_code,
                     ERROR_POSITION_OUT_OF_RANGE);
    partition.snapshot_id.end_offset = end + 1000;
    assert_int_equal(((const struct fetch_snapshot_response *)client_call(&fixture->client, API_FETCH_SNAPSHOT, 1,
                                                                          &request))
                         ->topics[0].partitions[0].error_code,
                     ERROR_SNAPSHOT_NOT_FOUND);
}

static void a_node_that_is_far_behind_starts_from_a_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = image_create();
    struct buffer snapshot;
    int64_t snapshot_end;
    int32_t snapshot_epoch;

    /* Snapshots so often that a restart begins with one: then the log in memory begins behind it. */
    fixture->cluster->options[0].snapshot_bytes = 1;
    restart(fixture);
    add_broker(fixture, 1);
    for (int i = 0; i < 30; i++) {
        char name[32];

        snprintf(name, sizeof(name), "topic-%d", i);
        assert_int_equal(create_topic(&fixture->client, name, 3), ERROR_NONE);
    }
    restart(fixture);
    buffer_init(&snapshot);
    assert_int_equal(fetch_metadata(&fixture->client, &image, 0, &snapshot_end, &snapshot_epoch), ERROR_NONE);
    assert_int_equal(image_offset(image), -1);
    assert_true(snapshot_end > 0);
    read_snapshot(fixture, snapshot_end, snapshot_epoch, 1000, &snapshot);
    assert_int_equal(image_load_snapshot(&image, buffer_bytes(&snapshot), snapshot_end - 1, snapshot_epoch), STATUS_OK);
    assert_int_equal(create_topic(&fixture->client, "after", 1), ERROR_NONE);
    while (image_offset(image) < image_offset(image_of(fixture))) {
        assert_int_equal(fetch_metadata(&fixture->client, &image, 0, &snapshot_end, &snapshot_epoch), ERROR_NONE);
        assert_int_equal(snapshot_end, -1);
    }
    assert_true(image_hash(image) == image_hash(image_of(fixture)));
    buffer_deinit(&snapshot);
    image_unref(image);
}

static void topics_are_listed_page_by_page(void **state)
{
    struct fixture *fixture = *state;
    struct describe_topic_partitions_request_cursor cursor;
    struct describe_topic_partitions_request request;
    const struct describe_topic_partitions_response *response;
    int32_t seen = 0;
    bool more = true;

    add_broker(fixture, 1);
    assert_int_equal(create_topic(&fixture->client, "b", 5), ERROR_NONE);
    assert_int_equal(create_topic(&fixture->client, "a", 5), ERROR_NONE);
    describe_topic_partitions_request_init(&request);
    request.response_partition_limit = 3;
    while (more) {
        char name[32];

        response = client_call(&fixture->client, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request);
        for (int32_t i = 0; i < response->topics_count; i++) {
            assert_true(string_is(response->topics[i].name, seen < 5 ? "a" : "b"));
            for (int32_t k = 0; k < response->topics[i].partitions_count; k++) {
                assert_int_equal(response->topics[i].partitions[k].partition_index, seen % 5);
                seen++;
            }
        }
        more = response->next_cursor != NULL;
        if (more) {
            snprintf(name, sizeof(name), "%.*s", STRING_ARGS(response->next_cursor->topic_name));
            cursor.topic_name = string_of(strcmp(name, "a") == 0 ? "a" : "b");
            cursor.partition_index = response->next_cursor->partition_index;
            request.cursor = &cursor;
        }
    }
    assert_int_equal(seen, 10);
}

static void an_unknown_topic_is_told_by_name(void **state)
{
    struct fixture *fixture = *state;
    struct describe_topic_partitions_request_topics topic = {.name = STRING("nothing")};
    struct describe_topic_partitions_request request;
    const struct describe_topic_partitions_response *response;

    describe_topic_partitions_request_init(&request);
    request.topics_count = 1;
    request.topics = &topic;
    response = client_call(&fixture->client, API_DESCRIBE_TOPIC_PARTITIONS, 0, &request);
    assert_int_equal(response->topics_count, 1);
    assert_int_equal(response->topics[0].error_code, ERROR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void the_cluster_is_described_by_controllers_and_by_nodes(void **state)
{
    struct fixture *fixture = *state;
    struct describe_cluster_request request;
    const struct describe_cluster_response *response;

    add_broker(fixture, 4);
    describe_cluster_request_init(&request);
    request.endpoint_type = 2;
    response = client_call(&fixture->client, API_DESCRIBE_CLUSTER, 2, &request);
    assert_int_equal(response->error_code, ERROR_NONE);
    assert_int_equal(response->controller_id, 100);
    assert_int_equal(response->brokers_count, 1);
    assert_int_equal(response->brokers[0].port, fixture->cluster->options[0].listeners[0].port);
    request.endpoint_type = 1;
    response = client_call(&fixture->client, API_DESCRIBE_CLUSTER, 2, &request);
    assert_int_equal(response->brokers_count, 1);
    assert_int_equal(response->brokers[0].broker_id, 4);
    request.endpoint_type = 3;
    response = client_call(&fixture->client, API_DESCRIBE_CLUSTER, 2, &request);
    assert_int_equal(response->error_code, ERROR_UNSUPPORTED_ENDPOINT_TYPE);
}

static void the_quorum_is_described_with_its_observers(void **state)
{
    struct fixture *fixture = *state;
    struct describe_quorum_request_topics_partitions partition = {0};
    struct describe_quorum_request_topics topic = {
        .topic_name = STRING("__cluster_metadata"), .partitions_count = 1, .partitions = &partition};
    struct describe_quorum_request request = {.topics_count = 1, .topics = &topic};
    const struct describe_quorum_response *response;
    const struct describe_quorum_response_topics_partitions *answer;
    const int64_t end = add_broker(fixture, 4) + 2;

    response = client_call(&fixture->client, API_DESCRIBE_QUORUM, 2, &request);
    answer = &response->topics[0].partitions[0];
    assert_int_equal(answer->error_code, ERROR_NONE);
    assert_int_equal(answer->leader_id, 100);
    assert_int_equal(answer->high_watermark, end);
    assert_int_equal(answer->current_voters_count, 1);
    assert_int_equal(answer->current_voters[0].log_end_offset, end);
    assert_int_equal(answer->observers_count, 1);
    assert_int_equal(answer->observers[0].replica_id, 4);
    assert_int_equal(answer->observers[0].log_end_offset, end - 1);
    assert_int_equal(response->nodes[0].node_id, 100);
}

static void resources_with_configs_are_listed(void **state)
{
    struct fixture *fixture = *state;
    int8_t type = CONFIG_TOPIC;
    struct list_config_resources_request request = {.resource_types_count = 1, .resource_types = &type};
    const struct list_config_resources_response *response;

    add_broker(fixture, 1);
    assert_int_equal(create_topic(&fixture->client, "one", 1), ERROR_NONE);
    response = client_call(&fixture->client, API_LIST_CONFIG_RESOURCES, 1, &request);
    assert_int_equal(response->config_resources_count, 1);
    assert_true(string_is(response->config_resources[0].resource_name, "one"));
    type = 3;
    response = client_call(&fixture->client, API_LIST_CONFIG_RESOURCES, 1, &request);
    assert_int_equal(response->error_code, ERROR_UNSUPPORTED_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_new_cluster_finalizes_its_features),
        TEST(a_broker_registers_and_is_unfenced_by_a_heartbeat_that_has_read_it),
        TEST(heartbeats_that_change_nothing_write_nothing),
        TEST(a_stale_epoch_is_refused),
        TEST(a_silent_broker_is_fenced_when_its_session_ends),
        TEST(a_broker_that_is_heard_of_stays_unfenced),
        TEST(a_topic_is_answered_when_it_is_committed),
        TEST(pipelined_writes_see_each_other),
        TEST(replaying_the_fetched_log_gives_the_same_image),
        TEST(a_fetch_at_the_end_waits_for_the_next_batch),
        TEST(a_fetch_that_waits_long_enough_comes_back_empty),
        TEST(a_waiting_fetch_may_lose_its_connection),
        TEST(another_topic_than_the_metadata_log_is_unknown),
        TEST(a_restart_keeps_everything),
        TEST(a_node_that_is_far_behind_starts_from_a_snapshot),
        TEST(topics_are_listed_page_by_page),
        TEST(an_unknown_topic_is_told_by_name),
        TEST(the_cluster_is_described_by_controllers_and_by_nodes),
        TEST(the_quorum_is_described_with_its_observers),
        TEST(resources_with_configs_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
