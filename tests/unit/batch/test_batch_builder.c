/* The builder: the Java client's bytes from the same records, limits, compaction's gaps; transaction markers. */
#include "common/batch/batch_builder.h"

#include "common/batch/control_record.h"
#include "tests/unit/batch/support.h"

struct fixture {
    struct batch_options options;
    struct batch_builder builder;
};

static int setup(void **state)
{
    struct fixture *f = memory_alloc_zero(1, sizeof(*f));

    f->options = batch_options_default();
    batch_builder_init(&f->builder, &f->options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    batch_builder_deinit(&f->builder);
    memory_free(f);
    return 0;
}

static void append(struct fixture *f, int64_t timestamp, const char *key, const char *value)
{
    const struct record_draft draft = {.timestamp = timestamp,
                                       .key = bytes_of_string(string_of(key)),
                                       .value = bytes_of_string(string_of(value))};

    assert_int_equal(batch_builder_append(&f->builder, &draft), STATUS_OK);
}

static void assert_builds(struct fixture *f, enum golden_name name)
{
    const struct space expected = golden_load(name);

    assert_bytes_equal(bytes_of_space(batch_builder_finish(&f->builder)), bytes_of_space(expected));
    memory_free(expected.data);
}

static void the_same_records_give_the_java_clients_bytes(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < PLAIN_RECORD_COUNT; i++) {
        assert_int_equal(batch_builder_append(&f->builder, &plain_records[i]), STATUS_OK);
    }
    assert_builds(f, GOLDEN_PLAIN);

    f->options.transactional = true;
    f->options.producer_id = 4294967301;
    f->options.producer_epoch = 7;
    f->options.base_sequence = 2147483646;
    f->options.partition_leader_epoch = 12;
    batch_builder_reset(&f->builder, &f->options);
    append(f, 5, "a", "1");
    append(f, 6, "b", "2");
    append(f, 7, "c", "3");
    assert_builds(f, GOLDEN_TRANSACTIONAL);

    f->options = batch_options_default();
    f->options.base_offset = 1000;
    f->options.partition_leader_epoch = 3;
    f->options.append_time = 1700000009999;
    batch_builder_reset(&f->builder, &f->options);
    append(f, 5, "a", "1");
    append(f, 6, "b", "2");
    assert_builds(f, GOLDEN_APPEND_TIME);
}

static void every_codec_builds_a_valid_batch(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct compression_context *context = compression_context_create();
    struct fixture *f = *state;
    struct buffer scratch;

    buffer_init(&scratch);
    for (enum compression codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct batch_header header;
        struct bytes batch;

        f->options.compression = codec;
        f->options.compression_level = compression_level_default(codec);
        f->options.context = codec % 2 == 0 ? context : NULL;
        batch_builder_reset(&f->builder, &f->options);
        for (int i = 0; i < 1000; i++) {
            append(f, i, i % 3 == 0 ? NULL : "key", "a value that is there a thousand times");
        }
        batch = bytes_of_space(batch_builder_finish(&f->builder));
        assert_true(codec == COMPRESSION_NONE ? batch.size > 40000 : batch.size < 9000);
        assert_int_equal(batch_validate(batch, &limits, &header), BATCH_ERROR_NONE);
        assert_int_equal(header.compression, codec);
        assert_int_equal(header.record_count, 1000);
        assert_int_equal(header.max_timestamp, 999);
        assert_int_equal(batch_validate_records(batch, &header, &limits, context, &scratch, NULL), BATCH_ERROR_NONE);
    }
    buffer_deinit(&scratch);
    compression_context_destroy(context);
}

static void a_batch_is_full_at_its_size(void **state)
{
    const struct record_draft draft = {.timestamp = 9, .value = bytes_of("0123456789", 10)};
    struct fixture *f = *state;

    f->options.size_max = RECORD_BATCH_HEADER_SIZE + 2 * record_size(&draft, 0, 1);
    batch_builder_reset(&f->builder, &f->options);
    assert_int_equal(batch_builder_append(&f->builder, &draft), STATUS_OK);
    assert_int_equal(batch_builder_append(&f->builder, &draft), STATUS_OK);
    assert_int_equal(batch_builder_size(&f->builder), f->options.size_max);
    assert_int_equal(batch_builder_append(&f->builder, &draft), STATUS_FULL);
    assert_int_equal(batch_builder_finish(&f->builder).size, f->options.size_max);
    assert_int_equal(f->builder.record_count, 2);
}

static void compaction_keeps_offsets_times_and_range(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    const struct record_draft draft = {.timestamp = 50, .key = bytes_of("k", 1)};
    struct fixture *f = *state;
    struct record_iterator iterator;
    struct batch_header header;
    struct record record;
    struct bytes batch;
    struct bytes records;

    f->options.base_offset = 100;
    f->options.delete_horizon = 777;
    batch_builder_reset(&f->builder, &f->options);
    assert_int_equal(batch_builder_append_at(&f->builder, 103, &draft), STATUS_OK);
    assert_int_equal(batch_builder_append_at(&f->builder, 107, &draft), STATUS_OK);
    assert_int_equal(batch_builder_append_at(&f->builder, 101 + (int64_t)INT32_MAX, &draft), STATUS_FULL);
    batch_builder_extend(&f->builder, 109, 60);
    batch = bytes_of_space(batch_builder_finish(&f->builder));
    assert_int_equal(batch_validate(batch, &limits, &header), BATCH_ERROR_NONE);
    assert_int_equal(batch_last_offset(&header), 109);
    assert_true(header.delete_horizon);
    assert_int_equal(header.base_timestamp, 777);
    assert_int_equal(header.max_timestamp, 60);
    assert_int_equal(batch_records(batch, &header, NULL, 0, NULL, &records), STATUS_OK);
    record_iterator_init(&iterator, &header, records);
    assert_int_equal(record_next(&iterator, &record), STATUS_OK);
    assert_int_equal(record.offset, 103);
    assert_int_equal(record.timestamp, 50);
    assert_int_equal(record_next(&iterator, &record), STATUS_OK);
    assert_int_equal(record.offset, 107);
    assert_int_equal(record_next(&iterator, &record), STATUS_END);
}

static void a_batch_whose_records_are_gone_is_a_header(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct fixture *f = *state;
    struct batch_header header;
    struct buffer scratch;
    struct bytes batch;

    buffer_init(&scratch);
    f->options.base_offset = 100;
    f->options.compression = COMPRESSION_ZSTD;
    f->options.compression_level = 3;
    batch_builder_reset(&f->builder, &f->options);
    batch_builder_extend(&f->builder, 104, 60);
    batch = bytes_of_space(batch_builder_finish(&f->builder));
    assert_int_equal(batch.size, RECORD_BATCH_HEADER_SIZE);
    assert_int_equal(batch_validate(batch, &limits, &header), BATCH_ERROR_NONE);
    assert_int_equal(batch_validate_records(batch, &header, &limits, NULL, &scratch, NULL), BATCH_ERROR_NONE);
    assert_int_equal(batch_last_offset(&header), 104);
    assert_int_equal(header.max_timestamp, 60);
    assert_int_equal(header.compression, COMPRESSION_NONE);
    buffer_deinit(&scratch);
}

static void times_at_both_ends_of_the_range_survive(void **state)
{
    static const int64_t times[] = {INT64_MIN, INT64_MAX, -1, 0};
    struct fixture *f = *state;
    struct record_iterator iterator;
    struct batch_header header;
    struct record record;
    struct bytes batch;
    struct bytes records;

    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        append(f, times[i], "k", "v");
    }
    batch = bytes_of_space(batch_builder_finish(&f->builder));
    assert_int_equal(batch_header_read(batch, &header), STATUS_OK);
    assert_int_equal(batch_records(batch, &header, NULL, 0, NULL, &records), STATUS_OK);
    record_iterator_init(&iterator, &header, records);
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        assert_int_equal(record_next(&iterator, &record), STATUS_OK);
        assert_int_equal(record.timestamp, times[i]);
    }
}

static void transaction_markers_are_those_of_kafka(void **state)
{
    static const struct transaction_marker markers[] = {
        {.commit = true, .producer_id = 4294967301, .producer_epoch = 7, .coordinator_epoch = 21,
         .timestamp = 1700000000000},
        {.commit = false, .producer_id = 5, .producer_epoch = 0, .coordinator_epoch = 3, .timestamp = 1700000000000},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct space expected = golden_load(i == 0 ? GOLDEN_COMMIT : GOLDEN_ABORT);
        uint8_t marker[TRANSACTION_MARKER_SIZE];

        transaction_marker_write(&markers[i], marker);
        if (i == 0) {
            batch_assign((struct space){marker, sizeof(marker)}, 77, 9);
        }
        assert_bytes_equal(bytes_of(marker, sizeof(marker)), bytes_of_space(expected));
        memory_free(expected.data);
    }
}

static void control_records_are_decoded_and_unknown_ones_skipped(void **state)
{
    static const struct {
        const char *key;
        size_t key_size;
        const char *value;
        size_t value_size;
        enum status status;
        enum control_type type;
        int32_t epoch;
    } rows[] = {
        {"\0\0\0\1", 4, "\0\0\0\0\0\x15", 6, STATUS_OK, CONTROL_COMMIT, 21},
        {"\0\0\0\0", 4, "\0\0\0\0\0\x03", 6, STATUS_OK, CONTROL_ABORT, 3},
        {"\0\1\0\0\5", 5, "\0\1\0\0\0\x03\7", 7, STATUS_OK, CONTROL_ABORT, 3},
        {"\0\0\0\2", 4, "", 0, STATUS_OK, CONTROL_LEADER_CHANGE, -1},
        {"\0\0\0\7", 4, "", 0, STATUS_OK, CONTROL_UNKNOWN, -1},
        {"\0\0\xff\xff", 4, "", 0, STATUS_OK, CONTROL_UNKNOWN, -1},
        {"\0\0\0", 3, "", 0, STATUS_CORRUPT, CONTROL_UNKNOWN, -1},
        {"\xff\xff\0\1", 4, "\0\0\0\0\0\x15", 6, STATUS_CORRUPT, CONTROL_UNKNOWN, -1},
        {"\0\0\0\1", 4, "\0\0\0\0\0", 5, STATUS_CORRUPT, CONTROL_COMMIT, -1},
        {"\0\0\0\1", 4, NULL, 0, STATUS_CORRUPT, CONTROL_COMMIT, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct record record = {.key = bytes_of(rows[i].key, rows[i].key_size),
                                      .value = bytes_of(rows[i].value, rows[i].value_size)};
        struct control_record control;

        assert_int_equal(control_record_read(&record, &control), rows[i].status);
        if (rows[i].status == STATUS_OK) {
            assert_int_equal(control.type, rows[i].type);
            assert_int_equal(control.coordinator_epoch, rows[i].epoch);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_batch_builder(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_records_give_the_java_clients_bytes),
        TEST(every_codec_builds_a_valid_batch),
        TEST(a_batch_is_full_at_its_size),
        TEST(compaction_keeps_offsets_times_and_range),
        TEST(a_batch_whose_records_are_gone_is_a_header),
        TEST(times_at_both_ends_of_the_range_survive),
        cmocka_unit_test(transaction_markers_are_those_of_kafka),
        cmocka_unit_test(control_records_are_decoded_and_unknown_ones_skipped),
    };

    return cmocka_run_group_tests_name("batch builder", tests, NULL, NULL);
}
