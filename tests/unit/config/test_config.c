/* Whole configurations of both programs: order of sources, refusals, warnings, rules between keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buffer.h"
#include "common/config/controller_config.h"
#include "common/config/node_config.h"
#include "tests/unit/config/support.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE_FILE "node.id=1\ncontroller.quorum.voters=1@localhost:9093\n"

struct fixture {
    struct one_file_disk disk;
    struct config_inputs inputs;
    struct config *config;
    struct config_problem problem;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    arena_init(&fixture->arena, 16 * 1024 * 1024);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    config_destroy(fixture->config);
    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

static enum status read_config(struct fixture *fixture, const struct config_schema *schema, const char *file)
{
    one_file_disk_init(&fixture->disk, "f.properties", file);
    fixture->inputs.disk = &fixture->disk.disk;
    fixture->inputs.path = "f.properties";
    config_destroy(fixture->config);
    return config_read(schema, &fixture->inputs, &fixture->config, &fixture->problem);
}

static void assert_node(struct fixture *fixture, const char *file)
{
    if (read_config(fixture, node_config_schema(), file) != STATUS_OK) {
        fail_msg("%s", fixture->problem.text);
    }
}

static void assert_node_refused(struct fixture *fixture, const char *line, const char *problem)
{
    char file[1024];

    snprintf(file, sizeof(file), NODE_FILE "%s\n", line);
    assert_int_equal(read_config(fixture, node_config_schema(), file), STATUS_INVALID);
    assert_null(fixture->config);
    assert_string_equal(fixture->problem.text, problem);
}

static void assert_controller_refused(struct fixture *fixture, const char *file, const char *problem)
{
    assert_int_equal(read_config(fixture, controller_config_schema(), file), STATUS_INVALID);
    assert_string_equal(fixture->problem.text, problem);
}

static void defaults_are_kafkas(void **state)
{
    struct fixture *fixture = *state;
    size_t count;

    assert_node(fixture, NODE_FILE);
    assert_int_equal(config_int32(fixture->config, "node.id"), 1);
    assert_int_equal(config_int32(fixture->config, "log.segment.bytes"), 1 << 30);
    assert_int_equal(config_int32(fixture->config, "message.max.bytes"), 1048588);
    assert_true(config_boolean(fixture->config, "auto.create.topics.enable"));
    assert_int_equal(config_int16(fixture->config, "default.replication.factor"), 1);
    assert_true(config_int64(fixture->config, "log.flush.interval.messages") == INT64_MAX);
    assert_true(config_is_null(fixture->config, "log.flush.interval.ms"));
    assert_null(config_string(fixture->config, "broker.rack"));
    assert_false(config_is_given(fixture->config, "log.segment.bytes"));
    assert_true(config_is_given(fixture->config, "node.id"));
    assert_string_equal(config_list(fixture->config, "listeners", &count)[0].data, "PLAINTEXT://localhost:9092");
    assert_int_equal(count, 1);
    assert_string_equal(node_config_log_dirs(fixture->config, &count)[0].data, "/var/lib/millrace/node");
    assert_int_equal(config_warning_count(fixture->config), 0);
}

static void a_flag_beats_the_environment_which_beats_the_file(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {"PATH=/bin", "MILLRACE_NUM_PARTITIONS=5", "MILLRACE_MESSAGE_MAX_BYTES=2MiB", NULL};
    const char *settings[] = {"num.partitions=7"};

    fixture->inputs.environment = environment;
    fixture->inputs.settings = settings;
    fixture->inputs.setting_count = 1;
    assert_node(fixture, NODE_FILE "num.partitions=3\nmessage.max.bytes=1MiB\nmin.insync.replicas=2\n");
    assert_int_equal(config_int32(fixture->config, "num.partitions"), 7);
    assert_int_equal(config_find(fixture->config, STRING("num.partitions"))->source, CONFIG_SOURCE_FLAG);
    assert_int_equal(config_int32(fixture->config, "message.max.bytes"), 2 << 20);
    assert_int_equal(config_find(fixture->config, STRING("message.max.bytes"))->source, CONFIG_SOURCE_ENVIRONMENT);
    assert_int_equal(config_int32(fixture->config, "min.insync.replicas"), 2);
    assert_int_equal(config_find(fixture->config, STRING("min.insync.replicas"))->source, CONFIG_SOURCE_FILE);
    assert_int_equal(config_find(fixture->config, STRING("min.insync.replicas"))->line, 5);
    assert_string_equal(config_find(fixture->config, STRING("min.insync.replicas"))->standard.text.data, "1");
}

static void everything_may_come_without_a_file(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {"MILLRACE_NODE_ID=4", "MILLRACE_LOG_DIRS=/a,/b", NULL};
    const char *settings[] = {"controller.quorum.bootstrap.servers=c1:9093,c2:9093"};
    struct config_address *controllers;
    size_t count;

    fixture->inputs = (struct config_inputs){.environment = environment, .settings = settings, .setting_count = 1};
    assert_int_equal(config_read(node_config_schema(), &fixture->inputs, &fixture->config, &fixture->problem),
                     STATUS_OK);
    assert_string_equal(node_config_log_dirs(fixture->config, &count)[1].data, "/b");
    controllers = server_config_controllers(fixture->config, &fixture->arena, &count);
    assert_int_equal(count, 2);
    assert_string_equal(controllers[1].host.data, "c2");
}

static void an_unknown_key_is_refused_with_the_nearest_one(void **state)
{
    static const struct {
        const char *wrong;
        const char *meant;
    } cases[] = {
        {"log.retention.hour", "log.retention.hours"}, {"log.dris", "log.dirs"},
        {"log.segment.byte", "log.segment.bytes"},     {"nodeid", "node.id"},
        {"node_id", "node.id"},                        {"listener", "listeners"},
        {"advertized.listeners", "advertised.listeners"}, {"num.partition", "num.partitions"},
        {"min.isr", NULL},                             {"min.insync.replica", "min.insync.replicas"},
        {"broker.session.timeout", "broker.session.timeout.ms"}, {"auto.create.topic.enable",
                                                                  "auto.create.topics.enable"},
        {"mesage.max.bytes", "message.max.bytes"},     {"busy.poll.ms", "busy.poll.us"},
        {"num.loop", "num.loops"},                     {"retention.ms", "log.retention.ms"},
        {"Log.dirs", "log.dirs"},                      {"frobnicate", NULL},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char line[128];
        char problem[256];

        snprintf(line, sizeof(line), "%s=1", cases[i].wrong);
        if (cases[i].meant != NULL) {
            snprintf(problem, sizeof(problem), "f.properties: line 3: unknown key \"%s\": did you mean %s?",
                     cases[i].wrong,
                     cases[i].meant);
        } else {
            snprintf(problem, sizeof(problem), "f.properties: line 3: unknown key \"%s\"", cases[i].wrong);
        }
        assert_node_refused(fixture, line, problem);
    }
}

static void a_bad_value_is_refused_where_it_stands(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {"MILLRACE_NUM_LOOPS=many", NULL};
    const char *settings[] = {"num.loops=-1"};
    const char *no_value[] = {"num.loops"};

    assert_node_refused(fixture, "\nnum.loops=x", "f.properties: line 4: num.loops: \"x\" is not a whole number");
    assert_node_refused(fixture, "node.id=2", "f.properties: line 3: node.id was given already in line 1");
    fixture->inputs.environment = environment;
    assert_node_refused(fixture, "", "environment: num.loops: \"many\" is not a whole number");
    fixture->inputs.environment = NULL;
    fixture->inputs.settings = settings;
    fixture->inputs.setting_count = 1;
    assert_node_refused(fixture, "", "--set: num.loops: -1 is out of range: 0 to 64");
    fixture->inputs.settings = no_value;
    assert_node_refused(fixture, "", "--set: \"num.loops\" is not key=value");
}

static void a_missing_file_is_named(void **state)
{
    struct fixture *fixture = *state;

    one_file_disk_init(&fixture->disk, "other", "");
    fixture->inputs.disk = &fixture->disk.disk;
    fixture->inputs.path = "f.properties";
    assert_int_equal(config_read(node_config_schema(), &fixture->inputs, &fixture->config, &fixture->problem),
                     STATUS_NOT_FOUND);
    assert_string_equal(fixture->problem.text, "f.properties: not found");
}

static void keys_whose_absence_would_surprise_are_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_node_refused(fixture, "ssl.keystore.location=/k",
                        "f.properties: line 3: ssl.keystore.location: TLS is not in this version: connections are "
                        "plain text");
    assert_node_refused(fixture, "authorizer.class.name=x",
                        "f.properties: line 3: authorizer.class.name: access control is not in this version: every "
                        "client may do everything");
    assert_node_refused(fixture, "log.cleanup.policy=delete,compact",
                        "f.properties: line 3: log.cleanup.policy: compaction is not in this version; use delete, or "
                        "nothing to keep all data");
    assert_node(fixture, NODE_FILE "log.cleanup.policy=\n");
    assert_node_refused(fixture, "broker.id=1", "f.properties: line 3: broker.id: Kafka's old name: write node.id");
}

static void harmless_keys_are_accepted_with_one_warning(void **state)
{
    struct fixture *fixture = *state;
    char *environment[] = {"MILLRACE_BOOTSTRAP=localhost:9092", "MILLRACE_LOG_DRIS=/x", "MILLRACE_", NULL};

    fixture->inputs.environment = environment;
    assert_node(fixture, NODE_FILE "num.network.threads=3\nnum.io.threads=8\noffsets.topic.replication.factor=1\n"
                                   "broker.session.timeout.ms=5s\n");
    assert_int_equal(config_warning_count(fixture->config), 3);
    assert_string_equal(config_warning_at(fixture->config, 0),
                        "keys of Kafka that have no effect here: num.network.threads, "
                                                               "num.io.threads, offsets.topic.replication.factor");
    assert_string_equal(config_warning_at(fixture->config, 1),
                        "keys of the other program, not used by this one: broker.session.timeout.ms");
    assert_string_equal(config_warning_at(fixture->config, 2),
                        "environment variables that name no key: MILLRACE_LOG_DRIS");
}

static void keys_of_the_other_program_are_checked_too(void **state)
{
    assert_node_refused(*state, "broker.session.timeout.ms=soon",
                        "f.properties: line 3: broker.session.timeout.ms: \"soon\" is not a whole number");
}

static void required_keys_are_missed(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(read_config(fixture, node_config_schema(), ""), STATUS_INVALID);
    assert_memory_equal(fixture->problem.text, "node.id is required: ", 21);
    assert_int_equal(read_config(fixture, node_config_schema(), "node.id=1\n"), STATUS_INVALID);
    assert_memory_equal(fixture->problem.text, "controller.quorum.voters is required: ", 38);
}

static void listeners_need_a_protocol_and_a_role(void **state)
{
    struct fixture *fixture = *state;

    assert_node_refused(fixture, "listeners=SSL://:9093",
                        "listeners: SSL is not mapped to PLAINTEXT by listener.security.protocol.map, and this version "
                        "speaks nothing else");
    assert_node_refused(fixture, "listeners=PLAINTEXT://:9092,CONTROLLER://:9093",
                        "listeners: CONTROLLER is a controllers' listener (controller.listener.names)");
    assert_node_refused(fixture, "listeners=", "listeners: at least one is needed");
    assert_node(fixture, NODE_FILE "listeners=IN://:9092\nlistener.security.protocol.map=IN:PLAINTEXT, OUT:SSL\n");
}

static void advertised_listeners_belong_to_listeners(void **state)
{
    struct fixture *fixture = *state;

    assert_node_refused(fixture, "advertised.listeners=OUT://h:1",
                        "advertised.listeners: OUT is not one of the listeners");
    assert_node_refused(fixture, "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
                        "advertised.listeners: PLAINTEXT needs a host and a port that clients can connect to");
    assert_node_refused(fixture, "advertised.listeners=PLAINTEXT://h:0",
                        "advertised.listeners: PLAINTEXT needs a host and a port that clients can connect to");
}

static void what_is_not_advertised_advertises_itself(void **state)
{
    struct fixture *fixture = *state;
    struct config_listener *advertised;
    size_t count;

    assert_node(fixture, NODE_FILE "listeners=A://:1,B://[::]:2,C://c:3\nadvertised.listeners=B://outside:20\n"
                                   "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,C:PLAINTEXT\n");
    advertised = server_config_advertised(fixture->config, &fixture->arena, &count);
    assert_int_equal(count, 3);
    assert_string_equal(advertised[0].address.host.data, "localhost");
    assert_int_equal(advertised[0].address.port, 1);
    assert_string_equal(advertised[1].address.host.data, "outside");
    assert_int_equal(advertised[1].address.port, 20);
    assert_string_equal(advertised[2].address.host.data, "c");
}

static void roles_must_be_the_programs_own(void **state)
{
    struct fixture *fixture = *state;

    assert_node(fixture, NODE_FILE "process.roles=broker\n");
    assert_node_refused(fixture, "process.roles=broker,controller",
                        "process.roles: this program is a broker only; controllers run as millrace-controller and "
                        "storage nodes as millrace-node, each with its own file");
}

static void directories_must_differ(void **state)
{
    assert_node_refused(*state, "log.dirs=/a,/b,/a", "log.dirs: /a is given twice");
    assert_node_refused(*state, "log.dir=", "log.dirs: a directory's name is empty or longer than 1024 bytes");
}

static void the_finer_unit_wins(void **state)
{
    struct fixture *fixture = *state;

    assert_node(fixture, NODE_FILE);
    assert_true(server_config_retention_ms(fixture->config) == INT64_C(604800000));
    assert_true(server_config_roll_ms(fixture->config) == INT64_C(604800000));
    assert_true(server_config_roll_jitter_ms(fixture->config) == 0);
    assert_node(fixture, NODE_FILE "log.retention.hours=1\nlog.retention.minutes=2\nlog.roll.hours=3\n");
    assert_true(server_config_retention_ms(fixture->config) == 120000);
    assert_true(server_config_roll_ms(fixture->config) == 3 * 3600000);
    assert_node(fixture,
                NODE_FILE "log.retention.ms=5\nlog.retention.minutes=2\nlog.roll.ms=7\nlog.roll.jitter.ms=8\n");
    assert_true(server_config_retention_ms(fixture->config) == 5);
    assert_true(server_config_roll_ms(fixture->config) == 7);
    assert_true(server_config_roll_jitter_ms(fixture->config) == 8);
    assert_node(fixture, NODE_FILE "log.retention.hours=-1\n");
    assert_true(server_config_retention_ms(fixture->config) == -1);
}

static void an_empty_value_of_a_key_without_default_is_none(void **state)
{
    struct fixture *fixture = *state;

    assert_node(fixture, NODE_FILE "broker.rack=\nlog.retention.ms=\nlog.dirs=\n");
    assert_null(config_string(fixture->config, "broker.rack"));
    assert_true(server_config_retention_ms(fixture->config) == INT64_C(604800000));
}

static void a_controller_must_be_one_of_the_voters(void **state)
{
    struct fixture *fixture = *state;
    struct config_voter *voters;
    size_t count;

    assert_int_equal(read_config(fixture, controller_config_schema(),
                                 "node.id=2\ncontroller.quorum.voters=1@a:9093,2@b:9093\nmetadata.log.dir=/m\n"),
                     STATUS_OK);
    voters = server_config_voters(fixture->config, &fixture->arena, &count);
    assert_int_equal(count, 2);
    assert_int_equal(voters[1].id, 2);
    assert_string_equal(controller_config_directory(fixture->config), "/m");
    assert_controller_refused(fixture, "node.id=3\ncontroller.quorum.voters=1@a:9093,2@b:9093\n",
                              "controller.quorum.voters: this controller, node.id 3, is not one of them");
    assert_controller_refused(fixture, "node.id=3\ncontroller.quorum.bootstrap.servers=a:9093\n",
                              "controller.quorum.voters: this controller, node.id 3, is not one of them");
}

static void a_controllers_directory_has_three_names(void **state)
{
    struct fixture *fixture = *state;
    const char *head = "node.id=1\ncontroller.quorum.voters=1@a:9093\n";
    char file[256];

    assert_int_equal(read_config(fixture, controller_config_schema(), head), STATUS_OK);
    assert_string_equal(controller_config_directory(fixture->config), "/var/lib/millrace/controller");
    snprintf(file, sizeof(file), "%slog.dir=/x\n", head);
    assert_int_equal(read_config(fixture, controller_config_schema(), file), STATUS_OK);
    assert_string_equal(controller_config_directory(fixture->config), "/x");
    snprintf(file, sizeof(file), "%slog.dirs=/y,/z\nlog.dir=/x\n", head);
    assert_int_equal(read_config(fixture, controller_config_schema(), file), STATUS_OK);
    assert_string_equal(controller_config_directory(fixture->config), "/y");
}

static void a_heartbeat_must_fit_into_the_election_timeout(void **state)
{
    assert_controller_refused(*state,
                              "node.id=1\ncontroller.quorum.voters=1@a:9093\ncontroller.quorum.election.timeout.ms=1s\n"
                              "quorum.heartbeat.ms=501\n",
                              "quorum.heartbeat.ms: 501 is more than half of controller.quorum.election.timeout.ms, "
                              "1000");
}

static void a_wrong_cluster_id_is_refused(void **state)
{
    assert_node_refused(*state, "cluster.id=short", "cluster.id: \"short\" is not 22 characters of URL-safe base64");
}

static void all_keys_are_listed_in_order_with_texts(void **state)
{
    struct fixture *fixture = *state;

    assert_node(fixture, NODE_FILE);
    assert_true(config_count(fixture->config) > 60);
    for (size_t i = 0; i < config_count(fixture->config); i++) {
        const struct config_entry *entry = config_at(fixture->config, i);

        assert_ptr_equal(config_find(fixture->config, string_of(entry->definition->name)), entry);
        assert_true(strlen(entry->definition->doc) > 10);
        if (i > 0) {
            assert_true(strcmp(config_at(fixture->config, i - 1)->definition->name, entry->definition->name) < 0);
        }
    }
    assert_null(config_find(fixture->config, STRING("zzz")));
    assert_null(config_find(fixture->config, STRING("")));
}

static void printing_shows_values_and_sources(void **state)
{
    struct fixture *fixture = *state;
    struct buffer text;

    buffer_init(&text);
    assert_node(fixture, NODE_FILE "broker.rack=a\\\\b\\u0007\n");
    config_print(fixture->config, &text);
    buffer_append(&text, "", 1);
    assert_non_null(strstr((const char *)text.data,
                           "\nnode.id=1                                                # file, line 1\n"));
    assert_non_null(strstr((const char *)text.data,
                           "\nnum.partitions=1                                         # default\n"));
    assert_non_null(strstr((const char *)text.data, "\nbroker.rack=a\\\\b\\u0007"));
    buffer_deinit(&text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_kafkas),
        TEST(a_flag_beats_the_environment_which_beats_the_file),
        TEST(everything_may_come_without_a_file),
        TEST(an_unknown_key_is_refused_with_the_nearest_one),
        TEST(a_bad_value_is_refused_where_it_stands),
        TEST(a_missing_file_is_named),
        TEST(keys_whose_absence_would_surprise_are_refused),
        TEST(harmless_keys_are_accepted_with_one_warning),
        TEST(keys_of_the_other_program_are_checked_too),
        TEST(required_keys_are_missed),
        TEST(listeners_need_a_protocol_and_a_role),
        TEST(advertised_listeners_belong_to_listeners),
        TEST(what_is_not_advertised_advertises_itself),
        TEST(roles_must_be_the_programs_own),
        TEST(directories_must_differ),
        TEST(the_finer_unit_wins),
        TEST(an_empty_value_of_a_key_without_default_is_none),
        TEST(a_controller_must_be_one_of_the_voters),
        TEST(a_controllers_directory_has_three_names),
        TEST(a_heartbeat_must_fit_into_the_election_timeout),
        TEST(a_wrong_cluster_id_is_refused),
        TEST(all_keys_are_listed_in_order_with_texts),
        TEST(printing_shows_values_and_sources),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
