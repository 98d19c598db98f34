/* Whole quorums of one and three nodes in the small world: election, commit, faults from many seeds. */
#include "common/base/memory.h"
#include "tests/support/memory_points.h"
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
        print_message("node %d: %s term %llu leader %d, last %llu commit %llu applied %llu snapshot %llu hash %llx\n",
                      i,
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

/* Faults for a while, then peace: everybody must catch up and a new proposal be answered. False if not, or if an
 * invariant was broken. */
static bool run_seed(uint64_t seed, struct edge_rules rules, struct world_faults faults, int nodes, uint64_t shake_ns)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    uint64_t answered;
    int rounds = 0;
    bool good;

    world_init(world, seed, nodes);
    world->options.rules = rules;
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
        print_message("seed %llu: proposed %llu, ok %llu, other %llu, barriers %llu, elections %llu, restores %llu, "
                      "crashes %llu\n",
                      (unsigned long long)seed, (unsigned long long)world->proposed,
                      (unsigned long long)world->answered_ok, (unsigned long long)world->answered_other,
                      (unsigned long long)world->barriers_ok, (unsigned long long)world->elections,
                      (unsigned long long)world->restores, (unsigned long long)world->crashes);
    }
    good = world->violation[0] == '\0' && rounds <= 60;
    if (!good && memcmp(&rules, &EDGE_RULES_ALL, sizeof(rules)) == 0) {
        print_nodes(world);
        print_message("seed %llu, %d nodes: %s\n", (unsigned long long)seed, nodes,
                      world->violation[0] != '\0' ? world->violation : "does not recover after the faults end");
    }
    world_deinit(world);
    memory_free(world);
    return good;
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
        if (!run_seed(seed, EDGE_RULES_ALL, faults, nodes, 20 * NS_PER_SECOND)) {
            fail_msg("seed %llu", (unsigned long long)seed);
        }
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

/* How many of `count` seeds fail without one of the rules. */
static int seeds_failing(struct edge_rules rules, int count)
{
    const struct world_faults faults = {.lose = true, .reorder = true, .cut = true, .crash = true, .pause = true};
    int failing = 0;

    for (int seed = 1; seed <= count; seed++) {
        failing += !run_seed((uint64_t)seed, rules, faults, 3, 20 * NS_PER_SECOND);
    }
    return failing;
}

/* The other rules guard against rarer things: each has its script in test_edge.c. */
static void the_checkers_notice_when_the_first_rule_is_off(void **state)
{
    struct edge_rules rules = EDGE_RULES_ALL;

    (void)state;
    rules.q1_normalise_append = false;
    assert_int_not_equal(seeds_failing(rules, 120), 0);
}

static struct world *calm_world(int nodes)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    world_init(world, 11, nodes);
    world_start_all(world);
    world_run(world, 5 * NS_PER_SECOND);
    assert_int_not_equal(world_leader(world), -1);
    return world;
}

static void end_world(struct world *world)
{
    assert_string_equal(world->violation, "");
    world_deinit(world);
    memory_free(world);
}

static void a_voter_that_missed_everything_gets_a_snapshot_in_many_chunks(void **state)
{
    struct world *world = calm_world(3);
    const int leader = world_leader(world);
    const int behind = (leader + 1) % 3;

    (void)state;
    world->snapshot_filler = 5 * 1024 * 1024 + 17;
    world_crash(world, behind, MEMORY_CRASH_LOSES);
    for (int i = 0; i < 300; i++) {
        world_propose(world, leader, 2000);
        world_run(world, 10 * NS_PER_MS);
    }
    assert_true(world_start(world, behind));
    world_run(world, 10 * NS_PER_SECOND);
    assert_int_equal(world->restores, 1);
    assert_true(world_is_even(world));
    /* And it starts again from what it installed. */
    world_crash(world, behind, MEMORY_CRASH_LOSES);
    assert_true(world_start(world, behind));
    world_run(world, 5 * NS_PER_SECOND);
    assert_true(world_is_even(world));
    end_world(world);
}

static void a_voter_that_missed_many_large_entries_gets_them_bit_by_bit(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    int leader;
    int behind;

    (void)state;
    world_init(world, 12, 3);
    world->options.snapshot_bytes = UINT64_C(1) << 30;
    world->options.segment_bytes = 4 * 1024 * 1024;
    world->options.inflight_entries_max = 1024;
    world_start_all(world);
    world_run(world, 5 * NS_PER_SECOND);
    leader = world_leader(world);
    assert_int_not_equal(leader, -1);
    behind = (leader + 1) % 3;
    world_crash(world, behind, MEMORY_CRASH_LOSES);
    for (int i = 0; i < 60; i++) {
        world_propose(world, leader, 700 * 1024);
        world_run(world, 50 * NS_PER_MS);
    }
    assert_int_equal(world->answered_ok, 60);
    assert_true(world_start(world, behind));
    world_run(world, 5 * NS_PER_SECOND);
    assert_true(world_is_even(world));
    assert_int_equal(world->restores, 0);
    end_world(world);
}

static uint64_t snapshot_index_of(const struct world *world, int node)
{
    struct quorum_status status;

    quorum_status_get(world->nodes[node].quorum, &status);
    return status.snapshot_index;
}

static void what_no_snapshot_covers_gets_one_at_a_certain_age(void **state)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));
    uint64_t first;

    (void)state;
    world_init(world, 14, 1);
    world->options.snapshot_interval_ms = 10000;
    world_start_all(world);
    world_run(world, NS_PER_SECOND);
    world_propose(world, 0, 100);
    world_run(world, 8 * NS_PER_SECOND);
    assert_int_equal(world->answered_ok, 1);
    assert_int_equal(snapshot_index_of(world, 0), 0);
    world_run(world, 2 * NS_PER_SECOND);
    first = snapshot_index_of(world, 0);
    assert_true(first > 0);
    /* Nothing new, no snapshot; the age counts from what is new. */
    world_run(world, 25 * NS_PER_SECOND);
    assert_int_equal(snapshot_index_of(world, 0), first);
    world_propose(world, 0, 100);
    world_run(world, 9 * NS_PER_SECOND);
    assert_int_equal(snapshot_index_of(world, 0), first);
    world_run(world, 2 * NS_PER_SECOND);
    assert_true(snapshot_index_of(world, 0) > first);
    end_world(world);
}

static void a_connection_that_breaks_in_a_snapshot_starts_it_again(void **state)
{
    struct world *world = calm_world(3);
    const int leader = world_leader(world);
    const int behind = (leader + 1) % 3;

    (void)state;
    world->snapshot_filler = 20 * 1024 * 1024;
    world_crash(world, behind, MEMORY_CRASH_LOSES);
    for (int i = 0; i < 100; i++) {
        world_propose(world, leader, 2000);
        world_run(world, 10 * NS_PER_MS);
    }
    assert_true(world_start(world, behind));
    for (int i = 0; i < 5; i++) {
        world_run(world, 30 * NS_PER_MS);
        world_break(world, leader, behind);
    }
    world_run(world, 20 * NS_PER_SECOND);
    assert_true(world_is_even(world));
    assert_true(world->restores >= 1);
    end_world(world);
}

static void a_leader_that_resigns_is_followed_at_once(void **state)
{
    struct world *world = calm_world(3);
    const int leader = world_leader(world);
    const uint64_t answered = world->answered_ok;

    (void)state;
    quorum_resign(world->nodes[leader].quorum);
    /* Far less than an election timeout. */
    world_run(world, 100 * NS_PER_MS);
    assert_int_not_equal(world_leader(world), leader);
    assert_int_not_equal(world_leader(world), -1);
    world_propose(world, world_leader(world), 10);
    world_run(world, NS_PER_SECOND);
    assert_int_equal(world->answered_ok, answered + 1);
    end_world(world);
}

static void a_leader_that_stood_still_answers_nothing_before_it_stepped_down(void **state)
{
    struct world *world = calm_world(3);
    const int leader = world_leader(world);
    struct world_node *node = &world->nodes[leader];
    const uint64_t term = node->term;

    (void)state;
    node->paused_until_ns = world->now_ns + NS_PER_SECOND / 2;
    world_run(world, NS_PER_SECOND / 4);
    assert_true(node->leader);
    world_run(world, NS_PER_SECOND / 4 + 10 * NS_PER_MS);
    assert_true(!node->leader || node->term > term);
    world_run(world, 5 * NS_PER_SECOND);
    assert_int_not_equal(world_leader(world), -1);
    end_world(world);
}

#define STAND_STEP_NS (100 * UINT64_C(1000))
#define STAND_STEPS 100

/* Three nodes with news for a snapshot, and the next thing they do is to wait for its time. */
static struct world *world_before_snapshot(void)
{
    struct world *world = memory_alloc_zero(1, sizeof(*world));

    world_init(world, 15, 3);
    world->options.snapshot_interval_ms = 3000;
    world->done_first = true;
    world_start_all(world);
    world_run(world, 2 * NS_PER_SECOND);
    assert_int_not_equal(world_leader(world), -1);
    world_propose(world, world_leader(world), 100);
    return world;
}

/* The snapshot comes back to a leader that learns at the same moment that it is none any more. Seed 41500 of whole
 * clusters. */
static void a_leader_that_stood_still_over_its_snapshot_saves_it_once(void **state)
{
    struct world *world = world_before_snapshot();
    const int leader = world_leader(world);
    uint64_t saved_ns;
    int met = 0;

    (void)state;
    for (int i = 0; i < 60000 && snapshot_index_of(world, leader) == 0; i++) {
        world_run(world, STAND_STEP_NS);
    }
    assert_true(snapshot_index_of(world, leader) > 0);
    saved_ns = world->now_ns;
    end_world(world);
    for (uint64_t step = 1; step <= STAND_STEPS; step++) {
        struct world_node *node;

        world = world_before_snapshot();
        node = &world->nodes[leader];
        world_run(world, saved_ns - step * STAND_STEP_NS - world->now_ns);
        assert_int_equal(snapshot_index_of(world, leader), 0);
        /* Events have times of that grain. */
        node->paused_until_ns = (world->now_ns + 2 * NS_PER_SECOND) / 4096 * 4096;
        world_run(world, 2 * NS_PER_SECOND + 1);
        met += snapshot_index_of(world, leader) > 0 && !node->leader;
        world_run(world, 3 * NS_PER_SECOND);
        assert_true(world_is_even(world));
        end_world(world);
    }
    assert_true(met > 0);
}

static void a_minority_answers_no_proposal_and_no_barrier(void **state)
{
    struct world *world = calm_world(3);
    const int leader = world_leader(world);

    (void)state;
    for (int i = 0; i < 3; i++) {
        world->cut[leader][i] = true;
        world->cut[i][leader] = true;
    }
    world_propose(world, leader, 10);
    world_barrier(world, leader);
    world_run(world, 5 * NS_PER_SECOND);
    assert_int_equal(world->answered_ok, 0);
    assert_int_equal(world->barriers_ok, 0);
    assert_int_equal(world->answered_other, 1);
    assert_int_not_equal(world_leader(world), leader);
    world_heal(world);
    world_run(world, 5 * NS_PER_SECOND);
    assert_true(world_is_even(world));
    end_world(world);
}

static void other_voters_and_a_second_process_are_refused(void **state)
{
    struct world *world = calm_world(3);

    (void)state;
    world_crash(world, 0, MEMORY_CRASH_KEEPS);
    world->options.voters[2].id = 9;
    assert_false(world_start(world, 0));
    assert_non_null(strstr(world->nodes[0].fatal_text, "voters differ"));
    world->options.voters[2].id = 2;
    assert_true(world_start(world, 0));
    {
        struct quorum *second = world->nodes[0].quorum;

        world->nodes[0].quorum = NULL;
        assert_false(world_start(world, 0));
        assert_non_null(strstr(world->nodes[0].fatal_text, "locked"));
        world->nodes[0].quorum = second;
        world->nodes[0].fatal = false;
    }
    end_world(world);
}

/* The disk fails at every operation of the very first start, and the machine with it; the next start makes a whole
 * node. */
static void a_crash_at_any_operation_of_the_first_start_is_made_good(void **state)
{
    bool through = false;

    (void)state;
    for (uint64_t fail_at = 1; !through; fail_at++) {
        for (int how = MEMORY_CRASH_LOSES; how <= MEMORY_CRASH_TEARS; how++) {
            for (uint64_t seed = 1; seed <= (how == MEMORY_CRASH_TEARS ? 20 : 1); seed++) {
                struct world *world = memory_alloc_zero(1, sizeof(*world));

                world_init(world, seed, 1);
                world->nodes[0].disk.fail_at = fail_at;
                through = world_start(world, 0);
                if (through) {
                    world_crash(world, 0, (enum memory_crash)how);
                } else {
                    memory_disk_crash(&world->nodes[0].disk, (enum memory_crash)how);
                }
                assert_true(world_start(world, 0));
                world_run(world, NS_PER_SECOND);
                world_propose(world, 0, 10);
                world_run(world, NS_PER_SECOND);
                assert_int_equal(world->answered_ok, 1);
                end_world(world);
            }
        }
    }
}

static void disk_stops(void *context)
{
    struct memory_disk *disk = context;

    disk->fail_at = disk->operations + 1;
}

/* Log, snapshots and the start after it. Every third allocation: the events of the world allocate too. */
static void a_sole_voter_without_memory_loses_nothing_acknowledged(void **state)
{
    uint64_t points = 0;
    bool ended = true;

    (void)state;
    for (uint64_t at = 1; ended; at += 3, points++) {
        struct world *world = memory_alloc_zero(1, sizeof(*world));
        struct memory_points memory;

        world_init(world, at, 1);
        world->options.snapshot_bytes = 8000;
        memory_points_begin(&memory, at, disk_stops, &world->nodes[0].disk);
        (void)world_start(world, 0);
        for (int i = 0; i < 16 && world->nodes[0].quorum != NULL; i++) {
            world_propose(world, 0, 1500);
            world_run(world, 300 * NS_PER_MS);
        }
        ended = memory_points_end(&memory);
        assert_true(ended || world->acknowledged >= 12);
        if (world->nodes[0].quorum != NULL) {
            world_crash(world, 0, at % 2 == 0 ? MEMORY_CRASH_KEEPS : MEMORY_CRASH_TEARS);
        }
        world_heal(world);
        world_run(world, 2 * NS_PER_SECOND);
        assert_string_equal(world->violation, "");
        assert_true(world_is_even(world));
        end_world(world);
    }
    print_message("sweep: a controller's log and snapshots at every third allocation: %llu points, 0 violations\n",
                  (unsigned long long)points);
}

static void a_damaged_first_snapshot_is_no_loss_and_a_damaged_later_one_falls_back(void **state)
{
    struct world *world = calm_world(1);

    (void)state;
    for (int snapshots = 1; snapshots <= 3; snapshots++) {
        struct quorum_status status;
        struct buffer *contents;
        const uint64_t entries = world->nodes[0].entries;
        char path[64];

        quorum_status_get(world->nodes[0].quorum, &status);
        for (uint64_t before = status.snapshot_index; status.snapshot_index == before;) {
            world_propose(world, 0, 2000);
            world_run(world, 50 * NS_PER_MS);
            quorum_status_get(world->nodes[0].quorum, &status);
        }
        assert_true(world->nodes[0].entries > entries);
        world_crash(world, 0, MEMORY_CRASH_LOSES);
        snprintf(path, sizeof(path), "/data/quorum/snapshot-%020llu.snap", (unsigned long long)status.snapshot_index);
        contents = memory_disk_contents(&world->nodes[0].disk, path);
        assert_non_null(contents);
        contents->data[100] ^= 1;
        assert_true(world_start(world, 0));
        world_run(world, NS_PER_SECOND);
        assert_true(world_is_even(world));
        contents->data[100] ^= 1;
        world_crash(world, 0, MEMORY_CRASH_KEEPS);
        assert_true(world_start(world, 0));
        world_run(world, NS_PER_SECOND);
        assert_true(world_is_even(world));
    }
    end_world(world);
}

static void a_damaged_log_keeps_a_node_from_starting(void **state)
{
    struct world *world = calm_world(1);
    struct buffer *contents;

    (void)state;
    for (int i = 0; i < 5; i++) {
        world_propose(world, 0, 100);
        world_run(world, NS_PER_SECOND);
    }
    world_crash(world, 0, MEMORY_CRASH_LOSES);
    contents = memory_disk_contents(&world->nodes[0].disk, "/data/quorum/wal-00000000000000000001.log");
    contents->data[5000] ^= 1;
    assert_false(world_start(world, 0));
    assert_non_null(strstr(world->nodes[0].fatal_text, "was acknowledged and does not verify"));
    end_world(world);
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
        cmocka_unit_test(the_checkers_notice_when_the_first_rule_is_off),
        cmocka_unit_test(a_voter_that_missed_everything_gets_a_snapshot_in_many_chunks),
        cmocka_unit_test(a_voter_that_missed_many_large_entries_gets_them_bit_by_bit),
        cmocka_unit_test(what_no_snapshot_covers_gets_one_at_a_certain_age),
        cmocka_unit_test(a_connection_that_breaks_in_a_snapshot_starts_it_again),
        cmocka_unit_test(a_leader_that_resigns_is_followed_at_once),
        cmocka_unit_test(a_leader_that_stood_still_answers_nothing_before_it_stepped_down),
        cmocka_unit_test(a_leader_that_stood_still_over_its_snapshot_saves_it_once),
        cmocka_unit_test(a_minority_answers_no_proposal_and_no_barrier),
        cmocka_unit_test(other_voters_and_a_second_process_are_refused),
        cmocka_unit_test(a_crash_at_any_operation_of_the_first_start_is_made_good),
        cmocka_unit_test(a_sole_voter_without_memory_loses_nothing_acknowledged),
        cmocka_unit_test(a_damaged_first_snapshot_is_no_loss_and_a_damaged_later_one_falls_back),
        cmocka_unit_test(a_damaged_log_keeps_a_node_from_starting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
