/* Files of class fsync are longer than their log: zeros behind the last batch. The sweeps of test_faults.c cut the
 * power and kill the process at every step of such logs. */
#include "tests/unit/storage-log/world.h"

#include "common/base/memory.h"

#define FIRST_LOG "00000000000000000000.log"
#define BLOCK 4096
#define ROOM_MAX (256 << 10)

static struct buffer *file_of(struct world *world, const char *name)
{
    struct buffer *contents = memory_disk_contents(&world->memory, world_path(name));

    assert_non_null(contents);
    return contents;
}

/* The bytes behind the log in its first and only segment, which must be zeros. */
static size_t room_of(struct world *world)
{
    const struct buffer *file = file_of(world, FIRST_LOG);
    const size_t size = partition_log_size(world->log);

    assert_true(file->size >= size);
    for (size_t i = size; i < file->size; i++) {
        assert_int_equal(file->data[i], 0);
    }
    return file->size - size;
}

static void a_busy_log_has_room_behind_it(void **state)
{
    struct world *world = *state;
    size_t sizes = 0;
    size_t before = 0;

    world_open(world, false);
    for (int i = 0; i < 60; i++) {
        world_fill(world, 1, 200);
        assert_true(room_of(world) <= partition_log_size(world->log) / 2 + BLOCK);
        sizes += before != file_of(world, FIRST_LOG)->size;
        before = file_of(world, FIRST_LOG)->size;
    }
    assert_true(sizes >= 2 && sizes <= 5);
    assert_true(world_sync(world));
    world_check_contents(world);
}

static void room_is_bounded_and_never_reaches_behind_the_segments_end(void **state)
{
    struct world *world = *state;
    size_t most = 0;

    world_open(world, false);
    for (int i = 0; i < 34; i++) {
        world_fill(world, 1, 30000);
        most = room_of(world) > most ? room_of(world) : most;
        assert_true(file_of(world, FIRST_LOG)->size <= world->config.segment_bytes);
    }
    assert_true(most >= ROOM_MAX - 30000 && most < ROOM_MAX + BLOCK);
    assert_int_equal(partition_log_segment_count(world->log), 1);
    world_check_contents(world);
}

static void long_writes_and_other_classes_make_no_room(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 1, 200000);
    assert_int_equal(room_of(world), 0);
    world->config.durability = DURABILITY_INTERVAL;
    partition_log_configure(world->log, &world->config);
    world_fill(world, 3, 100);
    assert_int_equal(room_of(world), 0);
    world->config.durability = DURABILITY_MEMORY;
    partition_log_configure(world->log, &world->config);
    world_fill(world, 3, 100);
    assert_int_equal(room_of(world), 0);
}

static void a_closed_segment_ends_with_its_last_batch(void **state)
{
    struct world *world = *state;

    world->config = world_config(700);
    world_open(world, false);
    world_fill(world, 4, 100);
    assert_int_equal(file_of(world, FIRST_LOG)->size, 700);
    world_fill(world, 1, 100);
    assert_int_equal(partition_log_segment_count(world->log), 2);
    assert_int_equal(file_of(world, FIRST_LOG)->size, 4 * world->sent[0].bytes.size);
    assert_true(world_sync(world));
    world_check_contents(world);
}

static void a_clean_stop_leaves_no_room(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 5, 100);
    assert_true(room_of(world) > 0);
    world_stop(world);
    assert_int_equal(file_of(world, FIRST_LOG)->size, 5 * world->sent[0].bytes.size);
    world_open(world, true);
    assert_int_equal(partition_log_end_offset(world->log), 5);
    world_check_contents(world);
}

static void every_crash_finds_the_end_in_front_of_the_room(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    for (int i = 0; i < 4; i++) {
        world_fill(world, 5, 100);
        assert_true(world_sync(world));
        assert_true(room_of(world) > 0);
        world_crash(world, (enum memory_crash)(MEMORY_CRASH_LOSES + i));
        world->kept = MEMORY_CRASH_LOSES + i == MEMORY_CRASH_KILLS;
        world_open(world, false);
        assert_int_equal(partition_log_end_offset(world->log), 5 * (i + 1));
        assert_int_equal(partition_log_cut_bytes(world->log), 0);
        assert_int_equal(room_of(world), 0);
        world_check_contents(world);
    }
}

/* The last write goes over zeros, and stops at every byte. */
static void a_kill_in_a_write_to_the_room_takes_that_write_only(void **state)
{
    struct world *world = *state;
    struct buffer whole;
    size_t end;
    size_t batch;

    world->config.index_interval_bytes = 1;
    world_open(world, false);
    world_fill(world, 8, 60);
    assert_true(room_of(world) > 0);
    end = partition_log_size(world->log);
    world_close(world);
    batch = world->sent[7].bytes.size;
    buffer_init(&whole);
    buffer_append(&whole, file_of(world, FIRST_LOG)->data, file_of(world, FIRST_LOG)->size);
    /* A record without headers ends with a zero byte, which is there anyway. */
    assert_int_equal(whole.data[end - 1], 0);
    assert_int_not_equal(whole.data[end - 2], 0);
    for (size_t size = end - batch; size < end; size++) {
        struct buffer *file = file_of(world, FIRST_LOG);

        file->size = 0;
        buffer_append(file, whole.data, whole.size);
        memset(file->data + size, 0, end - size);
        world->kept = true;
        world_open(world, false);
        assert_int_equal(partition_log_end_offset(world->log), size < end - 1 ? 7 : 8);
        assert_int_equal(room_of(world), 0);
        world_check_contents(world);
        world_close(world);
    }
    buffer_deinit(&whole);
}

static void a_full_disk_takes_the_room_but_not_the_batch(void **state)
{
    struct world *world = *state;

    world->config = world_config(20000);
    world_open(world, false);
    world_fill(world, 1, 4050);
    assert_true(room_of(world) > 0);
    while (room_of(world) > 300) {
        world_fill(world, 1, 100);
    }
    world->faults.fail_with = STATUS_NO_SPACE;
    world->faults.fail_at = world->faults.calls + 1;
    world_fill(world, 1, 400);
    assert_true(world->faults.failed);
    assert_int_equal(room_of(world), 0);
    world->faults.fail_at = 0;
    assert_true(world_sync(world));
    while (partition_log_segment_count(world->log) == 1) {
        assert_int_equal(room_of(world), 0);
        world_fill(world, 1, 100);
    }
    world_check_contents(world);
    assert_int_equal(world->failed_count, 0);
}

static void a_full_disk_behind_room_passes_too(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);

    world_open(world, false);
    world_fill(world, 3, 10);
    assert_true(room_of(world) > 0);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    world->faults.fail_at = world->faults.calls + 1;
    world->faults.fail_with = STATUS_NO_SPACE; /* of a file system that never writes in place */
    assert_int_equal(partition_log_flush(world->log), STATUS_NO_SPACE);
    world->faults.fail_at = 0;
    world_forget_from(world, 3);
    assert_int_equal(room_of(world), 0);
    world_fill(world, 3, 10);
    assert_true(world_sync(world));
    world_check_contents(world);
}

static void a_resting_log_gives_its_room_back(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 5, 100);
    assert_true(world_sync(world));
    partition_log_maintain(world->log, world->wall_ms + 900, 5);
    assert_true(room_of(world) > 0);
    partition_log_maintain(world->log, world->wall_ms + 1100, 5);
    assert_int_equal(room_of(world), 0);
    world_fill(world, 5, 100);
    assert_true(room_of(world) > 0);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 10);
    world_check_contents(world);
}

static void a_cut_takes_the_room_along(void **state)
{
    struct world *world = *state;

    world_open(world, false);
    world_fill(world, 8, 100);
    assert_true(room_of(world) > 0);
    assert_int_equal(partition_log_truncate(world->log, 5), STATUS_OK);
    world_forget_from(world, 5);
    assert_int_equal(room_of(world), 0);
    world_fill(world, 3, 100);
    assert_true(world_sync(world));
    world_crash(world, MEMORY_CRASH_LOSES);
    world_open(world, false);
    assert_int_equal(partition_log_end_offset(world->log), 8);
    world_check_contents(world);
}

int test_room(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_busy_log_has_room_behind_it),
        LOG_TEST(room_is_bounded_and_never_reaches_behind_the_segments_end),
        LOG_TEST(long_writes_and_other_classes_make_no_room),
        LOG_TEST(a_closed_segment_ends_with_its_last_batch),
        LOG_TEST(a_clean_stop_leaves_no_room),
        LOG_TEST(every_crash_finds_the_end_in_front_of_the_room),
        LOG_TEST(a_kill_in_a_write_to_the_room_takes_that_write_only),
        LOG_TEST(a_full_disk_takes_the_room_but_not_the_batch),
        LOG_TEST(a_full_disk_behind_room_passes_too),
        LOG_TEST(a_resting_log_gives_its_room_back),
        LOG_TEST(a_cut_takes_the_room_along),
    };

    return cmocka_run_group_tests_name("room", tests, NULL, NULL);
}
