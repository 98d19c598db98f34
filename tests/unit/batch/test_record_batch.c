/* The batch header: decoded, walked, judged, patched. */
#include "common/batch/record_batch.h"

#include "common/base/endian.h"
#include "tests/unit/batch/support.h"

static void header_of_a_transactional_batch_is_decoded(void **state)
{
    const struct space batch = golden_load(GOLDEN_TRANSACTIONAL);
    struct batch_header header;

    (void)state;
    assert_int_equal(batch_header_read(bytes_of_space(batch), &header), STATUS_OK);
    assert_int_equal(header.base_offset, 0);
    assert_int_equal(header.batch_length, batch.size - RECORD_BATCH_OVERHEAD);
    assert_int_equal(batch_size(&header), batch.size);
    assert_int_equal(header.partition_leader_epoch, 12);
    assert_int_equal(header.magic, 2);
    assert_int_equal(header.crc, 0xd7213b2a);
    assert_int_equal(header.compression, COMPRESSION_NONE);
    assert_int_equal(header.timestamp_type, TIMESTAMP_CREATE_TIME);
    assert_true(header.transactional);
    assert_false(header.control);
    assert_false(header.delete_horizon);
    assert_int_equal(header.last_offset_delta, 2);
    assert_int_equal(batch_last_offset(&header), 2);
    assert_int_equal(header.base_timestamp, 5);
    assert_int_equal(header.max_timestamp, 7);
    assert_true(batch_has_producer(&header));
    assert_int_equal(header.producer_id, 4294967301);
    assert_int_equal(header.producer_epoch, 7);
    assert_int_equal(header.base_sequence, 2147483646);
    assert_int_equal(batch_last_sequence(&header), 0);
    assert_int_equal(header.record_count, 3);
    memory_free(batch.data);
}

static void header_encodes_to_the_bytes_it_was_read_from(void **state)
{
    (void)state;
    for (int name = 0; name < GOLDEN_COUNT; name++) {
        const struct space batch = golden_load((enum golden_name)name);
        const struct bytes before = exact_copy(batch.data, batch.size);
        struct batch_header header;

        assert_int_equal(batch_header_read(before, &header), STATUS_OK);
        memset(batch.data, 0, RECORD_BATCH_HEADER_SIZE);
        batch_header_write(&header, batch);
        batch_set_crc(batch);
        assert_bytes_equal(bytes_of_space(batch), before);
        memory_free(batch.data);
        memory_free((void *)(uintptr_t)before.data);
    }
}

static void cut_headers_are_truncated(void **state)
{
    const struct space batch = golden_load(GOLDEN_PLAIN);
    struct batch_header header;

    (void)state;
    for (size_t size = 0; size <= batch.size; size++) {
        const struct bytes cut = exact_copy(batch.data, size);

        assert_int_equal(batch_header_read(cut, &header),
                         size < RECORD_BATCH_HEADER_SIZE ? STATUS_TRUNCATED : STATUS_OK);
        assert_int_equal(batch_crc_matches(cut), size == batch.size);
        memory_free((void *)(uintptr_t)cut.data);
    }
    memory_free(batch.data);
}

static void impossible_lengths_are_corrupt_and_other_formats_unsupported(void **state)
{
    static const int32_t lengths[] = {INT32_MIN, -1, 0, 4, 5, RECORD_BATCH_HEADER_SIZE - RECORD_BATCH_OVERHEAD - 1};
    static const uint8_t magics[] = {0, 1, 3, 0x80, 0xff};
    const struct space batch = golden_load(GOLDEN_PLAIN);
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_header header;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(magics); i++) {
        batch.data[16] = magics[i];
        assert_int_equal(batch_header_read(bytes_of_space(batch), &header), STATUS_UNSUPPORTED);
        assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL),
                         magics[i] < 2 ? BATCH_ERROR_OLD_MAGIC : BATCH_ERROR_UNKNOWN_MAGIC);
    }
    batch.data[16] = 2;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        store_i32(batch.data + 8, lengths[i]);
        assert_int_equal(batch_header_read(bytes_of_space(batch), &header), STATUS_CORRUPT);
        assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_SIZE);
    }
    memory_free(batch.data);
}

static void batches_in_a_row_are_taken_one_by_one(void **state)
{
    static const enum golden_name names[] = {GOLDEN_PLAIN, GOLDEN_ZSTD, GOLDEN_COMMIT};
    struct buffer all;
    struct bytes rest;
    struct bytes batch = BYTES_NULL;

    (void)state;
    buffer_init(&all);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const struct space each = golden_load(names[i]);

        buffer_append(&all, each.data, each.size);
        memory_free(each.data);
    }
    rest = buffer_bytes(&all);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        assert_int_equal(batch_next(&rest, &batch), STATUS_OK);
        assert_int_equal(batch.size, strlen(goldens[names[i]].hex) / 2);
        assert_true(batch_crc_matches(batch));
    }
    assert_int_equal(batch_next(&rest, &batch), STATUS_END);

    /* The last one cut by a byte, as in a fetch response. */
    rest = bytes_of(all.data, all.size - 1);
    assert_int_equal(batch_next(&rest, &batch), STATUS_OK);
    assert_int_equal(batch_next(&rest, &batch), STATUS_OK);
    const struct bytes before = rest;
    assert_int_equal(batch_next(&rest, &batch), STATUS_TRUNCATED);
    assert_ptr_equal(rest.data, before.data);
    assert_int_equal(rest.size, before.size);
    buffer_deinit(&all);
}

static void every_flipped_bit_behind_the_checksum_is_found(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    const struct space batch = golden_load(GOLDEN_ZSTD);

    (void)state;
    for (size_t bit = 0; bit < batch.size * 8; bit++) {
        const size_t at = bit / 8;
        enum batch_error error;

        batch.data[at] ^= (uint8_t)(1U << bit % 8);
        error = batch_validate(bytes_of_space(batch), &limits, NULL);
        if (at >= 17) {
            assert_int_equal(error, BATCH_ERROR_CRC);
        } else if (at >= 12 && at < 16) {
            assert_int_equal(error, BATCH_ERROR_NONE); /* the leader epoch, which the leader sets */
        } else {
            assert_int_not_equal(error, BATCH_ERROR_NONE);
        }
        batch.data[at] ^= (uint8_t)(1U << bit % 8);
    }
    assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_NONE);
    memory_free(batch.data);
}

static void batches_of_the_java_client_are_valid(void **state)
{
    (void)state;
    for (int name = 0; name < GOLDEN_COUNT; name++) {
        const struct space batch = golden_load((enum golden_name)name);
        const struct batch_limits log = batch_limits_none(BATCH_FROM_LOG);
        const struct batch_limits client = batch_limits_none(BATCH_FROM_CLIENT);
        const struct batch_limits coordinator = batch_limits_none(BATCH_FROM_COORDINATOR);
        enum batch_error expected = BATCH_ERROR_NONE;
        struct batch_header header;

        assert_int_equal(batch_validate(bytes_of_space(batch), &log, &header), BATCH_ERROR_NONE);
        assert_int_equal(batch_size(&header), batch.size);
        if (name == GOLDEN_APPEND_TIME || name == GOLDEN_COMMIT) {
            expected = BATCH_ERROR_BASE_OFFSET;
        } else if (name == GOLDEN_ABORT) {
            expected = BATCH_ERROR_CONTROL;
            assert_int_equal(batch_validate(bytes_of_space(batch), &coordinator, NULL), BATCH_ERROR_NONE);
        }
        assert_int_equal(batch_validate(bytes_of_space(batch), &client, NULL), expected);
        memory_free(batch.data);
    }
}

/* One field of GOLDEN_TRANSACTIONAL changed, and what a client and the log hear of it. */
struct change {
    const char *what;
    size_t at;
    size_t size;
    int64_t value;
    enum batch_error from_client;
    enum batch_error from_log;
};

static const struct change changes[] = {
    {"nothing", 16, 1, 2, BATCH_ERROR_NONE, BATCH_ERROR_NONE},
    {"base offset 1", 0, 8, 1, BATCH_ERROR_BASE_OFFSET, BATCH_ERROR_NONE},
    {"base offset negative", 0, 8, -1, BATCH_ERROR_BASE_OFFSET, BATCH_ERROR_BASE_OFFSET},
    {"base offset too near the end", 0, 8, INT64_MAX - 1, BATCH_ERROR_BASE_OFFSET, BATCH_ERROR_BASE_OFFSET},
    {"codec 5", 21, 2, 0x15, BATCH_ERROR_COMPRESSION, BATCH_ERROR_COMPRESSION},
    {"codec 7", 21, 2, 0x17, BATCH_ERROR_COMPRESSION, BATCH_ERROR_COMPRESSION},
    {"unknown bit 7", 21, 2, 0x90, BATCH_ERROR_ATTRIBUTES, BATCH_ERROR_NONE},
    {"unknown bit 15", 21, 2, (int16_t)0x8010, BATCH_ERROR_ATTRIBUTES, BATCH_ERROR_NONE},
    {"append time", 21, 2, 0x18, BATCH_ERROR_TIMESTAMP_TYPE, BATCH_ERROR_NONE},
    {"control", 21, 2, 0x30, BATCH_ERROR_CONTROL, BATCH_ERROR_NONE},
    {"delete horizon", 21, 2, 0x50, BATCH_ERROR_DELETE_HORIZON, BATCH_ERROR_NONE},
    {"last offset delta negative", 23, 4, -1, BATCH_ERROR_OFFSET_RANGE, BATCH_ERROR_OFFSET_RANGE},
    {"more records than offsets", 23, 4, 1, BATCH_ERROR_OFFSET_RANGE, BATCH_ERROR_OFFSET_RANGE},
    {"more offsets than records", 23, 4, 3, BATCH_ERROR_OFFSET_RANGE, BATCH_ERROR_NONE},
    {"last offset delta largest", 23, 4, INT32_MAX, BATCH_ERROR_OFFSET_RANGE, BATCH_ERROR_NONE},
    {"record count negative", 57, 4, -1, BATCH_ERROR_RECORD_COUNT, BATCH_ERROR_RECORD_COUNT},
    {"record count 0", 57, 4, 0, BATCH_ERROR_RECORD_COUNT, BATCH_ERROR_NONE},
    {"record count beyond the bytes", 57, 4, 4, BATCH_ERROR_RECORD_COUNT, BATCH_ERROR_RECORD_COUNT},
    {"record count largest", 57, 4, INT32_MAX, BATCH_ERROR_RECORD_COUNT, BATCH_ERROR_RECORD_COUNT},
    {"producer id -2", 43, 8, -2, BATCH_ERROR_PRODUCER_ID, BATCH_ERROR_PRODUCER_ID},
    {"transaction without producer", 43, 8, -1, BATCH_ERROR_TRANSACTION, BATCH_ERROR_TRANSACTION},
    {"producer epoch -1", 51, 2, -1, BATCH_ERROR_PRODUCER_EPOCH, BATCH_ERROR_PRODUCER_EPOCH},
    {"base sequence -1", 53, 4, -1, BATCH_ERROR_SEQUENCE, BATCH_ERROR_SEQUENCE},
    {"base timestamp too early", 27, 8, 4, BATCH_ERROR_TIMESTAMP, BATCH_ERROR_NONE},
    {"base timestamp unknown", 27, 8, -1, BATCH_ERROR_NONE, BATCH_ERROR_NONE},
    {"max timestamp too late", 35, 8, 8, BATCH_ERROR_TIMESTAMP, BATCH_ERROR_NONE},
};

static void store(uint8_t *at, size_t size, int64_t value)
{
    switch (size) {
    case 1:
        *at = (uint8_t)value;
        break;
    case 2:
        store_i16(at, (int16_t)value);
        break;
    case 4:
        store_i32(at, (int32_t)value);
        break;
    default:
        store_i64(at, value);
    }
}

static void each_wrong_field_has_its_own_cause(void **state)
{
    struct batch_limits client = batch_limits_none(BATCH_FROM_CLIENT);
    struct batch_limits log = batch_limits_none(BATCH_FROM_LOG);

    (void)state;
    client.timestamp_min = log.timestamp_min = 5;
    client.timestamp_max = log.timestamp_max = 7;
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        const struct space batch = golden_load(GOLDEN_TRANSACTIONAL);
        enum batch_error error;

        store(batch.data + changes[i].at, changes[i].size, changes[i].value);
        batch_set_crc(batch);
        error = batch_validate(bytes_of_space(batch), &client, NULL);
        if (error != changes[i].from_client) {
            fail_msg("%s: client hears: %s", changes[i].what, batch_error_text(error));
        }
        error = batch_validate(bytes_of_space(batch), &log, NULL);
        if (error != changes[i].from_log) {
            fail_msg("%s: log hears: %s", changes[i].what, batch_error_text(error));
        }
        memory_free(batch.data);
    }
}

static void sequence_and_epoch_are_anything_without_a_producer(void **state)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    const struct space batch = golden_load(GOLDEN_PLAIN);

    (void)state;
    store_i16(batch.data + 51, 0);
    store_i32(batch.data + 53, 0);
    batch_set_crc(batch);
    assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_NONE);
    memory_free(batch.data);
}

static void sizes_are_held_against_the_limits(void **state)
{
    struct batch_limits limits = batch_limits_none(BATCH_FROM_CLIENT);
    const struct space batch = golden_load(GOLDEN_ZSTD);
    struct buffer longer;

    (void)state;
    limits.size_max = batch.size;
    assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_NONE);
    assert_int_equal(batch_validate(bytes_of(batch.data, batch.size - 1), &limits, NULL), BATCH_ERROR_TRUNCATED);
    assert_int_equal(batch_validate(bytes_of(batch.data, 3), &limits, NULL), BATCH_ERROR_TRUNCATED);
    assert_int_equal(batch_validate(BYTES_NULL, &limits, NULL), BATCH_ERROR_TRUNCATED);
    limits.size_max = batch.size - 1;
    assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_TOO_LARGE);
    limits.size_max = SIZE_MAX;
    buffer_init(&longer);
    buffer_append(&longer, batch.data, batch.size);
    buffer_append(&longer, "x", 1);
    assert_int_equal(batch_validate(buffer_bytes(&longer), &limits, NULL), BATCH_ERROR_SURPLUS);
    /* Five records cannot be in fewer than 35 bytes. */
    limits.decompressed_size_max = 34;
    assert_int_equal(batch_validate(bytes_of_space(batch), &limits, NULL), BATCH_ERROR_RECORD_COUNT);
    buffer_deinit(&longer);
    memory_free(batch.data);
}

static void assigning_offset_and_epoch_leaves_the_checksum_true(void **state)
{
    const struct space batch = golden_load(GOLDEN_GZIP);
    struct batch_header header;
    uint32_t crc;

    (void)state;
    crc = load_u32(batch.data + 17);
    batch_assign(batch, 123456789012, 42);
    assert_int_equal(batch_header_read(bytes_of_space(batch), &header), STATUS_OK);
    assert_int_equal(header.base_offset, 123456789012);
    assert_int_equal(batch_last_offset(&header), 123456789016);
    assert_int_equal(header.partition_leader_epoch, 42);
    assert_int_equal(header.crc, crc);
    assert_true(batch_crc_matches(bytes_of_space(batch)));
    memory_free(batch.data);
}

static void append_time_is_set_and_unset_with_a_new_checksum(void **state)
{
    const struct space batch = golden_load(GOLDEN_LZ4);
    const struct bytes before = exact_copy(batch.data, batch.size);
    struct batch_header header;

    (void)state;
    batch_set_timestamp(batch, TIMESTAMP_LOG_APPEND_TIME, 1800000000000);
    assert_true(batch_crc_matches(bytes_of_space(batch)));
    assert_int_equal(batch_header_read(bytes_of_space(batch), &header), STATUS_OK);
    assert_int_equal(header.timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
    assert_int_equal(header.max_timestamp, 1800000000000);
    assert_int_equal(header.compression, COMPRESSION_LZ4);
    batch_set_timestamp(batch, TIMESTAMP_CREATE_TIME, 1700000000250);
    assert_bytes_equal(bytes_of_space(batch), before);
    memory_free(batch.data);
    memory_free((void *)(uintptr_t)before.data);
}

static void sequences_wrap_to_zero(void **state)
{
    (void)state;
    assert_int_equal(sequence_add(0, 5), 5);
    assert_int_equal(sequence_add(INT32_MAX, 0), INT32_MAX);
    assert_int_equal(sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(sequence_add(INT32_MAX - 1, 4), 2);
    assert_int_equal(sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1);
}

static void causes_have_texts_and_kafkas_codes(void **state)
{
    (void)state;
    assert_int_equal(batch_error_code(BATCH_ERROR_NONE), 0);
    assert_int_equal(batch_error_code(BATCH_ERROR_CRC), 2);
    assert_int_equal(batch_error_code(BATCH_ERROR_COMPRESSION), 76);
    assert_int_equal(batch_error_code(BATCH_ERROR_TIMESTAMP), 32);
    assert_int_equal(batch_error_code(BATCH_ERROR_CONTROL), 87);
    assert_int_equal(batch_error_code(BATCH_ERROR_TOO_LARGE), 10);
    assert_string_equal(batch_error_text(BATCH_ERROR_CRC), "checksum does not match");
}

int test_record_batch(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_of_a_transactional_batch_is_decoded),
        cmocka_unit_test(header_encodes_to_the_bytes_it_was_read_from),
        cmocka_unit_test(cut_headers_are_truncated),
        cmocka_unit_test(impossible_lengths_are_corrupt_and_other_formats_unsupported),
        cmocka_unit_test(batches_in_a_row_are_taken_one_by_one),
        cmocka_unit_test(every_flipped_bit_behind_the_checksum_is_found),
        cmocka_unit_test(batches_of_the_java_client_are_valid),
        cmocka_unit_test(each_wrong_field_has_its_own_cause),
        cmocka_unit_test(sequence_and_epoch_are_anything_without_a_producer),
        cmocka_unit_test(sizes_are_held_against_the_limits),
        cmocka_unit_test(assigning_offset_and_epoch_leaves_the_checksum_true),
        cmocka_unit_test(append_time_is_set_and_unset_with_a_new_checksum),
        cmocka_unit_test(sequences_wrap_to_zero),
        cmocka_unit_test(causes_have_texts_and_kafkas_codes),
    };

    return cmocka_run_group_tests_name("record batch", tests, NULL, NULL);
}
