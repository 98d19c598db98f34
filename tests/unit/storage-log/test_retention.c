/* Moving the start: DeleteRecords, age, size; what happens to the files. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

/* Five segments of four batches, timestamps 1000 to 1019. */
static void fill_segments(struct world *world)
{
    world->config.segment_bytes = 800;
    world_open(world, false);
    world_fill(world, 20, 120);
    assert_int_equal(partition_log_segment_count(world->log), 5);
    assert_true(world_sync(world));
}

static void the_start_moves_into_a_segment_and_whole_ones_in_front_go(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    assert_int_equal(partition_log_delete_before(world->log, 3, 20), STATUS_OK);
    assert_int_equal(partition_log_segment_count(world->log), 5);
    assert_int_equal(partition_log_start_offset(world->log), 3);
    assert_int_equal(partition_log_delete_before(world->log, 9, 20), STATUS_OK);
    world_work(world);
    assert_int_equal(partition_log_segment_count(world->log), 3);
    assert_int_equal(partition_log_start_offset(world->log), 9);
    assert_int_equal(partition_log_delete_before(world->log, 5, 20), STATUS_OK);
    assert_int_equal(partition_log_start_offset(world->log), 9);
    world_check_contents(world);
    world_stop(world);
    world_open(world, true);
    assert_int_equal(partition_log_start_offset(world->log), 9);
    world_check_contents(world);
}

static void nothing_behind_the_high_watermark_is_deleted(void **state)
{
    struct world *world = *state;

    world->config.retention_ms = 10;
    fill_segments(world);
    assert_int_equal(partition_log_delete_before(world->log, 12, 11), STATUS_OUT_OF_RANGE);
    assert_int_equal(partition_log_delete_before(world->log, 21, 30), STATUS_OUT_OF_RANGE);
    assert_true(partition_log_maintain(world->log, world->wall_ms, 11));
    assert_int_equal(partition_log_start_offset(world->log), 8);
    assert_false(partition_log_maintain(world->log, world->wall_ms, 11));
}

static void files_are_renamed_one_by_one_and_removed_after_the_delay(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    assert_int_equal(world_count_files(world, ".log"), 5);
    assert_int_equal(partition_log_delete_before(world->log, 8, 20), STATUS_OK);
    assert_int_equal(partition_log_start_offset(world->log), 8);
    /* The next one waits until it is durable that the first has gone. */
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    assert_int_equal(partition_log_delete_before(world->log, 9, 20), STATUS_OK);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log"), 3);
    assert_int_equal(world_count_files(world, ".log.deleted"), 2);
    assert_int_equal(world_count_files(world, ".index.deleted"), 2);
    /* Removing it is not the loop's either. */
    assert_int_equal(world_count_files(world, ".snapshot.deleted"), 1);
    partition_log_maintain(world->log, world->wall_ms + 999, 20);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 2);
    partition_log_maintain(world->log, world->wall_ms + 1000, 20);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
    assert_null(memory_disk_contents(&world->memory, world_path("00000000000000000004.snapshot")));
    assert_non_null(memory_disk_contents(&world->memory, world_path("00000000000000000008.snapshot")));
}

static void on_a_full_disk_files_go_without_being_renamed(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    /* The first call renames the oldest .log. */
    world->faults.fail_at = world->faults.calls + 1;
    world->faults.fail_with = STATUS_NO_SPACE;
    assert_int_equal(partition_log_delete_before(world->log, 8, 20), STATUS_OK);
    assert_true(world->faults.failed);
    assert_int_equal(partition_log_start_offset(world->log), 8);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log"), 3);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    world_check_contents(world);
    partition_log_maintain(world->log, world->wall_ms + 1000, 20);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
    world_stop(world);
    world_open(world, true);
    assert_int_equal(partition_log_start_offset(world->log), 8);
    world_check_contents(world);
}

static void a_reader_keeps_its_slice_while_the_segment_goes(void **state)
{
    struct world *world = *state;
    struct log_slice slice;
    struct bytes bytes;

    fill_segments(world);
    assert_int_equal(partition_log_read(world->log, 0, 4, 1 << 20, true, &slice), STATUS_OK);
    assert_int_equal(partition_log_delete_before(world->log, 8, 20), STATUS_OK);
    partition_log_maintain(world->log, world->wall_ms + 5000, 20);
    world_work(world);
    bytes = slice_take(&slice);
    assert_memory_equal(bytes.data, world->sent[0].bytes.data, world->sent[0].bytes.size);
    memory_free((void *)(uintptr_t)bytes.data);
}

static void closed_segments_of_class_memory_are_synced_later(void **state)
{
    struct world *world = *state;
    uint64_t syncs;

    world->config.durability = DURABILITY_MEMORY;
    world->config.segment_bytes = 800;
    world_open(world, false);
    syncs = world->memory.syncs;
    world_fill(world, 20, 120);
    world_work(world);
    assert_int_equal(partition_log_segment_count(world->log), 5);
    partition_log_maintain(world->log, world->wall_ms + 29999, 20);
    world_work(world);
    assert_int_equal(world->memory.syncs, syncs);
    assert_int_equal(partition_log_durable_end(world->log), 0);
    assert_false(partition_log_quiet(world->log));
    partition_log_maintain(world->log, world->wall_ms + 30000, 20);
    world_work(world);
    assert_true(world->memory.syncs > syncs);
    assert_int_equal(partition_log_durable_end(world->log), 16);
}

static void closed_segments_of_other_classes_are_synced_at_once(void **state)
{
    struct world *world = *state;

    world->config.durability = DURABILITY_INTERVAL;
    world->config.segment_bytes = 800;
    world_open(world, false);
    world_fill(world, 20, 120);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 16);
}

static void a_class_that_becomes_stricter_has_closed_segments_synced(void **state)
{
    struct world *world = *state;

    world->config.durability = DURABILITY_MEMORY;
    world->config.segment_bytes = 800;
    world_open(world, false);
    world_fill(world, 20, 120);
    world->config.durability = DURABILITY_INTERVAL;
    partition_log_configure(world->log, &world->config);
    partition_log_maintain(world->log, world->wall_ms + 1, 20);
    world_work(world);
    assert_int_equal(partition_log_durable_end(world->log), 16);
}

static void age_counts_from_a_segments_newest_record(void **state)
{
    struct world *world = *state;

    world->config.retention_ms = 100000;
    fill_segments(world);
    assert_false(partition_log_maintain(world->log, 1003 + 100000, 20));
    assert_true(partition_log_maintain(world->log, 1004 + 100000, 20));
    assert_int_equal(partition_log_start_offset(world->log), 4);
    world_check_contents(world);
}

static void a_log_that_is_old_as_a_whole_is_emptied(void **state)
{
    struct world *world = *state;

    world->config.retention_ms = 1000;
    fill_segments(world);
    assert_true(partition_log_maintain(world->log, 100000, 20));
    assert_int_equal(partition_log_start_offset(world->log), 20);
    assert_int_equal(partition_log_end_offset(world->log), 20);
    world_work(world);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_int_equal(partition_log_size(world->log), 0);
    world_fill(world, 3, 10);
    assert_int_equal(partition_log_end_offset(world->log), 23);
    world_check_contents(world);
    world_stop(world);
    world_open(world, true);
    assert_int_equal(partition_log_start_offset(world->log), 20);
    world_check_contents(world);
}

static void a_clock_before_1970_stands_at_1970(void **state)
{
    struct world *world = *state;

    world->wall_ms = -157679988748;
    assert_int_equal(env_wall_ms(&world->env), 0);
    world->wall_ms = 1;
    assert_int_equal(env_wall_ms(&world->env), 1);
}

static void size_keeps_at_least_what_is_configured(void **state)
{
    struct world *world = *state;
    uint64_t size;

    fill_segments(world);
    size = partition_log_size(world->log);
    world->config.retention_bytes = (int64_t)size - 1;
    partition_log_configure(world->log, &world->config);
    assert_false(partition_log_maintain(world->log, world->wall_ms, 20));
    world->config.retention_bytes = (int64_t)(size / 5 * 3);
    partition_log_configure(world->log, &world->config);
    assert_true(partition_log_maintain(world->log, world->wall_ms, 20));
    assert_int_equal(partition_log_start_offset(world->log), 8);
    world->config.retention_bytes = 0;
    partition_log_configure(world->log, &world->config);
    assert_true(partition_log_maintain(world->log, world->wall_ms, 20));
    assert_int_equal(partition_log_start_offset(world->log), 20);
}

static void a_log_that_is_only_compacted_keeps_everything(void **state)
{
    struct world *world = *state;

    world->config.retention_ms = 1;
    world->config.retention_bytes = 1;
    world->config.delete_old = false;
    fill_segments(world);
    assert_false(partition_log_maintain(world->log, world->wall_ms, 20));
    assert_int_equal(partition_log_segment_count(world->log), 5);
}

static void an_aged_segment_rolls_without_an_append(void **state)
{
    struct world *world = *state;

    world->config.segment_ms = 5000;
    world_open(world, false);
    partition_log_maintain(world->log, world->wall_ms + 6000, 0);
    assert_int_equal(partition_log_segment_count(world->log), 1); /* empty: nothing to close */
    world_fill(world, 1, 10);
    partition_log_maintain(world->log, world->wall_ms + 5000, 0);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    partition_log_maintain(world->log, world->wall_ms + 5001, 0);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    /* Old records do not make the new one roll again and again. */
    world_fill(world, 1, 10);
    partition_log_maintain(world->log, world->wall_ms + 10, 0);
    assert_int_equal(partition_log_segment_count(world->log), 2);
}

static void a_lost_time_index_does_not_make_records_older(void **state)
{
    struct world *world = *state;
    struct buffer *index;

    world->config.retention_ms = 100;
    fill_segments(world);
    world_stop(world);
    index = memory_disk_contents(&world->memory, world_path("00000000000000000000.timeindex"));
    memset(index->data, 0, index->size);
    world_open(world, true);
    assert_false(partition_log_maintain(world->log, 1100, 20));
    assert_int_equal(partition_log_start_offset(world->log), 0);
}

static void a_cut_takes_records_and_segments_behind_it(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    for (int64_t offset = 19; offset >= 0; offset -= 3) {
        assert_int_equal(partition_log_truncate(world->log, offset), STATUS_OK);
        world_forget_from(world, offset);
        assert_int_equal(partition_log_end_offset(world->log), offset);
        assert_int_equal(partition_log_written_end(world->log), offset);
        assert_true(partition_log_durable_end(world->log) <= offset);
        world_check_contents(world);
        world_fill(world, 1, 50);
        world_check_contents(world);
    }
    assert_int_equal(partition_log_segment_count(world->log), 1);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    world_check_contents(world);
}

static void a_cut_in_a_batch_takes_all_of_it(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe(10, 1000);

    made.records = 5;
    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_truncate(world->log, 7), STATUS_OK);
    assert_int_equal(partition_log_end_offset(world->log), 5);
    world_forget_from(world, 5);
    world_check_contents(world);
    assert_int_equal(partition_log_truncate(world->log, 6), STATUS_OK);
    assert_int_equal(partition_log_end_offset(world->log), 5);
}

static void a_cut_in_the_batch_that_holds_the_start_leaves_an_empty_log(void **state)
{
    struct world *world = *state;
    struct batch_recipe made = recipe(10, 1000);

    made.records = 5;
    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_delete_before(world->log, 6, 10), STATUS_OK);
    assert_int_equal(partition_log_truncate(world->log, 8), STATUS_OK);
    world_forget_from(world, 0);
    assert_int_equal(partition_log_start_offset(world->log), 5);
    assert_int_equal(partition_log_end_offset(world->log), 5);
    assert_int_equal(partition_log_durable_end(world->log), 5);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    world_check_contents(world);
}

struct cut_answer {
    struct log_sync sync;
    int count;
    enum status status;
};

static void cut_answered(struct log_sync *sync, enum status status)
{
    struct cut_answer *answer = CONTAINER_OF(sync, struct cut_answer, sync);

    answer->count++;
    answer->status = status;
}

static void who_waits_for_cut_records_is_told(void **state)
{
    struct world *world = *state;
    struct cut_answer cut = {.sync.offset = 10, .sync.done = cut_answered};
    struct cut_answer kept = {.sync.offset = 4, .sync.done = cut_answered};

    world_open(world, false);
    world_fill(world, 10, 10);
    partition_log_sync(world->log, &kept.sync);
    partition_log_sync(world->log, &cut.sync);
    assert_int_equal(partition_log_truncate(world->log, 6), STATUS_OK);
    world_work(world);
    assert_int_equal(cut.count, 1);
    assert_int_equal(cut.status, STATUS_OUT_OF_RANGE);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.status, STATUS_OK);
    assert_int_equal(partition_log_durable_end(world->log), 6);
    world_forget_from(world, 6);
}

static void starting_over_leaves_nothing(void **state)
{
    struct world *world = *state;

    world->leader_epoch = 3;
    fill_segments(world);
    assert_int_equal(partition_log_restart(world->log, 1000), STATUS_OK);
    world_forget_from(world, 0);
    assert_int_equal(partition_log_start_offset(world->log), 1000);
    assert_int_equal(partition_log_end_offset(world->log), 1000);
    assert_int_equal(partition_log_latest_epoch(world->log), -1);
    assert_int_equal(world_count_files(world, ".snapshot"), 0);
    world_fill(world, 3, 10);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    world->log_start = 0;
    world_open(world, false);
    assert_int_equal(partition_log_start_offset(world->log), 1000);
    assert_int_equal(partition_log_end_offset(world->log), 1003);
    world_check_contents(world);
}

static void a_cut_below_the_start_starts_over(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    assert_int_equal(partition_log_delete_before(world->log, 10, 20), STATUS_OK);
    assert_int_equal(partition_log_truncate(world->log, 5), STATUS_OK);
    world_forget_from(world, 0);
    assert_int_equal(partition_log_start_offset(world->log), 5);
    assert_int_equal(partition_log_end_offset(world->log), 5);
}

static void a_retired_directory_frees_its_name_and_goes(void **state)
{
    struct world *world = *state;
    char renamed[DISK_PATH_MAX];
    uint64_t size;

    fill_segments(world);
    world_stop(world);
    assert_int_equal(partition_directory_retire(&world->memory.disk, WORLD_DIRECTORY, (struct uuid){{0xab, 1}},
                                                PARTITION_DIRECTORY_DELETE, renamed),
                     STATUS_OK);
    assert_string_equal(renamed, WORLD_DIRECTORY ".ab010000000000000000000000000000-delete");
    assert_int_equal(disk_file_size(&world->memory.disk, world_path("00000000000000000000.log"), &size),
                     STATUS_NOT_FOUND);
    world_forget_from(world, 0);
    world_open(world, true);
    assert_int_equal(partition_log_end_offset(world->log), 0);
    assert_int_equal(partition_directory_remove(&world->memory.disk, renamed), STATUS_OK);
    assert_int_equal(partition_directory_remove(&world->memory.disk, renamed), STATUS_OK);
}

int test_retention(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(the_start_moves_into_a_segment_and_whole_ones_in_front_go),
        LOG_TEST(nothing_behind_the_high_watermark_is_deleted),
        LOG_TEST(files_are_renamed_one_by_one_and_removed_after_the_delay),
        LOG_TEST(on_a_full_disk_files_go_without_being_renamed),
        LOG_TEST(a_reader_keeps_its_slice_while_the_segment_goes),
        LOG_TEST(closed_segments_of_class_memory_are_synced_later),
        LOG_TEST(closed_segments_of_other_classes_are_synced_at_once),
        LOG_TEST(a_class_that_becomes_stricter_has_closed_segments_synced),
        LOG_TEST(age_counts_from_a_segments_newest_record),
        LOG_TEST(a_log_that_is_old_as_a_whole_is_emptied),
        LOG_TEST(a_clock_before_1970_stands_at_1970),
        LOG_TEST(size_keeps_at_least_what_is_configured),
        LOG_TEST(a_log_that_is_only_compacted_keeps_everything),
        LOG_TEST(an_aged_segment_rolls_without_an_append),
        LOG_TEST(a_lost_time_index_does_not_make_records_older),
        LOG_TEST(a_cut_takes_records_and_segments_behind_it),
        LOG_TEST(a_cut_in_a_batch_takes_all_of_it),
        LOG_TEST(a_cut_in_the_batch_that_holds_the_start_leaves_an_empty_log),
        LOG_TEST(who_waits_for_cut_records_is_told),
        LOG_TEST(starting_over_leaves_nothing),
        LOG_TEST(a_cut_below_the_start_starts_over),
        LOG_TEST(a_retired_directory_frees_its_name_and_goes),
    };

    return cmocka_run_group_tests_name("retention", tests, NULL, NULL);
}
