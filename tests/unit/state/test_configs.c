/* Configs: changing, replacing, describing, and the values that come out. */
#include "tests/unit/state/fixture.h"

#include "common/config/config_describe.h"
#include "common/config/topic_config.h"

#include "wire/describe_configs.h"

enum { SET, DELETE, APPEND, SUBTRACT };

static int16_t alter(struct fixture *fixture, int8_t type, const char *resource, const char *key, int8_t operation,
                     const char *value)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_request_resources row;
    struct incremental_alter_configs_request_resources_configs config;

    incremental_alter_configs_request_init(&request);
    incremental_alter_configs_request_resources_init(&row);
    incremental_alter_configs_request_resources_configs_init(&config);
    request.resources_count = 1;
    request.resources = &row;
    row.resource_type = type;
    row.resource_name = string_of(resource);
    row.configs_count = 1;
    row.configs = &config;
    config.name = string_of(key);
    config.config_operation = operation;
    config.value = string_of(value);
    config_table_alter(decide(fixture), &request, &response);
    if (response.responses[0].error_code == ERROR_NONE) {
        commit(fixture);
    } else {
        assert_int_equal(fixture->records.count, 0);
        assert_non_null(response.responses[0].error_message.data);
    }
    return response.responses[0].error_code;
}

static void assert_config(const struct fixture *fixture, enum config_resource type, const char *resource,
                          const char *key,
                          const char *value)
{
    const struct string set = image_config(fixture->image, type, string_of(resource), string_of(key));

    if (value == NULL) {
        assert_null(set.data);
    } else {
        assert_true(string_is(set, value));
    }
}

static struct topic_config effective(const struct fixture *fixture, const char *topic, int32_t broker)
{
    const struct topic_config_sources sources = {
        .image = fixture->image, .config = fixture->config, .broker_id = broker, .topic = string_of(topic)};
    struct topic_config config;

    topic_config_effective(&sources, &config);
    return config;
}

static void single_keys_are_set_and_deleted(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, "1h"), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "retention.ms", "3600000");
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "flush.ms", SET, "5"), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "retention.ms", "3600000");
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", DELETE, NULL), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "retention.ms", NULL);
    /* Deleting what is not set is no change. */
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", DELETE, NULL), ERROR_NONE);
    assert_int_equal(fixture->records.count, 0);
}

static void lists_are_appended_to_and_subtracted_from(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    /* From the default, which is delete. */
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "cleanup.policy", SUBTRACT, "delete"), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "cleanup.policy", "");
    assert_false(effective(fixture, "a", -1).cleanup_delete);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "cleanup.policy", APPEND, "delete"), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "cleanup.policy", "delete");
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "cleanup.policy", APPEND, "delete"), ERROR_NONE);
    assert_config(fixture, CONFIG_TOPIC, "a", "cleanup.policy", "delete");
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "cleanup.policy", APPEND, "compact"), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", APPEND, "1"), ERROR_INVALID_CONFIG);
}

static void wrong_resources_keys_and_operations_are_refused(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "b", "retention.ms", SET, "1"), ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.mx", SET, "1"), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.mx", DELETE, NULL), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, "soon"), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, NULL), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", 4, "1"), ERROR_INVALID_REQUEST);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "7", "log.retention.ms", SET, "1"), ERROR_INVALID_REQUEST);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "01", "log.retention.ms", SET, "1"), ERROR_INVALID_REQUEST);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "x", "log.retention.ms", SET, "1"), ERROR_INVALID_REQUEST);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "1", "node.id", SET, "1"), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "1", "what.is.this", SET, "1"), ERROR_INVALID_CONFIG);
    assert_int_equal(alter(fixture, CONFIG_GROUP, "g", "x", SET, "1"), ERROR_INVALID_REQUEST);
}

static void a_resource_is_changed_as_a_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    struct incremental_alter_configs_request_resources_configs configs[] = {
        {.name = STRING("flush.ms"), .value = STRING("1")}, {.name = STRING("retention.ms"), .value = STRING("no")}};
    struct incremental_alter_configs_request_resources rows[] = {
        {.resource_type = CONFIG_TOPIC, .resource_name = STRING("a"), .configs_count = 2, .configs = configs},
        {.resource_type = CONFIG_TOPIC, .resource_name = STRING("b"), .configs_count = 1, .configs = configs}};
    struct incremental_alter_configs_request request = {.resources_count = 2, .resources = rows};
    struct incremental_alter_configs_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    must_create(fixture, "b", 1);
    config_table_alter(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_INVALID_CONFIG);
    assert_int_equal(response.responses[1].error_code, ERROR_NONE);
    assert_int_equal(fixture->records.count, 1);
    configs[1] = configs[0];
    rows[1].resource_name = STRING("a");
    rows[0].configs_count = 1;
    config_table_alter(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_INVALID_REQUEST);
    assert_int_equal(response.responses[1].error_code, ERROR_INVALID_REQUEST);
    rows[0].configs_count = 2;
    request.resources_count = 1;
    config_table_alter(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_INVALID_REQUEST); /* a key twice */
    rows[0].configs_count = 1;
    request.validate_only = true;
    config_table_alter(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_NONE);
    assert_int_equal(fixture->records.count, 0);
}

static void replacing_removes_what_is_not_named(void **state)
{
    struct fixture *fixture = *state;
    struct alter_configs_request_resources_configs config = {STRING("flush.ms"), STRING("7")};
    struct alter_configs_request_resources row = {
        .resource_type = CONFIG_TOPIC, .resource_name = STRING("a"), .configs_count = 1, .configs = &config};
    const struct alter_configs_request request = {.resources_count = 1, .resources = &row};
    struct alter_configs_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, "5");
    config_table_replace(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_NONE);
    commit(fixture);
    assert_config(fixture, CONFIG_TOPIC, "a", "retention.ms", NULL);
    assert_config(fixture, CONFIG_TOPIC, "a", "flush.ms", "7");
    config.value = STRING("never");
    config_table_replace(decide(fixture), &request, &response);
    assert_int_equal(response.responses[0].error_code, ERROR_INVALID_CONFIG);
    assert_int_equal(fixture->records.count, 0);
}

static void the_topic_wins_over_the_node_over_all_nodes_over_the_file(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    assert_int_equal(effective(fixture, "a", 1).retention_ms, 604800000);
    fixture_configure(fixture, "log.retention.hours=2", NULL);
    assert_int_equal(effective(fixture, "a", 1).retention_ms, 7200000);
    fixture_configure(fixture, "log.retention.hours=2", "log.retention.minutes=3");
    assert_int_equal(effective(fixture, "a", 1).retention_ms, 180000);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "", "log.retention.ms", SET, "1000"), ERROR_NONE);
    assert_int_equal(effective(fixture, "a", 1).retention_ms, 1000);
    assert_int_equal(alter(fixture, CONFIG_BROKER, "1", "log.retention.ms", SET, "2000"), ERROR_NONE);
    assert_int_equal(effective(fixture, "a", 1).retention_ms, 2000);
    assert_int_equal(effective(fixture, "a", 2).retention_ms, 1000);
    assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, "-1"), ERROR_NONE);
    assert_int_equal(effective(fixture, "a", 1).retention_ms, -1);
    assert_int_equal(effective(fixture, "other", 2).retention_ms, 1000);
    fixture_configure(fixture, "log.retention.hours=-1", NULL);
    alter(fixture, CONFIG_BROKER, "", "log.retention.ms", DELETE, NULL);
    assert_int_equal(effective(fixture, "other", 2).retention_ms, -1);
}

static void every_key_has_its_place_in_the_plain_values(void **state)
{
    static const char *const settings[][2] = {
        {"durability", "memory"},           {"cleanup.policy", ""},
        {"compression.type", "zstd"},       {"compression.zstd.level", "7"},
        {"max.message.bytes", "2MiB"},      {"message.timestamp.type", "LogAppendTime"},
        {"preallocate", "true"},            {"segment.ms", "77"},
        {"min.cleanable.dirty.ratio", "1"}, {"unclean.leader.election.enable", "true"},
    };
    struct fixture *fixture = *state;
    struct topic_config config;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    config = effective(fixture, "a", -1);
    assert_int_equal(config.durability, TOPIC_DURABILITY_FSYNC);
    assert_true(config.cleanup_delete);
    assert_int_equal(config.compression_type, TOPIC_COMPRESSION_PRODUCER);
    assert_int_equal(config.segment_bytes, 1 << 30);
    assert_int_equal(config.flush_messages, INT64_MAX);
    assert_int_equal(config.max_message_bytes, 1048588);
    assert_int_equal(config.max_decompressed_message_bytes, 67108864);
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        assert_int_equal(alter(fixture, CONFIG_TOPIC, "a", settings[i][0], SET, settings[i][1]), ERROR_NONE);
    }
    config = effective(fixture, "a", -1);
    assert_int_equal(config.durability, TOPIC_DURABILITY_MEMORY);
    assert_false(config.cleanup_delete);
    assert_int_equal(config.compression_type, TOPIC_COMPRESSION_ZSTD);
    assert_int_equal(config.compression_zstd_level, 7);
    assert_int_equal(config.max_message_bytes, 2 << 20);
    assert_true(config.message_timestamp_append);
    assert_true(config.preallocate);
    assert_int_equal(config.segment_ms, 77);
    assert_true(config.min_cleanable_dirty_ratio > 0.99);
    assert_true(config.unclean_leader_election_enable);
}

static void the_table_of_topic_configs_is_sound(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < topic_config_count(); i++) {
        const struct topic_config_definition *definition = topic_config_at(i);
        struct config_problem problem = {""};
        struct string canonical;

        if (i > 0) {
            assert_true(strcmp(topic_config_at(i - 1)->definition.name, definition->definition.name) < 0);
        }
        /* Each default is a value that may be set, and is canonical. */
        assert_int_equal(topic_config_check(string_of(definition->definition.name),
                                            string_of(definition->definition.standard), &fixture->arena, &canonical,
                                            &problem),
                         STATUS_OK);
        assert_true(string_is(canonical, definition->definition.standard));
        assert_true(strlen(definition->definition.doc) > 20);
    }
    /* Kafka 4.4's 37, and durability. */
    assert_int_equal(topic_config_count(), 38);
}

static struct describe_configs_response describe(struct fixture *fixture, int8_t type, const char *name,
                                                 const char *key,
                                                 int32_t own_id)
{
    const struct config_describe_options options = {.image = fixture->image, .config = fixture->config,
                                                    .own_id = own_id};
    struct string keys[] = {string_of(key)};
    struct describe_configs_request_resources row = {.resource_type = type,
                                                     .resource_name = string_of(name),
                                                     .configuration_keys_count = key != NULL ? 1 : -1,
                                                     .configuration_keys = keys};
    const struct describe_configs_request request = {
        .resources_count = 1, .resources = &row, .include_synonyms = true, .include_documentation = true};
    struct describe_configs_response response;

    decide(fixture);
    config_describe(&options, &request, &fixture->arena, &response);
    assert_int_equal(response.results_count, 1);
    return response;
}

static void a_topics_configs_are_described_with_their_synonyms(void **state)
{
    struct fixture *fixture = *state;
    const struct describe_configs_response_results_configs *config;
    struct describe_configs_response response;

    start_nodes(fixture, 1);
    must_create(fixture, "a", 1);
    fixture_configure(fixture, "log.retention.hours=2", NULL);
    alter(fixture, CONFIG_BROKER, "", "log.retention.ms", SET, "1000");
    alter(fixture, CONFIG_TOPIC, "a", "retention.ms", SET, "500");
    response = describe(fixture, CONFIG_TOPIC, "a", "retention.ms", -1);
    assert_int_equal(response.results[0].error_code, ERROR_NONE);
    assert_int_equal(response.results[0].configs_count, 1);
    config = &response.results[0].configs[0];
    assert_true(string_is(config->value, "500"));
    assert_int_equal(config->config_source, 1);
    assert_int_equal(config->config_type, 5);
    assert_false(config->read_only);
    assert_non_null(config->documentation.data);
    assert_int_equal(config->synonyms_count, 4);
    assert_int_equal(config->synonyms[1].source, 3);
    assert_true(string_is(config->synonyms[1].name, "log.retention.ms"));
    assert_int_equal(config->synonyms[2].source, 4);
    assert_true(string_is(config->synonyms[2].value, "7200000"));
    assert_int_equal(config->synonyms[3].source, 5);
    assert_int_equal(describe(fixture, CONFIG_TOPIC, "a", NULL, -1).results[0].configs_count, 38);
    assert_int_equal(describe(fixture, CONFIG_TOPIC, "b", NULL, -1).results[0].error_code,
                     ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(fixture, CONFIG_GROUP, "b", NULL, -1).results[0].error_code, ERROR_INVALID_REQUEST);
}

static void what_is_named_a_thousand_times_is_described_once(void **state)
{
    struct describe_configs_request_resources rows[1000];
    struct describe_configs_request request = {.resources = rows, .resources_count = 1000};

    (void)state;
    for (int32_t i = 0; i < 1000; i++) {
        describe_configs_request_resources_init(&rows[i]);
        rows[i].resource_type = i % 3 == 0 ? CONFIG_BROKER : CONFIG_TOPIC;
        rows[i].resource_name = STRING("a");
    }
    config_describe_drop_repeated(&request);
    assert_int_equal(request.resources_count, 2);
    assert_int_equal(rows[0].resource_type, CONFIG_TOPIC);
    assert_int_equal(rows[1].resource_type, CONFIG_BROKER);
    request.resources_count = 0;
    config_describe_drop_repeated(&request);
    assert_int_equal(request.resources_count, 0);
}

static void a_node_describes_its_file_and_others_what_is_dynamic(void **state)
{
    struct fixture *fixture = *state;
    struct describe_configs_response response;

    start_nodes(fixture, 2);
    alter(fixture, CONFIG_BROKER, "2", "message.max.bytes", SET, "1000000");
    response = describe(fixture, CONFIG_BROKER, "2", NULL, -1);
    assert_int_equal(response.results[0].configs_count, 1);
    assert_true(string_is(response.results[0].configs[0].value, "1000000"));
    assert_int_equal(response.results[0].configs[0].config_source, 2);
    assert_int_equal(describe(fixture, CONFIG_BROKER, "", NULL, -1).results[0].configs_count, 0);
    assert_int_equal(describe(fixture, CONFIG_BROKER, "5", NULL, -1).results[0].error_code, ERROR_INVALID_REQUEST);
    response = describe(fixture, CONFIG_BROKER, "1000", "node.id", 1000);
    assert_int_equal(response.results[0].configs_count, 1);
    assert_true(response.results[0].configs[0].read_only);
    assert_int_equal(response.results[0].configs[0].config_source, 4);
    assert_true(string_is(response.results[0].configs[0].value, "1000"));
    assert_int_equal(describe(fixture, CONFIG_BROKER, "1000", NULL, 1000).results[0].configs_count,
                     config_count(fixture->config));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int run_config_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(single_keys_are_set_and_deleted),
        TEST(lists_are_appended_to_and_subtracted_from),
        TEST(wrong_resources_keys_and_operations_are_refused),
        TEST(a_resource_is_changed_as_a_whole_or_not_at_all),
        TEST(replacing_removes_what_is_not_named),
        TEST(the_topic_wins_over_the_node_over_all_nodes_over_the_file),
        TEST(every_key_has_its_place_in_the_plain_values),
        TEST(the_table_of_topic_configs_is_sound),
        TEST(a_topics_configs_are_described_with_their_synonyms),
        TEST(what_is_named_a_thousand_times_is_described_once),
        TEST(a_node_describes_its_file_and_others_what_is_dynamic),
    };

    return cmocka_run_group_tests_name("configs", tests, NULL, NULL);
}
