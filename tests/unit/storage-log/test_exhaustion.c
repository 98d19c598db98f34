/* Sweeps over what runs out: memory, of which the process dies (memory.h), at every allocation of a workload, of a
 * start, of a cut and of a checkpoint; open files, with every size of their pool. Each prints how many points it
 * tried. */
#include "tests/unit/storage-log/workload.h"

#include "common/base/memory.h"
#include "storage-node/log/checkpoint.h"

#define CHECKPOINT_PATH "/data/" CHECKPOINT_RECOVERY_POINT

static void process_ends(void *context)
{
    struct fault_disk *faults = context;

    faults->stopped = true;
}

/* A workload with retention and a clean stop, to the N-th allocation or its end. False: it has fewer. */
static bool live_until(struct world *world, struct owner *owner, uint64_t seed, uint64_t allocation)
{
    struct memory_points points;

    world->config.retention_bytes = 3000;
    memory_points_begin(&points, allocation, process_ends, &world->faults);
    run_workload(world, owner, seed);
    if (log_is_usable(world) && !world->faults.stopped) {
        world_work(world);
        (void)!partition_log_shutdown(world->log, true);
    }
    owner->start_asked = INT64_MAX; /* retention asks for itself */
    return memory_points_end(&points);
}

static uint64_t sweep_lives(uint64_t seed, enum memory_crash how)
{
    uint64_t at = 1;

    for (bool ended = true; ended; at++) {
        struct world *world;
        struct owner owner;
        void *state;

        world_fresh(&world, &state);
        prng_init(&world->memory.prng, seed * 1000 + at);
        ended = live_until(world, &owner, seed, at);
        world_crash(world, how);
        world->kept = how == MEMORY_CRASH_KILLS;
        world_open(world, false);
        check_promises(world, &owner);
        check_windows(world, &owner);
        world_teardown(&state);
    }
    return at - 1;
}

static void a_process_without_memory_loses_nothing_confirmed(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 30; seed < 33; seed++) {
        points += sweep_lives(seed, seed == 31 ? MEMORY_CRASH_TEARS : MEMORY_CRASH_KILLS);
    }
    tell_points("append, roll, retention, trim, snapshot, stop at each allocation", points);
}

static void a_start_without_memory_may_be_repeated(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (uint64_t seed = 40; seed < 46; seed++) {
        bool ended = true;

        for (uint64_t at = 1; ended; at++, points++) {
            struct memory_points memory;
            struct world *world;
            struct owner owner;
            void *own;
            int64_t end = 0;

            world_fresh(&world, &own);
            prng_init(&world->memory.prng, seed);
            (void)live_until(world, &owner, seed, 0);
            world_crash(world, MEMORY_CRASH_TEARS);
            memory_points_begin(&memory, at, process_ends, &world->faults);
            if (world_try_open(world, false) == STATUS_OK && !world->faults.stopped) {
                end = partition_log_end_offset(world->log); /* somebody may have seen it */
            }
            ended = memory_points_end(&memory);
            world_crash(world, seed % 2 == 0 ? MEMORY_CRASH_TEARS : MEMORY_CRASH_KILLS);
            world_open(world, false);
            assert_true(partition_log_end_offset(world->log) >= end);
            check_promises(world, &owner);
            check_windows(world, &owner);
            world_teardown(&own);
        }
    }
    tell_points("recovery at each allocation", points);
}

/* A follower cuts; afterwards the log ends at the cut or where it did. */
static void a_cut_without_memory_has_happened_or_not(void **state)
{
    bool ended = true;
    uint64_t at = 1;

    (void)state;
    for (; ended; at++) {
        struct memory_points points;
        struct world *world;
        void *own;
        int64_t end;

        world_fresh(&world, &own);
        prng_init(&world->memory.prng, at);
        world_open(world, false);
        world_fill(world, 16, 100);
        assert_true(world_sync(world));
        world->recovery_point = 6; /* the owner's duty, before */
        memory_points_begin(&points, at, process_ends, &world->faults);
        (void)!partition_log_truncate(world->log, 6);
        ended = memory_points_end(&points);
        world_crash(world, MEMORY_CRASH_TEARS);
        world_open(world, false);
        end = partition_log_end_offset(world->log);
        assert_true(end >= 6 && end <= 16);
        assert_true(ended || end == 6);
        world_forget_from(world, end);
        world->acked = end;
        world_check_contents(world);
        world_teardown(&own);
    }
    tell_points("truncation at each allocation", at - 1);
}

static void see_offset(void *context, const struct checkpoint_entry *entry)
{
    int64_t *offset = context;

    assert_int_equal(entry->partition, 3);
    *offset = entry->offset;
}

static enum status write_checkpoint(struct world *world, int64_t offset)
{
    struct checkpoint_draft draft;
    enum status status;

    checkpoint_draft_init(&draft);
    checkpoint_draft_add(&draft, &(struct checkpoint_entry){.topic = STRING("events"), .partition = 3,
                                                            .offset = offset});
    status = checkpoint_draft_write(&draft, &world->faults.disk, CHECKPOINT_PATH);
    checkpoint_draft_deinit(&draft);
    return status;
}

/* `allocation`: memory ends there; else `call` of the disk is the last that works. False: neither was reached. */
static bool checkpoint_survives(uint64_t allocation, uint64_t call, enum memory_crash how)
{
    struct memory_points points;
    struct world *world;
    void *own;
    int64_t found = -1;
    enum status status;
    bool ended;

    world_fresh(&world, &own);
    prng_init(&world->memory.prng, allocation + call);
    assert_int_equal(disk_make_directories(&world->memory.disk, "/data"), STATUS_OK);
    assert_int_equal(write_checkpoint(world, 100), STATUS_OK);
    world->faults.fail_at = call > 0 ? world->faults.calls + call : 0;
    world->faults.fail_on = call > 0;
    memory_points_begin(&points, allocation, process_ends, &world->faults);
    status = write_checkpoint(world, 200);
    ended = memory_points_end(&points) || world->faults.failed;
    world_crash(world, how);
    assert_int_equal(checkpoint_read(&world->memory.disk, CHECKPOINT_PATH, see_offset, &found), STATUS_OK);
    assert_true(found == 200 || (found == 100 && status != STATUS_OK));
    world_teardown(&own);
    return ended;
}

static void a_checkpoint_is_the_old_or_the_new_one(void **state)
{
    static const enum memory_crash hows[] = {MEMORY_CRASH_LOSES, MEMORY_CRASH_KILLS, MEMORY_CRASH_TEARS};
    uint64_t points = 0;

    (void)state;
    for (size_t how = 0; how < ARRAY_COUNT(hows); how++) {
        for (uint64_t at = 1; checkpoint_survives(at, 0, hows[how]); at++) {
            points++;
        }
        for (uint64_t at = 1; checkpoint_survives(0, at, hows[how]); at++) {
            points++;
        }
    }
    tell_points("checkpoint at each allocation and each call of the disk", points);
}

/* The pool of open files is full nearly always: files are closed and opened again, and nothing else changes. */
static void any_number_of_open_files_is_enough(void **state)
{
    uint64_t points = 0;

    (void)state;
    for (size_t open_max = 1; open_max <= 12; open_max++) {
        for (uint64_t seed = 1; seed <= 12; seed++, points++) {
            struct world *world;
            struct owner owner;
            void *own;

            world_fresh(&world, &own);
            world->open_max = open_max;
            run_workload(world, &owner, seed);
            assert_true(log_is_usable(world));
            assert_true(world_sync(world));
            world_check_contents(world);
            world_crash(world, MEMORY_CRASH_LOSES);
            world_open(world, false);
            check_promises(world, &owner);
            check_windows(world, &owner);
            world_teardown(&own);
        }
    }
    tell_points("workloads with pools of 1 to 12 open files", points);
}

int test_exhaustion(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_without_memory_loses_nothing_confirmed),
        cmocka_unit_test(a_start_without_memory_may_be_repeated),
        cmocka_unit_test(a_cut_without_memory_has_happened_or_not),
        cmocka_unit_test(a_checkpoint_is_the_old_or_the_new_one),
        cmocka_unit_test(any_number_of_open_files_is_enough),
    };

    return cmocka_run_group_tests_name("exhaustion", tests, NULL, NULL);
}
