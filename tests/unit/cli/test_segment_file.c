/* Segment files read offline: what is whole is counted, what is wrong is told with its place. */
#include "cli/segment_file.h"
#include "common/base/endian.h"
#include "common/batch/batch_builder.h"
#include "tests/unit/cli/tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BASE 42

struct fixture {
    char directory[32];
    char log[96];
    char index[96];
    char time_index[96];
    struct buffer bytes;    /* of the segment */
    uint64_t positions[8];  /* of its batches */
    int64_t next_offset;
    int batches;            /* seen */
    int problems;           /* told */
    uint64_t problem_at;    /* of the last one */
    struct segment_visitor visitor;
};

static void saw_batch(void *context, const struct segment_batch *batch)
{
    struct fixture *fixture = context;

    assert_int_equal(batch->position, fixture->positions[fixture->batches]);
    fixture->batches++;
}

static void saw_problem(void *context, uint64_t position, const char *text)
{
    struct fixture *fixture = context;

    assert_true(strlen(text) > 5);
    fixture->problems++;
    fixture->problem_at = position;
}

static void add_batch(struct fixture *fixture, int number, int records)
{
    struct batch_options options = batch_options_default();
    const struct record_draft draft = {.timestamp = 5, .value = bytes_of("value", 5)};
    struct batch_builder builder;

    options.base_offset = fixture->next_offset;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < records; i++) {
        assert_int_equal(batch_builder_append(&builder, &draft), STATUS_OK);
    }
    const struct space batch = batch_builder_finish(&builder);

    fixture->positions[number] = fixture->bytes.size;
    fixture->next_offset += records;
    buffer_append(&fixture->bytes, batch.data, batch.size);
    batch_builder_deinit(&builder);
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.next_offset = BASE};
    fixture.visitor = (struct segment_visitor){saw_batch, saw_problem, &fixture};
    snprintf(fixture.directory, sizeof(fixture.directory), "millrace-test-XXXXXX");
    if (mkdtemp(fixture.directory) == NULL) {
        return 1;
    }
    snprintf(fixture.log, sizeof(fixture.log), "%s/00000000000000000042.log", fixture.directory);
    snprintf(fixture.index, sizeof(fixture.index), "%s/00000000000000000042.index", fixture.directory);
    snprintf(fixture.time_index, sizeof(fixture.time_index), "%s/00000000000000000042.timeindex", fixture.directory);
    buffer_init(&fixture.bytes);
    add_batch(&fixture, 0, 2);
    add_batch(&fixture, 1, 1);
    add_batch(&fixture, 2, 3);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    buffer_deinit(&fixture->bytes);
    (void)unlink(fixture->log);
    (void)unlink(fixture->index);
    (void)unlink(fixture->time_index);
    return rmdir(fixture->directory);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void walk(struct fixture *fixture)
{
    fixture->batches = 0;
    fixture->problems = 0;
    write_file(fixture->log, fixture->bytes.data, fixture->bytes.size);
    assert_int_equal(segment_walk(fixture->log, BASE, &fixture->visitor), STATUS_OK);
}

static void a_whole_segment_has_no_problem(void **state)
{
    struct fixture *fixture = *state;

    walk(fixture);
    assert_int_equal(fixture->batches, 3);
    assert_int_equal(fixture->problems, 0);
    assert_int_equal(segment_base_offset(fixture->log), BASE);
    assert_int_equal(segment_base_offset("x/00000000000000000042"), -1);
    assert_int_equal(segment_base_offset("leader-epoch-checkpoint"), -1);
}

static void a_torn_tail_is_told_at_its_place(void **state)
{
    struct fixture *fixture = *state;
    const size_t size = fixture->bytes.size;

    /* Seven zeros of an offset look like preallocation, and are no loss either. */
    for (size_t cut = fixture->positions[2] + 8; cut < size; cut++) {
        fixture->bytes.size = cut;
        walk(fixture);
        assert_int_equal(fixture->batches, 2);
        assert_int_equal(fixture->problems, 1);
        assert_int_equal(fixture->problem_at, fixture->positions[2]);
    }
}

static void zeros_behind_the_end_are_preallocation(void **state)
{
    struct fixture *fixture = *state;

    memset(buffer_reserve(&fixture->bytes, 500), 0, 500);
    fixture->bytes.size += 500;
    walk(fixture);
    assert_int_equal(fixture->batches, 3);
    assert_int_equal(fixture->problems, 0);
    fixture->bytes.data[fixture->bytes.size - 1] = 1;
    walk(fixture);
    assert_int_equal(fixture->problems, 1);
}

static void a_flipped_bit_is_told(void **state)
{
    struct fixture *fixture = *state;

    fixture->bytes.data[fixture->positions[1] + 30] ^= 1;
    walk(fixture);
    assert_int_equal(fixture->batches, 3);
    assert_int_equal(fixture->problems, 1);
    assert_int_equal(fixture->problem_at, fixture->positions[1]);
}

static void offsets_that_go_back_are_told(void **state)
{
    struct fixture *fixture = *state;

    store_i64(fixture->bytes.data + fixture->positions[1], BASE + 1);
    walk(fixture);
    assert_int_equal(fixture->problems, 1);
    assert_int_equal(fixture->problem_at, fixture->positions[1]);
    store_i64(fixture->bytes.data + fixture->positions[1], BASE + 2);
    store_i64(fixture->bytes.data, BASE - 1);
    walk(fixture);
    assert_int_equal(fixture->problems, 1);
    assert_int_equal(fixture->problem_at, 0);
}

static void a_length_that_cannot_be_takes_no_memory(void **state)
{
    struct fixture *fixture = *state;

    store_i32(fixture->bytes.data + fixture->positions[1] + 8, INT32_MAX);
    walk(fixture);
    assert_int_equal(fixture->batches, 1);
    assert_int_equal(fixture->problems, 1);
    store_i32(fixture->bytes.data + fixture->positions[1] + 8, -1);
    walk(fixture);
    assert_int_equal(fixture->problems, 1);
}

static void check_index(struct fixture *fixture, const uint8_t *entries, size_t size)
{
    walk(fixture);
    write_file(fixture->index, entries, size);
    assert_int_equal(segment_check_index(fixture->index, fixture->log, BASE, &fixture->visitor), STATUS_OK);
}

static void an_index_points_at_batches(void **state)
{
    struct fixture *fixture = *state;
    uint8_t entries[24] = {0};

    store_i32(entries, 2);
    store_i32(entries + 4, (int32_t)fixture->positions[1]);
    store_i32(entries + 8, 5);
    store_i32(entries + 12, (int32_t)fixture->positions[2]);
    check_index(fixture, entries, 16);
    assert_int_equal(fixture->problems, 0);
    check_index(fixture, entries, 24); /* zeros behind the end */
    assert_int_equal(fixture->problems, 0);
    check_index(fixture, entries, 13);
    assert_int_equal(fixture->problems, 1);
    store_i32(entries + 12, (int32_t)fixture->positions[2] + 1);
    check_index(fixture, entries, 16);
    assert_int_equal(fixture->problems, 1);
    assert_int_equal(fixture->problem_at, 8);
    store_i32(entries + 12, (int32_t)fixture->positions[1]);
    check_index(fixture, entries, 16);
    assert_int_equal(fixture->problems, 1);
    store_i32(entries + 8, 1);
    store_i32(entries + 12, 0);
    check_index(fixture, entries, 16);
    assert_int_equal(fixture->problems, 1);
}

static void a_time_index_ascends(void **state)
{
    struct fixture *fixture = *state;
    uint8_t entries[24] = {0};

    store_i64(entries, 5);
    store_i32(entries + 8, 1);
    store_i64(entries + 12, 6);
    store_i32(entries + 20, 4);
    write_file(fixture->time_index, entries, sizeof(entries));
    assert_int_equal(segment_check_time_index(fixture->time_index, BASE, &fixture->visitor), STATUS_OK);
    assert_int_equal(fixture->problems, 0);
    store_i64(entries + 12, 4);
    write_file(fixture->time_index, entries, sizeof(entries));
    assert_int_equal(segment_check_time_index(fixture->time_index, BASE, &fixture->visitor), STATUS_OK);
    assert_int_equal(fixture->problems, 1);
    assert_int_equal(fixture->problem_at, 12);
}

static void a_missing_file_is_not_found(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(segment_walk("nowhere.log", 0, &fixture->visitor), STATUS_NOT_FOUND);
    assert_int_equal(segment_check_index("nowhere.index", fixture->log, 0, &fixture->visitor), STATUS_NOT_FOUND);
    assert_int_equal(segment_check_time_index("nowhere.timeindex", 0, &fixture->visitor), STATUS_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_segment_file(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_whole_segment_has_no_problem),
        TEST(a_torn_tail_is_told_at_its_place),
        TEST(zeros_behind_the_end_are_preallocation),
        TEST(a_flipped_bit_is_told),
        TEST(offsets_that_go_back_are_told),
        TEST(a_length_that_cannot_be_takes_no_memory),
        TEST(an_index_points_at_batches),
        TEST(a_time_index_ascends),
        TEST(a_missing_file_is_not_found),
    };

    return cmocka_run_group_tests_name("segment_file", tests, NULL, NULL);
}
