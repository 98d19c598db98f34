/* Sweeps: a power cut at every operation of the disk, a crash while recovering, and every call of the disk failing
 * once. A workload appends, syncs, rolls, changes epochs, deletes and stops; whatever happens, what was confirmed is
 * there afterwards, in order, byte for byte, and nothing that was never sent. */
#include "tests/unit/storage-log/workload.h"

#include "common/base/memory.h"

static uint64_t sweep_power_cuts(uint64_t seed, enum memory_crash how)
{
    bool cut = true;
    uint64_t at = 1;

    for (; cut; at++) {
        struct world *world;
        struct owner owner;
        void *state;

        world_fresh(&world, &state);
        prng_init(&world->memory.prng, seed * 1000 + at);
        world->faults.fail_at = at;
        world->faults.fail_on = true;
        run_workload(world, &owner, seed);
        cut = world->faults.failed;
        world_crash(world, how);
        world_open(world, false);
        check_promises(world, &owner);
        check_windows(world, &owner);
        world_teardown(&state);
    }
    return at - 1;
}

static void a_power_cut_at_any_operation_loses_nothing_confirmed(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        points += sweep_power_cuts(seed, MEMORY_CRASH_LOSES);
        points += sweep_power_cuts(seed, MEMORY_CRASH_KEEPS);
        points += sweep_power_cuts(seed, MEMORY_CRASH_TEARS);
    }
    tell_points("power cut at each call of the disk", points);
}

/* The process is killed in any call of the disk, and its successor is killed, or loses power, too. What was written and
 * not torn is there after a kill, confirmed or not; what was confirmed is there after a power cut. */
static uint64_t sweep_kills(uint64_t seed, enum durability durability, enum memory_crash second)
{
    bool killed = true;
    uint64_t at = 1;

    for (; killed; at++) {
        struct world *world;
        struct owner owner;
        void *state;
        int64_t written;
        int64_t end;

        world_fresh(&world, &state);
        world->config.durability = durability;
        prng_init(&world->memory.prng, seed * 1000 + at);
        world->faults.fail_at = at;
        world->faults.fail_on = true;
        run_workload(world, &owner, seed);
        killed = world->faults.failed;
        written = world->log != NULL ? partition_log_written_end(world->log) : 0;
        world_crash(world, MEMORY_CRASH_KILLS);
        world->kept = true;
        world_open(world, false);
        end = partition_log_end_offset(world->log);
        assert_true(end >= written);
        assert_true(durability != DURABILITY_FSYNC || partition_log_durable_end(world->log) == end);
        check_promises(world, &owner);
        check_windows(world, &owner);
        /* Once more, behind a start that has synced nothing it did not have to. */
        step_append(world, &owner);
        world_crash(world, second);
        world->kept = second == MEMORY_CRASH_KILLS;
        world_open(world, false);
        check_promises(world, &owner);
        check_windows(world, &owner);
        world_teardown(&state);
    }
    return at - 1;
}

static void a_kill_at_any_operation_loses_nothing_written(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        points += sweep_kills(seed, DURABILITY_FSYNC, MEMORY_CRASH_KILLS);
        points += sweep_kills(seed, DURABILITY_FSYNC, MEMORY_CRASH_TEARS);
        points += sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_KILLS);
        points += sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_LOSES);
        points += sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_TEARS);
    }
    tell_points("kill at each call of the disk, twice", points);
}

/* Class memory, files written over. */
static void world_recycling(struct world *world)
{
    world->config.durability = DURABILITY_MEMORY;
    world->config.retention_bytes = 1000;
    world->config.file_delete_delay_ms = 0;
}

/* A crash in each call of the disk while files are written over; returns how many calls there were. */
static uint64_t sweep_recycling(uint64_t seed, enum memory_crash how)
{
    bool failed = true;
    uint64_t at = 1;

    for (; failed; at++) {
        struct world *world;
        struct owner owner;
        void *state;
        int64_t written;

        world_fresh(&world, &state);
        world_recycling(world);
        prng_init(&world->memory.prng, seed * 1000 + at);
        world->faults.fail_at = at;
        world->faults.fail_on = true;
        run_workload(world, &owner, seed);
        failed = world->faults.failed;
        written = world->log != NULL ? partition_log_written_end(world->log) : 0;
        world_crash(world, how);
        world->kept = how == MEMORY_CRASH_KILLS;
        world_open(world, false);
        assert_true(how != MEMORY_CRASH_KILLS || partition_log_end_offset(world->log) >= written);
        check_promises(world, &owner);
        check_windows(world, &owner);
        world_teardown(&state);
    }
    return at - 1;
}

static void a_crash_never_takes_old_batches_of_a_file_for_new_ones(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 500; seed < 502; seed++) {
        points += sweep_recycling(seed, MEMORY_CRASH_TEARS);
        points += sweep_recycling(seed, MEMORY_CRASH_LOSES);
        points += sweep_recycling(seed, MEMORY_CRASH_KEEPS);
        points += sweep_recycling(seed, MEMORY_CRASH_KILLS);
    }
    tell_points("crash at each call of the disk, files written over", points);
}

static void a_second_power_cut_while_recovering_loses_nothing_either(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 10; seed < 22; seed++) {
        bool cut = true;

        for (uint64_t at = 1; cut; at++, points++) {
            struct world *world;
            struct owner owner;
            void *own;
            int64_t end;

            world_fresh(&world, &own);
            prng_init(&world->memory.prng, seed);
            run_workload(world, &owner, seed);
            world_crash(world, MEMORY_CRASH_TEARS);
            prng_init(&world->memory.prng, seed * 1000 + at);
            world->faults.fail_at = world->faults.calls + at;
            world->faults.fail_on = true;
            cut = world_try_open(world, false) != STATUS_OK;
            assert_int_equal(cut, world->faults.failed);
            end = cut ? 0 : partition_log_end_offset(world->log);
            world_crash(world, MEMORY_CRASH_TEARS);
            world_open(world, false);
            /* What a finished start has shown is as good as confirmed. */
            assert_true(partition_log_end_offset(world->log) >= end);
            check_promises(world, &owner);
            check_windows(world, &owner);
            world_teardown(&own);
        }
    }
    tell_points("power cut at each call of a recovery's disk", points);
}

static void after_any_failing_call_nothing_false_is_confirmed(void **state)
{
    static const enum status failures[] = {STATUS_IO, STATUS_NO_SPACE, STATUS_NO_DESCRIPTORS};
    uint64_t points = 0;

    (void)state;
    for (size_t kind = 0; kind < ARRAY_COUNT(failures); kind++) {
        bool failed = true;

        for (uint64_t at = 1; failed; at++, points++) {
            struct world *world;
            struct owner owner;
            void *own;

            world_fresh(&world, &own);
            world->faults.fail_at = at;
            world->faults.fail_with = failures[kind];
            run_workload(world, &owner, 5);
            failed = world->faults.failed;
            if (world->log != NULL) {
                world_work(world);
                assert_int_equal(world->failed_count, partition_log_failure(world->log) != STATUS_OK ? 1 : 0);
            }
            world_crash(world, MEMORY_CRASH_LOSES);
            world_open(world, false);
            check_promises(world, &owner);
            world_teardown(&own);
        }
    }
    tell_points("failure of each call of the disk, three ways", points);
}

static void a_log_that_failed_refuses_everything(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct append_result result;
    struct log_slice slice;

    world_open(world, false);
    world_fill(world, 3, 10);
    assert_true(world_sync(world));
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    world->faults.fail_at = world->faults.calls + 1;
    assert_int_equal(partition_log_flush(world->log), STATUS_IO);
    assert_int_equal(world->failed_count, 0); /* told later, not inside the call */
    world_work(world);
    assert_int_equal(world->failed_count, 1);
    assert_int_equal(world->failed, STATUS_IO);
    assert_int_equal(partition_log_end_offset(world->log), 3);
    assert_int_equal(world_append(world, &made, &result), APPEND_FAILED);
    assert_int_equal(partition_log_flush(world->log), STATUS_IO);
    assert_false(world_sync(world));
    assert_int_equal(partition_log_read(world->log, 0, 3, 100, true, &slice), STATUS_IO);
    assert_int_equal(partition_log_shutdown(world->log, true), STATUS_IO);
    assert_int_equal(world->failed_count, 1);
    world_forget_from(world, 3);
}

static void a_failed_sync_is_final(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 3, 10);
    world->faults.fail_at = world->faults.calls + 1;
    world->faults.fail_with = STATUS_NO_SPACE; /* pages are gone all the same */
    assert_false(world_sync(world));
    assert_int_equal(world->failed_count, 1);
    assert_false(world_sync(world));
    assert_int_equal(partition_log_durable_end(world->log), 0);
}

static void a_full_disk_passes(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);

    world->config.durability = DURABILITY_INTERVAL; /* without room: test_room.c */
    world_open(world, false);
    world_fill(world, 3, 10);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
        world->faults.fail_at = world->faults.calls + 1;
        world->faults.fail_with = STATUS_NO_SPACE;
        assert_int_equal(partition_log_flush(world->log), STATUS_NO_SPACE);
        world_forget_from(world, 3);
        assert_int_equal(partition_log_end_offset(world->log), 3);
        assert_int_equal(memory_disk_contents(&world->memory, world_path("00000000000000000000.log"))->size,
                         partition_log_size(world->log));
    }
    world->faults.fail_at = 0;
    world_fill(world, 3, 10);
    assert_true(world_sync(world));
    world_check_contents(world);
    assert_int_equal(world->failed_count, 0);
}

/* What is written in the middle of a turn fails there, and takes what was queued before along. */
static void a_disk_that_is_full_in_the_middle_of_a_turn_passes(void **state)
{
    struct world *world = *state;
    const struct batch_recipe small = recipe(10, 1000);
    const struct batch_recipe large = recipe(300000, 1000);

    world_open(world, false);
    world_fill(world, 3, 10);
    assert_int_equal(world_append(world, &small, NULL), APPEND_OK);
    world->faults.fail_at = world->faults.calls + 1;
    world->faults.fail_with = STATUS_NO_SPACE;
    assert_int_equal(world_append(world, &large, NULL), APPEND_FAILED);
    assert_int_equal(partition_log_end_offset(world->log), 3);
    assert_int_equal(world_append(world, &small, NULL), APPEND_FAILED);
    assert_true(partition_log_dirty(world->log));
    assert_int_equal(partition_log_flush(world->log), STATUS_NO_SPACE);
    world->faults.fail_at = 0;
    world_forget_from(world, 3);
    assert_int_equal(world_append(world, &large, NULL), APPEND_OK);
    /* Written without waiting for the turn's end. */
    assert_int_equal(partition_log_written_end(world->log), 4);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_true(world_sync(world));
    world_check_contents(world);
    assert_int_equal(world->failed_count, 0);
}

/* A follower cuts and goes on with other records: afterwards the old tail, whole or not, or the new one; never a
 * mixture. */
static void a_power_cut_around_a_truncation_never_mixes_old_and_new(void **state)
{
    bool cut = true;
    uint64_t at = 1;

    (void)state;
    for (; cut; at++) {
        struct sent old[40];
        size_t old_count;
        bool truncated = false;
        struct world *world;
        int64_t end;
        void *own;

        world_fresh(&world, &own);
        prng_init(&world->memory.prng, at);
        world_open(world, false);
        world_fill(world, 16, 100);
        assert_true(world_sync(world));
        world->recovery_point = partition_log_durable_end(world->log);
        old_count = world->sent_count;
        memcpy(old, world->sent, old_count * sizeof(old[0]));
        world->faults.fail_at = world->faults.calls + at;
        world->faults.fail_on = true;
        if (partition_log_truncate(world->log, 6) == STATUS_OK) {
            truncated = true;
            world->recovery_point = partition_log_durable_end(world->log); /* the owner's duty */
            world->sent_count = 6;
            world->leader_epoch = 2;
            for (int i = 0; i < 12 && log_is_usable(world); i++) {
                /* Of the same size, so that batches of both lines begin at the same places. */
                const struct batch_recipe made = recipe(100, 9000 + i);

                if (world_append(world, &made, NULL) == APPEND_OK) {
                    (void)!partition_log_flush(world->log);
                }
                world_work(world);
            }
        }
        cut = world->faults.failed;
        world_crash(world, MEMORY_CRASH_TEARS);
        world_open(world, false);
        end = partition_log_end_offset(world->log);
        assert_true(end >= 6);
        assert_true(truncated || end <= 16);
        world_check_contents(world);
        world_forget_from(world, truncated ? 6 : 16);
        for (size_t i = truncated ? 6 : 16; i < old_count; i++) {
            memory_free((void *)(uintptr_t)old[i].bytes.data);
        }
        world_teardown(&own);
    }
    tell_points("power cut around a truncation", at - 1);
}

int test_faults(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_operation_loses_nothing_confirmed),
        cmocka_unit_test(a_kill_at_any_operation_loses_nothing_written),
        cmocka_unit_test(a_crash_never_takes_old_batches_of_a_file_for_new_ones),
        cmocka_unit_test(a_second_power_cut_while_recovering_loses_nothing_either),
        cmocka_unit_test(after_any_failing_call_nothing_false_is_confirmed),
        LOG_TEST(a_log_that_failed_refuses_everything),
        LOG_TEST(a_failed_sync_is_final),
        LOG_TEST(a_full_disk_passes),
        LOG_TEST(a_disk_that_is_full_in_the_middle_of_a_turn_passes),
        cmocka_unit_test(a_power_cut_around_a_truncation_never_mixes_old_and_new),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
