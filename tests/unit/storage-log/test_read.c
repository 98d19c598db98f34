/* Slices and time look-ups, held against what was appended. */
#include "tests/unit/storage-log/world.h"

#include "common/base/endian.h"
#include "common/base/memory.h"

/* What a read must give, from what was sent. */
struct expected {
    int64_t first_offset;
    int64_t next_offset;
    size_t size;
};

static struct expected read_expected(const struct world *world, int64_t offset, int64_t offset_max, size_t size_max,
                                     bool first_whole)
{
    struct expected expected = {.first_offset = offset, .next_offset = offset};
    size_t i = 0;

    while (i < world->sent_count && world->sent[i].last_offset < offset) {
        i++;
    }
    for (; i < world->sent_count && offset < offset_max; i++) {
        const struct sent *sent = &world->sent[i];
        const bool whole = first_whole && expected.size == 0;

        if (sent->last_offset >= offset_max || (expected.size + sent->bytes.size > size_max && !whole)) {
            break;
        }
        expected.first_offset = expected.size == 0 ? sent->base_offset : expected.first_offset;
        expected.size += sent->bytes.size;
        expected.next_offset = sent->last_offset + 1;
    }
    return expected;
}

/* One read; a slice may end earlier than expected only where a segment does. */
static void check_read(struct world *world, int64_t offset, int64_t offset_max, size_t size_max, bool first_whole)
{
    const struct expected expected = read_expected(world, offset, offset_max, size_max, first_whole);
    struct log_slice slice;
    struct bytes bytes;
    size_t i = 0;
    size_t at = 0;

    assert_int_equal(partition_log_read(world->log, offset, offset_max, size_max, first_whole, &slice), STATUS_OK);
    assert_true(slice.size <= expected.size);
    assert_int_equal(slice.size == 0, expected.size == 0);
    if (slice.size == 0) {
        assert_null(slice.file);
        return;
    }
    assert_true(slice.first_offset == expected.first_offset);
    while (world->sent[i].base_offset != slice.first_offset) {
        i++;
    }
    if (slice.size == expected.size) {
        assert_true(slice.next_offset == expected.next_offset);
    } else {
        uint64_t end = slice.position + slice.size;
        uint64_t size;

        assert_int_equal(file_size(slice.file, &size), STATUS_OK);
        assert_true(end == size);
    }
    bytes = slice_take(&slice);
    for (; at < bytes.size; i++) {
        assert_memory_equal(bytes.data + at, world->sent[i].bytes.data, world->sent[i].bytes.size);
        at += world->sent[i].bytes.size;
    }
    assert_int_equal(at, bytes.size);
    assert_true(slice.next_offset == world->sent[i - 1].last_offset + 1);
    memory_free((void *)(uintptr_t)bytes.data);
}

/* Batches of one to five records and of all sizes. */
static void fill_mixed(struct world *world, struct prng *prng, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* One after the other: compilers differ in which argument they evaluate first. */
        const int64_t timestamp = 1000 + (int64_t)prng_below(prng, 500);
        const size_t size = (size_t)prng_below(prng, prng_below(prng, 20) == 0 ? 20000 : 300);
        struct batch_recipe made = recipe(size, timestamp);

        made.records = 1 + (int32_t)prng_below(prng, 5);
        assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
        if (prng_below(prng, 3) == 0) {
            assert_int_equal(partition_log_flush(world->log), STATUS_OK);
        }
    }
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
}

static void check_reads(struct world *world, struct prng *prng, int count)
{
    const int64_t start = partition_log_start_offset(world->log);
    const int64_t end = partition_log_written_end(world->log);

    for (int i = 0; i < count; i++) {
        const int64_t offset = start + (int64_t)prng_below(prng, (uint64_t)(end - start) + 1);
        const int64_t offset_max = offset + (int64_t)prng_below(prng, (uint64_t)(end - offset) + 1);
        const size_t size_max = (size_t)prng_below(prng, prng_below(prng, 2) == 0 ? 1000 : 100000);

        check_read(world, offset, offset_max, size_max, prng_below(prng, 2) == 0);
    }
}

static void slices_are_whole_batches_within_all_limits(void **state)
{
    struct world *world = *state;
    struct prng prng;

    prng_init(&prng, 7);
    world->config = world_config(150000);
    world_open(world, false);
    fill_mixed(world, &prng, 400);
    check_reads(world, &prng, 800);
    world_stop(world);
    world_open(world, true);
    check_reads(world, &prng, 400);
    fill_mixed(world, &prng, 100);
    check_reads(world, &prng, 400);
}

static void a_consumer_at_the_end_costs_no_read(void **state)
{
    struct world *world = *state;
    uint64_t reads;

    world_open(world, false);
    world_fill(world, 300, 100);
    reads = world->faults.reads;
    for (int i = 0; i < 100; i++) {
        const int64_t end = partition_log_end_offset(world->log);
        struct log_slice slice;

        world_fill(world, 2, 100);
        assert_int_equal(partition_log_read(world->log, end, end + 1, 1 << 20, true, &slice), STATUS_OK);
        assert_true(slice.next_offset == end + 1);
        file_unref(slice.file);
        assert_int_equal(partition_log_read(world->log, end + 1, end + 2, 1 << 20, true, &slice), STATUS_OK);
        assert_true(slice.next_offset == end + 2);
        file_unref(slice.file);
    }
    assert_int_equal(world->faults.reads, reads);
}

/* More readers than are remembered, each with its own limit, side by side and while batches come. */
static void readers_that_go_on_get_everything(void **state)
{
    struct world *world = *state;
    int64_t offsets[12] = {0};
    struct prng prng;
    bool moved = true;

    prng_init(&prng, 11);
    world->config = world_config(150000);
    world_open(world, false);
    fill_mixed(world, &prng, 400);
    for (int round = 0; moved; round++) {
        moved = false;
        for (size_t i = 0; i < 12; i++) {
            const int64_t end = partition_log_written_end(world->log);
            const size_t size_max = (size_t)(i + 1) * (i + 1) * 900;
            const struct expected expected = read_expected(world, offsets[i], end, size_max, true);
            struct log_slice slice;

            if (offsets[i] == end) {
                continue;
            }
            check_read(world, offsets[i], end, size_max, true);
            assert_int_equal(partition_log_read(world->log, offsets[i], end, size_max, true, &slice), STATUS_OK);
            assert_true(slice.next_offset > offsets[i] && slice.next_offset <= expected.next_offset);
            offsets[i] = slice.next_offset;
            file_unref(slice.file);
            moved = true;
        }
        if (round % 8 == 0 && round < 200) {
            fill_mixed(world, &prng, 4);
        }
        if (round % 20 == 19) {
            partition_log_maintain(world->log, world->wall_ms + 5000, 0);
        }
    }
    for (size_t i = 0; i < 12; i++) {
        assert_true(offsets[i] == partition_log_written_end(world->log));
    }
}

static void who_reads_on_through_large_batches_reads_little_else(void **state)
{
    struct world *world = *state;
    int64_t offset = 0;
    uint64_t reads;
    uint64_t slices = 0;

    world->config = world_config(100 << 20);
    world_open(world, false);
    world_fill(world, 1000, 20000);
    reads = world->faults.reads;
    while (offset < 800) {
        struct log_slice slice;

        assert_int_equal(partition_log_read(world->log, offset, 1000, 65000, true, &slice), STATUS_OK);
        assert_int_equal(slice.next_offset, offset + 3);
        offset = slice.next_offset;
        file_unref(slice.file);
        slices++;
    }
    /* One look into the index and one header, and the way to the first. */
    assert_true(world->faults.reads - reads <= 2 * slices + 20);
}

static void what_is_not_flushed_is_not_read(void **state)
{
    struct world *world = *state;
    const struct batch_recipe made = recipe(10, 1000);
    struct log_slice slice;

    world_open(world, false);
    assert_int_equal(world_append(world, &made, NULL), APPEND_OK);
    assert_int_equal(partition_log_read(world->log, 0, 1, 1000, true, &slice), STATUS_OK);
    assert_null(slice.file);
    assert_int_equal(partition_log_flush(world->log), STATUS_OK);
    assert_int_equal(partition_log_read(world->log, 0, 1, 1000, true, &slice), STATUS_OK);
    assert_non_null(slice.file);
    file_unref(slice.file);
}

static void offsets_outside_the_log_are_out_of_range(void **state)
{
    struct world *world = *state;
    struct log_slice slice;

    world_open(world, false);
    world_fill(world, 10, 10);
    assert_int_equal(partition_log_read(world->log, 11, 20, 100, true, &slice), STATUS_OUT_OF_RANGE);
    assert_int_equal(partition_log_read(world->log, 10, 20, 100, true, &slice), STATUS_OK);
    assert_null(slice.file);
    assert_int_equal(partition_log_delete_before(world->log, 4, 10), STATUS_OK);
    assert_int_equal(partition_log_read(world->log, 3, 10, 100, true, &slice), STATUS_OUT_OF_RANGE);
    assert_int_equal(partition_log_read(world->log, 4, 10, 1, true, &slice), STATUS_OK);
    assert_int_equal(slice.first_offset, 4);
    file_unref(slice.file);
}

static void the_first_batch_comes_whole_only_if_asked_for(void **state)
{
    struct world *world = *state;
    struct log_slice slice;

    world_open(world, false);
    world_fill(world, 2, 500);
    assert_int_equal(partition_log_read(world->log, 0, 2, 10, false, &slice), STATUS_OK);
    assert_null(slice.file);
    assert_int_equal(partition_log_read(world->log, 0, 2, 10, true, &slice), STATUS_OK);
    assert_int_equal(slice.next_offset, 1);
    file_unref(slice.file);
    assert_int_equal(partition_log_read(world->log, 0, 2, 0, true, &slice), STATUS_OK);
    assert_int_equal(slice.next_offset, 1);
    file_unref(slice.file);
}

static void a_wrong_index_entry_costs_time_but_no_records(void **state)
{
    struct world *world = *state;
    struct buffer *index;
    struct prng prng;

    prng_init(&prng, 3);
    world_open(world, false);
    world_fill(world, 300, 100);
    world_stop(world);
    index = memory_disk_contents(&world->memory, world_path("00000000000000000000.index"));
    for (size_t at = 8; at + 16 < index->size; at += 24) {
        index->data[at + 7] ^= 5;
        index->data[at + 3] ^= 1;
    }
    world_open(world, true);
    check_reads(world, &prng, 300);
}

static void a_reader_that_comes_back_after_a_cut_finds_the_new_batches(void **state)
{
    struct world *world = *state;
    struct log_slice slice;

    world_open(world, false);
    world_fill(world, 200, 100);
    /* The reader stops in the middle; where it will go on is remembered. */
    assert_int_equal(partition_log_read(world->log, 20, 200, 3000, true, &slice), STATUS_OK);
    file_unref(slice.file);
    assert_in_range(slice.next_offset, 25, 60);
    assert_int_equal(partition_log_truncate(world->log, 10), STATUS_OK);
    world_forget_from(world, 10);
    world_fill(world, 200, 77);
    check_read(world, slice.next_offset, 200, 3000, true);
}

static void bytes_between_is_never_too_little(void **state)
{
    struct world *world = *state;
    struct prng prng;

    prng_init(&prng, 5);
    world->config = world_config(3000);
    world_open(world, false);
    world_fill(world, 200, 100);
    for (int i = 0; i < 500; i++) {
        const size_t from = (size_t)prng_below(&prng, 200);
        const size_t to = from + (size_t)prng_below(&prng, 200 - from + 1);
        uint64_t bytes = 0;

        for (size_t k = from; k < to; k++) {
            bytes += world->sent[k].bytes.size;
        }
        assert_true(partition_log_bytes_between(world->log, (int64_t)from, (int64_t)to) >= bytes);
    }
    assert_int_equal(partition_log_bytes_between(world->log, 200, 200), 0);
    assert_int_equal(partition_log_bytes_between(world->log, 199, 200), world->sent[199].bytes.size);
    assert_int_equal(partition_log_bytes_between(world->log, 0, 200), partition_log_size(world->log));
}

static void check_times(struct world *world, int64_t offset_max)
{
    for (int64_t time = 990; time < 1520; time += 7) {
        struct log_slice slice;
        size_t i = 0;
        enum status status;

        while (i < world->sent_count && (world->sent[i].max_timestamp < time ||
                                         world->sent[i].last_offset < partition_log_start_offset(world->log))) {
            i++;
        }
        status = partition_log_find_time(world->log, time, offset_max, &slice);
        if (i == world->sent_count || world->sent[i].last_offset >= offset_max) {
            assert_int_equal(status, STATUS_NOT_FOUND);
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        assert_true(slice.first_offset == world->sent[i].base_offset);
        assert_int_equal(slice.size, world->sent[i].bytes.size);
        file_unref(slice.file);
    }
}

static void check_max_time(struct world *world, int64_t offset_max)
{
    const struct sent *best = NULL;
    struct log_slice slice;
    enum status status;

    for (size_t i = 0; i < world->sent_count; i++) {
        const struct sent *sent = &world->sent[i];

        if (sent->last_offset < offset_max && sent->last_offset >= partition_log_start_offset(world->log) &&
            (best == NULL || sent->max_timestamp > best->max_timestamp)) {
            best = sent;
        }
    }
    status = partition_log_find_max_time(world->log, offset_max, &slice);
    assert_int_equal(status, best != NULL ? STATUS_OK : STATUS_NOT_FOUND);
    if (best != NULL) {
        assert_true(slice.first_offset == best->base_offset);
        assert_int_equal(slice.size, best->bytes.size);
        file_unref(slice.file);
    }
}

static void times_are_found_in_every_segment_and_below_every_end(void **state)
{
    struct world *world = *state;
    struct prng prng;
    int64_t end;

    prng_init(&prng, 11);
    world->config = world_config(30000);
    world_open(world, false);
    fill_mixed(world, &prng, 250);
    for (int round = 0; round < 2; round++) {
        end = partition_log_end_offset(world->log);
        check_times(world, end);
        for (int64_t offset = 0; offset <= end; offset += 13) {
            check_times(world, offset);
            check_max_time(world, offset);
        }
        assert_int_equal(partition_log_delete_before(world->log, end / 3, end), STATUS_OK);
        check_times(world, end);
        check_max_time(world, end);
        world_stop(world);
        world_open(world, true);
    }
}

/* Each entry of the first segment's indexes in turn is made a wrong one. */
static void no_wrong_index_entry_gives_a_wrong_batch(void **state)
{
    static const char *const names[] = {"00000000000000000000.index", "00000000000000000000.timeindex"};
    static const size_t sizes[] = {8, 12};
    struct world *world = *state;
    struct prng prng;
    int64_t end;

    prng_init(&prng, 13);
    world->config = world_config(100000);
    world_open(world, false);
    fill_mixed(world, &prng, 250);
    end = partition_log_end_offset(world->log);
    world_stop(world);
    for (int kind = 0; kind < 2; kind++) {
        const size_t count = memory_disk_contents(&world->memory, world_path(names[kind]))->size / sizes[kind];

        assert_true(count > 2);
        for (size_t i = 0; i < 2 * count; i++) {
            struct buffer *index = memory_disk_contents(&world->memory, world_path(names[kind]));
            const size_t at = (i / 2) % (index->size / sizes[kind]) * sizes[kind];
            const uint8_t wrong[12] = {0, 0, 0, 0, 0, 0, 3, 233, 0, 0, 0, 90}; /* says that offset 90 is of second 1 */

            if (i % 2 == 0) {
                memcpy(index->data + at, wrong, sizes[kind]);
            } else {
                index->data[at + sizes[kind] - 1] ^= 0x55;
            }
            world_open(world, true);
            assert_int_equal(partition_log_end_offset(world->log), end);
            check_reads(world, &prng, 20);
            check_times(world, end);
            check_max_time(world, end);
            check_max_time(world, end / 9);
            world_stop(world);
        }
    }
}

/* Every entry is of a batch, ascending. */
static void assert_index_true(const struct world *world, const struct buffer *index)
{
    size_t position = 0;
    size_t i = 0;

    assert_true(index->size > 16 && index->size % 8 == 0);
    for (size_t at = 0; at < index->size; at += 8) {
        while (i < world->sent_count && world->sent[i].last_offset < load_i32(index->data + at)) {
            position += world->sent[i++].bytes.size;
        }
        assert_true(i < world->sent_count && world->sent[i].last_offset == load_i32(index->data + at));
        assert_int_equal(load_i32(index->data + at + 4), position);
    }
}

static void an_index_found_wrong_is_made_anew(void **state)
{
    struct world *world = *state;
    struct buffer *index;

    world_open(world, false);
    world_fill(world, 300, 100);
    world_stop(world);
    for (int place = 0; place < 2; place++) {
        struct log_slice slice;
        int64_t offset;
        size_t at;

        index = memory_disk_contents(&world->memory, world_path("00000000000000000000.index"));
        assert_true(index->size > 16);
        at = place == 0 ? index->size - 8 : index->size / 16 * 8; /* found by the open, by a look-up */
        offset = load_i32(index->data + at);
        store_i32(index->data + at, (int32_t)offset - 1);
        world_open(world, true);
        assert_int_equal(partition_log_read(world->log, offset, 300, 1, true, &slice), STATUS_OK);
        file_unref(slice.file);
        world_stop(world);
        assert_index_true(world, memory_disk_contents(&world->memory, world_path("00000000000000000000.index")));
    }
}

static void an_empty_log_has_no_times(void **state)
{
    struct world *world = *state;
    struct log_slice slice;

    world_open(world, false);
    assert_int_equal(partition_log_find_time(world->log, 0, 10, &slice), STATUS_NOT_FOUND);
    assert_int_equal(partition_log_find_max_time(world->log, 10, &slice), STATUS_NOT_FOUND);
}

int test_read(void)
{
#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        LOG_TEST(slices_are_whole_batches_within_all_limits),
        LOG_TEST(a_consumer_at_the_end_costs_no_read),
        LOG_TEST(readers_that_go_on_get_everything),
        LOG_TEST(who_reads_on_through_large_batches_reads_little_else),
        LOG_TEST(what_is_not_flushed_is_not_read),
        LOG_TEST(offsets_outside_the_log_are_out_of_range),
        LOG_TEST(the_first_batch_comes_whole_only_if_asked_for),
        LOG_TEST(a_wrong_index_entry_costs_time_but_no_records),
        LOG_TEST(a_reader_that_comes_back_after_a_cut_finds_the_new_batches),
        LOG_TEST(bytes_between_is_never_too_little),
        LOG_TEST(times_are_found_in_every_segment_and_below_every_end),
        LOG_TEST(no_wrong_index_entry_gives_a_wrong_batch),
        LOG_TEST(an_index_found_wrong_is_made_anew),
        LOG_TEST(an_empty_log_has_no_times),
    };

    return cmocka_run_group_tests_name("read", tests, NULL, NULL);
}
