/* Nodes: registration, heartbeats, fencing, controlled shutdown, unregistration; features and producer ids. */
#include "tests/unit/state/fixture.h"

static int16_t try_register(struct fixture *fixture, const struct broker_registration_request *request)
{
    struct broker_registration_response response;

    broker_table_register(&fixture->decision, CLUSTER, &fixture->heartbeats, fixture->now_ns, request, &response);
    if (response.error_code != ERROR_NONE) {
        assert_int_equal(fixture->records.count, 0);
        assert_int_equal(response.broker_epoch, -1);
    }
    return response.error_code;
}

static void a_node_registers_fenced_and_is_unfenced_when_it_has_caught_up(void **state)
{
    struct fixture *fixture = *state;
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    int64_t epoch;

    start_nodes(fixture, 0);
    epoch = register_node(fixture, 1, 0);
    assert_true(image_broker(fixture->image, 1)->fenced);
    assert_true(string_is(image_broker(fixture->image, 1)->endpoints[0].host, "node.example"));
    assert_true(string_is(image_broker(fixture->image, 1)->rack, "rack-1"));
    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    request.broker_epoch = epoch;
    request.current_metadata_offset = epoch - 1;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    assert_true(response.is_fenced);
    assert_false(response.is_caught_up);
    assert_int_equal(fixture->records.count, 0);
    request.current_metadata_offset = epoch;
    request.want_fence = true;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_true(response.is_fenced);
    assert_true(response.is_caught_up);
    request.want_fence = false;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_false(response.is_fenced);
    assert_int_equal(fixture->records.count, 1);
    commit(fixture);
    assert_false(image_broker(fixture->image, 1)->fenced);
}

static void a_wrong_registration_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct broker_registration_request request;
    struct uuid dirs[] = {uuid_of(1), uuid_of(1)};

    start_nodes(fixture, 1);
    decide(fixture);
    request = registration_of(fixture, 2, 2);
    assert_int_equal(try_register(fixture, &request), ERROR_NONE);
    decide(fixture);
    request = registration_of(fixture, 2, 2);
    request.cluster_id = STRING("other");
    assert_int_equal(try_register(fixture, &request), ERROR_INCONSISTENT_CLUSTER_ID);
    request.cluster_id = CLUSTER;
    request.features_count = 0;
    assert_int_equal(try_register(fixture, &request), ERROR_UNSUPPORTED_VERSION);
    request.features_count = 1;
    request.features[0].max_supported_version = METADATA_VERSION_MAX - 1;
    assert_int_equal(try_register(fixture, &request), ERROR_UNSUPPORTED_VERSION);
    request.features[0].max_supported_version = METADATA_VERSION_MAX;
    request.log_dirs_count = 0;
    assert_int_equal(try_register(fixture, &request), ERROR_INVALID_REGISTRATION);
    request.log_dirs_count = 2;
    request.log_dirs = dirs;
    assert_int_equal(try_register(fixture, &request), ERROR_INVALID_REGISTRATION);
    request.log_dirs_count = 1;
    dirs[0] = uuid_of(101); /* node 1's */
    assert_int_equal(try_register(fixture, &request), ERROR_INVALID_REGISTRATION);
    dirs[0] = uuid_of(1);
    request.listeners_count = METADATA_ENDPOINTS_MAX + 1;
    assert_int_equal(try_register(fixture, &request), ERROR_INVALID_REGISTRATION);
}

static void an_id_belongs_to_its_node_until_the_session_ends(void **state)
{
    struct fixture *fixture = *state;
    struct broker_registration_request request;

    start_nodes(fixture, 1);
    decide(fixture);
    request = registration_of(fixture, 1, 77);
    assert_int_equal(try_register(fixture, &request), ERROR_DUPLICATE_BROKER_REGISTRATION);
    fixture->now_ns += SESSION_NS - 1;
    assert_int_equal(try_register(fixture, &request), ERROR_DUPLICATE_BROKER_REGISTRATION);
    fixture->now_ns += 1;
    assert_int_equal(try_register(fixture, &request), ERROR_NONE);
}

static void a_repeated_registration_keeps_the_epoch_and_the_state(void **state)
{
    struct fixture *fixture = *state;
    int64_t epoch;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    epoch = image_broker(fixture->image, 1)->epoch;
    assert_int_equal(register_node(fixture, 1, 0), epoch);
    assert_false(image_broker(fixture->image, 1)->fenced);
    assert_int_equal(partition_of(fixture, "a", 0).leader, 1);
}

static void a_new_incarnation_starts_fenced_and_its_partitions_wait_for_it(void **state)
{
    struct fixture *fixture = *state;
    int64_t epoch;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    epoch = image_broker(fixture->image, 1)->epoch;
    fixture->now_ns += SESSION_NS;
    assert_true(register_node(fixture, 1, 99) > epoch);
    assert_true(image_broker(fixture->image, 1)->fenced);
    assert_int_equal(partition_of(fixture, "a", 0).leader, -1);
    assert_int_equal(partition_of(fixture, "a", 0).isr_count, 1);
    heartbeat(fixture, 1, false, false);
    assert_int_equal(partition_of(fixture, "a", 0).leader, 1);
    assert_int_equal(partition_of(fixture, "a", 0).leader_epoch, 2);
}

static void a_stale_epoch_is_told_so(void **state)
{
    struct fixture *fixture = *state;
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;

    start_nodes(fixture, 1);
    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    request.broker_epoch = image_broker(fixture->image, 1)->epoch + 1;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(response.error_code, ERROR_STALE_BROKER_EPOCH);
    request.broker_id = 2;
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(response.error_code, ERROR_STALE_BROKER_EPOCH);
    assert_int_equal(fixture->records.count, 0);
}

static void a_silent_node_is_fenced_and_leads_again_when_it_returns(void **state)
{
    struct fixture *fixture = *state;
    struct partition_image partition;

    start_nodes(fixture, 2);
    must_create(fixture, "a", 2);
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns), -1);
    assert_int_equal(heartbeat_table_deadline(&fixture->heartbeats, fixture->image), fixture->now_ns + SESSION_NS);
    fixture->now_ns += SESSION_NS - 1;
    heartbeat(fixture, 1, false, false);
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns), -1);
    fixture->now_ns += 1;
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns), 2);
    broker_table_expire(decide(fixture), 2);
    commit(fixture);
    assert_true(image_broker(fixture->image, 2)->fenced);
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns), -1);
    for (int32_t i = 0; i < 2; i++) {
        partition = partition_of(fixture, "a", i);
        assert_int_equal(partition.leader, partition.replicas[0] == 2 ? -1 : 1);
        assert_int_equal(partition.isr_count, 1);
        assert_int_equal(partition.leader_epoch, partition.replicas[0] == 2 ? 1 : 0);
    }
    heartbeat(fixture, 2, false, false);
    for (int32_t i = 0; i < 2; i++) {
        partition = partition_of(fixture, "a", i);
        assert_int_equal(partition.leader, partition.replicas[0]);
        assert_int_equal(partition.leader_epoch, partition.replicas[0] == 2 ? 2 : 0);
    }
}

static void a_new_active_controller_gives_every_node_a_whole_session(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 2);
    heartbeat(fixture, 2, true, false);
    fixture->now_ns += 5 * SESSION_NS;
    heartbeat_table_restart(&fixture->heartbeats, fixture->image, fixture->now_ns);
    assert_int_equal(fixture->heartbeats.count, 1);
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns + SESSION_NS - 1),
                     -1);
    assert_int_equal(heartbeat_table_expired(&fixture->heartbeats, fixture->image, fixture->now_ns + SESSION_NS), 1);
}

static void a_node_that_leads_leaves_when_others_know_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct broker_heartbeat_response response;

    start_nodes(fixture, 2);
    must_create(fixture, "a", 2);
    heartbeat(fixture, 2, false, false);
    response = heartbeat(fixture, 1, false, true);
    assert_false(response.should_shut_down);
    assert_false(response.is_fenced);
    assert_true(image_broker(fixture->image, 1)->in_controlled_shutdown);
    assert_int_equal(partition_of(fixture, "a", 0).leader + partition_of(fixture, "a", 1).leader, 2 - 1);
    /* Node 2 has not read of it yet. */
    response = heartbeat(fixture, 1, false, true);
    assert_false(response.should_shut_down);
    heartbeat(fixture, 2, false, false);
    response = heartbeat(fixture, 1, false, true);
    assert_true(response.should_shut_down);
    assert_true(response.is_fenced);
    assert_true(image_broker(fixture->image, 1)->fenced);
    /* Another process may have the id at once. */
    register_node(fixture, 1, 88);
    heartbeat(fixture, 1, false, false);
    assert_false(image_broker(fixture->image, 1)->in_controlled_shutdown);
    assert_int_equal(partition_of(fixture, "a", 0).leader + partition_of(fixture, "a", 1).leader, 3);
}

static void a_node_that_leads_nothing_leaves_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct broker_heartbeat_response response;

    start_nodes(fixture, 1);
    response = heartbeat(fixture, 1, false, true);
    assert_true(response.should_shut_down);
    assert_true(image_broker(fixture->image, 1)->fenced);
    response = heartbeat(fixture, 1, false, true);
    assert_true(response.should_shut_down);
}

static void a_failed_directory_takes_its_partitions_offline(void **state)
{
    struct fixture *fixture = *state;
    struct broker_registration_request registration;
    struct broker_registration_response registered;
    struct broker_heartbeat_request request;
    struct broker_heartbeat_response response;
    struct uuid dirs[] = {uuid_of(200), uuid_of(201)};

    start_nodes(fixture, 0);
    decide(fixture);
    registration = registration_of(fixture, 1, 1);
    registration.log_dirs_count = 2;
    registration.log_dirs = dirs;
    broker_table_register(&fixture->decision, CLUSTER, &fixture->heartbeats, fixture->now_ns, &registration,
                          &registered);
    commit(fixture);
    heartbeat(fixture, 1, false, false);
    must_create(fixture, "a", 2);
    broker_heartbeat_request_init(&request);
    request.broker_id = 1;
    request.broker_epoch = image_broker(fixture->image, 1)->epoch;
    request.current_metadata_offset = image_offset(fixture->image);
    request.offline_log_dirs_count = 1;
    request.offline_log_dirs = &dirs[0];
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(fixture->records.count, 2);
    commit(fixture);
    for (int32_t i = 0; i < 2; i++) {
        const struct partition_image partition = partition_of(fixture, "a", i);

        assert_int_equal(partition.leader, uuid_equal(partition.directories[0], dirs[0]) ? -1 : 1);
    }
    assert_int_equal(image_broker(fixture->image, 1)->log_dir_count, 1);
    assert_true(uuid_equal(image_broker(fixture->image, 1)->log_dirs[0], dirs[1]));
    /* Told again, it is no news. */
    broker_table_heartbeat(decide(fixture), &fixture->heartbeats, fixture->now_ns, &request, &response);
    assert_int_equal(fixture->records.count, 0);
}

static void an_unregistered_node_is_gone_and_its_partitions_have_no_leader(void **state)
{
    struct fixture *fixture = *state;
    struct unregister_broker_request request = {.broker_id = 1};
    struct unregister_broker_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    broker_table_unregister(decide(fixture), &request, &response);
    assert_int_equal(response.error_code, ERROR_NONE);
    commit(fixture);
    assert_null(image_broker(fixture->image, 1));
    assert_int_equal(partition_of(fixture, "a", 0).leader, -1);
    broker_table_unregister(decide(fixture), &request, &response);
    assert_int_equal(response.error_code, ERROR_BROKER_ID_NOT_REGISTERED);
    assert_int_equal(fixture->records.count, 0);
}

static void a_cluster_is_bootstrapped_once(void **state)
{
    struct fixture *fixture = *state;

    feature_table_bootstrap(decide(fixture));
    commit(fixture);
    assert_int_equal(image_feature(fixture->image, STRING("metadata.version")), 30);
    assert_int_equal(image_feature_count(fixture->image), 1);
    feature_table_bootstrap(decide(fixture));
    assert_int_equal(fixture->records.count, 0);
}

static void producer_ids_come_in_blocks_that_never_overlap(void **state)
{
    struct fixture *fixture = *state;
    struct allocate_producer_ids_request request;
    struct allocate_producer_ids_response response;

    start_nodes(fixture, 1);
    for (int64_t i = 0; i < 3; i++) {
        request = (struct allocate_producer_ids_request){.broker_id = 1,
                                                         .broker_epoch = image_broker(fixture->image, 1)->epoch};
        producer_ids_allocate(decide(fixture), &request, &response);
        commit(fixture);
        assert_int_equal(response.error_code, ERROR_NONE);
        assert_int_equal(response.producer_id_start, i * 1000);
        assert_int_equal(response.producer_id_len, 1000);
    }
    request.broker_epoch--;
    producer_ids_allocate(decide(fixture), &request, &response);
    assert_int_equal(response.error_code, ERROR_STALE_BROKER_EPOCH);
    assert_int_equal(fixture->records.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_broker_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_registers_fenced_and_is_unfenced_when_it_has_caught_up),
        TEST(a_wrong_registration_is_refused),
        TEST(an_id_belongs_to_its_node_until_the_session_ends),
        TEST(a_repeated_registration_keeps_the_epoch_and_the_state),
        TEST(a_new_incarnation_starts_fenced_and_its_partitions_wait_for_it),
        TEST(a_stale_epoch_is_told_so),
        TEST(a_silent_node_is_fenced_and_leads_again_when_it_returns),
        TEST(a_new_active_controller_gives_every_node_a_whole_session),
        TEST(a_node_that_leads_leaves_when_others_know_of_it),
        TEST(a_node_that_leads_nothing_leaves_at_once),
        TEST(a_failed_directory_takes_its_partitions_offline),
        TEST(an_unregistered_node_is_gone_and_its_partitions_have_no_leader),
        TEST(a_cluster_is_bootstrapped_once),
        TEST(producer_ids_come_in_blocks_that_never_overlap),
    };

    return cmocka_run_group_tests_name("brokers", tests, NULL, NULL);
}
