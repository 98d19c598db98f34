/* Tests of common/wire/reader.h: every branch of every primitive; nothing is read or allocated beyond the input. */
#include "common/wire/codec.h"
#include "common/wire/reader.h"

/* cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARENA_LIMIT 65536

struct fixture {
    struct arena arena;
    struct reader reader;
};

static int setup(void **state)
{
    static struct fixture fixture;

    arena_init(&fixture.arena, ARENA_LIMIT);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_deinit(&fixture->arena);
    return 0;
}

static struct reader *reader_on(void **state, const void *data, size_t size)
{
    struct fixture *fixture = *state;

    reader_init(&fixture->reader, bytes_of(data, size), &fixture->arena);
    return &fixture->reader;
}

#define READER_ON(state, ...) reader_on(state, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void integers_are_big_endian(void **state)
{
    struct reader *reader = READER_ON(state, 0x80, 0x01, 0x02, 0xff, 0xfe, 0x7f, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe,
                                      0x80, 0, 0, 0, 0, 0, 0, 5);

    assert_int_equal(read_int8(reader), -128);
    assert_int_equal(read_int16(reader), 0x0102);
    assert_int_equal(read_uint16(reader), 0xfffe);
    assert_int_equal(read_int32(reader), 0x7f000001);
    assert_true(read_uint32(reader) == 0xfffffffeU);
    assert_true(read_int64(reader) == INT64_MIN + 5);
    assert_true(reader_done(reader));
}

static void bools_are_any_byte_but_zero(void **state)
{
    struct reader *reader = READER_ON(state, 0, 1, 0x80);

    assert_false(read_bool(reader));
    assert_true(read_bool(reader));
    assert_true(read_bool(reader));
    assert_true(reader_done(reader));
}

static void floats_are_ieee_754(void **state)
{
    struct reader *reader = READER_ON(state, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0);

    assert_true(read_float64(reader) == -1.5);
    assert_true(reader_done(reader));
}

static void uuids_are_sixteen_bytes(void **state)
{
    struct reader *reader = READER_ON(state, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17);
    const struct uuid uuid = read_uuid(reader);

    assert_int_equal(uuid.data[0], 1);
    assert_int_equal(uuid.data[15], 16);
    assert_int_equal(reader_left(reader), 1);
    assert_true(uuid_is_zero(read_uuid(reader)));
    assert_false(reader_ok(reader));
}

static void varints_take_as_many_bytes_as_they_need(void **state)
{
    struct reader *reader = READER_ON(state, 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x01, 0xff, 0xff, 0xff,
                                      0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);

    assert_int_equal(read_uvarint(reader), 127);
    assert_int_equal(read_uvarint(reader), 128);
    assert_true(read_uvarint(reader) == UINT32_MAX);
    assert_int_equal(read_varint(reader), -1);
    assert_true(read_varint(reader) == INT32_MIN);
    assert_true(read_varlong(reader) == INT64_MIN);
    assert_true(reader_done(reader));
}

static void varint_of_more_than_its_bits_fails(void **state)
{
    struct reader *reader = READER_ON(state, 0xff, 0xff, 0xff, 0xff, 0x1f);

    assert_int_equal(read_uvarint(reader), 0);
    assert_false(reader_ok(reader));
    assert_int_equal(reader->failed_at, 0);
    reader = READER_ON(state, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00);
    assert_int_equal(read_varint(reader), 0);
    assert_false(reader_ok(reader));
    reader = READER_ON(state, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02);
    assert_int_equal(read_varlong(reader), 0);
    assert_false(reader_ok(reader));
}

static void varint_that_is_cut_off_fails(void **state)
{
    struct reader *reader = READER_ON(state, 0x80);

    assert_int_equal(read_uvarint(reader), 0);
    assert_false(reader_ok(reader));
}

static void first_failure_sticks_with_its_offset(void **state)
{
    struct reader *reader = READER_ON(state, 1, 2, 3);

    assert_int_equal(read_int16(reader), 0x0102);
    assert_int_equal(read_int32(reader), 0);
    assert_false(reader_ok(reader));
    assert_int_equal(reader->failed_at, 2);
    assert_int_equal(read_int8(reader), 0);
    assert_int_equal(read_uvarint(reader), 0);
    assert_int_equal(read_int16(reader), 0);
    assert_int_equal(read_int64(reader), 0);
    assert_null(read_string(reader, false).data);
    assert_null(read_nullable_bytes(reader, true).data);
    assert_null(read_raw(reader, 0).data);
    assert_int_equal(read_array_count(reader, false, true, 1, 10), 0);
    assert_null(read_array_alloc(reader, 3, 8));
    read_tagged_fields(reader);
    reader_fail(reader);
    assert_int_equal(reader->failed_at, 2);
    assert_int_equal(reader_left(reader), 0);
    assert_false(reader_done(reader));
}

static void every_fixed_read_fails_one_byte_short(void **state)
{
    const uint8_t bytes[16] = {0};

    (void)read_int8(reader_on(state, NULL, 0));
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_uint16(reader_on(state, bytes, 1));
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_uint32(reader_on(state, bytes, 3));
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_float64(reader_on(state, bytes, 7));
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_uuid(reader_on(state, bytes, 15));
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
}

static void classic_strings_have_two_bytes_of_length(void **state)
{
    struct reader *reader = READER_ON(state, 0, 2, 'h', 'i', 0, 0, 0xff, 0xff);
    const struct string text = read_string(reader, false);

    assert_true(string_is(text, "hi"));
    assert_ptr_equal(text.data, reader->start + 2);
    assert_true(string_is(read_string(reader, false), ""));
    assert_null(read_nullable_string(reader, false).data);
    assert_true(reader_done(reader));
}

static void compact_strings_have_a_varint_of_length_plus_one(void **state)
{
    struct reader *reader = READER_ON(state, 3, 'h', 'i', 1, 0);

    assert_true(string_is(read_nullable_string(reader, true), "hi"));
    assert_true(string_is(read_nullable_string(reader, true), ""));
    assert_null(read_nullable_string(reader, true).data);
    assert_true(reader_done(reader));
}

static void null_fails_where_it_is_not_allowed(void **state)
{
    (void)read_string(READER_ON(state, 0xff, 0xff), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_string(READER_ON(state, 0), true);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_bytes(READER_ON(state, 0xff, 0xff, 0xff, 0xff), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_bytes(READER_ON(state, 0), true);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_array_count(READER_ON(state, 0), true, false, 1, 10);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
}

static void other_negative_sizes_fail_even_where_null_is_allowed(void **state)
{
    (void)read_nullable_string(READER_ON(state, 0xff, 0xfe), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_nullable_bytes(READER_ON(state, 0x80, 0, 0, 0), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_array_count(READER_ON(state, 0xff, 0xff, 0xff, 0xfe), false, true, 1, 10);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
}

static void strings_longer_than_the_protocol_allows_fail(void **state)
{
    static uint8_t input[3 + INT16_MAX + 1];
    struct reader *reader;

    memset(input, 'x', sizeof(input));
    memcpy(input, (const uint8_t[]){0x80, 0x80, 0x02}, 3); /* 32768 means 32767 characters */
    reader = reader_on(state, input, sizeof(input));
    assert_int_equal(read_string(reader, true).size, INT16_MAX);
    assert_true(reader_ok(reader));
    input[0] = 0x81;
    reader = reader_on(state, input, sizeof(input));
    assert_null(read_string(reader, true).data);
    assert_false(reader_ok(reader));
}

static void sizes_beyond_the_input_fail(void **state)
{
    (void)read_string(READER_ON(state, 0, 3, 'h', 'i'), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_string(READER_ON(state, 4, 'h', 'i'), true);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_bytes(READER_ON(state, 0x7f, 0xff, 0xff, 0xff, 1), false);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_bytes(READER_ON(state, 0xff, 0xff, 0xff, 0xff, 0x0f, 1), true);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
    (void)read_raw(READER_ON(state, 1, 2), 3);
    assert_false(reader_ok(&((struct fixture *)*state)->reader));
}

static void bytes_are_views_of_the_input(void **state)
{
    struct reader *reader = READER_ON(state, 0, 0, 0, 2, 7, 8, 2, 9, 0xff, 0xff, 0xff, 0xff, 0, 5, 6);
    struct bytes bytes = read_bytes(reader, false);

    assert_int_equal(bytes.size, 2);
    assert_ptr_equal(bytes.data, reader->start + 4);
    bytes = read_bytes(reader, true);
    assert_int_equal(bytes.data[0], 9);
    assert_null(read_nullable_bytes(reader, false).data);
    assert_null(read_nullable_bytes(reader, true).data);
    bytes = read_raw(reader, 2);
    assert_int_equal(bytes.data[1], 6);
    assert_true(reader_done(reader));
}

static void array_counts_are_held_against_bytes_left(void **state)
{
    struct reader *reader = READER_ON(state, 0, 0, 0, 2, 1, 2, 3, 4);

    assert_int_equal(read_array_count(reader, false, false, 2, 10), 2);
    reader = READER_ON(state, 0, 0, 0, 2, 1, 2, 3);
    assert_int_equal(read_array_count(reader, false, false, 2, 10), 0);
    assert_false(reader_ok(reader));
    reader = READER_ON(state, 3, 1, 2);
    assert_int_equal(read_array_count(reader, true, false, 1, 10), 2);
    reader = READER_ON(state, 0);
    assert_int_equal(read_array_count(reader, true, true, 1, 10), -1);
    assert_true(reader_done(reader));
    reader = READER_ON(state, 0xff, 0xff, 0xff, 0xff);
    assert_int_equal(read_array_count(reader, false, true, 1, 10), -1);
    assert_true(reader_done(reader));
}

static void array_counts_are_held_against_the_limit(void **state)
{
    struct reader *reader = READER_ON(state, 3, 1, 2);

    assert_int_equal(read_array_count(reader, true, false, 1, 2), 2);
    reader = READER_ON(state, 3, 1, 2);
    assert_int_equal(read_array_count(reader, true, false, 1, 1), 0);
    assert_false(reader_ok(reader));
    assert_int_equal(reader->failed_at, 1);
}

static void huge_counts_allocate_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct reader *reader = READER_ON(state, 0x7f, 0xff, 0xff, 0xff, 1);
    int32_t count = read_array_count(reader, false, true, 1, INT32_MAX);

    assert_false(reader_ok(reader));
    assert_null(read_array_alloc(reader, count, 100));
    reader = READER_ON(state, 0xff, 0xff, 0xff, 0xff, 0x0f, 1);
    count = read_array_count(reader, true, true, 1, INT32_MAX);
    assert_false(reader_ok(reader));
    assert_null(read_array_alloc(reader, count, 100));
    assert_int_equal(fixture->arena.total, 0);
}

static void full_arena_fails_the_reader(void **state)
{
    struct reader *reader = READER_ON(state, 1, 2, 3);

    assert_non_null(read_array_alloc(reader, 10, 100));
    assert_true(reader_ok(reader));
    assert_null(read_array_alloc(reader, 0, 100));
    assert_null(read_array_alloc(reader, -1, 100));
    assert_true(reader_ok(reader));
    assert_null(read_array_alloc(reader, 10, ARENA_LIMIT));
    assert_false(reader_ok(reader));
}

static void unknown_tagged_fields_are_skipped(void **state)
{
    struct reader *reader = READER_ON(state, 2, 0, 1, 9, 0x80, 0x01, 0, 7);

    read_tagged_fields(reader);
    assert_int_equal(read_int8(reader), 7);
    assert_true(reader_done(reader));
}

static void tagged_fields_beyond_input_or_limit_fail(void **state)
{
    struct reader *reader = READER_ON(state, 1, 0, 5, 1);

    read_tagged_fields(reader);
    assert_false(reader_ok(reader));
    reader = READER_ON(state, 2, 0, 0);
    read_tagged_fields(reader);
    assert_false(reader_ok(reader));
    reader = READER_ON(state, 0x91, 0x4e, 0, 0); /* 10001 */
    read_tagged_fields(reader);
    assert_false(reader_ok(reader));
    assert_int_equal(reader->failed_at, 2);
    reader = READER_ON(state, 0x91, 0x4e, 0, 0);
    assert_int_equal(read_tag_count(reader), 0);
    assert_false(reader_ok(reader));
}

static void known_tag_cannot_read_past_its_bytes(void **state)
{
    struct reader *reader = READER_ON(state, 1, 5, 2, 1, 2, 3, 4);
    const uint8_t *outer_end;

    assert_int_equal(read_tag_count(reader), 1);
    assert_int_equal(read_tag_begin(reader, &outer_end), 5);
    assert_int_equal(read_int32(reader), 0);
    read_tag_end(reader, outer_end);
    assert_false(reader_ok(reader));
    assert_int_equal(reader->failed_at, 3);
    assert_int_equal(reader_left(reader), 0);
}

static void known_tag_must_be_read_to_its_end(void **state)
{
    struct reader *reader = READER_ON(state, 5, 2, 1, 2, 3);
    const uint8_t *outer_end;

    (void)read_tag_begin(reader, &outer_end);
    (void)read_int8(reader);
    read_tag_end(reader, outer_end);
    assert_false(reader_ok(reader));
    reader = READER_ON(state, 5, 2, 1, 2, 3);
    (void)read_tag_begin(reader, &outer_end);
    assert_int_equal(read_int16(reader), 0x0102);
    read_tag_end(reader, outer_end);
    assert_int_equal(read_int8(reader), 3);
    assert_true(reader_done(reader));
    reader = READER_ON(state, 5, 3, 1, 2);
    (void)read_tag_begin(reader, &outer_end);
    read_tag_end(reader, outer_end);
    assert_false(reader_ok(reader));
}

static void records_are_a_view_or_null(void **state)
{
    struct reader *reader = READER_ON(state, 0, 0, 0, 1, 9, 0xff, 0xff, 0xff, 0xff, 0, 1, 0);
    struct records records = read_records(reader, false, true);

    assert_int_equal(records.size, 1);
    assert_ptr_equal(records.data, reader->start + 4);
    assert_null(records.file);
    assert_null(read_records(reader, false, true).data);
    assert_null(read_records(reader, true, true).data);
    records = read_records(reader, true, true);
    assert_non_null(records.data);
    assert_int_equal(records.size, 0);
    (void)read_records(reader, true, false);
    assert_false(reader_ok(reader));
}

static void struct_is_null_below_zero(void **state)
{
    struct reader *reader = READER_ON(state, 0xff, 1, 0);

    assert_false(read_present(reader));
    assert_true(read_present(reader));
    assert_true(read_present(reader));
    assert_true(reader_ok(reader));
    assert_false(read_present(reader));
    assert_false(reader_ok(reader));
}

static void no_input_at_all_is_allowed(void **state)
{
    struct reader *reader = reader_on(state, NULL, 0);

    assert_true(reader_done(reader));
    assert_int_equal(reader_left(reader), 0);
    assert_non_null(read_raw(reader, 0).data);
    assert_true(reader_done(reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_are_big_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(bools_are_any_byte_but_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(floats_are_ieee_754, setup, teardown),
        cmocka_unit_test_setup_teardown(uuids_are_sixteen_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(varints_take_as_many_bytes_as_they_need, setup, teardown),
        cmocka_unit_test_setup_teardown(varint_of_more_than_its_bits_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(varint_that_is_cut_off_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(first_failure_sticks_with_its_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(every_fixed_read_fails_one_byte_short, setup, teardown),
        cmocka_unit_test_setup_teardown(classic_strings_have_two_bytes_of_length, setup, teardown),
        cmocka_unit_test_setup_teardown(compact_strings_have_a_varint_of_length_plus_one, setup, teardown),
        cmocka_unit_test_setup_teardown(null_fails_where_it_is_not_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(other_negative_sizes_fail_even_where_null_is_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_longer_than_the_protocol_allows_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_beyond_the_input_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_are_views_of_the_input, setup, teardown),
        cmocka_unit_test_setup_teardown(array_counts_are_held_against_bytes_left, setup, teardown),
        cmocka_unit_test_setup_teardown(array_counts_are_held_against_the_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_counts_allocate_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(full_arena_fails_the_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_tagged_fields_are_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(tagged_fields_beyond_input_or_limit_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(known_tag_cannot_read_past_its_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(known_tag_must_be_read_to_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_a_view_or_null, setup, teardown),
        cmocka_unit_test_setup_teardown(struct_is_null_below_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(no_input_at_all_is_allowed, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
