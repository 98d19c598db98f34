/* Tests of common/wire/writer.h: the bytes of every primitive, splices, and tagged fields of any length. */
#include "common/wire/codec.h"
#include "common/wire/reader.h"
#include "common/wire/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct writer writer;

    writer_init(&writer);
    *state = &writer;
    return 0;
}

static int teardown(void **state)
{
    writer_deinit(*state);
    return 0;
}

static void check_bytes(const struct writer *writer, const uint8_t *expected, size_t size)
{
    assert_int_equal(writer->buffer.size, size);
    assert_memory_equal(writer->buffer.data, expected, size);
}

#define CHECK_BYTES(writer, ...)                                                                                   \
    check_bytes(writer, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void integers_are_big_endian(void **state)
{
    struct writer *writer = *state;

    write_bool(writer, true);
    write_bool(writer, false);
    write_int8(writer, -2);
    write_int16(writer, 0x0102);
    write_uint16(writer, 0xfffe);
    write_int32(writer, -2);
    write_uint32(writer, 0x80000001U);
    write_int64(writer, INT64_MIN + 1);
    write_float64(writer, -1.5);
    CHECK_BYTES(writer, 1, 0, 0xfe, 1, 2, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 1,
                0xbf, 0xf8, 0, 0, 0, 0, 0, 0);
}

static void varints_are_as_short_as_can_be(void **state)
{
    struct writer *writer = *state;

    write_uvarint(writer, 127);
    write_uvarint(writer, 128);
    write_uvarint(writer, UINT32_MAX);
    write_varint(writer, -1);
    write_varint(writer, INT32_MIN);
    write_varlong(writer, INT64_MIN);
    CHECK_BYTES(writer, 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff,
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
}

static void strings_have_a_classic_and_a_compact_form(void **state)
{
    struct writer *writer = *state;

    write_string(writer, STRING("hi"), false);
    write_string(writer, STRING("hi"), true);
    write_string(writer, STRING(""), false);
    write_string(writer, STRING(""), true);
    write_string(writer, STRING_NULL, false);
    write_string(writer, STRING_NULL, true);
    write_string_required(writer, STRING_NULL, false);
    write_string_required(writer, STRING_NULL, true);
    CHECK_BYTES(writer, 0, 2, 'h', 'i', 3, 'h', 'i', 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1);
}

static void bytes_have_a_classic_and_a_compact_form(void **state)
{
    struct writer *writer = *state;

    write_bytes(writer, bytes_of("ab", 2), false);
    write_bytes(writer, bytes_of("ab", 2), true);
    write_bytes(writer, BYTES_NULL, false);
    write_bytes(writer, BYTES_NULL, true);
    write_bytes_required(writer, BYTES_NULL, false);
    write_bytes_required(writer, BYTES_NULL, true);
    write_raw(writer, bytes_of("z", 1));
    CHECK_BYTES(writer, 0, 0, 0, 2, 'a', 'b', 3, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 'z');
}

static void arrays_begin_with_a_count(void **state)
{
    struct writer *writer = *state;

    write_array_count(writer, 2, false);
    write_array_count(writer, 2, true);
    write_array_count(writer, 0, true);
    write_array_count(writer, -1, false);
    write_array_count(writer, -1, true);
    write_array_count_required(writer, 1, true);
    write_present(writer, true);
    write_present(writer, false);
    write_tagged_fields_none(writer);
    CHECK_BYTES(writer, 0, 0, 0, 2, 3, 1, 0xff, 0xff, 0xff, 0xff, 0, 2, 1, 0xff, 0);
}

static void uuids_are_sixteen_bytes(void **state)
{
    struct writer *writer = *state;

    write_uuid(writer, (struct uuid){{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}});
    CHECK_BYTES(writer, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
}

static void small_records_in_memory_are_copied(void **state)
{
    struct writer *writer = *state;

    write_records(writer, (struct records){.data = (const uint8_t *)"ab", .size = 2}, false);
    write_records(writer, RECORDS_NULL, false);
    write_records(writer, RECORDS_NULL, true);
    write_records(writer, RECORDS_EMPTY, true);
    write_records_required(writer, RECORDS_NULL, true);
    CHECK_BYTES(writer, 0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 1, 1);
    assert_int_equal(writer->splice_count, 0);
    assert_int_equal(writer_size(writer), 13);
}

static void records_in_a_file_become_a_splice(void **state)
{
    struct writer *writer = *state;
    struct file *file = (struct file *)(void *)writer; /* only its address is kept */

    write_int8(writer, 7);
    write_records(writer, (struct records){.file = file, .offset = 100, .size = 300}, true);
    write_int8(writer, 8);
    CHECK_BYTES(writer, 7, 0xad, 0x02, 8);
    assert_int_equal(writer->splice_count, 1);
    assert_int_equal(writer->splices[0].at, 3);
    assert_ptr_equal(writer->splices[0].records.file, file);
    assert_int_equal(writer->splices[0].records.offset, 100);
    assert_int_equal(writer_size(writer), 4 + 300);
    write_records(writer, (struct records){.file = file, .offset = 9, .size = 0}, true);
    assert_int_equal(writer->splice_count, 1);
}

static void large_records_in_memory_become_a_splice(void **state)
{
    static const uint8_t data[WRITER_SPLICE_MIN];
    struct writer *writer = *state;

    write_records(writer, (struct records){.data = data, .size = WRITER_SPLICE_MIN - 1}, false);
    assert_int_equal(writer->splice_count, 0);
    write_records(writer, (struct records){.data = data, .size = WRITER_SPLICE_MIN}, false);
    assert_int_equal(writer->splice_count, 1);
    assert_ptr_equal(writer->splices[0].records.data, data);
    assert_int_equal(writer->splices[0].at, writer->buffer.size);
    assert_int_equal(writer_size(writer), 4 + WRITER_SPLICE_MIN - 1 + 4 + WRITER_SPLICE_MIN);
}

static void many_splices_keep_their_order_and_clear_forgets_them(void **state)
{
    static const uint8_t data[WRITER_SPLICE_MIN];
    struct writer *writer = *state;

    for (size_t i = 0; i < 20; i++) {
        write_records(writer, (struct records){.data = data, .size = WRITER_SPLICE_MIN}, false);
    }
    assert_int_equal(writer->splice_count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(writer->splices[i].at, 4 * (i + 1));
    }
    writer_clear(writer);
    assert_int_equal(writer_size(writer), 0);
    assert_int_equal(writer->splice_count, 0);
    write_int8(writer, 1);
    CHECK_BYTES(writer, 1);
}

static void tagged_fields_carry_their_length(void **state)
{
    struct writer *writer = *state;
    size_t mark;

    write_uvarint(writer, 2);
    mark = write_tag_begin(writer, 3);
    write_int16(writer, 5);
    write_tag_end(writer, mark);
    mark = write_tag_begin(writer, 200);
    write_tag_end(writer, mark);
    CHECK_BYTES(writer, 2, 3, 2, 0, 5, 0xc8, 0x01, 0);
}

/* A tagged field of `size` bytes must come back as it was, whatever its length takes. */
static void check_tag_of_size(struct writer *writer, size_t size)
{
    struct reader reader;
    const uint8_t *outer_end;
    size_t mark;

    writer_clear(writer);
    mark = write_tag_begin(writer, 1);
    for (size_t i = 0; i < size; i++) {
        write_int8(writer, (int8_t)(i * 7));
    }
    write_tag_end(writer, mark);
    write_int8(writer, 99);
    reader_init(&reader, buffer_bytes(&writer->buffer), NULL);
    assert_int_equal(read_tag_begin(&reader, &outer_end), 1);
    assert_int_equal(reader_left(&reader), size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(read_int8(&reader), (int8_t)(i * 7));
    }
    read_tag_end(&reader, outer_end);
    assert_int_equal(read_int8(&reader), 99);
    assert_true(reader_done(&reader));
}

static void long_tagged_fields_are_moved_for_their_length(void **state)
{
    check_tag_of_size(*state, 127);
    check_tag_of_size(*state, 128);
    check_tag_of_size(*state, 16383);
    check_tag_of_size(*state, 16384);
    check_tag_of_size(*state, 100000);
}

static void dumped_text_is_one_escaped_line(void **state)
{
    struct buffer text;

    (void)state;
    buffer_init(&text);
    dump_name(&text, "a");
    dump_string(&text, STRING("x\"\\\n\x7f\xc3"));
    dump_name(&text, "b");
    dump_string(&text, STRING_NULL);
    dump_name(&text, "c");
    dump_text(&text, "{");
    dump_name(&text, "d");
    dump_bool(&text, true);
    dump_name(&text, "e");
    dump_bool(&text, false);
    dump_text(&text, "}");
    dump_name(&text, "f");
    dump_size(&text, true, 0);
    dump_name(&text, "g");
    dump_size(&text, false, 12);
    dump_name(&text, "h");
    dump_float64(&text, 0.5);
    dump_name(&text, "i");
    dump_uuid(&text, UUID_ZERO);
    assert_true(string_is((struct string){(const char *)text.data, text.size},
                          "a=\"x\\\"\\\\\\x0a\\x7f\\xc3\" b=null c={d=true e=false} f=null g=(12 bytes) h=0.5 "
                          "i=AAAAAAAAAAAAAAAAAAAAAA"));
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(integers_are_big_endian, setup, teardown),
        cmocka_unit_test_setup_teardown(varints_are_as_short_as_can_be, setup, teardown),
        cmocka_unit_test_setup_teardown(strings_have_a_classic_and_a_compact_form, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_have_a_classic_and_a_compact_form, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_begin_with_a_count, setup, teardown),
        cmocka_unit_test_setup_teardown(uuids_are_sixteen_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(small_records_in_memory_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(records_in_a_file_become_a_splice, setup, teardown),
        cmocka_unit_test_setup_teardown(large_records_in_memory_become_a_splice, setup, teardown),
        cmocka_unit_test_setup_teardown(many_splices_keep_their_order_and_clear_forgets_them, setup, teardown),
        cmocka_unit_test_setup_teardown(tagged_fields_carry_their_length, setup, teardown),
        cmocka_unit_test_setup_teardown(long_tagged_fields_are_moved_for_their_length, setup, teardown),
        cmocka_unit_test_setup_teardown(dumped_text_is_one_escaped_line, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
