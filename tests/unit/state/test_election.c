/* Elections for one partition, with several replicas. */
#include "tests/unit/state/fixture.h"

#include "controller/state/election.h"

static const int32_t replicas[] = {1, 2, 3};

static struct election_result run(const struct fixture *fixture, int32_t leader, const int32_t *isr, int16_t isr_count,
                                  int32_t node, bool active, bool *changed)
{
    const struct partition_image partition = {
        .leader = leader, .replica_count = 3, .replicas = replicas, .isr_count = isr_count, .isr = isr};
    struct election_result result;

    *changed = election_run(fixture->image, &(struct election_node){.id = node, .active = active}, &partition, &result);
    return result;
}

static void when_the_leader_goes_the_next_replica_in_sync_leads(void **state)
{
    struct fixture *fixture = *state;
    const int32_t isr[] = {1, 3};
    bool changed;
    struct election_result result;

    start_nodes(fixture, 3);
    result = run(fixture, 1, isr, 2, 1, false, &changed);
    assert_true(changed);
    assert_int_equal(result.leader, 3);
    assert_int_equal(result.isr_count, 1);
    assert_int_equal(result.isr[0], 3);
}

static void a_follower_that_goes_leaves_the_isr_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    const int32_t isr[] = {1, 2, 3};
    bool changed;
    struct election_result result;

    start_nodes(fixture, 3);
    result = run(fixture, 1, isr, 3, 2, false, &changed);
    assert_true(changed);
    assert_int_equal(result.leader, 1);
    assert_int_equal(result.isr_count, 2);
    assert_int_equal(result.isr[1], 3);
}

static void the_last_member_stays_in_the_isr_without_leading(void **state)
{
    struct fixture *fixture = *state;
    const int32_t isr[] = {2};
    bool changed;
    struct election_result result;

    start_nodes(fixture, 3);
    result = run(fixture, 2, isr, 1, 2, false, &changed);
    assert_true(changed);
    assert_int_equal(result.leader, -1);
    assert_int_equal(result.isr_count, 1);
    assert_int_equal(result.isr[0], 2);
}

static void a_replica_out_of_sync_does_not_lead_when_it_returns(void **state)
{
    struct fixture *fixture = *state;
    const int32_t isr[] = {2};
    bool changed;

    start_nodes(fixture, 3);
    heartbeat(fixture, 2, true, false);
    run(fixture, -1, isr, 1, 3, true, &changed);
    assert_false(changed);
    assert_int_equal(run(fixture, -1, isr, 1, 2, true, &changed).leader, 2);
    assert_true(changed);
}

static void a_member_of_the_isr_that_is_fenced_is_passed_over(void **state)
{
    struct fixture *fixture = *state;
    const int32_t isr[] = {1, 2, 3};
    bool changed;

    start_nodes(fixture, 3);
    heartbeat(fixture, 2, true, false);
    assert_int_equal(run(fixture, 1, isr, 3, 1, false, &changed).leader, 3);
}

static void a_replica_in_a_lost_directory_does_not_lead(void **state)
{
    struct fixture *fixture = *state;
    const struct uuid directories[] = {uuid_of(101), uuid_of(102), uuid_of(103)};
    const struct uuid other = uuid_of(9);
    const struct partition_image partition = {.leader = 1,
                                              .replica_count = 3,
                                              .replicas = replicas,
                                              .isr_count = 1,
                                              .isr = replicas,
                                              .directories = directories};
    struct election_result result;

    start_nodes(fixture, 3);
    assert_true(election_run(fixture->image,
                             &(struct election_node){.id = 1, .active = true, .log_dirs = &other, .log_dir_count = 1},
                             &partition, &result));
    assert_int_equal(result.leader, -1);
    assert_false(
        election_run(fixture->image,
                     &(struct election_node){.id = 1, .active = true, .log_dirs = directories, .log_dir_count = 1},
                     &partition, &result));
    assert_int_equal(result.leader, 1);
}

int run_election_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(when_the_leader_goes_the_next_replica_in_sync_leads, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_follower_that_goes_leaves_the_isr_and_nothing_else, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(the_last_member_stays_in_the_isr_without_leading, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_replica_out_of_sync_does_not_lead_when_it_returns, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_member_of_the_isr_that_is_fenced_is_passed_over, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_replica_in_a_lost_directory_does_not_lead, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests_name("election", tests, NULL, NULL);
}
