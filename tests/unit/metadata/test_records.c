/* Framing of metadata records, and lists as batches. */
#include "tests/unit/metadata/fixture.h"

#include "common/batch/record.h"

static void a_record_survives_being_written_and_read(void **state)
{
    struct fixture *fixture = *state;
    struct metadata_record record;
    const struct topic_record *topic;
    struct buffer value;

    add_topic(fixture, "orders", 4, 0);
    buffer_init(&value);
    metadata_record_write(&fixture->records.records[0], &value);
    /* Frame version 1, key 2, version 0. */
    assert_memory_equal(value.data, "\x01\x02\x00", 3);
    assert_int_equal(metadata_record_read(buffer_bytes(&value), &fixture->arena, &record), STATUS_OK);
    assert_int_equal(record.type, METADATA_TOPIC_RECORD);
    topic = record.message;
    assert_true(string_is(topic->name, "orders"));
    assert_true(uuid_equal(topic->topic_id, uuid_of(4)));
    buffer_deinit(&value);
}

static void a_record_cut_anywhere_is_corrupt(void **state)
{
    struct fixture *fixture = *state;
    struct buffer value;

    add_broker(fixture, 2);
    buffer_init(&value);
    metadata_record_write(&fixture->records.records[0], &value);
    for (size_t size = 0; size < value.size; size++) {
        struct metadata_record record;

        assert_int_equal(metadata_record_read(bytes_of(value.data, size), &fixture->arena, &record), STATUS_CORRUPT);
    }
    buffer_append(&value, "x", 1);
    assert_int_equal(metadata_record_read(buffer_bytes(&value), &fixture->arena, &(struct metadata_record){0}),
                     STATUS_CORRUPT);
    buffer_deinit(&value);
}

static void frames_types_and_versions_of_the_future_are_unsupported(void **state)
{
    struct fixture *fixture = *state;
    const char *values[] = {"\x02\x02\x00", "\x01\x7b\x00", "\x01\x02\x05", "\x01\xff\xff\x7f\x00"};
    struct metadata_record record;

    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        assert_int_equal(metadata_record_read(bytes_of(values[i], i == 3 ? 5 : 3), &fixture->arena, &record),
                         STATUS_UNSUPPORTED);
    }
    assert_int_equal(metadata_record_read(BYTES_NULL, &fixture->arena, &record), STATUS_CORRUPT);
}

static void a_list_becomes_one_valid_batch(void **state)
{
    struct fixture *fixture = *state;
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_header header;
    struct buffer batch;

    add_topic(fixture, "orders", 4, 20);
    buffer_init(&batch);
    record_list_encode(&fixture->records, 1234, &batch);
    assert_int_equal(batch_validate(buffer_bytes(&batch), &limits, &header), BATCH_ERROR_NONE);
    assert_int_equal(header.record_count, 21);
    assert_int_equal(header.base_offset, 0);
    assert_int_equal(header.max_timestamp, 1234);
    assert_int_equal(header.compression, COMPRESSION_NONE);
    buffer_deinit(&batch);
}

static void a_truncated_list_forgets_its_last_records(void **state)
{
    struct fixture *fixture = *state;

    add_topic(fixture, "a", 1, 3);
    add_topic(fixture, "b", 2, 30);
    record_list_truncate(&fixture->records, 4);
    fixture_must_apply(fixture);
    assert_int_equal(image_topic_count(fixture->image), 1);
    assert_int_equal(image_partition_count(fixture->image), 3);
}

static void twenty_thousand_partitions_fit_into_one_entry_of_the_log(void **state)
{
    struct fixture *fixture = *state;

    add_topic(fixture, "wide", 1, 20000);
    fixture_must_apply(fixture);
    assert_int_equal(image_partition_count(fixture->image), 20000);
    assert_true(fixture->batch.size < (size_t)8 * 1024 * 1024);
}

int run_records_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_survives_being_written_and_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_record_cut_anywhere_is_corrupt, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(frames_types_and_versions_of_the_future_are_unsupported, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_list_becomes_one_valid_batch, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_truncated_list_forgets_its_last_records, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(twenty_thousand_partitions_fit_into_one_entry_of_the_log, fixture_setup,
                                        fixture_teardown),
    };

    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
