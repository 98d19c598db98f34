/* Tests of common/wire/api.h: the table, the headers in both versions, and the exception of ApiVersions. */
#include "common/wire/api.h"

#include "wire/metadata_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture {
    struct writer writer;
    struct reader reader;
};

static int setup(void **state)
{
    static struct fixture fixture;

    writer_init(&fixture.writer);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    writer_deinit(&fixture->writer);
    return 0;
}

static struct reader *read_back(struct fixture *fixture)
{
    reader_init(&fixture->reader, buffer_bytes(&fixture->writer.buffer), NULL);
    return &fixture->reader;
}

static void rows_are_in_key_order_and_complete(void **state)
{
    size_t count;
    const struct api *apis = api_all(&count);

    (void)state;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || apis[i - 1].key < apis[i].key);
        assert_ptr_equal(api_find(apis[i].key), &apis[i]);
        assert_true(apis[i].version_min >= 0 && apis[i].version_min <= apis[i].version_max);
        assert_non_null(apis[i].request.read);
        assert_non_null(apis[i].response.write);
        assert_int_equal(strncmp(apis[i].request.name, apis[i].name, strlen(apis[i].name)), 0);
    }
    assert_int_equal(apis[count - 1].key, API_KEY_MAX);
}

static void keys_without_a_schema_are_not_found(void **state)
{
    (void)state;
    assert_null(api_find(-1));
    assert_null(api_find(4)); /* LeaderAndIsr, which left Kafka with ZooKeeper */
    assert_null(api_find(INT16_MAX));
    assert_null(api_find(INT16_MIN));
}

static void produce_and_sasl_handshake_have_known_rows(void **state)
{
    const struct api *api = api_find(API_PRODUCE);

    (void)state;
    assert_string_equal(api->name, "Produce");
    assert_string_equal(api->request.name, "ProduceRequest");
    assert_int_equal(api->version_min, 3);
    assert_int_equal(api->version_max, 13);
    assert_int_equal(api->flexible_since, 9);
    assert_int_equal(api_find(API_SASL_HANDSHAKE)->flexible_since, INT16_MAX);
}

static void metadata_records_are_found_by_type(void **state)
{
    size_t count;
    const struct metadata_record_type_row *rows = metadata_record_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || rows[i - 1].key < rows[i].key);
        assert_ptr_equal(metadata_record_find(rows[i].key), &rows[i]);
    }
    assert_string_equal(metadata_record_find(METADATA_TOPIC_RECORD)->name, "TopicRecord");
    assert_int_equal(metadata_record_find(METADATA_TOPIC_RECORD)->type.size, sizeof(struct topic_record));
    assert_null(metadata_record_find(-1));
    assert_null(metadata_record_find(1000));
}

static void check_request_header(struct fixture *fixture, const struct request_header *header, size_t size)
{
    struct request_header copy;
    struct reader *reader;

    writer_clear(&fixture->writer);
    request_header_write(header, &fixture->writer);
    assert_int_equal(writer_size(&fixture->writer), size);
    reader = read_back(fixture);
    request_header_read(&copy, reader);
    assert_true(reader_done(reader));
    assert_int_equal(copy.key, header->key);
    assert_int_equal(copy.version, header->version);
    assert_int_equal(copy.correlation_id, header->correlation_id);
    assert_true(string_equal(copy.client_id, header->client_id));
}

static void request_header_1_ends_with_the_client_id(void **state)
{
    check_request_header(*state, &(struct request_header){API_PRODUCE, 8, 77, STRING("me")}, 12);
    check_request_header(*state, &(struct request_header){API_PRODUCE, 8, -1, STRING_NULL}, 10);
    check_request_header(*state, &(struct request_header){API_SASL_HANDSHAKE, 1, 5, STRING("")}, 10);
}

static void request_header_2_ends_with_tagged_fields(void **state)
{
    check_request_header(*state, &(struct request_header){API_PRODUCE, 9, 77, STRING("me")}, 13);
    check_request_header(*state, &(struct request_header){API_API_VERSIONS, 3, 77, STRING("me")}, 13);
}

static void unknown_key_or_version_leaves_the_reader_behind_the_client_id(void **state)
{
    static const uint8_t unknown_version[] = {0, API_API_VERSIONS, 0, 99, 0, 0, 0, 1, 0, 1, 'c', 0xff, 0xff};
    static const uint8_t unknown_key[] = {0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff};
    static const uint8_t negative_version[] = {0, API_API_VERSIONS, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0xff};
    struct fixture *fixture = *state;
    struct request_header header;

    reader_init(&fixture->reader, bytes_of(unknown_version, sizeof(unknown_version)), NULL);
    request_header_read(&header, &fixture->reader);
    assert_true(reader_ok(&fixture->reader));
    assert_int_equal(reader_left(&fixture->reader), 2);
    assert_int_equal(header.version, 99);
    assert_true(string_is(header.client_id, "c"));
    reader_init(&fixture->reader, bytes_of(unknown_key, sizeof(unknown_key)), NULL);
    request_header_read(&header, &fixture->reader);
    assert_true(reader_ok(&fixture->reader));
    assert_int_equal(reader_left(&fixture->reader), 1);
    reader_init(&fixture->reader, bytes_of(negative_version, sizeof(negative_version)), NULL);
    request_header_read(&header, &fixture->reader);
    assert_true(reader_ok(&fixture->reader));
    assert_int_equal(reader_left(&fixture->reader), 1);
}

static void request_header_cut_anywhere_fails(void **state)
{
    static const uint8_t bytes[] = {0, API_PRODUCE, 0, 9, 0, 0, 0, 1, 0, 1, 'c', 0};
    struct fixture *fixture = *state;
    struct request_header header;

    for (size_t size = 0; size < sizeof(bytes); size++) {
        reader_init(&fixture->reader, bytes_of(bytes, size), NULL);
        request_header_read(&header, &fixture->reader);
        assert_false(reader_ok(&fixture->reader));
    }
}

static void check_response_header(struct fixture *fixture, int16_t key, int16_t version, size_t size)
{
    struct reader *reader;

    writer_clear(&fixture->writer);
    response_header_write(1234, key, version, &fixture->writer);
    assert_int_equal(writer_size(&fixture->writer), size);
    reader = read_back(fixture);
    assert_int_equal(response_header_read(key, version, reader), 1234);
    assert_true(reader_done(reader));
}

static void response_header_1_has_tagged_fields(void **state)
{
    check_response_header(*state, API_PRODUCE, 8, 4);
    check_response_header(*state, API_PRODUCE, 9, 5);
    check_response_header(*state, API_SASL_HANDSHAKE, 1, 4);
}

static void api_versions_always_answers_with_header_0(void **state)
{
    check_response_header(*state, API_API_VERSIONS, 0, 4);
    check_response_header(*state, API_API_VERSIONS, 3, 4);
    check_response_header(*state, API_API_VERSIONS, 5, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_in_key_order_and_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_without_a_schema_are_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(produce_and_sasl_handshake_have_known_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(metadata_records_are_found_by_type, setup, teardown),
        cmocka_unit_test_setup_teardown(request_header_1_ends_with_the_client_id, setup, teardown),
        cmocka_unit_test_setup_teardown(request_header_2_ends_with_tagged_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_key_or_version_leaves_the_reader_behind_the_client_id, setup, teardown),
        cmocka_unit_test_setup_teardown(request_header_cut_anywhere_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(response_header_1_has_tagged_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(api_versions_always_answers_with_header_0, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
