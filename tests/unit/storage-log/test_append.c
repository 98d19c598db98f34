/* Appending, flushing, rolling, durability. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

static void an_empty_log_begins_at_zero_and_ends_there(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    assert_int_equal(partition_log_start_offset(world->log), 0);
    assert_int_equal(partition_log_end_offset(world->log), 0);
    assert_int_equal(partition_log_written_end(world->log), 0);
    assert_int_equal(partition_log_durable_end(world->log), 0);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_int_equal(partition_log_size(world->log), 0);
    assert_int_equal(partition_log_cut_bytes(world->log), 0);
    assert_int_equal(partition_log_latest_epoch(world->log), -1);
}

static void batches_of_a_turn_are_written_by_one_call(void **state)
{
    struct world *world = *state;
    struct append_result result;
    struct batch_recipe made = recipe(20, 1000);
    uint64_t writes;

    world_open(world, false);
    world_fill(world, 1, 20);
    made.records = 3;
    writes = world->faults.writes;
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    assert_int_equal(result.base_offset, 1);
    assert_int_equal(result.last_offset, 3);
    assert_int_equal(result.append_time_ms, -1);
    assert_int_equal(world_append(world, &made, &result), APPEND_OK);
    assert_int_equal(result.base_offset, 4);
    assert_int_equal(partition_log_end_offset(world->log), 7);
    assert_int_equal(partition_log_written_end(world->log), 1);
    assert_true(partition_log_dirty(world->log));
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_false(partition_log_dirty(world->log));
    assert_int_equal(world->faults.writes - writes, 1);
    assert_int_equal(partition_log_written_end(world->log), 7);
    assert_int_equal(partition_log_durable_end(world->log), 0);
    world_check_contents(world);
}

static void offset_and_leader_epoch_are_patched_and_the_checksum_stays_true(void **state)
{
    struct world *world = *state;
    struct batch_header header;
    struct log_slice slice;
    struct bytes bytes;

    world_open(world, false);
    world->leader_epoch = 9;
    world_fill(world, 2, 10);
    assert_int_equal(partition_log_read(world->log, 1, 2, 1000, true, &slice), STATUS_OK);
    bytes = slice_take(&slice);
    assert_int_equal(batch_header_read(bytes, &header), STATUS_OK);
    assert_int_equal(header.base_offset, 1);
    assert_int_equal(header.partition_leader_epoch, 9);
    assert_true(batch_crc_matches(bytes));
    memory_free((void *)(uintptr_t)bytes.data);
}

static void a_sync_is_answered_when_the_bytes_are_durable(void **state)
{
    struct world *world = *state;
    uint64_t syncs;

    world_open(world, false);
    world_fill(world, 2, 10);
    assert_true(world_sync(world));
    world_fill(world, 1, 10);
    syncs = world->faults.syncs;
    assert_true(world_sync(world));
    assert_int_equal(world->faults.syncs - syncs, 1);
    assert_int_equal(partition_log_durable_end(world->log), 3);
    /* Nothing new: no call, but an answer. */
    assert_true(world_sync(world));
    assert_int_equal(world->faults.syncs - syncs, 1);
}

struct two_syncs {
    struct log_sync sync[2];
    int answered;
};

static void count_answer(struct log_sync *sync, enum status status)
{
    /* Both of a pair: the offset tells which. */
    struct two_syncs *pair = CONTAINER_OF(sync, struct two_syncs, sync[sync->offset == 1 ? 0 : 1]);

    assert_int_equal(status, STATUS_OK);
    pair->answered++;
}

static void what_is_written_during_a_sync_shares_the_next_one(void **state)
{
    struct world *world = *state;
    struct two_syncs pair = {.sync[0] = {.offset = 1, .done = count_answer},
                             .sync[1] = {.offset = 3, .done = count_answer}};
    uint64_t syncs;

    world_open(world, false);
    syncs = world->faults.syncs;
    world_fill(world, 1, 10);
    partition_log_sync(world->log, &pair.sync[0]);
    world_fill(world, 2, 10);
    partition_log_sync(world->log, &pair.sync[1]);
    assert_int_equal(pair.answered, 0);
    world_work(world);
    assert_int_equal(pair.answered, 2);
    /* The first one syncs partition.metadata too. */
    assert_int_equal(world->faults.syncs - syncs, 3);
}

static void a_sync_asked_for_before_the_flush_waits_for_it(void **state)
{
    struct world *world = *state;
    struct two_syncs pair = {.sync[0] = {.offset = 1, .done = count_answer}};
    const struct batch_recipe made = recipe(10, 1000);

    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    partition_log_sync(world->log, &pair.sync[0]);
    world_work(world);
    assert_int_equal(pair.answered, 0);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    world_work(world);
    assert_int_equal(pair.answered, 1);
}

static void a_full_segment_rolls_and_the_roll_is_synced(void **state)
{
    struct world *world = *state;

    world->config = world_config(500);
    world_open(world, false);
    world_fill(world, 20, 100);
    assert_true(partition_log_segment_count(world->log) > 3);
    assert_true(partition_log_durable_end(world->log) < 20);
    world_work(world);
    /* All sealed segments, not the active one. */
    assert_true(partition_log_durable_end(world->log) > 0);
    assert_true(world_sync(world));
    assert_int_equal(partition_log_durable_end(world->log), 20);
    world_check_contents(world);
    assert_int_equal(world_count_files(world, ".log"), partition_log_segment_count(world->log));
    assert_int_equal(world_count_files(world, ".snapshot"), partition_log_segment_count(world->log) - 1);
}

static void a_batch_larger_than_a_segment_gets_one_of_its_own(void **state)
{
    struct world *world = *state;

    world->config = world_config(500);
    world_open(world, false);
    world_fill(world, 1, 10);
    world_fill(world, 1, 2000);
    world_fill(world, 1, 10);
    assert_int_equal(partition_log_segment_count(world->log), 3);
    world_check_contents(world);
}

static void records_span_no_more_time_than_segment_ms(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe(10, 1000);

    world->config.segment_ms = 500;
    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    made.timestamp = 1500;
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    made.timestamp = 1501;
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    world_check_contents(world);
}

static void jitter_rolls_earlier_but_never_later(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe(10, 1000);

    world->config.segment_ms = 1000;
    world->config.segment_jitter_ms = 400;
    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    made.timestamp = 1600;
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    made.timestamp = 2001;
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
}

static void a_full_index_rolls(void **state)
{
    struct world *world = *state;

    world->config.index_interval_bytes = 1;
    world->config.segment_index_bytes = 48; /* six offset entries, four times of which one is kept free */
    world_open(world, false);
    world_fill(world, 12, 10);
    assert_true(partition_log_segment_count(world->log) >= 3);
    world_check_contents(world);
}

static void a_leap_of_offsets_starts_a_segment(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct space batch = batch_of_recipe(&made);
    struct log_slice slice;
    int64_t far = INT64_C(5000000000);

    world_open(world, false);
    world_fill(world, 1, 10);
    batch_assign(batch, far, 2);
    assert_int_equal(partition_log_append_copy(world->log, bytes_of(batch.data, batch.size)), STATUS_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    assert_true(partition_log_end_offset(world->log) == far + 1);
    /* Between the two there is nothing; a reader gets what comes next. */
    assert_int_equal(partition_log_read(world->log, 1, far + 1, 1000, true, &slice), STATUS_OK);
    assert_true(slice.first_offset == far);
    file_unref(slice.file);
    memory_free(batch.data);
}

/* The hole in front of a leap looks like a piece that was lost: no piece may be. */
static void what_lies_in_front_of_a_leap_survives_a_power_cut(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct space batch = batch_of_recipe(&made);
    const int64_t far = INT64_C(5000000000);
    struct log_slice slice;
    int64_t end;

    world->config.durability = DURABILITY_MEMORY;
    world_open(world, false);
    world_fill(world, 1, 10);
    assert_true(world_sync(world)); /* whose directory it is; nothing else is synced */
    world_fill(world, 3, 10);
    end = partition_log_end_offset(world->log);
    batch_assign(batch, far, 2);
    assert_int_equal(partition_log_append_copy(world->log, bytes_of(batch.data, batch.size)), STATUS_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(disk_sync_directory(&world->memory.disk, WORLD_DIRECTORY), STATUS_OK);
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    assert_int_equal(partition_log_read(world->log, end - 1, far, 1000, true, &slice), STATUS_OK);
    assert_non_null(slice.file);
    assert_true(slice.first_offset < end);
    file_unref(slice.file);
    memory_free(batch.data);
}

static void an_empty_segment_makes_room_for_a_leap(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct space batch = batch_of_recipe(&made);

    world_open(world, false);
    batch_assign(batch, INT64_C(5000000000), 2);
    assert_int_equal(partition_log_append_copy(world->log, bytes_of(batch.data, batch.size)), STATUS_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_int_equal(world_count_files(world, ".log"), 1);
    memory_free(batch.data);
}

static void a_follower_takes_batches_with_gaps_but_never_backwards(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct space batch = batch_of_recipe(&made);
    struct bytes bytes = bytes_of(batch.data, batch.size);

    world_open(world, false);
    batch_assign(batch, 10, 4);
    assert_int_equal(partition_log_append_copy(world->log, bytes), STATUS_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_end_offset(world->log), 11);
    assert_int_equal(partition_log_latest_epoch(world->log), 4);
    assert_int_equal(partition_log_epoch_of(world->log, 10), 4);
    assert_int_equal(partition_log_append_copy(world->log, bytes), STATUS_OUT_OF_RANGE);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_end_offset(world->log), 11);
    memory_free(batch.data);
}

static void preallocation_leaves_no_tail(void **state)
{
    struct world *world = *state;

    world->config.preallocate = true;
    world->config.durability = DURABILITY_INTERVAL;
    world_open(world, false);
    world_fill(world, 2, 10);
    assert_int_equal(memory_disk_contents(&world->memory, world_path("00000000000000000000.log"))->size,
                     partition_log_size(world->log));
}

static void the_interval_class_syncs_by_messages_and_by_time(void **state)
{
    struct world *world = *state;

    world->config.durability = DURABILITY_INTERVAL;
    world->config.flush_messages = 3;
    world->config.flush_ms = 200;
    world_open(world, false);
    world_fill(world, 2, 10);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 0);
    world_fill(world, 1, 10);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 3);
    world_fill(world, 1, 10);
    partition_log_maintain(world->log, world->wall_ms + 199, 0);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 3);
    partition_log_maintain(world->log, world->wall_ms + 200, 0);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 4);
}

static void a_log_at_rest_has_no_memory_of_its_tail_no_descriptor_and_is_quiet(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    assert_true(partition_log_quiet(world->log));
    world_fill(world, 5, 200);
    assert_true(world_sync(world));
    assert_false(partition_log_quiet(world->log));
    assert_true(world->faults.open_files > 0);
    partition_log_maintain(world->log, world->wall_ms + 1000, 5);
    assert_true(partition_log_quiet(world->log));
    assert_int_equal(world->faults.open_files, 0);
    world_check_contents(world);
    world_fill(world, 5, 200);
    world_check_contents(world);
}

static void many_logs_share_few_descriptors(void **state)
{
    struct world *world = *state;
    struct partition_log *logs[40];
    struct file_cache *cache;

    cache = file_cache_create(&world->faults.disk, 10);
    for (int i = 0; i < 40; i++) {
        char directory[] = "/data/x-00";
        struct partition_log_options options = {
            .directory = directory, .topic = STRING("x"), .partition = i, .config = world->config};
        const struct batch_recipe made = recipe(10, 1000);
        struct space batch = batch_of_recipe(&made);
        struct append_result result;

        directory[8] = (char)('0' + i / 10);
        directory[9] = (char)('0' + i % 10);
        options.config.durability = DURABILITY_MEMORY;
        assert_int_equal(partition_log_open(&world->faults.disk, &options, &logs[i]), STATUS_OK);
        partition_log_attach(logs[i], &world->env, cache, NULL, NULL);
        assert_int_equal(partition_log_append(logs[i], batch, 0, &result), APPEND_OK);
        assert_int_equal(partition_log_flush(logs[i]), STATUS_OK);
        memory_free(batch.data);
        assert_true(world->faults.open_files <= 10);
    }
    for (int i = 0; i < 40; i++) {
        struct log_slice slice;

        assert_int_equal(partition_log_read(logs[i], 0, 1, 100, true, &slice), STATUS_OK);
        assert_true(slice.size > 0);
        file_unref(slice.file);
        partition_log_close(logs[i]);
    }
    file_cache_destroy(cache);
    assert_int_equal(world->faults.open_files, 0);
}

int test_append(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(an_empty_log_begins_at_zero_and_ends_there),
        LOG_TEST(batches_of_a_turn_are_written_by_one_call),
        LOG_TEST(offset_and_leader_epoch_are_patched_and_the_checksum_stays_true),
        LOG_TEST(a_sync_is_answered_when_the_bytes_are_durable),
        LOG_TEST(what_is_written_during_a_sync_shares_the_next_one),
        LOG_TEST(a_sync_asked_for_before_the_flush_waits_for_it),
        LOG_TEST(a_full_segment_rolls_and_the_roll_is_synced),
        LOG_TEST(a_batch_larger_than_a_segment_gets_one_of_its_own),
        LOG_TEST(records_span_no_more_time_than_segment_ms),
        LOG_TEST(jitter_rolls_earlier_but_never_later),
        LOG_TEST(a_full_index_rolls),
        LOG_TEST(a_leap_of_offsets_starts_a_segment),
        LOG_TEST(what_lies_in_front_of_a_leap_survives_a_power_cut),
        LOG_TEST(an_empty_segment_makes_room_for_a_leap),
        LOG_TEST(a_follower_takes_batches_with_gaps_but_never_backwards),
        LOG_TEST(preallocation_leaves_no_tail),
        LOG_TEST(the_interval_class_syncs_by_messages_and_by_time),
        LOG_TEST(a_log_at_rest_has_no_memory_of_its_tail_no_descriptor_and_is_quiet),
        LOG_TEST(many_logs_share_few_descriptors),
    };

    return cmocka_run_group_tests_name("append", tests, NULL, NULL);
}
