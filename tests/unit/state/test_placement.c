/* Placement of replicas over nodes, racks and directories. */
#include "tests/unit/state/fixture.h"

#include "controller/state/placement.h"

#define NODES 6

static void nodes_are_used_evenly_whatever_the_seed(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, NODES);
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct placement placement;
        int32_t counts[NODES + 1] = {0};

        decide(fixture);
        placement_init(&placement, fixture->image, seed, &fixture->arena);
        placement_begin_topic(&placement, NULL);
        for (int i = 0; i < NODES * 7; i++) {
            int32_t replica;
            struct uuid directory;

            assert_true(placement_choose(&placement, 1, &replica, &directory));
            assert_true(uuid_equal(directory, uuid_of((uint8_t)(100 + replica))));
            counts[replica]++;
        }
        for (int32_t id = 1; id <= NODES; id++) {
            assert_int_equal(counts[id], 7);
        }
    }
}

static void the_same_seed_places_the_same_and_others_differ(void **state)
{
    struct fixture *fixture = *state;
    int32_t first[8];
    bool differs = false;

    start_nodes(fixture, NODES);
    for (uint64_t seed = 1; seed < 8; seed++) {
        struct placement placement;
        struct uuid directory;

        placement_init(&placement, fixture->image, seed, &fixture->arena);
        placement_begin_topic(&placement, NULL);
        assert_true(placement_choose(&placement, 1, &first[seed], &directory));
        placement_init(&placement, fixture->image, seed, &fixture->arena);
        placement_begin_topic(&placement, NULL);
        assert_true(placement_choose(&placement, 1, &first[0], &directory));
        assert_int_equal(first[0], first[seed]);
        differs = differs || first[seed] != first[1];
    }
    assert_true(differs);
}

static void replicas_of_a_partition_go_to_different_nodes_and_racks(void **state)
{
    struct fixture *fixture = *state;
    struct placement placement;
    int32_t leaders[NODES + 1] = {0};
    int32_t replicas_of[NODES + 1] = {0};

    start_nodes(fixture, NODES); /* two nodes in each of three racks */
    placement_init(&placement, fixture->image, 5, &fixture->arena);
    placement_begin_topic(&placement, NULL);
    for (int i = 0; i < NODES * 4; i++) {
        int32_t replicas[3];
        struct uuid directories[3];

        assert_true(placement_choose(&placement, 3, replicas, directories));
        assert_int_not_equal(replicas[0] % 3, replicas[1] % 3);
        assert_int_not_equal(replicas[0] % 3, replicas[2] % 3);
        assert_int_not_equal(replicas[1] % 3, replicas[2] % 3);
        leaders[replicas[0]]++;
        for (int j = 0; j < 3; j++) {
            replicas_of[replicas[j]]++;
        }
    }
    for (int32_t id = 1; id <= NODES; id++) {
        assert_int_equal(leaders[id], 4);
        assert_int_equal(replicas_of[id], 12);
    }
}

static void more_replicas_than_racks_still_use_different_nodes(void **state)
{
    struct fixture *fixture = *state;
    struct placement placement;
    int32_t replicas[NODES + 1];
    struct uuid directories[NODES + 1];

    start_nodes(fixture, NODES);
    placement_init(&placement, fixture->image, 5, &fixture->arena);
    placement_begin_topic(&placement, NULL);
    assert_true(placement_choose(&placement, NODES, replicas, directories));
    for (int i = 0; i < NODES; i++) {
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(replicas[i], replicas[j]);
        }
    }
    assert_false(placement_choose(&placement, NODES + 1, replicas, directories));
}

static void less_loaded_nodes_come_first(void **state)
{
    struct fixture *fixture = *state;

    start_nodes(fixture, 2);
    must_create(fixture, "old", 10);
    register_node(fixture, 3, 0);
    heartbeat(fixture, 3, false, false);
    must_create(fixture, "one", 1);
    assert_int_equal(partition_of(fixture, "one", 0).leader, 3);
    /* But a whole topic is not put on the empty node alone. */
    must_create(fixture, "six", 6);
    for (int32_t i = 0; i < 6; i++) {
        int same = 0;

        for (int32_t j = 0; j < 6; j++) {
            same += partition_of(fixture, "six", i).leader == partition_of(fixture, "six", j).leader;
        }
        assert_int_equal(same, 2);
    }
}

static struct placement_node *node_of(struct placement *placement, int32_t id)
{
    for (size_t i = 0; i < placement->node_count; i++) {
        if (placement->nodes[i].id == id) {
            return &placement->nodes[i];
        }
    }
    fail();
    return NULL;
}

static void a_leader_goes_where_few_lead_and_replicas_where_few_of_the_topic_are(void **state)
{
    struct fixture *fixture = *state;
    struct placement placement;
    int32_t replicas[2];
    struct uuid directories[2];

    start_nodes(fixture, 3); /* each in a rack of its own */
    placement_init(&placement, fixture->image, 3, &fixture->arena);
    placement_begin_topic(&placement, NULL);
    for (int32_t id = 1; id <= 3; id++) {
        node_of(&placement, id)->replicas = id == 3 ? 20 : 10;
        node_of(&placement, id)->leaders = id == 3 ? 0 : 5;
    }
    node_of(&placement, 1)->topic_replicas = 1;
    node_of(&placement, 3)->topic_replicas = 1;
    node_of(&placement, 2)->topic_leaders = 1;
    assert_true(placement_choose(&placement, 2, replicas, directories));
    assert_int_equal(replicas[0], 3);
    assert_int_equal(replicas[1], 2);
}

static void fenced_and_leaving_nodes_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct placement placement;

    start_nodes(fixture, 3);
    heartbeat(fixture, 1, true, false);
    placement_init(&placement, fixture->image, 1, &fixture->arena);
    assert_int_equal(placement.node_count, 2);
    assert_false(placement_has_node(&placement, 1));
    assert_true(placement_has_node(&placement, 2));
}

static void directories_of_a_node_are_used_evenly(void **state)
{
    struct fixture *fixture = *state;
    struct broker_registration_request request;
    struct broker_registration_response response;
    int counts[3] = {0};

    start_nodes(fixture, 0);
    decide(fixture);
    request = registration_of(fixture, 1, 1);
    request.log_dirs_count = 3;
    request.log_dirs = arena_need(&fixture->arena, 3, sizeof(struct uuid));
    for (uint8_t i = 0; i < 3; i++) {
        request.log_dirs[i] = uuid_of((uint8_t)(200 + i));
    }
    broker_table_register(&fixture->decision, CLUSTER, &fixture->heartbeats, fixture->now_ns, &request, &response);
    commit(fixture);
    heartbeat(fixture, 1, false, false);
    must_create(fixture, "a", 4);
    must_create(fixture, "b", 5);
    for (int32_t i = 0; i < 9; i++) {
        const struct partition_image partition = partition_of(fixture, i < 4 ? "a" : "b", i < 4 ? i : i - 4);

        counts[partition.directories[0].data[15] - 200]++;
    }
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 3);
    assert_int_equal(counts[2], 3);
}

int run_placement_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nodes_are_used_evenly_whatever_the_seed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_same_seed_places_the_same_and_others_differ, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(replicas_of_a_partition_go_to_different_nodes_and_racks, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(more_replicas_than_racks_still_use_different_nodes, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(less_loaded_nodes_come_first, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_leader_goes_where_few_lead_and_replicas_where_few_of_the_topic_are,
                                        fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(fenced_and_leaving_nodes_are_left_out, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(directories_of_a_node_are_used_evenly, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
