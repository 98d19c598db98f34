/* Sweeps: a power cut at every operation of the disk, a crash while recovering, and every call of the disk failing
 * once. A workload appends, syncs, rolls, changes epochs, deletes and stops; whatever happens, what was confirmed is
 * there afterwards, in order, byte for byte, and nothing that was never sent. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

#define STEPS 40
#define PRODUCERS 3

/* What the owner of the log knows beside the world. */
struct owner {
    struct prng prng;
    int32_t next_sequence[PRODUCERS];
    int64_t start_asked; /* the log start was moved at most here */
};

/* The sequence that a producer has to send next, from what was taken. */
static void owner_count_sequences(struct owner *owner, const struct world *world)
{
    memset(owner->next_sequence, 0, sizeof(owner->next_sequence));
    for (size_t i = 0; i < world->sent_count; i++) {
        struct batch_header header;

        assert_int_equal(batch_header_read(world->sent[i].bytes, &header), STATUS_OK);
        if (batch_has_producer(&header)) {
            owner->next_sequence[header.producer_id] = sequence_add(batch_last_sequence(&header), 1);
        }
    }
}

static void step_append(struct world *world, struct owner *owner)
{
    const int64_t before = partition_log_written_end(world->log);
    const uint64_t count = 1 + prng_below(&owner->prng, 3);

    for (uint64_t i = 0; i < count; i++) {
        const int64_t producer = (int64_t)prng_below(&owner->prng, PRODUCERS);
        struct batch_recipe made = recipe_of_producer(producer, 0, owner->next_sequence[producer],
                                                      1 + (int32_t)prng_below(&owner->prng, 3));
        enum append_verdict verdict;

        made.value_size = (size_t)prng_below(&owner->prng, 120);
        if (prng_below(&owner->prng, 3) == 0) {
            made = recipe(made.value_size, 2000);
        }
        verdict = world_append(world, &made, NULL);
        assert_true(verdict == APPEND_OK || verdict == APPEND_FAILED);
        if (verdict == APPEND_OK && made.producer_id != PRODUCER_ID_NONE) {
            owner->next_sequence[producer] = sequence_add(owner->next_sequence[producer], made.records);
        }
    }
    if (partition_log_flush(world->log) != STATUS_OK) {
        /* A roll may have written some of the turn before the failure. */
        assert_true(partition_log_end_offset(world->log) >= before);
        assert_true(partition_log_end_offset(world->log) == partition_log_written_end(world->log));
        if (partition_log_failure(world->log) == STATUS_OK) {
            world_forget_from(world, partition_log_end_offset(world->log));
            owner_count_sequences(owner, world);
        }
    }
}

static void step(struct world *world, struct owner *owner)
{
    const int64_t acked = world->acked;

    switch (prng_below(&owner->prng, 10)) {
    case 0:
    case 1:
        (void)world_sync(world);
        break;
    case 2:
        world->leader_epoch++;
        partition_log_start_epoch(world->log, world->leader_epoch);
        break;
    case 3:
        world_work(world);
        break;
    case 4:
        /* What the owner would checkpoint, some time. */
        world->recovery_point = partition_log_durable_end(world->log);
        world->log_start = partition_log_start_offset(world->log);
        break;
    case 5:
        if (prng_below(&owner->prng, 4) == 0 && acked > 0) {
            const int64_t offset = (int64_t)prng_below(&owner->prng, (uint64_t)acked + 1);

            owner->start_asked = offset > owner->start_asked ? offset : owner->start_asked;
            (void)!partition_log_delete_before(world->log, offset, acked);
        }
        break;
    case 6:
        world->wall_ms += 700;
        partition_log_maintain(world->log, world->wall_ms, acked);
        break;
    default:
        step_append(world, owner);
        break;
    }
}

static void world_fresh(struct world **world, void **state)
{
    world_setup(state);
    *world = *state;
    (*world)->config = world_config(700);
}

static bool log_is_usable(struct world *world)
{
    return world->log != NULL && partition_log_failure(world->log) == STATUS_OK;
}

static void run_workload(struct world *world, struct owner *owner, uint64_t seed)
{
    *owner = (struct owner){0};
    prng_init(&owner->prng, seed);
    /* Half of them begin as a node begins a new partition, half on an empty directory. */
    assert_int_equal(disk_make_directories(&world->memory.disk, "/data"), STATUS_OK);
    world->fresh = seed % 2 == 1;
    if (world_try_open(world, false) != STATUS_OK) {
        return;
    }
    for (int i = 0; i < STEPS && log_is_usable(world) && !(world->faults.fail_on && world->faults.failed); i++) {
        step(world, owner);
    }
}

/* After a start: everything confirmed, nothing else than what was sent. */
static void check_promises(struct world *world, struct owner *owner)
{
    const int64_t end = partition_log_end_offset(world->log);

    assert_true(end >= world->acked);
    assert_true(partition_log_start_offset(world->log) <= owner->start_asked);
    assert_true(partition_log_durable_end(world->log) == end || world->config.durability != DURABILITY_FSYNC);
    world_forget_from(world, end);
    world_check_contents(world);
    for (size_t i = 0; i < world->sent_count; i++) {
        struct batch_header header;

        assert_int_equal(batch_header_read(world->sent[i].bytes, &header), STATUS_OK);
        if (world->sent[i].base_offset >= partition_log_start_offset(world->log)) {
            assert_int_equal(partition_log_epoch_of(world->log, world->sent[i].base_offset),
                             header.partition_leader_epoch);
        }
    }
    owner_count_sequences(owner, world);
}

/* Whoever sends a confirmed batch again is told so, and the next in order is taken. */
static void check_windows(struct world *world, struct owner *owner)
{
    for (int64_t producer = 0; producer < PRODUCERS; producer++) {
        int checked = 0;

        for (size_t i = world->sent_count; i > 0 && checked < 5; i--) {
            struct append_result result;
            struct batch_header header;
            struct space again;

            assert_int_equal(batch_header_read(world->sent[i - 1].bytes, &header), STATUS_OK);
            if (header.producer_id != producer ||
                world->sent[i - 1].base_offset < partition_log_start_offset(world->log)) {
                continue;
            }
            again = (struct space){memory_copy(world->sent[i - 1].bytes.data, world->sent[i - 1].bytes.size),
                                   world->sent[i - 1].bytes.size};
            assert_int_equal(world_append_batch(world, again, &result), APPEND_DUPLICATE);
            assert_int_equal(result.base_offset, world->sent[i - 1].base_offset);
            checked++;
        }
    }
    step_append(world, owner);
    assert_true(world_sync(world));
    world_check_contents(world);
}

static void sweep_power_cuts(uint64_t seed, enum memory_crash how)
{
    bool cut = true;

    for (uint64_t at = 1; cut; at++) {
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
}

static void a_power_cut_at_any_operation_loses_nothing_confirmed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        sweep_power_cuts(seed, MEMORY_CRASH_LOSES);
        sweep_power_cuts(seed, MEMORY_CRASH_KEEPS);
        sweep_power_cuts(seed, MEMORY_CRASH_TEARS);
    }
}

/* The process is killed in any call of the disk, and its successor is killed, or loses power, too. What was written and
 * not torn is there after a kill, confirmed or not; what was confirmed is there after a power cut. */
static void sweep_kills(uint64_t seed, enum durability durability, enum memory_crash second)
{
    bool killed = true;

    for (uint64_t at = 1; killed; at++) {
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
}

static void a_kill_at_any_operation_loses_nothing_written(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        sweep_kills(seed, DURABILITY_FSYNC, MEMORY_CRASH_KILLS);
        sweep_kills(seed, DURABILITY_FSYNC, MEMORY_CRASH_TEARS);
        sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_KILLS);
        sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_LOSES);
        sweep_kills(seed, DURABILITY_MEMORY, MEMORY_CRASH_TEARS);
    }
}

static void a_second_power_cut_while_recovering_loses_nothing_either(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 22; seed++) {
        bool cut = true;

        for (uint64_t at = 1; cut; at++) {
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
}

static void after_any_failing_call_nothing_false_is_confirmed(void **state)
{
    static const enum status failures[] = {STATUS_IO, STATUS_NO_SPACE, STATUS_NO_DESCRIPTORS};

    (void)state;
    for (size_t kind = 0; kind < ARRAY_COUNT(failures); kind++) {
        bool failed = true;

        for (uint64_t at = 1; failed; at++) {
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

/* A follower cuts and goes on with other records: afterwards the old tail, whole or not, or the new one; never a
 * mixture. */
static void a_power_cut_around_a_truncation_never_mixes_old_and_new(void **state)
{
    bool cut = true;

    (void)state;
    for (uint64_t at = 1; cut; at++) {
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
}

int test_faults(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_at_any_operation_loses_nothing_confirmed),
        cmocka_unit_test(a_kill_at_any_operation_loses_nothing_written),
        cmocka_unit_test(a_second_power_cut_while_recovering_loses_nothing_either),
        cmocka_unit_test(after_any_failing_call_nothing_false_is_confirmed),
        LOG_TEST(a_log_that_failed_refuses_everything),
        LOG_TEST(a_failed_sync_is_final),
        LOG_TEST(a_full_disk_passes),
        cmocka_unit_test(a_power_cut_around_a_truncation_never_mixes_old_and_new),
    };

    return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
