/* Whole quorums of one and three nodes in the small world: election, commit, faults from many seeds. */
#include "common/base/memory.h"
#include "tests/unit/quorum/world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

static void a_sole_voter_leads_and_commits(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    (void)state;
    world_init(world, 1, 1);
    world_start_all(world);
    world_run(world, NS_PER_SECOND);
    assert_string_equal(world->violation, "");
    assert_int_equal(world_leader(world), 0);
    for (int i = 0; i < 100; i++) {
        world_propose(world, 0, 100);
    }
    world_barrier(world, 0);
    world_run(world, NS_PER_SECOND);
    assert_int_equal(world->answered_ok, 100);
    assert_int_equal(world->barriers_ok, 1);
    assert_int_equal(world->nodes[0].entries, 100);
    world_deinit(world);
    memory_free(world);
}

static void a_sole_voter_keeps_everything_over_a_power_cut(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    uint64_t term;

    (void)state;
    world_init(world, 2, 1);
    world_start_all(world);
    world_run(world, NS_PER_SECOND);
    for (int i = 0; i < 100; i++) {
        world_propose(world, 0, 100);
    }
    world_run(world, NS_PER_SECOND);
    term = world->nodes[0].term;
    assert_int_equal(world->answered_ok, 100);
    world_crash(world, 0, MEMORY_CRASH_LOSES);
    world_start_all(world);
    world_run(world, NS_PER_SECOND);
    assert_string_equal(world->violation, "");
    assert_int_equal(world_leader(world), 0);
    assert_int_equal(world->nodes[0].entries, 100);
    assert_true(world->nodes[0].term > term);
    world_deinit(world);
    memory_free(world);
}

static void three_nodes_elect_one_leader_and_commit(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    (void)state;
    world_init(world, 3, 3);
    world_start_all(world);
    world_run(world, 5 * NS_PER_SECOND);
    assert_string_equal(world->violation, "");
    assert_int_not_equal(world_leader(world), -1);
    for (int i = 0; i < 1000; i++) {
        world_propose(world, world_leader(world), 50);
    }
    world_barrier(world, world_leader(world));
    world_run(world, NS_PER_SECOND);
    assert_int_equal(world->answered_ok, 1000);
    assert_int_equal(world->barriers_ok, 1);
    assert_int_equal(world->elections, 1);
    assert_true(world_is_even(world));
    world_deinit(world);
    memory_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sole_voter_leads_and_commits),
        cmocka_unit_test(a_sole_voter_keeps_everything_over_a_power_cut),
        cmocka_unit_test(three_nodes_elect_one_leader_and_commit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
