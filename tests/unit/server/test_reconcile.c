/* From changes of the metadata to what the loops of a node do about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/prng.h"
#include "common/config/node_config.h"
#include "common/env/disk.h"
#include "storage-node/cluster/reconcile.h"
#include "tests/support/memory_disk.h"
#include "tests/unit/server/images.h"

#define LOOPS 3
#define NODE 1

struct fixture {
    struct memory_disk disk;
    struct prng prng;
    struct config *config;
    struct directories *directories;
    struct image_maker maker;
    struct image *before;
    struct arena arena;
    struct replica_actions actions[LOOPS];
};

static uint64_t next_random(void *context)
{
    return prng_next(context);
}

static int setup(void **state)
{
    static const char *const SETTINGS[] = {"node.id=1", "controller.quorum.voters=1@localhost:9093", "log.dirs=/a,/b",
                                           "producer.id.expiration.ms=1234000"};
    struct fixture *fixture = memory_alloc_zero(1, sizeof(*fixture));
    struct string paths[] = {STRING("/a"), STRING("/b")};
    struct config_problem problem;
    char text[512];

    memory_disk_init(&fixture->disk, 1);
    prng_init(&fixture->prng, 4);
    arena_init(&fixture->arena, SIZE_MAX / 2);
    image_maker_init(&fixture->maker);
    assert_int_equal(config_read(node_config_schema(), &(struct config_inputs){.settings = SETTINGS,
                                                                               .setting_count = 4},
                                 &fixture->config, &problem),
                     STATUS_OK);
    assert_int_equal(directories_open(&(struct directories_options){.disk = &fixture->disk.disk,
                                                                    .paths = paths,
                                                                    .count = 2,
                                                                    .node_id = NODE,
                                                                    .random = next_random,
                                                                    .random_context = &fixture->prng},
                                      &fixture->directories, text),
                     STATUS_OK);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    directories_close(fixture->directories);
    config_destroy(fixture->config);
    image_unref(fixture->before);
    image_maker_deinit(&fixture->maker);
    arena_deinit(&fixture->arena);
    memory_disk_deinit(&fixture->disk);
    memory_free(fixture);
    return 0;
}

static uint32_t loop_of(void *context, struct uuid topic_id, int32_t partition)
{
    (void)context;
    return (uint32_t)(topic_id.data[15] + partition) % LOOPS;
}

/* Applies what the maker has and compares with the image of the last time. */
static void go_on(struct fixture *fixture)
{
    struct reconcile_options options = {
        .before = fixture->before,
        .node_id = NODE,
        .config = fixture->config,
        .directories = fixture->directories,
        .loop_count = LOOPS,
        .loop_of = loop_of,
    };

    maker_apply(&fixture->maker);
    options.after = fixture->maker.image;
    arena_reset(&fixture->arena);
    memset(fixture->actions, 0, sizeof(fixture->actions));
    reconcile(&options, &fixture->arena, fixture->actions);
    image_unref(fixture->before);
    fixture->before = image_ref(fixture->maker.image);
}

static size_t count_of(const struct fixture *fixture, enum replica_action_kind kind)
{
    size_t count = 0;

    for (uint32_t loop = 0; loop < LOOPS; loop++) {
        for (const struct replica_action *action = fixture->actions[loop].first; action != NULL;
             action = action->next) {
            count += action->kind == kind;
        }
    }
    return count;
}

/* The action about this partition, on the loop that owns it. */
static const struct replica_action *action_of(const struct fixture *fixture, uint8_t topic, int32_t partition,
                                              enum replica_action_kind kind)
{
    const struct uuid id = maker_topic_id(topic);

    for (const struct replica_action *action = fixture->actions[loop_of(NULL, id, partition)].first; action != NULL;
         action = action->next) {
        if (action->kind == kind && action->partition == partition && uuid_equal(action->topic_id, id)) {
            return action;
        }
    }
    return NULL;
}

static size_t count_all(const struct fixture *fixture)
{
    return count_of(fixture, REPLICA_OPEN) + count_of(fixture, REPLICA_ROLE) + count_of(fixture, REPLICA_CLOSE) +
           count_of(fixture, REPLICA_CONFIGURE);
}

static void new_partitions_are_opened_on_their_loops(void **state)
{
    struct fixture *fixture = *state;
    const struct replica_action *action;

    maker_add_topic(&fixture->maker, "mine", 1, 5, NODE);
    maker_add_topic(&fixture->maker, "theirs", 2, 4, 2);
    go_on(fixture);
    assert_int_equal(count_of(fixture, REPLICA_OPEN), 5);
    assert_int_equal(count_all(fixture), 5);
    for (int32_t i = 0; i < 5; i++) {
        action = action_of(fixture, 1, i, REPLICA_OPEN);
        assert_non_null(action);
        assert_true(action->leader);
        assert_int_equal(action->leader_epoch, 0);
        assert_true(string_is(action->topic, "mine"));
        assert_int_equal(action->log->producer_expiry_ms, 1234000);
        assert_int_equal(action->log->durability, DURABILITY_FSYNC);
        assert_int_equal(action->place->directory, i % 2);
        assert_false(action->place->exists);
    }
    /* The same again is nothing. */
    maker_add_topic(&fixture->maker, "more-of-theirs", 3, 1, 2);
    go_on(fixture);
    assert_int_equal(count_all(fixture), 0);
}

static void changes_of_leaders_are_roles(void **state)
{
    struct fixture *fixture = *state;
    const struct replica_action *action;

    maker_add_topic(&fixture->maker, "mine", 1, 3, NODE);
    go_on(fixture);
    maker_lead(&fixture->maker, 1, 1, -1);
    go_on(fixture);
    assert_int_equal(count_all(fixture), 1);
    action = action_of(fixture, 1, 1, REPLICA_ROLE);
    assert_non_null(action);
    assert_false(action->leader);
    assert_int_equal(action->leader_epoch, 1);
    maker_lead(&fixture->maker, 1, 1, NODE);
    go_on(fixture);
    action = action_of(fixture, 1, 1, REPLICA_ROLE);
    assert_non_null(action);
    assert_true(action->leader);
    assert_int_equal(action->leader_epoch, 2);
}

static void a_topic_that_grows_opens_what_is_new(void **state)
{
    struct fixture *fixture = *state;

    maker_add_topic(&fixture->maker, "mine", 1, 2, NODE);
    go_on(fixture);
    maker_add_partition(&fixture->maker, 1, 2, NODE);
    maker_add_partition(&fixture->maker, 1, 3, 2);
    go_on(fixture);
    assert_int_equal(count_of(fixture, REPLICA_OPEN), 1);
    assert_non_null(action_of(fixture, 1, 2, REPLICA_OPEN));
    assert_int_equal(count_of(fixture, REPLICA_CLOSE), 0);
}

static void a_deleted_topic_is_closed_and_removed(void **state)
{
    struct fixture *fixture = *state;

    maker_add_topic(&fixture->maker, "mine", 1, 3, NODE);
    maker_add_topic(&fixture->maker, "theirs", 2, 3, 2);
    go_on(fixture);
    maker_remove_topic(&fixture->maker, 1);
    maker_remove_topic(&fixture->maker, 2);
    go_on(fixture);
    assert_int_equal(count_all(fixture), 3);
    for (int32_t i = 0; i < 3; i++) {
        assert_true(action_of(fixture, 1, i, REPLICA_CLOSE)->remove);
    }
}

static void a_topic_made_anew_is_closed_before_it_is_opened(void **state)
{
    struct fixture *fixture = *state;

    maker_add_topic(&fixture->maker, "mine", 1, 3, NODE);
    go_on(fixture);
    maker_remove_topic(&fixture->maker, 1);
    maker_add_topic(&fixture->maker, "mine", 4, 2, NODE);
    go_on(fixture);
    assert_int_equal(count_of(fixture, REPLICA_CLOSE), 3);
    assert_int_equal(count_of(fixture, REPLICA_OPEN), 2);
    for (uint32_t loop = 0; loop < LOOPS; loop++) {
        bool opened = false;

        for (const struct replica_action *action = fixture->actions[loop].first; action != NULL;
             action = action->next) {
            opened = opened || action->kind == REPLICA_OPEN;
            assert_false(opened && action->kind == REPLICA_CLOSE);
        }
    }
    /* The old place is forgotten: nothing of its checkpoints is believed of the new one. */
    assert_false(action_of(fixture, 4, 0, REPLICA_OPEN)->place->exists);
}

static void configs_of_a_topic_reach_every_loop(void **state)
{
    struct fixture *fixture = *state;
    const struct replica_action *action;

    maker_add_topic(&fixture->maker, "mine", 1, 1, NODE);
    go_on(fixture);
    maker_add_config(&fixture->maker, CONFIG_TOPIC, "mine", "retention.ms", "777");
    maker_add_config(&fixture->maker, CONFIG_TOPIC, "no-such-topic", "retention.ms", "1");
    go_on(fixture);
    assert_int_equal(count_of(fixture, REPLICA_CONFIGURE), LOOPS);
    assert_int_equal(count_all(fixture), LOOPS);
    action = fixture->actions[2].first;
    assert_int_equal(action->config->retention_ms, 777);
    assert_int_equal(action->log->retention_ms, 777);
    /* Gone again: the default is back. */
    maker_add_config(&fixture->maker, CONFIG_TOPIC, "mine", "retention.ms", NULL);
    go_on(fixture);
    assert_int_equal(fixture->actions[0].first->config->retention_ms, 7 * 24 * 3600 * INT64_C(1000));
}

static void defaults_of_the_cluster_concern_every_topic(void **state)
{
    struct fixture *fixture = *state;

    maker_add_topic(&fixture->maker, "a", 1, 1, NODE);
    maker_add_topic(&fixture->maker, "b", 2, 1, NODE);
    maker_add_config(&fixture->maker, CONFIG_TOPIC, "b", "retention.ms", "5");
    go_on(fixture);
    assert_int_equal(action_of(fixture, 2, 0, REPLICA_OPEN)->config->retention_ms, 5);
    maker_add_config(&fixture->maker, CONFIG_BROKER, "", "log.retention.ms", "99");
    go_on(fixture);
    assert_int_equal(count_of(fixture, REPLICA_CONFIGURE), 2 * LOOPS);
    assert_int_equal(fixture->actions[0].first->config->retention_ms, 99);
    assert_int_equal(fixture->actions[0].last->config->retention_ms, 5);
}

static void partitions_without_a_working_directory_are_not_opened(void **state)
{
    struct fixture *fixture = *state;

    directories_fail(fixture->directories, 0);
    directories_fail(fixture->directories, 1);
    maker_add_topic(&fixture->maker, "mine", 1, 3, NODE);
    go_on(fixture);
    assert_int_equal(count_all(fixture), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(new_partitions_are_opened_on_their_loops),
        TEST(changes_of_leaders_are_roles),
        TEST(a_topic_that_grows_opens_what_is_new),
        TEST(a_deleted_topic_is_closed_and_removed),
        TEST(a_topic_made_anew_is_closed_before_it_is_opened),
        TEST(configs_of_a_topic_reach_every_loop),
        TEST(defaults_of_the_cluster_concern_every_topic),
        TEST(partitions_without_a_working_directory_are_not_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
