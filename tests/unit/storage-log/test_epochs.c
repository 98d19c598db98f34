/* Leader epochs: look-ups, and that the cache is a function of the log. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

static void expect_end(struct world *world, int32_t asked, int32_t epoch, int64_t offset)
{
    int32_t found_epoch;
    int64_t found_offset;

    partition_log_epoch_end(world->log, asked, &found_epoch, &found_offset);
    assert_int_equal(found_epoch, epoch);
    assert_int_equal(found_offset, offset);
}

/* Epoch 2 from 0, 3 from 4, 7 from 9, end at 12. */
static void fill_epochs(struct world *world)
{
    world_open(world, false);
    expect_end(world, 5, -1, -1);
    world->leader_epoch = 2;
    partition_log_start_epoch(world->log, 2);
    world_fill(world, 4, 100);
    world->leader_epoch = 3;
    world_fill(world, 5, 100);
    partition_log_start_epoch(world->log, 7);
    world->leader_epoch = 7;
    world_fill(world, 3, 100);
}

static void check_epochs(struct world *world)
{
    assert_int_equal(partition_log_latest_epoch(world->log), 7);
    expect_end(world, 1, -1, -1);
    expect_end(world, 2, 2, 4);
    expect_end(world, 3, 3, 9);
    expect_end(world, 4, 3, 9);
    expect_end(world, 6, 3, 9);
    expect_end(world, 7, 7, 12);
    expect_end(world, 9, 7, 12);
    assert_int_equal(partition_log_epoch_of(world->log, 0), 2);
    assert_int_equal(partition_log_epoch_of(world->log, 3), 2);
    assert_int_equal(partition_log_epoch_of(world->log, 4), 3);
    assert_int_equal(partition_log_epoch_of(world->log, 11), 7);
}

static void an_epoch_lasts_until_the_next_begins(void **state)
{
    fill_epochs(*state);
    check_epochs(*state);
}

static void epochs_outlive_stops_and_crashes_with_and_without_their_file(void **state)
{
    struct world *world = *state;
    const char *const path = WORLD_DIRECTORY "/leader-epoch-checkpoint";
    static const char text[] = "0\n3\n2 0\n3 4\n7 9\n";

    world->config = world_config(400);
    fill_epochs(world);
    world_stop(world);
    assert_int_equal(memory_disk_contents(&world->memory, path)->size, sizeof(text) - 1);
    assert_memory_equal(memory_disk_contents(&world->memory, path)->data, text, sizeof(text) - 1);
    world_open(world, true);
    check_epochs(world);
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    check_epochs(world);
    world_crash(world, MEMORY_CRASH_KEEPS);
    assert_int_equal(disk_remove(&world->memory.disk, path), STATUS_OK);
    world->recovery_point = 11;
    world_open(world, false);
    check_epochs(world);
    world_stop(world);
    memory_disk_contents(&world->memory, path)->data[7] = 'x';
    world_open(world, true);
    check_epochs(world);
}

static void a_cut_takes_epochs_back(void **state)
{
    struct world *world = *state;

    fill_epochs(world);
    assert_int_equal(partition_log_truncate(world->log, 9), STATUS_OK);
    world_forget_from(world, 9);
    assert_int_equal(partition_log_latest_epoch(world->log), 3);
    expect_end(world, 7, 3, 9);
    assert_int_equal(partition_log_truncate(world->log, 2), STATUS_OK);
    world_forget_from(world, 2);
    expect_end(world, 7, 2, 2);
    world->leader_epoch = 8;
    world_fill(world, 2, 10);
    expect_end(world, 3, 2, 2);
    expect_end(world, 8, 8, 4);
}

static void a_stale_file_does_not_win_against_the_batches(void **state)
{
    struct world *world = *state;
    const char *const path = WORLD_DIRECTORY "/leader-epoch-checkpoint";
    static const char stale[] = "0\n3\n2 0\n3 2\n6 5\n";

    fill_epochs(world);
    world_stop(world);
    buffer_clear(memory_disk_contents(&world->memory, path));
    buffer_append(memory_disk_contents(&world->memory, path), stale, sizeof(stale) - 1);
    world_open(world, false);
    check_epochs(world);
}

/* An epoch file from the last stop, then a new epoch over several segments. */
static void fill_two_lives(struct world *world, size_t count)
{
    world->config = world_config(500);
    world->leader_epoch = 1;
    world_open(world, false);
    world_fill(world, 2, 100);
    world_stop(world);
    world_open(world, true);
    world->leader_epoch = 2;
    world_fill(world, count, 100);
}

static void the_recovery_point_never_passes_an_epoch_that_is_not_on_disk(void **state)
{
    struct world *world = *state;

    fill_two_lives(world, 12);
    assert_true(world_sync(world));
    world->recovery_point = partition_log_durable_end(world->log);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 14);
    expect_end(world, 1, 1, 2);
    expect_end(world, 2, 2, 14);
}

static void a_segment_that_ends_at_the_recovery_point_is_not_trusted(void **state)
{
    struct world *world = *state;

    fill_two_lives(world, 1);
    assert_true(world_sync(world));
    world->config.segment_ms = 10;
    partition_log_configure(world->log, &world->config);
    partition_log_maintain(world->log, world->wall_ms + 100, 3);
    /* Rolled, but the job that settles the old segment has not run. */
    assert_int_equal(partition_log_segment_count(world->log), 3);
    world->recovery_point = partition_log_durable_end(world->log);
    assert_int_equal(world->recovery_point, 3);
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    expect_end(world, 1, 1, 2);
    expect_end(world, 2, 2, 3);
}

static void moving_the_start_keeps_the_epoch_that_holds_it(void **state)
{
    struct world *world = *state;

    fill_epochs(world);
    assert_int_equal(partition_log_delete_before(world->log, 6, 12), STATUS_OK);
    expect_end(world, 2, -1, -1);
    expect_end(world, 3, 3, 9);
    assert_int_equal(partition_log_epoch_of(world->log, 6), 3);
    assert_int_equal(partition_log_epoch_of(world->log, 5), -1);
    assert_int_equal(partition_log_delete_before(world->log, 9, 12), STATUS_OK);
    expect_end(world, 3, -1, -1);
    assert_int_equal(partition_log_epoch_of(world->log, 9), 7);
}

static void an_epoch_without_records_gives_way_to_the_next(void **state)
{
    struct world *world = *state;

    fill_epochs(world);
    partition_log_start_epoch(world->log, 8);
    expect_end(world, 8, 8, 12);
    partition_log_start_epoch(world->log, 9);
    expect_end(world, 8, 7, 12);
    expect_end(world, 9, 9, 12);
    partition_log_start_epoch(world->log, 4); /* older: nothing begins */
    assert_int_equal(partition_log_latest_epoch(world->log), 9);
}

int test_epochs(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_epoch_lasts_until_the_next_begins),
        LOG_TEST(epochs_outlive_stops_and_crashes_with_and_without_their_file),
        LOG_TEST(a_cut_takes_epochs_back),
        LOG_TEST(a_stale_file_does_not_win_against_the_batches),
        LOG_TEST(the_recovery_point_never_passes_an_epoch_that_is_not_on_disk),
        LOG_TEST(a_segment_that_ends_at_the_recovery_point_is_not_trusted),
        LOG_TEST(moving_the_start_keeps_the_epoch_that_holds_it),
        LOG_TEST(an_epoch_without_records_gives_way_to_the_next),
    };

    return cmocka_run_group_tests_name("epochs", tests, NULL, NULL);
}
