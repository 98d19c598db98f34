/* Topic configs applied to produced batches: limits, append time, other codecs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/batch/record.h"
#include "storage-node/server/convert.h"
#include "tests/unit/server/batches.h"

#define NOW 1700000000000

static struct topic_config config_of(enum topic_compression compression)
{
    return (struct topic_config){
        .compression_type = compression,
        .compression_gzip_level = -1,
        .compression_lz4_level = 9,
        .compression_zstd_level = 3,
        .max_message_bytes = 100000,
        .max_decompressed_message_bytes = 1000000,
        .message_timestamp_before_max_ms = INT64_MAX,
        .message_timestamp_after_max_ms = 3600000,
    };
}

static enum batch_error convert(const struct topic_config *config, struct space batch, struct batch_copy *copy)
{
    const struct batch_limits limits = topic_batch_limits(config, NOW);
    struct batch_header header;
    const enum batch_error error = batch_validate(bytes_of(batch.data, batch.size), &limits, &header);

    *copy = (struct batch_copy){NULL, 0};
    return error != BATCH_ERROR_NONE ? error : batch_convert(config, NOW, &header, batch, copy);
}

/* What is stored is whole, has this codec and `records` records with their keys. */
static void assert_stored(const void *data, size_t size, enum compression compression, int32_t records)
{
    const struct batch_limits limits = batch_limits_none(BATCH_FROM_LOG);
    const struct bytes batch = bytes_of(data, size);
    struct record_iterator iterator;
    struct batch_header header;
    struct buffer scratch;
    struct bytes inside;
    struct record record;
    int32_t count = 0;

    assert_int_equal(batch_validate(batch, &limits, &header), BATCH_ERROR_NONE);
    assert_int_equal(header.compression, compression);
    buffer_init(&scratch);
    assert_int_equal(batch_records(batch, &header, NULL, 1 << 20, &scratch, &inside), STATUS_OK);
    record_iterator_init(&iterator, &header, inside);
    while (record_next(&iterator, &record) == STATUS_OK) {
        assert_int_equal(record.key.size, 3);
        count++;
    }
    assert_int_equal(count, records);
    buffer_deinit(&scratch);
}

static void the_producers_bytes_are_kept_where_nothing_else_is_asked(void **state)
{
    const struct topic_config config = config_of(TOPIC_COMPRESSION_PRODUCER);

    (void)state;
    for (int codec = 0; codec < 5; codec++) {
        struct space batch =
            batch_make(&(struct batch_recipe){.records = 5, .timestamp = NOW, .compression = (enum compression)codec});
        uint8_t *before = memory_copy(batch.data, batch.size);
        struct batch_copy copy;

        assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
        assert_null(copy.data);
        assert_memory_equal(before, batch.data, batch.size);
        memory_free(before);
        memory_free(batch.data);
    }
}

static void every_codec_becomes_every_other(void **state)
{
    (void)state;
    for (int from = 0; from < 5; from++) {
        for (int to = 0; to < 5; to++) {
            const struct topic_config config = config_of((enum topic_compression)to);
            struct space batch = batch_make(&(struct batch_recipe){
                .records = 20, .value_size = 300, .timestamp = NOW, .compression = (enum compression)from});
            struct batch_copy copy;

            assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
            assert_int_equal(copy.data != NULL, from != to);
            if (copy.data != NULL) {
                assert_stored(copy.data, copy.size, (enum compression)to, 20);
            } else {
                assert_stored(batch.data, batch.size, (enum compression)to, 20);
            }
            batch_copy_free(&copy);
            memory_free(batch.data);
        }
    }
}

static void append_time_stands_for_all_records(void **state)
{
    (void)state;
    for (int to = -1; to < 5; to++) {
        struct topic_config config = config_of((enum topic_compression)to);
        struct space batch = batch_make(&(struct batch_recipe){.records = 3, .timestamp = 5,
                                                               .compression = COMPRESSION_GZIP});
        struct batch_header header;
        struct batch_copy copy;
        struct bytes stored;

        config.message_timestamp_append = true;
        /* Times that a topic of create time would refuse do not matter. */
        config.message_timestamp_before_max_ms = 1;
        assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
        stored = copy.data != NULL ? bytes_of(copy.data, copy.size) : bytes_of(batch.data, batch.size);
        assert_int_equal(batch_header_read(stored, &header), STATUS_OK);
        assert_true(batch_crc_matches(stored));
        assert_int_equal(header.timestamp_type, TIMESTAMP_LOG_APPEND_TIME);
        assert_int_equal(header.max_timestamp, NOW);
        batch_copy_free(&copy);
        memory_free(batch.data);
    }
}

static void times_out_of_range_are_refused(void **state)
{
    static const int64_t GOOD[] = {NOW, NOW - 1000, NOW + 2000, -1};
    static const int64_t BAD[] = {NOW - 1001, NOW + 2001, 0, INT64_MAX};
    struct topic_config config = config_of(TOPIC_COMPRESSION_PRODUCER);
    struct batch_copy copy;

    (void)state;
    config.message_timestamp_before_max_ms = 1000;
    config.message_timestamp_after_max_ms = 2000;
    for (size_t i = 0; i < 4; i++) {
        struct space batch = batch_make(&(struct batch_recipe){.timestamp = GOOD[i]});

        assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
        memory_free(batch.data);
        batch = batch_make(&(struct batch_recipe){.timestamp = BAD[i]});
        assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_TIMESTAMP);
        memory_free(batch.data);
    }
    /* Spans as long as time itself. */
    config.message_timestamp_before_max_ms = INT64_MAX;
    config.message_timestamp_after_max_ms = INT64_MAX;
    for (size_t i = 0; i < 4; i++) {
        struct space batch = batch_make(&(struct batch_recipe){.timestamp = BAD[i]});

        assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
        memory_free(batch.data);
    }
}

static void batches_larger_than_the_topic_allows_are_refused(void **state)
{
    struct topic_config config = config_of(TOPIC_COMPRESSION_PRODUCER);
    struct space batch = batch_make(&(struct batch_recipe){.value_size = 5000, .timestamp = NOW});
    struct batch_copy copy;

    (void)state;
    config.max_message_bytes = (int32_t)batch.size;
    assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
    config.max_message_bytes--;
    assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_TOO_LARGE);
    memory_free(batch.data);
}

static void batches_that_grow_beyond_the_limit_are_refused(void **state)
{
    struct topic_config config = config_of(TOPIC_COMPRESSION_NONE);
    struct space batch = batch_make(
        &(struct batch_recipe){.records = 10, .value_size = 5000, .timestamp = NOW, .compression = COMPRESSION_ZSTD});
    struct batch_copy copy;

    (void)state;
    assert_true(batch.size < 1000);
    config.max_message_bytes = 50000;
    assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_TOO_LARGE);
    assert_null(copy.data);
    config.max_message_bytes = 60000;
    config.max_decompressed_message_bytes = 40000;
    assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_DECOMPRESSED_SIZE);
    assert_null(copy.data);
    memory_free(batch.data);
}

static void damaged_records_are_refused_when_they_must_be_read(void **state)
{
    const struct topic_config config = config_of(TOPIC_COMPRESSION_LZ4);
    struct space batch =
        batch_make(&(struct batch_recipe){.records = 10, .timestamp = NOW, .compression = COMPRESSION_GZIP});
    struct batch_copy copy;

    (void)state;
    batch.data[RECORD_BATCH_HEADER_SIZE + 12] ^= 0x55;
    assert_int_equal(convert(&config, batch, &copy), BATCH_ERROR_CRC);
    batch_set_crc(batch);
    assert_int_not_equal(convert(&config, batch, &copy), BATCH_ERROR_NONE);
    assert_null(copy.data);
    memory_free(batch.data);
}

static void compacted_topics_want_keys(void **state)
{
    static const enum topic_compression TYPES[] = {TOPIC_COMPRESSION_PRODUCER, TOPIC_COMPRESSION_NONE,
                                                   TOPIC_COMPRESSION_LZ4};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct topic_config config = config_of(TYPES[i]);
        struct space with = batch_make(&(struct batch_recipe){.records = 2, .timestamp = NOW});
        struct space without = batch_make(&(struct batch_recipe){.records = 2, .timestamp = NOW, .no_key = true});
        struct batch_copy copy;

        config.cleanup_compact = true;
        assert_int_equal(convert(&config, with, &copy), BATCH_ERROR_NONE);
        batch_copy_free(&copy);
        assert_int_equal(convert(&config, without, &copy), BATCH_ERROR_RECORD_KEY);
        assert_null(copy.data);
        memory_free(with.data);
        memory_free(without.data);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_producers_bytes_are_kept_where_nothing_else_is_asked),
        cmocka_unit_test(every_codec_becomes_every_other),
        cmocka_unit_test(append_time_stands_for_all_records),
        cmocka_unit_test(times_out_of_range_are_refused),
        cmocka_unit_test(batches_larger_than_the_topic_allows_are_refused),
        cmocka_unit_test(batches_that_grow_beyond_the_limit_are_refused),
        cmocka_unit_test(damaged_records_are_refused_when_they_must_be_read),
        cmocka_unit_test(compacted_topics_want_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
