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

/* Where everybody stands, for whoever looks into a failure. */
static void print_nodes(const struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        const struct world_node *node = &world->nodes[i];
        struct quorum_status status;

        if (node->quorum == NULL) {
            print_message("node %d is down\n", i);
            continue;
        }
        quorum_status_get(node->quorum, &status);
        print_message("node %d: %s term %llu leader %d, last %llu commit %llu applied %llu snapshot %llu hash %llx\n", i,
                      status.is_leader ? "leads" : "follows", (unsigned long long)status.term, (int)status.leader_id,
                      (unsigned long long)status.last_index, (unsigned long long)status.commit_index,
                      (unsigned long long)status.applied_index, (unsigned long long)status.snapshot_index,
                      (unsigned long long)node->hash);
        for (int j = 0; j < status.voter_count; j++) {
            print_message("    %d has %llu, heard %llu ms ago\n", (int)status.voters[j].id,
                          (unsigned long long)status.voters[j].match_index,
                          (unsigned long long)((world->now_ns - status.voters[j].last_contact_ns) / NS_PER_MS));
        }
    }
}

/* Faults for a while, then peace: everybody must catch up and a new proposal be answered. */
static void run_seed(uint64_t seed, struct world_faults faults, int nodes, uint64_t shake_ns)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    uint64_t answered;
    int rounds = 0;

    world_init(world, seed, nodes);
    world_start_all(world);
    world->faults = faults;
    world_shake(world, shake_ns);
    world_heal(world);
    world_run(world, 3 * NS_PER_SECOND);
    answered = world->answered_ok;
    while ((world->answered_ok == answered || !world_is_even(world)) && rounds++ < 60 && world->violation[0] == '\0') {
        if (world_leader(world) >= 0) {
            world_propose(world, world_leader(world), 20);
        }
        world_run(world, NS_PER_SECOND);
    }
    if (getenv("MILLRACE_VERBOSE") != NULL) {
        print_message("seed %llu: proposed %llu, ok %llu, other %llu, barriers %llu, elections %llu, restores %llu, crashes %llu\n",
                      (unsigned long long)seed, (unsigned long long)world->proposed,
                      (unsigned long long)world->answered_ok, (unsigned long long)world->answered_other,
                      (unsigned long long)world->barriers_ok, (unsigned long long)world->elections,
                      (unsigned long long)world->restores, (unsigned long long)world->crashes);
    }
    if (world->violation[0] != '\0' || rounds > 60) {
        print_nodes(world);
        fail_msg("seed %llu, %d nodes: %s", (unsigned long long)seed, nodes,
                 world->violation[0] != '\0' ? world->violation : "does not recover after the faults end");
    }
    world_deinit(world);
    memory_free(world);
}

/* MILLRACE_SEEDS=COUNT and MILLRACE_SEED=FIRST widen or replay a run. */
static uint64_t seeds_from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void run_seeds(struct world_faults faults, int nodes, uint64_t count)
{
    const uint64_t first = seeds_from_environment("MILLRACE_SEED", 1);

    count = seeds_from_environment("MILLRACE_SEEDS", count);
    for (uint64_t seed = first; seed < first + count; seed++) {
        run_seed(seed, faults, nodes, 20 * NS_PER_SECOND);
    }
}

static void three_nodes_survive_loss_and_partitions(void **state)
{
    (void)state;
    run_seeds((struct world_faults){.lose = true, .cut = true}, 3, 30);
}

static void three_nodes_survive_crashes_and_torn_writes(void **state)
{
    (void)state;
    run_seeds((struct world_faults){.lose = true, .cut = true, .crash = true, .pause = true}, 3, 60);
}

static void three_nodes_survive_reordered_and_repeated_frames(void **state)
{
    (void)state;
    run_seeds((struct world_faults){.lose = true, .reorder = true, .cut = true, .crash = true, .pause = true}, 3, 60);
}

static void five_nodes_survive_everything(void **state)
{
    (void)state;
    run_seeds((struct world_faults){.lose = true, .reorder = true, .cut = true, .crash = true, .pause = true}, 5, 20);
}

static void a_sole_voter_survives_crashes_at_any_write(void **state)
{
    (void)state;
    run_seeds((struct world_faults){.crash = true, .pause = true}, 1, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sole_voter_leads_and_commits),
        cmocka_unit_test(a_sole_voter_keeps_everything_over_a_power_cut),
        cmocka_unit_test(three_nodes_elect_one_leader_and_commit),
        cmocka_unit_test(three_nodes_survive_loss_and_partitions),
        cmocka_unit_test(three_nodes_survive_crashes_and_torn_writes),
        cmocka_unit_test(three_nodes_survive_reordered_and_repeated_frames),
        cmocka_unit_test(five_nodes_survive_everything),
        cmocka_unit_test(a_sole_voter_survives_crashes_at_any_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
