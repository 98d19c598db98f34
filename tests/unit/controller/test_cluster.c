/* Three controllers: any of them answers, one decides, and another one goes on when it stops. */
#include "tests/unit/controller/support.h"

#include "common/base/memory.h"

#include "wire/describe_cluster.h"
#include "wire/describe_quorum.h"

struct fixture {
    struct cluster *cluster;
    int active;
    int follower;
};

static int setup(void **state)
{
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));

    fixture->cluster = cluster_open(3);
    for (int i = 0; i < 3; i++) {
        cluster_start(fixture->cluster, i);
    }
    fixture->active = cluster_active(fixture->cluster);
    fixture->follower = (fixture->active + 1) % 3;
    cluster_settle(fixture->cluster, -1);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    cluster_close(fixture->cluster);
    memory_free(fixture);
    return 0;
}

static const struct image *image_of(const struct fixture *fixture, int index)
{
    return controller_image(fixture->cluster->controllers[index]);
}

static void a_write_to_a_follower_is_passed_on(void **state)
{
    struct fixture *fixture = *state;
    struct client node;
    struct client client;
    int64_t epoch;

    client_open(&node, fixture->cluster, fixture->active);
    client_open(&client, fixture->cluster, fixture->follower);
    epoch = register_broker(&node, 1);
    assert_false(heartbeat(&node, 1, epoch, epoch));
    assert_int_equal(create_topic(&client, "hello", 2), ERROR_NONE);
    client_close(&node);
    assert_non_null(image_topic_by_name(image_of(fixture, fixture->active), STRING("hello")));
    client_close(&client);
}

static void all_controllers_come_to_the_same_image(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t epoch;

    client_open(&client, fixture->cluster, fixture->active);
    epoch = register_broker(&client, 1);
    assert_false(heartbeat(&client, 1, epoch, epoch));
    assert_int_equal(create_topic(&client, "hello", 20), ERROR_NONE);
    cluster_settle(fixture->cluster, epoch + 1);
    for (int i = 0; i < 3; i++) {
        assert_true(image_hash(image_of(fixture, i)) == image_hash(image_of(fixture, 0)));
        assert_int_equal(topic_image_partition_count(image_topic_by_name(image_of(fixture, i), STRING("hello"))), 20);
    }
    client_close(&client);
}

static void a_follower_serves_the_log(void **state)
{
    struct fixture *fixture = *state;
    struct client writer;
    struct client reader;
    const struct fetch_response *response;
    const int64_t end = image_offset(image_of(fixture, fixture->active)) + 1;

    client_open(&writer, fixture->cluster, fixture->active);
    client_open(&reader, fixture->cluster, fixture->follower);
    fetch_request_begin(&reader, end, 10000);
    register_broker(&writer, 1);
    response = client_end(&reader);
    assert_int_equal(response->responses[0].partitions[0].error_code, ERROR_NONE);
    assert_true(response->responses[0].partitions[0].records.size > 0);
    assert_int_equal(response->responses[0].partitions[0].current_leader.leader_id, 100 + fixture->active);
    client_close(&writer);
    client_close(&reader);
}

static bool all_have(const struct describe_quorum_response_topics_partitions *quorum, int64_t end_offset)
{
    for (int i = 0; i < quorum->current_voters_count; i++) {
        if (quorum->current_voters[i].log_end_offset != end_offset) {
            return false;
        }
    }
    return true;
}

static void the_quorum_is_described_by_any_controller(void **state)
{
    struct fixture *fixture = *state;
    struct describe_quorum_request_topics_partitions partition = {0};
    struct describe_quorum_request_topics topic = {
        .topic_name = STRING("__cluster_metadata"), .partitions_count = 1, .partitions = &partition};
    struct describe_quorum_request request = {.topics_count = 1, .topics = &topic};
    struct client client;
    const struct describe_quorum_response_topics_partitions *answer;

    client_open(&client, fixture->cluster, fixture->follower);
    for (int i = 0; i < 100; i++) {
        cluster_run_for(fixture->cluster, 100 * NS_PER_MS);
        answer = &((struct describe_quorum_response *)client_call(&client, API_DESCRIBE_QUORUM, 2, &request))
                      ->topics[0].partitions[0];
        if (all_have(answer, answer->high_watermark)) {
            break; /* the active one has heard of everybody: on a busy machine that takes a while */
        }
    }
    assert_int_equal(answer->leader_id, 100 + fixture->active);
    assert_int_equal(answer->current_voters_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer->current_voters[i].log_end_offset, answer->high_watermark);
        assert_true(answer->current_voters[i].last_caught_up_timestamp > 0);
    }
    client_close(&client);
}

static void another_controller_goes_on_when_the_active_one_stops(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    const uint64_t hash = image_hash(image_of(fixture, fixture->active));
    int active;
    int64_t epoch;

    cluster_stop(fixture->cluster, fixture->active);
    active = cluster_active(fixture->cluster);
    assert_int_not_equal(active, fixture->active);
    assert_true(image_hash(image_of(fixture, active)) == hash);
    client_open(&client, fixture->cluster, active);
    epoch = register_broker(&client, 1);
    assert_false(heartbeat(&client, 1, epoch, epoch));
    cluster_start(fixture->cluster, fixture->active);
    cluster_settle(fixture->cluster, epoch);
    assert_true(image_hash(image_of(fixture, fixture->active)) == image_hash(image_of(fixture, active)));
    client_close(&client);
}

static void a_follower_follows_to_the_next_active_controller(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    client_open(&client, fixture->cluster, fixture->follower);
    /* That there are no nodes is what only the active controller may say. */
    assert_int_equal(create_topic(&client, "one", 1), ERROR_INVALID_REPLICATION_FACTOR);
    cluster_stop(fixture->cluster, fixture->active);
    cluster_active(fixture->cluster);
    cluster_run_for(fixture->cluster, 100 * NS_PER_MS);
    assert_int_equal(create_topic(&client, "one", 1), ERROR_INVALID_REPLICATION_FACTOR);
    client_close(&client);
}

static void a_node_has_to_find_the_active_controller_itself(void **state)
{
    struct fixture *fixture = *state;
    struct broker_heartbeat_request request;
    struct client client;

    client_open(&client, fixture->cluster, fixture->follower);
    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    assert_int_equal(((const struct broker_heartbeat_response *)client_call(&client, API_BROKER_HEARTBEAT, 1, &request))
                         ->error_code,
                     ERROR_NOT_CONTROLLER);
    client_close(&client);
}

static void the_next_active_controller_gives_nodes_a_whole_session(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    int64_t epoch;
    int active;

    client_open(&client, fixture->cluster, fixture->active);
    epoch = register_broker(&client, 1);
    assert_false(heartbeat(&client, 1, epoch, epoch));
    cluster_run_for(fixture->cluster, SESSION_MS * 3 / 4 * NS_PER_MS);
    client_close(&client);
    cluster_stop(fixture->cluster, fixture->active);
    active = cluster_active(fixture->cluster);
    cluster_run_for(fixture->cluster, SESSION_MS / 2 * NS_PER_MS);
    assert_false(image_broker(image_of(fixture, active), 1)->fenced);
    cluster_run_for(fixture->cluster, SESSION_MS * NS_PER_MS);
    assert_true(image_broker(image_of(fixture, active), 1)->fenced);
}

static void without_a_majority_nothing_is_promised(void **state)
{
    struct fixture *fixture = *state;
    const int last = (fixture->active + 2) % 3;
    struct image *image = image_create();
    struct broker_heartbeat_request request;
    struct client client;
    int64_t snapshot_end;
    int32_t snapshot_epoch;

    cluster_stop(fixture->cluster, fixture->active);
    cluster_stop(fixture->cluster, fixture->follower);
    client_open(&client, fixture->cluster, last);
    cluster_run_for(fixture->cluster, 5 * ELECTION_MS * NS_PER_MS);
    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    assert_int_equal(((const struct broker_heartbeat_response *)client_call(&client, API_BROKER_HEARTBEAT, 1, &request))
                         ->error_code,
                     ERROR_NOT_CONTROLLER);
    assert_int_equal(create_topic(&client, "no", 1), ERROR_NOT_CONTROLLER);
    assert_int_equal(fetch_metadata(&client, &image, 0, &snapshot_end, &snapshot_epoch), ERROR_NOT_LEADER_OR_FOLLOWER);
    client_close(&client);
    image_unref(image);
}

static void what_a_controller_passed_on_is_not_passed_on_again(void **state)
{
    struct fixture *fixture = *state;
    struct client client;

    client_open_as(&client, fixture->cluster, fixture->follower, "controller-7");
    assert_int_equal(create_topic(&client, "no", 1), ERROR_NOT_CONTROLLER);
    client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(a_write_to_a_follower_is_passed_on),
        TEST(all_controllers_come_to_the_same_image),
        TEST(a_follower_serves_the_log),
        TEST(the_quorum_is_described_by_any_controller),
        TEST(another_controller_goes_on_when_the_active_one_stops),
        TEST(a_follower_follows_to_the_next_active_controller),
        TEST(a_node_has_to_find_the_active_controller_itself),
        TEST(the_next_active_controller_gives_nodes_a_whole_session),
        TEST(without_a_majority_nothing_is_promised),
        TEST(what_a_controller_passed_on_is_not_passed_on_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
