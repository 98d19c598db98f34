/* Topics: creating, deleting, adding partitions. */
#include "tests/unit/state/fixture.h"

#include "common/config/topic_config.h"
#include "controller/state/assignment.h"

static int16_t create_error(struct fixture *fixture, const char *name)
{
    const struct create_topics_request request = topic_request(fixture, name, 1);

    return create_topic(fixture, &request).error_code;
}

static void a_topic_gets_an_id_partitions_leaders_and_configs(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;
    struct create_topics_response_topics row;
    const struct topic_image *topic;
    struct uuid id;

    start_nodes(fixture, 2);
    request = topic_request(fixture, "orders", 4);
    request.topics[0].configs_count = 1;
    request.topics[0].configs = &(struct create_topics_request_topics_configs){STRING("retention.ms"), STRING("2d")};
    row = create_topic(fixture, &request);
    assert_int_equal(row.error_code, ERROR_NONE);
    assert_int_equal(row.num_partitions, 4);
    assert_int_equal(row.replication_factor, 1);
    assert_false(uuid_is_zero(row.topic_id));
    for (int32_t i = 0; i < row.configs_count; i++) {
        if (string_is(row.configs[i].name, "retention.ms")) {
            assert_true(string_is(row.configs[i].value, "172800000"));
            assert_int_equal(row.configs[i].config_source, 1);
        } else {
            assert_int_equal(row.configs[i].config_source, 5);
        }
    }
    assert_int_equal(row.configs_count, topic_config_count());
    id = row.topic_id;
    commit(fixture);
    topic = image_topic_by_id(fixture->image, id);
    assert_non_null(topic);
    assert_int_equal(topic_image_partition_count(topic), 4);
    for (int32_t i = 0; i < 4; i++) {
        const struct partition_image partition = partition_of(fixture, "orders", i);

        assert_int_equal(partition.leader, partition.replicas[0]);
        assert_int_equal(partition.leader_epoch, 0);
        assert_int_equal(partition.partition_epoch, 0);
        assert_int_equal(partition.isr_count, 1);
        assert_false(uuid_is_zero(partition.directories[0]));
    }
    assert_true(string_is(image_config(fixture->image, CONFIG_TOPIC, STRING("orders"), STRING("retention.ms")),
                          "172800000"));
}

static void defaults_come_from_the_controllers_config(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;

    fixture_configure(fixture, "num.partitions=3", NULL);
    start_nodes(fixture, 1);
    request = topic_request(fixture, "a", -1);
    assert_int_equal(create_topic(fixture, &request).num_partitions, 3);
    fixture_configure(fixture, "default.replication.factor=2", NULL);
    request = topic_request(fixture, "a", -1);
    assert_int_equal(create_topic(fixture, &request).error_code, ERROR_INVALID_REPLICATION_FACTOR);
}

static void names_follow_kafkas_rules(void **state)
{
    struct fixture *fixture = *state;
    char name[251];

    start_nodes(fixture, 1);
    memset(name, 'x', sizeof(name));
    name[249] = '\0';
    assert_int_equal(create_error(fixture, name), ERROR_NONE);
    name[249] = 'x';
    name[250] = '\0';
    assert_int_equal(create_error(fixture, name), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "A-z.0_9"), ERROR_NONE);
    assert_int_equal(create_error(fixture, ""), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "."), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, ".."), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "..."), ERROR_NONE);
    assert_int_equal(create_error(fixture, "a b"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "a/b"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "\xc3\xa9"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "__cluster_metadata"), ERROR_INVALID_TOPIC_EXCEPTION);
}

static void names_that_differ_in_dots_and_underscores_only_collide(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;
    struct create_topics_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a.b_c.d", 1);
    must_create(fixture, "a.b", 1);
    assert_int_equal(create_error(fixture, "a.b_c.d"), ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create_error(fixture, "a_b.c_d"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "a.b.c.d"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "a_b"), ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create_error(fixture, "a.b-c.d"), ERROR_NONE);
    assert_int_equal(create_error(fixture, "a.b_c.d."), ERROR_NONE);
    request = topic_request(fixture, "x.y", 1);
    request.topics_count = 2;
    request.topics[1].name = STRING("x_y");
    topic_table_create(&fixture->decision, &request, &response);
    assert_int_equal(response.topics[0].error_code, ERROR_NONE);
    assert_int_equal(response.topics[1].error_code, ERROR_INVALID_TOPIC_EXCEPTION);
}

static void a_topic_named_twice_in_a_request_is_not_created(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;
    struct create_topics_response response;

    start_nodes(fixture, 1);
    request = topic_request(fixture, "a", 1);
    request.topics_count = 2;
    topic_table_create(&fixture->decision, &request, &response);
    assert_int_equal(response.topics_count, 1);
    assert_int_equal(response.topics[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(fixture->records.count, 0);
}

static int16_t counts_error(struct fixture *fixture, int32_t partitions, int16_t replication)
{
    struct create_topics_request request = topic_request(fixture, "a", partitions);

    request.topics[0].replication_factor = replication;
    return create_topic(fixture, &request).error_code;
}

static void counts_out_of_range_are_refused(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 3);
    assert_int_equal(counts_error(fixture, 1, 1), ERROR_NONE);
    assert_int_equal(counts_error(fixture, 0, 1), ERROR_INVALID_PARTITIONS);
    assert_int_equal(counts_error(fixture, -2, 1), ERROR_INVALID_PARTITIONS);
    assert_int_equal(counts_error(fixture, ASSIGNMENT_PARTITIONS_MAX + 1, 1), ERROR_INVALID_PARTITIONS);
    assert_int_equal(counts_error(fixture, 1, 0), ERROR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(counts_error(fixture, 1, -2), ERROR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(counts_error(fixture, 1, 2), ERROR_INVALID_REPLICATION_FACTOR);
}

static void without_an_active_node_no_topic_is_created(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 0);
    assert_int_equal(create_error(fixture, "a"), ERROR_INVALID_REPLICATION_FACTOR);
    register_node(fixture, 1, 0);
    assert_int_equal(create_error(fixture, "a"), ERROR_INVALID_REPLICATION_FACTOR);
}

static int16_t assignment_error(struct fixture *fixture, int32_t first, int32_t second, int32_t node,
                                int32_t node_count)
{
    struct create_topics_request request = topic_request(fixture, "a", -1);
    int32_t ones[] = {1, 2};
    int32_t nodes[] = {node, node};
    struct create_topics_request_topics_assignments assignments[] = {
        {.partition_index = first, .broker_ids_count = 1, .broker_ids = ones},
        {.partition_index = second, .broker_ids_count = node_count, .broker_ids = nodes}};

    request.topics[0].assignments_count = 2;
    request.topics[0].assignments = assignments;
    return create_topic(fixture, &request).error_code;
}

static void a_manual_assignment_is_followed_or_refused(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;

    start_nodes(fixture, 2);
    register_node(fixture, 3, 0);
    assert_int_equal(assignment_error(fixture, 0, 2, 2, 1), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, 0, 0, 2, 1), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, -1, 0, 2, 1), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, 0, 1, 2, 0), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, 0, 1, 2, 2), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, 0, 1, 9, 1), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(assignment_error(fixture, 0, 1, 3, 1), ERROR_INVALID_REPLICA_ASSIGNMENT); /* fenced */
    assert_int_equal(assignment_error(fixture, 1, 0, 2, 1), ERROR_NONE);
    commit(fixture);
    assert_int_equal(partition_of(fixture, "a", 0).leader, 2);
    assert_int_equal(partition_of(fixture, "a", 1).leader, 1);
    assert_true(uuid_equal(partition_of(fixture, "a", 0).directories[0], uuid_of(102)));
    request = topic_request(fixture, "b", 1);
    request.topics[0].assignments_count = 1;
    request.topics[0].assignments =
        &(struct create_topics_request_topics_assignments){.broker_ids_count = 1, .broker_ids = &(int32_t){1}};
    assert_int_equal(create_topic(fixture, &request).error_code, ERROR_INVALID_REQUEST);
}

static int16_t config_error(struct fixture *fixture, const char *name, const char *value, const char *part)
{
    struct create_topics_request request = topic_request(fixture, "a", 1);
    struct create_topics_request_topics_configs configs[] = {{string_of(name), string_of(value)},
                                                             {string_of(name), string_of(value)}};
    struct create_topics_response_topics row;

    request.topics[0].configs_count = part == NULL ? 2 : 1;
    request.topics[0].configs = configs;
    row = create_topic(fixture, &request);
    if (part != NULL && part[0] != '\0') {
        assert_non_null(strstr(row.error_message.data, part));
    }
    return row.error_code;
}

static void configs_without_effect_are_refused_with_the_reason(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    assert_int_equal(config_error(fixture, "retention.ms", "-1", ""), ERROR_NONE);
    assert_int_equal(config_error(fixture, "retention.ms", "-2", ""), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "retention.ms", "1", NULL), ERROR_INVALID_CONFIG); /* twice */
    assert_int_equal(config_error(fixture, "retention.msx", "1", "did you mean retention.ms?"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "quite.something.else", "1", "unknown"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "cleanup.policy", "compact", "compaction"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "cleanup.policy", "compact,delete", "compaction"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "cleanup.policy", "", ""), ERROR_NONE);
    assert_int_equal(config_error(fixture, "remote.storage.enable", "true", "tiered"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "remote.storage.enable", "false", ""), ERROR_NONE);
    assert_int_equal(config_error(fixture, "compression.gzip.level", "0", "1 to 9"), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "segment.bytes", "1024", ""), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "durability", "maybe", ""), ERROR_INVALID_CONFIG);
    assert_int_equal(config_error(fixture, "durability", "interval", ""), ERROR_NONE);
    assert_int_equal(config_error(fixture, "flush.ms", NULL, ""), ERROR_INVALID_CONFIG);
}

static void validate_only_answers_and_decides_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct create_topics_request request;
    struct create_topics_response_topics row;

    start_nodes(fixture, 1);
    request = topic_request(fixture, "a", 5);
    request.validate_only = true;
    row = create_topic(fixture, &request);
    assert_int_equal(row.error_code, ERROR_NONE);
    assert_int_equal(row.num_partitions, 5);
    assert_true(uuid_is_zero(row.topic_id));
    assert_int_equal(fixture->records.count, 0);
}

static void one_topic_may_have_twenty_thousand_partitions(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 3);
    must_create(fixture, "wide", 20000);
    assert_true(fixture->batch.size < (size_t)8 * 1024 * 1024);
    assert_int_equal(image_partition_count(fixture->image), 20000);
    assert_int_equal(create_error(fixture, "small"), ERROR_NONE);
}

static struct delete_topics_response delete_topics(struct fixture *fixture, int16_t version, const char *name,
                                                   struct uuid id, int32_t times)
{
    struct delete_topics_request request;
    struct delete_topics_response response;

    decide(fixture);
    delete_topics_request_init(&request);
    request.topics_count = times;
    request.topics = arena_need(&fixture->arena, (size_t)times, sizeof(*request.topics));
    request.topic_names_count = times;
    request.topic_names = arena_need(&fixture->arena, (size_t)times, sizeof(*request.topic_names));
    for (int32_t i = 0; i < times; i++) {
        request.topics[i].name = string_of(name);
        request.topics[i].topic_id = id;
        request.topic_names[i] = string_of(name);
    }
    topic_table_delete(&fixture->decision, version, &request, &response);
    assert_int_equal(response.responses_count, times);
    return response;
}

static void topics_are_deleted_by_name_and_by_id(void **state)
{
    struct fixture *fixture = *state;
    struct delete_topics_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 2);
    must_create(fixture, "b", 2);
    must_create(fixture, "c", 2);
    assert_int_equal(delete_topics(fixture, 4, "a", UUID_ZERO, 1).responses[0].error_code, ERROR_NONE);
    commit(fixture);
    response = delete_topics(fixture, 6, NULL, topic_image_id(image_topic_by_name(fixture->image, STRING("b"))), 1);
    assert_int_equal(response.responses[0].error_code, ERROR_NONE);
    assert_true(string_is(response.responses[0].name, "b"));
    commit(fixture);
    response = delete_topics(fixture, 6, "c", UUID_ZERO, 1);
    assert_false(uuid_is_zero(response.responses[0].topic_id));
    commit(fixture);
    assert_int_equal(image_topic_count(fixture->image), 0);
}

static void deleting_what_is_not_there_or_not_clear_is_refused(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    assert_int_equal(delete_topics(fixture, 6, "x", UUID_ZERO, 1).responses[0].error_code,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(delete_topics(fixture, 6, NULL, uuid_of(5), 1).responses[0].error_code, ERROR_UNKNOWN_TOPIC_ID);
    assert_int_equal(delete_topics(fixture, 6, "a", uuid_of(5), 1).responses[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(delete_topics(fixture, 6, NULL, UUID_ZERO, 1).responses[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(delete_topics(fixture, 6, "a", UUID_ZERO, 2).responses[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(fixture->records.count, 0);
    fixture_configure(fixture, "delete.topic.enable=false", NULL);
    assert_int_equal(delete_topics(fixture, 6, "a", UUID_ZERO, 1).responses[0].error_code,
                     ERROR_TOPIC_DELETION_DISABLED);
    assert_int_equal(delete_topics(fixture, 2, "a", UUID_ZERO, 1).responses[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(fixture->records.count, 0);
}

static int16_t grow(struct fixture *fixture, const char *name, int32_t count, int32_t assigned, int32_t node)
{
    struct create_partitions_request request;
    struct create_partitions_response response;
    struct create_partitions_request_topics topic;

    decide(fixture);
    create_partitions_request_init(&request);
    create_partitions_request_topics_init(&topic);
    request.topics_count = 1;
    request.topics = &topic;
    topic.name = string_of(name);
    topic.count = count;
    topic.assignments_count = assigned;
    if (assigned > 0) {
        topic.assignments = arena_need(&fixture->arena, (size_t)assigned, sizeof(*topic.assignments));
        for (int32_t i = 0; i < assigned; i++) {
            topic.assignments[i].broker_ids_count = 1;
            topic.assignments[i].broker_ids = arena_need(&fixture->arena, 1, sizeof(int32_t));
            topic.assignments[i].broker_ids[0] = node;
        }
    }
    topic_table_grow(&fixture->decision, &request, &response);
    assert_int_equal(response.results_count, 1);
    return response.results[0].error_code;
}

static void partitions_are_added_behind_those_there_are(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 2);
    must_create(fixture, "a", 3);
    assert_int_equal(grow(fixture, "x", 4, -1, 0), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(grow(fixture, "a", 3, -1, 0), ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(fixture, "a", 2, -1, 0), ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(fixture, "a", 3 + ASSIGNMENT_PARTITIONS_MAX + 1, -1, 0), ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(fixture, "a", 5, 1, 2), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(grow(fixture, "a", 5, 2, 9), ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(fixture->records.count, 0);
    assert_int_equal(grow(fixture, "a", 5, 2, 2), ERROR_NONE);
    commit(fixture);
    assert_int_equal(partition_of(fixture, "a", 4).leader, 2);
    /* One node has one partition more before: the other gets the next. */
    assert_int_equal(grow(fixture, "a", 300, -1, 0), ERROR_NONE);
    commit(fixture);
    assert_int_equal(image_partition_count(fixture->image), 300);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_topic_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_topic_gets_an_id_partitions_leaders_and_configs),
        TEST(defaults_come_from_the_controllers_config),
        TEST(names_follow_kafkas_rules),
        TEST(names_that_differ_in_dots_and_underscores_only_collide),
        TEST(a_topic_named_twice_in_a_request_is_not_created),
        TEST(counts_out_of_range_are_refused),
        TEST(without_an_active_node_no_topic_is_created),
        TEST(a_manual_assignment_is_followed_or_refused),
        TEST(configs_without_effect_are_refused_with_the_reason),
        TEST(validate_only_answers_and_decides_nothing),
        TEST(one_topic_may_have_twenty_thousand_partitions),
        TEST(topics_are_deleted_by_name_and_by_id),
        TEST(deleting_what_is_not_there_or_not_clear_is_refused),
        TEST(partitions_are_added_behind_those_there_are),
    };

    return cmocka_run_group_tests_name("topics", tests, NULL, NULL);
}
