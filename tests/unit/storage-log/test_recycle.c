/* Expired segments that are written over. The sweeps of test_faults.c cut the power at every step of it. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

/* Five segments of four batches of class memory, timestamps 1000 to 1019; files go without delay. */
static void fill_segments(struct world *world)
{
    world->config.durability = DURABILITY_MEMORY;
    world->config.segment_bytes = 800;
    world->config.file_delete_delay_ms = 0;
    world_open(world, false);
    world_fill(world, 20, 120);
    assert_int_equal(partition_log_segment_count(world->log), 5);
}

static uint64_t size_of(struct world *world, const char *name)
{
    uint64_t size = 0;

    assert_int_equal(disk_file_size(&world->memory.disk, world_path(name), &size), STATUS_OK);
    return size;
}

/* Deletes the first segment and lets the worker do its part. */
static void delete_first(struct world *world)
{
    assert_int_equal(partition_log_delete_before(world->log, 4, 20), STATUS_OK);
    partition_log_maintain(world->log, world->wall_ms, 20);
    world_work(world);
}

static void the_next_segment_is_written_over_an_expired_one(void **state)
{
    struct world *world = *state;
    uint64_t old;

    fill_segments(world);
    old = size_of(world, "00000000000000000000.log");
    delete_first(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    assert_int_equal(world_count_files(world, ".index.deleted"), 0);
    world_fill(world, 1, 120);
    assert_int_equal(partition_log_segment_count(world->log), 5);
    assert_int_equal(world_count_files(world, ".log.deleted"), 0);
    assert_int_equal(size_of(world, "00000000000000000020.log"), old);
    /* Names are made at the roll, where entries come later. */
    assert_int_equal(size_of(world, "00000000000000000020.index"), 0);
    assert_int_equal(size_of(world, "00000000000000000020.timeindex"), 0);
    world_check_contents(world);
    /* Full: the file ends where its batches do. */
    world_fill(world, 4, 100);
    assert_true(size_of(world, "00000000000000000020.log") < old);
    world_check_contents(world);
}

static void a_clean_stop_leaves_nothing_of_the_old_segment(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_first(world);
    world_fill(world, 1, 120);
    world_stop(world);
    assert_true(size_of(world, "00000000000000000020.log") < 300);
    world_open(world, true);
    assert_int_equal(partition_log_end_offset(world->log), 21);
    world_check_contents(world);
}

static void a_start_after_a_kill_finds_the_end_in_front_of_old_batches(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_first(world);
    world_fill(world, 2, 120);
    world_close(world);
    world->kept = true;
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 22);
    assert_int_equal(partition_log_durable_end(world->log), 4);
    world_check_contents(world);
    world_fill(world, 10, 120);
    world_check_contents(world);
}

static void a_walk_over_everything_ends_in_front_of_old_batches_too(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_first(world);
    world_fill(world, 2, 120);
    world_close(world);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 22);
    world_check_contents(world);
}

/* Batches of one size: the old ones begin exactly where a new one would. */
static void old_batches_that_fit_are_not_taken_even_without_the_mark(void **state)
{
    struct world *world = *state;
    struct file *file;
    uint8_t old[4096];
    size_t got;

    fill_segments(world);
    assert_int_equal(disk_open(&world->memory.disk, world_path("00000000000000000000.log"), FILE_READ, &file),
                     STATUS_OK);
    assert_int_equal(file_read(file, 0, old, sizeof(old), &got), STATUS_OK);
    file_unref(file);
    delete_first(world);
    world_fill(world, 2, 120);
    world_close(world);
    assert_int_equal(disk_open(&world->memory.disk, world_path("00000000000000000020.log"), FILE_WRITE, &file),
                     STATUS_OK);
    assert_int_equal(got % 4, 0);
    assert_int_equal(file_write(file, got / 2, &(struct bytes){old + got / 2, got / 2}, 1), STATUS_OK);
    file_unref(file);
    for (int i = 0; i < 2; i++) {
        world->kept = i == 0;
        world_open(world, false);
        assert_int_equal(partition_log_end_offset(world->log), 22);
        world_check_contents(world);
        world_close(world);
    }
}

static void a_segment_that_is_still_sent_is_not_written_over(void **state)
{
    struct world *world = *state;
    struct log_slice slice;
    struct bytes bytes;

    fill_segments(world);
    assert_int_equal(partition_log_read(world->log, 0, 4, 1 << 20, true, &slice), STATUS_OK);
    delete_first(world);
    world_fill(world, 8, 120);
    bytes = slice_take(&slice);
    for (size_t i = 0, at = 0; at < bytes.size; at += world->sent[i].bytes.size, i++) {
        assert_memory_equal(bytes.data + at, world->sent[i].bytes.data, world->sent[i].bytes.size);
    }
    memory_free((void *)(uintptr_t)bytes.data);
    world_check_contents(world);
}

static void a_segment_whose_descriptor_is_still_in_use_elsewhere_is_no_spare(void **state)
{
    struct world *world = *state;
    struct log_slice slice;
    struct log_slice other;

    fill_segments(world);
    assert_int_equal(partition_log_read(world->log, 0, 4, 1 << 20, true, &slice), STATUS_OK);
    /* The cache holds 16: the file leaves it, and is opened again. */
    world_fill(world, 40, 120);
    assert_int_equal(partition_log_read(world->log, 0, 4, 1 << 20, true, &other), STATUS_OK);
    file_unref(other.file);
    delete_first(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 0);
    file_unref(slice.file);
}

static void a_spare_that_nobody_needs_is_removed(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_first(world);
    assert_false(partition_log_quiet(world->log));
    partition_log_maintain(world->log, world->wall_ms + 59000, 20);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    partition_log_maintain(world->log, world->wall_ms + 61000, 20);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
}

/* Deletes segments in front of `offset`; the worker has not come to it yet. */
static void delete_in_front_of(struct world *world, int64_t offset)
{
    assert_int_equal(partition_log_delete_before(world->log, offset, partition_log_end_offset(world->log)), STATUS_OK);
    partition_log_maintain(world->log, world->wall_ms, partition_log_end_offset(world->log));
}

/* A roll that comes while the spare is being made takes a new file; from then on there are two. */
static void who_rolls_faster_than_spares_are_made_keeps_two(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_in_front_of(world, 4);
    world_fill(world, 1, 120);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    delete_in_front_of(world, 8);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 2);
    delete_in_front_of(world, 12);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 2); /* not three */
    world_fill(world, 4, 120);
    delete_in_front_of(world, 16);
    world_fill(world, 4, 120); /* nor is this one too late */
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    world_work(world);
    assert_int_equal(world_count_files(world, ".log.deleted"), 1);
    world_check_contents(world);
    world_stop(world);
    world_open(world, true);
    world_check_contents(world);
    partition_log_maintain(world->log, world->wall_ms + 61000, partition_log_end_offset(world->log));
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
}

static void starting_over_keeps_no_spare(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    delete_first(world);
    assert_int_equal(partition_log_restart(world->log, 2), STATUS_OK);
    world_forget_from(world, 0);
    partition_log_maintain(world->log, world->wall_ms + 1, 0);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
    world_fill(world, 9, 120);
    assert_int_equal(size_of(world, "00000000000000000002.log"), size_of(world, "00000000000000000006.log"));
    world_check_contents(world);
}

/* The same while the worker is at it. */
static void starting_over_refuses_the_spare_under_way(void **state)
{
    struct world *world = *state;

    fill_segments(world);
    assert_int_equal(partition_log_delete_before(world->log, 4, 20), STATUS_OK);
    partition_log_maintain(world->log, world->wall_ms, 20);
    assert_int_equal(partition_log_restart(world->log, 2), STATUS_OK);
    world_forget_from(world, 0);
    world_work(world);
    partition_log_maintain(world->log, world->wall_ms + 1, 0);
    world_work(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
}

/* The old name must not come back with new bytes behind it: the recovery point says that it can be trusted. */
static void a_power_cut_does_not_bring_the_old_name_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct world *world;
        void *fresh;

        world_setup(&fresh);
        world = fresh;
        prng_init(&world->memory.prng, seed);
        fill_segments(world);
        assert_true(world_sync(world));
        world->recovery_point = partition_log_durable_end(world->log);
        delete_first(world);
        world_fill(world, 3, 120);
        assert_int_equal(world_count_files(world, ".log.deleted"), 0);
        world_crash(world, MEMORY_CRASH_TEARS);
        world_open(world, false);
        assert_int_equal(partition_log_start_offset(world->log), 4);
        assert_true(partition_log_end_offset(world->log) >= 20);
        world_forget_from(world, partition_log_end_offset(world->log));
        world_check_contents(world);
        world_teardown(&fresh);
    }
}

static void other_classes_delete(void **state)
{
    struct world *world = *state;

    world->config.durability = DURABILITY_FSYNC;
    world->config.segment_bytes = 800;
    world->config.file_delete_delay_ms = 0;
    world_open(world, false);
    world_fill(world, 20, 120);
    assert_true(world_sync(world));
    delete_first(world);
    assert_int_equal(world_count_files(world, ".deleted"), 0);
}

int test_recycle(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(the_next_segment_is_written_over_an_expired_one),
        LOG_TEST(a_clean_stop_leaves_nothing_of_the_old_segment),
        LOG_TEST(a_start_after_a_kill_finds_the_end_in_front_of_old_batches),
        LOG_TEST(a_walk_over_everything_ends_in_front_of_old_batches_too),
        LOG_TEST(old_batches_that_fit_are_not_taken_even_without_the_mark),
        LOG_TEST(a_segment_that_is_still_sent_is_not_written_over),
        LOG_TEST(a_segment_whose_descriptor_is_still_in_use_elsewhere_is_no_spare),
        LOG_TEST(a_spare_that_nobody_needs_is_removed),
        LOG_TEST(who_rolls_faster_than_spares_are_made_keeps_two),
        LOG_TEST(starting_over_keeps_no_spare),
        LOG_TEST(starting_over_refuses_the_spare_under_way),
        cmocka_unit_test(a_power_cut_does_not_bring_the_old_name_back),
        LOG_TEST(other_classes_delete),
    };

    return cmocka_run_group_tests_name("recycle", tests, NULL, NULL);
}
