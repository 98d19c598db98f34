/* Idempotent producers: the window, its rules, and that it outlives restarts; transactions. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"
#include "storage-node/log/producer_journal.h"
#include "storage-node/log/producer_snapshot.h"

#include <stdio.h>

static enum append_verdict send_batch(struct world *world, int64_t id, int16_t epoch, int32_t sequence,
                                      struct append_result *result)
{
    const struct batch_recipe made = recipe_of_producer(id, epoch, sequence, 2);
    const enum append_verdict verdict = world_append(world, &made, result);

    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    return verdict;
}

static void expect(struct world *world, int64_t id, int16_t epoch, int32_t sequence, enum append_verdict verdict)
{
    struct append_result result;

    assert_int_equal(send_batch(world, id, epoch, sequence, &result), verdict);
}

static void a_batch_sent_again_is_found_in_a_window_of_five(void **state)
{
    struct world *world = *state;
    struct append_result first[7];
    struct append_result again;

    world_open(world, false);
    for (int32_t i = 0; i < 7; i++) {
        assert_int_equal(send_batch(world, 1, 0, 2 * i, &first[i]), APPEND_OK);
    }
    for (int32_t i = 2; i < 7; i++) {
        assert_int_equal(send_batch(world, 1, 0, 2 * i, &again), APPEND_DUPLICATE);
        assert_int_equal(again.base_offset, first[i].base_offset);
        assert_int_equal(again.last_offset, first[i].last_offset);
    }
    assert_int_equal(send_batch(world, 1, 0, 2, &again), APPEND_OUT_OF_ORDER);
    assert_int_equal(partition_log_end_offset(world->log), 14);
}

static void a_duplicate_is_found_before_its_turn_is_written(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe_of_producer(1, 0, 0, 2);
    struct append_result result;

    world_open(world, false);
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    assert_int_equal(world_append(world, &made, &result), APPEND_DUPLICATE);
    assert_int_equal(result.last_offset, 1);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_end_offset(world->log), 2);
}

static void a_gap_is_out_of_order(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    expect(world, 1, 0, 0, APPEND_OK);
    expect(world, 1, 0, 4, APPEND_OUT_OF_ORDER);
    expect(world, 1, 0, 1, APPEND_OUT_OF_ORDER);
    expect(world, 1, 0, 2, APPEND_OK);
}

static void an_unknown_producer_begins_anywhere(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    expect(world, 5, 3, 1234, APPEND_OK);
    expect(world, 5, 3, 1236, APPEND_OK);
}

static void a_larger_epoch_begins_at_zero_and_fences_the_old_one(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    expect(world, 1, 0, 0, APPEND_OK);
    expect(world, 1, 1, 2, APPEND_OUT_OF_ORDER);
    expect(world, 1, 1, 0, APPEND_OK);
    expect(world, 1, 0, 2, APPEND_STALE_EPOCH);
    expect(world, 1, 0, 0, APPEND_STALE_EPOCH);
    expect(world, 1, 1, 0, APPEND_DUPLICATE);
    expect(world, 1, 1, 2, APPEND_OK);
}

static void sequences_wrap_behind_the_largest(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    expect(world, 1, 0, INT32_MAX - 3, APPEND_OK);
    expect(world, 1, 0, INT32_MAX - 1, APPEND_OK);
    expect(world, 1, 0, 0, APPEND_OK);
    expect(world, 1, 0, 2, APPEND_OK);
    /* A batch may lie across the wrap. */
    expect(world, 2, 0, INT32_MAX, APPEND_OK);
    expect(world, 2, 0, INT32_MAX, APPEND_DUPLICATE);
    expect(world, 2, 0, 1, APPEND_OK);
}

/* Seven batches of one producer and three of another, over several segments. */
static void fill_producers(struct world *world)
{
    world->config = world_config(300);
    world_open(world, false);
    for (int32_t i = 0; i < 7; i++) {
        expect(world, 1, 0, 2 * i, APPEND_OK);
        if (i < 3) {
            expect(world, 2, 4, 2 * i, APPEND_OK);
        }
    }
    world_work(world);
}

static void check_producers(struct world *world)
{
    for (int32_t i = 2; i < 7; i++) {
        expect(world, 1, 0, 2 * i, APPEND_DUPLICATE);
    }
    expect(world, 1, 0, 2, APPEND_OUT_OF_ORDER);
    for (int32_t i = 0; i < 3; i++) {
        expect(world, 2, 4, 2 * i, APPEND_DUPLICATE);
    }
    expect(world, 2, 3, 6, APPEND_STALE_EPOCH);
    expect(world, 2, 4, 8, APPEND_OUT_OF_ORDER);
    assert_int_equal(partition_log_end_offset(world->log), 20);
}

static void the_whole_window_outlives_a_clean_stop(void **state)
{
    struct world *world = *state;

    fill_producers(world);
    world_stop(world);
    /* From the journal alone. */
    world_open(world, true);
    check_producers(world);
    world_stop(world);
    world_open(world, true);
    check_producers(world);
}

static void the_whole_window_outlives_a_crash(void **state)
{
    struct world *world = *state;

    fill_producers(world);
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    check_producers(world);
    world->recovery_point = 15;
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    check_producers(world);
}

/* A producer whose answer was lost sends again, whether its batch is still shown or not. */
static void the_window_covers_what_delete_records_has_hidden(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    expect(world, 1, 0, 0, APPEND_OK);
    expect(world, 2, 0, 0, APPEND_OK);
    assert_true(world_sync(world));
    assert_int_equal(partition_log_delete_before(world->log, 4, 4), STATUS_OK);
    world->log_start = 4;
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_start_offset(world->log), 4);
    expect(world, 1, 0, 0, APPEND_DUPLICATE);
    expect(world, 2, 0, 0, APPEND_DUPLICATE);
    expect(world, 2, 0, 2, APPEND_OK);
}

static const char *const snapshot_names[] = {"00000000000000000006.snapshot", "00000000000000000012.snapshot",
                                             "00000000000000000018.snapshot"};

static void damaged_and_missing_snapshots_are_made_up_for_by_the_batches(void **state)
{
    struct world *world = *state;
    int damaged = 0;

    fill_producers(world);
    world_stop(world);
    for (size_t i = 0; i < ARRAY_COUNT(snapshot_names); i++) {
        struct buffer *contents = memory_disk_contents(&world->memory, world_path(snapshot_names[i]));

        if (contents == NULL) {
            continue;
        }
        damaged++;
        if (i % 2 == 0) {
            contents->data[contents->size / 2] ^= 1;
        } else {
            assert_int_equal(disk_remove(&world->memory.disk, world_path(snapshot_names[i])), STATUS_OK);
        }
    }
    assert_int_equal(damaged, 3);
    assert_int_equal(producer_journal_remove(&world->memory.disk, WORLD_AROUND), STATUS_OK);
    world_open(world, true);
    check_producers(world);
}

/* The log's start moved past the first snapshot, and the newer ones are gone: what it says of producer 2 is too old. */
static void a_snapshot_from_before_the_log_begins_is_not_believed(void **state)
{
    static const char *const parts[] = {"log", "index", "timeindex"};
    struct world *world = *state;

    fill_producers(world);
    world_stop(world);
    assert_int_equal(producer_journal_remove(&world->memory.disk, WORLD_AROUND), STATUS_OK);
    for (int base = 0; base <= 18; base += 6) {
        char name[64];

        for (size_t i = 0; i < ARRAY_COUNT(parts) && base < 12; i++) {
            snprintf(name, sizeof(name), "%020d.%s", base, parts[i]);
            assert_int_equal(disk_remove(&world->memory.disk, world_path(name)), STATUS_OK);
        }
        snprintf(name, sizeof(name), "%020d.snapshot", base);
        if (base > 6) {
            assert_int_equal(disk_remove(&world->memory.disk, world_path(name)), STATUS_OK);
        }
    }
    assert_non_null(memory_disk_contents(&world->memory, world_path("00000000000000000006.snapshot")));
    world->log_start = 12;
    world_open(world, true);
    assert_null(memory_disk_contents(&world->memory, world_path("00000000000000000006.snapshot")));
    expect(world, 2, 4, 6, APPEND_OK);
    expect(world, 1, 0, 12, APPEND_DUPLICATE);
    expect(world, 1, 0, 14, APPEND_OK);
}

static void every_damaged_byte_of_a_snapshot_is_noticed(void **state)
{
    struct producer_state producers;
    struct buffer contents;

    (void)state;
    producer_state_init(&producers);
    for (int16_t i = 0; i < 12; i++) {
        const struct producer producer = {.id = i % 2,
                                          .epoch = 1,
                                          .txn_first_offset = OFFSET_NONE,
                                          .batch_count = 1,
                                          .batches = {{.last_offset = i, .last_sequence = i, .offset_delta = 0}}};

        producer_state_restore(&producers, &producer);
    }
    buffer_init(&contents);
    producer_snapshot_encode(&producers, &contents);
    assert_int_equal(contents.size, 10 + 10 * 46);
    producer_state_clear(&producers);
    for (size_t i = 0; i < contents.size; i++) {
        contents.data[i] ^= 0x10;
        assert_int_equal(producer_snapshot_decode(buffer_bytes(&contents), 12, 0, &producers), STATUS_CORRUPT);
        contents.data[i] ^= 0x10;
        assert_int_equal(producer_snapshot_decode(bytes_of(contents.data, i), 12, 0, &producers), STATUS_CORRUPT);
    }
    /* One that tells of offsets which it cannot know is refused as a whole. */
    assert_int_equal(producer_snapshot_decode(buffer_bytes(&contents), 11, 0, &producers), STATUS_CORRUPT);
    assert_int_equal(producers.producers.count, 0);
    assert_int_equal(producer_snapshot_decode(buffer_bytes(&contents), 12, 0, &producers), STATUS_OK);
    assert_int_equal(producers.producers.count, 2);
    producer_state_deinit(&producers);
    buffer_deinit(&contents);
}

static void truncation_takes_the_window_back(void **state)
{
    struct world *world = *state;

    fill_producers(world);
    /* Of producer 1 batches 0 to 3 stay (offsets 0, 4, 8, 12). */
    assert_int_equal(partition_log_truncate(world->log, 14), STATUS_OK);
    world_forget_from(world, 14);
    expect(world, 1, 0, 6, APPEND_DUPLICATE);
    expect(world, 1, 0, 10, APPEND_OUT_OF_ORDER);
    expect(world, 1, 0, 8, APPEND_OK);
}

static void a_failed_write_takes_the_window_back(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe_of_producer(1, 0, 2, 2);
    struct append_result result;

    world_open(world, false);
    expect(world, 1, 0, 0, APPEND_OK);
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    made = recipe_of_producer(9, 0, 0, 2);
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    world->faults.fail_at = world->faults.calls + 1;
    world->faults.fail_with = STATUS_NO_SPACE;
    assert_int_equal(partition_log_flush(world->log), STATUS_NO_SPACE);
    assert_true(world->faults.failed);
    world_forget_from(world, 2);
    assert_int_equal(partition_log_end_offset(world->log), 2);
    assert_int_equal(partition_log_failure(world->log), STATUS_OK);
    expect(world, 1, 0, 2, APPEND_OK);
    expect(world, 9, 0, 4, APPEND_OK); /* unknown again, so any sequence */
    world_check_contents(world);
    assert_int_equal(world->failed_count, 0);
}

static void followers_do_not_judge_what_the_leader_accepted(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made[] = {recipe_of_producer(1, 5, 100, 2), recipe_of_producer(1, 2, 7, 2)};

    world_open(world, false);
    for (size_t i = 0; i < ARRAY_COUNT(made); i++) {
        struct space batch = batch_of_recipe(&made[i]);

        batch_assign(batch, (int64_t)(10 * i), 1);
        assert_int_equal(partition_log_append_copy(world->log, bytes_of(batch.data, batch.size)), STATUS_OK);
        assert_int_equal(partition_log_flush(world->log), STATUS_OK);
        memory_free(batch.data);
    }
}

struct seen_producers {
    size_t count;
    struct producer_view last;
};

static void see_producer(void *context, const struct producer_view *view)
{
    struct seen_producers *seen = context;

    seen->count++;
    seen->last = *view;
}

static void idle_producers_are_forgotten_by_the_time_of_their_last_append(void **state)
{
    struct world *world = *state;
    struct seen_producers seen = {0};

    world->config.producer_expiry_ms = 1000;
    world_open(world, false);
    /* The records' own time is long past: that does not make the producer idle. */
    expect(world, 1, 0, 0, APPEND_OK);
    world->wall_ms += 999;
    partition_log_maintain(world->log, world->wall_ms, 0);
    partition_log_producers(world->log, see_producer, &seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.last_sequence, 1);
    assert_int_equal(seen.last.last_offset, 1);
    assert_int_equal(seen.last.last_timestamp_ms, 5000);
    assert_int_equal(seen.last.txn_first_offset, -1);
    world->wall_ms += 1001;
    partition_log_maintain(world->log, world->wall_ms, 0);
    seen.count = 0;
    partition_log_producers(world->log, see_producer, &seen);
    assert_int_equal(seen.count, 0);
    expect(world, 1, 0, 40, APPEND_OK);
}

static void send_transactional(struct world *world, int64_t id, int32_t sequence)
{
    struct batch_recipe made = recipe_of_producer(id, 0, sequence, 2);

    made.transactional = true;
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
}

static void send_marker(struct world *world, int64_t id, bool commit)
{
    struct append_result result;

    assert_int_equal(world_append_batch(world, batch_of_marker(id, 0, commit), &result), APPEND_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
}

struct seen_aborted {
    size_t count;
    int64_t producer_id[8];
    int64_t first_offset[8];
};

static void see_aborted(void *context, int64_t producer_id, int64_t first_offset)
{
    struct seen_aborted *seen = context;

    assert_true(seen->count < ARRAY_COUNT(seen->producer_id));
    seen->producer_id[seen->count] = producer_id;
    seen->first_offset[seen->count] = first_offset;
    seen->count++;
}

static void check_transactions(struct world *world)
{
    struct seen_aborted seen = {0};

    /* Producer 3's is open since 14. */
    assert_int_equal(partition_log_first_unstable(world->log, 16), 14);
    assert_int_equal(partition_log_aborted(world->log, 0, 16, see_aborted, &seen), STATUS_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.producer_id[0], 2);
    assert_int_equal(seen.first_offset[0], 2);
    assert_int_equal(seen.producer_id[1], 1);
    assert_int_equal(seen.first_offset[1], 9);
    seen.count = 0;
    assert_int_equal(partition_log_aborted(world->log, 12, 13, see_aborted, &seen), STATUS_OK);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.producer_id[0], 1);
    seen.count = 0;
    assert_int_equal(partition_log_aborted(world->log, 0, 2, see_aborted, &seen), STATUS_OK);
    assert_int_equal(seen.count, 0);
}

static void aborted_transactions_and_the_stable_end_outlive_everything(void **state)
{
    struct world *world = *state;

    world->config = world_config(400);
    world_open(world, false);
    assert_int_equal(partition_log_first_unstable(world->log, 0), -1);
    send_transactional(world, 1, 0); /* 0-1 */
    send_transactional(world, 2, 0); /* 2-3 */
    assert_int_equal(partition_log_first_unstable(world->log, 4), 0);
    send_marker(world, 1, true); /* 4 */
    assert_int_equal(partition_log_first_unstable(world->log, 4), 0); /* the marker may be lost yet */
    assert_int_equal(partition_log_first_unstable(world->log, 5), 2);
    send_transactional(world, 2, 2); /* 5-6 */
    send_transactional(world, 5, 0); /* 7-8 */
    send_transactional(world, 1, 2); /* 9-10 */
    send_marker(world, 2, false);    /* 11 */
    send_marker(world, 5, true);     /* 12 */
    send_marker(world, 1, false);    /* 13 */
    assert_int_equal(partition_log_first_unstable(world->log, 14), -1);
    send_transactional(world, 3, 0); /* 14-15 */
    check_transactions(world);
    world_stop(world);
    world_open(world, true);
    check_transactions(world);
    world_crash(world, MEMORY_CRASH_KEEPS);
    world_open(world, false);
    check_transactions(world);
    assert_int_equal(partition_log_truncate(world->log, 13), STATUS_OK);
    world_forget_from(world, 13);
    assert_int_equal(partition_log_first_unstable(world->log, 13), 9);
    send_marker(world, 1, false);
    send_transactional(world, 3, 0);
    check_transactions(world);
}

int test_producers(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_batch_sent_again_is_found_in_a_window_of_five),
        LOG_TEST(a_duplicate_is_found_before_its_turn_is_written),
        LOG_TEST(a_gap_is_out_of_order),
        LOG_TEST(an_unknown_producer_begins_anywhere),
        LOG_TEST(a_larger_epoch_begins_at_zero_and_fences_the_old_one),
        LOG_TEST(sequences_wrap_behind_the_largest),
        LOG_TEST(the_whole_window_outlives_a_clean_stop),
        LOG_TEST(the_whole_window_outlives_a_crash),
        LOG_TEST(the_window_covers_what_delete_records_has_hidden),
        LOG_TEST(damaged_and_missing_snapshots_are_made_up_for_by_the_batches),
        LOG_TEST(a_snapshot_from_before_the_log_begins_is_not_believed),
        cmocka_unit_test(every_damaged_byte_of_a_snapshot_is_noticed),
        LOG_TEST(truncation_takes_the_window_back),
        LOG_TEST(a_failed_write_takes_the_window_back),
        LOG_TEST(followers_do_not_judge_what_the_leader_accepted),
        LOG_TEST(idle_producers_are_forgotten_by_the_time_of_their_last_append),
        LOG_TEST(aborted_transactions_and_the_stable_end_outlive_everything),
    };

    return cmocka_run_group_tests_name("producers", tests, NULL, NULL);
}
