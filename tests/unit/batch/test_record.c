/* The records in a batch: read from every codec, refused when malformed. */
#include "common/batch/record.h"

#include "tests/unit/batch/support.h"

struct fixture {
    struct space batch;
    struct batch_header header;
    struct buffer scratch;
    struct record_iterator iterator;
    struct prng prng;
};

static int setup(void **state)
{
    struct fixture *f = memory_alloc_zero(1, sizeof(*f));

    prng_init(&f->prng, 7);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    memory_free(f->batch.data);
    buffer_deinit(&f->scratch);
    memory_free(f);
    return 0;
}

static void load(struct fixture *f, enum golden_name name)
{
    memory_free(f->batch.data);
    f->batch = golden_load(name);
    assert_int_equal(batch_header_read(bytes_of_space(f->batch), &f->header), STATUS_OK);
}

/* Points the iterator at the records. */
static void open(struct fixture *f)
{
    struct bytes records;

    assert_int_equal(batch_records(bytes_of_space(f->batch), &f->header, NULL, 200000, &f->scratch, &records),
                     STATUS_OK);
    record_iterator_init(&f->iterator, &f->header, records);
}

static void assert_record_is(const struct record *record, const struct record_draft *draft)
{
    struct bytes rest = record->headers;
    struct record_header header;

    assert_int_equal(record->timestamp, draft->timestamp);
    assert_bytes_equal(record->key, draft->key);
    assert_bytes_equal(record->value, draft->value);
    assert_int_equal(record->header_count, draft->header_count);
    for (size_t i = 0; i < draft->header_count; i++) {
        assert_true(record_header_next(&rest, &header));
        assert_true(string_equal(header.key, draft->headers[i].key));
        assert_bytes_equal(header.value, draft->headers[i].value);
    }
    assert_false(record_header_next(&rest, &header));
}

static void records_of_the_java_client_are_read_from_every_codec(void **state)
{
    static const enum golden_name names[] = {GOLDEN_PLAIN, GOLDEN_GZIP,     GOLDEN_SNAPPY,      GOLDEN_LZ4,
                                             GOLDEN_ZSTD,  GOLDEN_LZ4_HIGH, GOLDEN_ZSTD_WINDOW};
    struct fixture *f = *state;
    struct record record;

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        load(f, names[i]);
        open(f);
        for (int at = 0; at < PLAIN_RECORD_COUNT; at++) {
            assert_int_equal(record_next(&f->iterator, &record), STATUS_OK);
            assert_int_equal(record.offset, at);
            assert_record_is(&record, &plain_records[at]);
        }
        assert_int_equal(record_next(&f->iterator, &record), STATUS_END);
    }
}

static void values_over_several_blocks_are_read(void **state)
{
    static const struct {
        enum golden_name name;
        size_t size;
    } rows[] = {{GOLDEN_SNAPPY_BLOCKS, 40000}, {GOLDEN_LZ4_BLOCKS, 140000}};
    struct fixture *f = *state;
    struct record record;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        load(f, rows[i].name);
        open(f);
        assert_int_equal(record_next(&f->iterator, &record), STATUS_OK);
        assert_bytes_equal(record.key, bytes_of("big", 3));
        assert_int_equal(record.value.size, rows[i].size);
        for (size_t at = 0; at < rows[i].size; at++) {
            assert_int_equal(record.value.data[at], 'a');
        }
        assert_int_equal(record_next(&f->iterator, &record), STATUS_END);
    }
}

static void append_time_stands_for_every_records_time(void **state)
{
    struct fixture *f = *state;
    struct record record;

    load(f, GOLDEN_APPEND_TIME);
    open(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(record_next(&f->iterator, &record), STATUS_OK);
        assert_int_equal(record.offset, 1000 + i);
        assert_int_equal(record.timestamp, 1700000009999);
    }
    assert_int_equal(record_next(&f->iterator, &record), STATUS_END);
}

static void the_last_header_of_a_name_is_found(void **state)
{
    static const struct record_header headers[] = {
        {{"a", 1}, {(const uint8_t *)"1", 1}}, {{"b", 1}, {(const uint8_t *)"2", 1}}, {{"a", 1}, {NULL, 0}}};
    const struct record_draft draft = {.headers = headers, .header_count = ARRAY_COUNT(headers)};
    struct fixture *f = *state;
    struct batch_header header = {.record_count = 1};
    struct record record;
    struct bytes value = bytes_of("", 0);

    record_write(&draft, 0, 0, &f->scratch);
    assert_int_equal(f->scratch.size, record_size(&draft, 0, 0));
    record_iterator_init(&f->iterator, &header, buffer_bytes(&f->scratch));
    assert_int_equal(record_next(&f->iterator, &record), STATUS_OK);
    assert_int_equal(record_header_find(&record, "a", &value), STATUS_OK);
    assert_null(value.data);
    assert_int_equal(record_header_find(&record, "b", &value), STATUS_OK);
    assert_bytes_equal(value, bytes_of("2", 1));
    assert_int_equal(record_header_find(&record, "c", &value), STATUS_NOT_FOUND);
}

static enum batch_error validate_from(struct fixture *f, enum batch_origin origin)
{
    const struct batch_limits limits = batch_limits_none(origin);

    return batch_validate_records(bytes_of_space(f->batch), &f->header, &limits, NULL, &f->scratch, NULL);
}

static void deep_validation_tells_the_latest_record(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct fixture *f = *state;
    struct records_summary summary;

    load(f, GOLDEN_ZSTD);
    assert_int_equal(
        batch_validate_records(bytes_of_space(f->batch), &f->header, &limits, NULL, &f->scratch, &summary),
        BATCH_ERROR_NONE);
    assert_int_equal(summary.max_timestamp, 1700000000250);
    assert_int_equal(summary.max_timestamp_offset, 1);
    assert_int_equal(summary.size, strlen(goldens[GOLDEN_PLAIN].hex) / 2 - RECORD_BATCH_HEADER_SIZE);
}

static void deep_validation_holds_records_against_the_limits(void **state)
{
    struct fixture *f = *state;
    struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);

    load(f, GOLDEN_SNAPPY);
    limits.key_required = true;
    assert_int_equal(batch_validate_records(bytes_of_space(f->batch), &f->header, &limits, NULL, &f->scratch, NULL),
                     BATCH_ERROR_RECORD_KEY);
    limits.key_required = false;
    /* The third record's time is neither the first nor the greatest: the header does not show it. */
    limits.timestamp_min = 1700000000000;
    assert_int_equal(batch_validate(bytes_of_space(f->batch), &limits, NULL), BATCH_ERROR_NONE);
    assert_int_equal(batch_validate_records(bytes_of_space(f->batch), &f->header, &limits, NULL, &f->scratch, NULL),
                     BATCH_ERROR_TIMESTAMP);
    limits.timestamp_min = INT64_MIN;
    limits.decompressed_size_max = strlen(goldens[GOLDEN_PLAIN].hex) / 2 - RECORD_BATCH_HEADER_SIZE - 1;
    assert_int_equal(batch_validate_records(bytes_of_space(f->batch), &f->header, &limits, NULL, &f->scratch, NULL),
                     BATCH_ERROR_DECOMPRESSED_SIZE);
    f->header.compression = COMPRESSION_ZSTD;
    assert_int_equal(validate_from(f, BATCH_FROM_CLIENT), BATCH_ERROR_COMPRESSED_DATA);
    f->header.compression = 6;
    assert_int_equal(validate_from(f, BATCH_FROM_CLIENT), BATCH_ERROR_COMPRESSION);
}

static void counts_and_offsets_must_fit_the_header(void **state)
{
    struct fixture *f = *state;

    load(f, GOLDEN_PLAIN);
    assert_int_equal(validate_from(f, BATCH_FROM_CLIENT), BATCH_ERROR_NONE);
    f->header.record_count = 4;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
    f->header.record_count = 6;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
    f->header.record_count = -1;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
    f->header.record_count = 5;
    f->header.last_offset_delta = 3;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
    f->header.last_offset_delta = 4;
    f->header.base_offset = INT64_MAX - 3;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
}

static void gaps_are_for_logs_only_and_order_is_for_all(void **state)
{
    const struct record_draft draft = {.timestamp = 0};
    struct fixture *f = *state;
    struct buffer batch;

    buffer_init(&batch);
    static const struct {
        int32_t deltas[3];
        enum batch_error from_client;
        enum batch_error from_log;
    } rows[] = {
        {{0, 1, 2}, BATCH_ERROR_NONE, BATCH_ERROR_NONE},
        {{0, 2, 9}, BATCH_ERROR_RECORD_OFFSET, BATCH_ERROR_NONE},
        {{1, 2, 3}, BATCH_ERROR_RECORD_OFFSET, BATCH_ERROR_NONE},
        {{0, 1, 1}, BATCH_ERROR_RECORD, BATCH_ERROR_RECORD},
        {{0, 1, 0}, BATCH_ERROR_RECORD, BATCH_ERROR_RECORD},
        {{-1, 0, 1}, BATCH_ERROR_RECORD, BATCH_ERROR_RECORD},
        {{0, 1, 10}, BATCH_ERROR_RECORD, BATCH_ERROR_RECORD},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        buffer_clear(&batch);
        memset(buffer_reserve(&batch, RECORD_BATCH_HEADER_SIZE), 0, RECORD_BATCH_HEADER_SIZE);
        batch.size = RECORD_BATCH_HEADER_SIZE;
        for (int at = 0; at < 3; at++) {
            record_write(&draft, 0, rows[i].deltas[at], &batch);
        }
        f->header = (struct batch_header){.last_offset_delta = 9, .record_count = 3};
        memory_free(f->batch.data);
        f->batch = (struct space){memory_copy(batch.data, batch.size), batch.size};
        assert_int_equal(validate_from(f, BATCH_FROM_CLIENT), rows[i].from_client);
        assert_int_equal(validate_from(f, BATCH_FROM_LOG), rows[i].from_log);
    }
    buffer_deinit(&batch);
}

static void records_that_decompress_to_nothing_are_refused(void **state)
{
    struct fixture *f = *state;

    /* The snappy framing's header alone is a valid stream of no bytes. */
    load(f, GOLDEN_SNAPPY);
    f->batch.size = RECORD_BATCH_HEADER_SIZE + 16;
    assert_int_equal(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_RECORD);
}

/* One record's body, as bytes, and whether it is well-formed. */
static void malformed_records_are_refused(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t size;
        enum status status;
    } rows[] = {
        {"smallest", "\x0c\0\0\0\1\1\0", 7, STATUS_OK},
        {"length 0", "\0\0\0\0\1\1\0", 7, STATUS_CORRUPT},
        {"length negative", "\x01\0\0\0\1\1\0", 7, STATUS_CORRUPT},
        {"length too short", "\x0a\0\0\0\1\1\0", 7, STATUS_CORRUPT},
        {"length too long", "\x0e\0\0\0\1\1\0", 7, STATUS_CORRUPT},
        {"length without end", "\xff\xff\xff\xff\xff\xff\xff", 7, STATUS_CORRUPT},
        {"key size -2", "\x0c\0\0\0\3\1\0", 7, STATUS_CORRUPT},
        {"key too long", "\x0c\0\0\0\x10\1\0", 7, STATUS_CORRUPT},
        {"value size -2", "\x0c\0\0\0\1\3\0", 7, STATUS_CORRUPT},
        {"value too long", "\x0c\0\0\0\1\4\0", 7, STATUS_CORRUPT},
        {"header count negative", "\x0c\0\0\0\1\1\1", 7, STATUS_CORRUPT},
        {"header count too large", "\x0c\0\0\0\1\1\2", 7, STATUS_CORRUPT},
        {"header key null", "\x10\0\0\0\1\1\2\1\1", 9, STATUS_CORRUPT},
        {"header value null", "\x10\0\0\0\1\1\2\0\1", 9, STATUS_OK},
        {"two headers", "\x14\0\0\0\1\1\4\0\1\0\1", 11, STATUS_OK},
        {"one header of two said", "\x14\0\0\0\1\1\2\0\1\0\1", 11, STATUS_CORRUPT},
        {"header count largest", "\x1c\0\0\0\1\1\xfe\xff\xff\xff\x0f\0\1\0\1", 15, STATUS_CORRUPT},
    };
    const struct batch_header header = {.record_count = 1};
    struct fixture *f = *state;
    struct record record;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct bytes copy = exact_copy(rows[i].bytes, rows[i].size);
        enum status status;

        record_iterator_init(&f->iterator, &header, copy);
        status = record_next(&f->iterator, &record);
        if (status == STATUS_OK) {
            status = record_next(&f->iterator, &record) == STATUS_END ? STATUS_OK : STATUS_CORRUPT;
        }
        if (status != rows[i].status) {
            fail_msg("%s: %s", rows[i].what, status_text(status));
        }
        memory_free((void *)(uintptr_t)copy.data);
    }
}

static void records_cut_anywhere_are_corrupt(void **state)
{
    struct fixture *f = *state;
    struct record record;

    load(f, GOLDEN_PLAIN);
    for (size_t size = RECORD_BATCH_HEADER_SIZE; size < f->batch.size; size++) {
        const struct bytes cut =
            exact_copy(f->batch.data + RECORD_BATCH_HEADER_SIZE, size - RECORD_BATCH_HEADER_SIZE);
        enum status status;

        record_iterator_init(&f->iterator, &f->header, cut);
        do {
            status = record_next(&f->iterator, &record);
        } while (status == STATUS_OK);
        assert_int_equal(status, STATUS_CORRUPT);
        memory_free((void *)(uintptr_t)cut.data);
    }
}

static void random_damage_is_read_without_leaving_the_bytes(void **state)
{
    static const enum golden_name names[] = {GOLDEN_PLAIN, GOLDEN_GZIP, GOLDEN_SNAPPY, GOLDEN_LZ4, GOLDEN_ZSTD};
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    struct fixture *f = *state;

    for (int round = 0; round < 20000; round++) {
        const uint64_t flips = 1 + prng_below(&f->prng, 4);
        struct batch_header header;

        load(f, names[round % 5]);
        for (uint64_t i = 0; i < flips; i++) {
            const size_t at = 21 + prng_below(&f->prng, f->batch.size - 21);

            f->batch.data[at] ^= (uint8_t)(1U << prng_below(&f->prng, 8));
        }
        batch_set_crc(f->batch);
        if (batch_validate(bytes_of_space(f->batch), &limits, &header) == BATCH_ERROR_NONE) {
            f->header = header;
            assert_in_range(validate_from(f, BATCH_FROM_LOG), BATCH_ERROR_NONE, BATCH_ERROR_RECORD_KEY);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_record(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_of_the_java_client_are_read_from_every_codec),
        TEST(values_over_several_blocks_are_read),
        TEST(append_time_stands_for_every_records_time),
        TEST(the_last_header_of_a_name_is_found),
        TEST(deep_validation_tells_the_latest_record),
        TEST(deep_validation_holds_records_against_the_limits),
        TEST(counts_and_offsets_must_fit_the_header),
        TEST(gaps_are_for_logs_only_and_order_is_for_all),
        TEST(records_that_decompress_to_nothing_are_refused),
        TEST(malformed_records_are_refused),
        TEST(records_cut_anywhere_are_corrupt),
        TEST(random_damage_is_read_without_leaving_the_bytes),
    };

    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
