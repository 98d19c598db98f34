/* Tests of the generated messages, all of them at every version: what is written is read back, what is cut off is
 * refused, what is flipped is refused or makes sense, and what a version cannot carry stops the writer. */
#include "common/base/memory.h"
#include "common/wire/api.h"
#include "tests/unit/wire/fill.h"

#include "wire/describe_topic_partitions.h"
#include "wire/fetch.h"
#include "wire/incremental_alter_configs.h"
#include "wire/metadata.h"
#include "wire/produce.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARENA_LIMIT (1U << 20)
#define SEEDS 20

struct fixture {
    struct arena filled;
    struct arena decoded;
    struct writer first;
    struct writer second;
    struct buffer first_text;
    struct buffer second_text;
};

static int setup(void **state)
{
    static struct fixture fixture;

    arena_init(&fixture.filled, ARENA_LIMIT);
    arena_init(&fixture.decoded, ARENA_LIMIT);
    writer_init(&fixture.first);
    writer_init(&fixture.second);
    buffer_init(&fixture.first_text);
    buffer_init(&fixture.second_text);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_deinit(&fixture->filled);
    arena_deinit(&fixture->decoded);
    writer_deinit(&fixture->first);
    writer_deinit(&fixture->second);
    buffer_deinit(&fixture->first_text);
    buffer_deinit(&fixture->second_text);
    return 0;
}

/* Writes a random message of this row and version to fixture->first and its text to first_text. */
static void write_random(struct fixture *fixture, const struct fill_row *row, int16_t version, uint64_t seed)
{
    struct fill fill = {.arena = &fixture->filled};
    void *message;

    arena_reset(&fixture->filled);
    writer_clear(&fixture->first);
    buffer_clear(&fixture->first_text);
    prng_init(&fill.prng, seed);
    message = arena_need(&fixture->filled, 1, row->size);
    row->fill(message, &fill, version);
    row->write(message, &fixture->first, version);
    row->dump(message, &fixture->first_text);
    assert_int_equal(fixture->first.splice_count, 0);
}

/* Decodes `input`; if that succeeds, writes the result to fixture->second and its text to second_text. */
static bool read_and_rewrite(struct fixture *fixture, const struct fill_row *row, int16_t version, struct bytes input)
{
    struct reader reader;
    void *message;

    arena_reset(&fixture->decoded);
    writer_clear(&fixture->second);
    buffer_clear(&fixture->second_text);
    reader_init(&reader, input, &fixture->decoded);
    message = arena_need(&fixture->filled, 1, row->size);
    row->read(message, &reader, version);
    if (!reader_done(&reader)) {
        return false;
    }
    row->write(message, &fixture->second, version);
    row->dump(message, &fixture->second_text);
    return true;
}

static void assert_same(const struct buffer *one, const struct buffer *other)
{
    assert_int_equal(one->size, other->size);
    assert_memory_equal(one->data, other->data, one->size);
}

static void every_message_at_every_version_survives_the_round_trip(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < fill_row_count; i++) {
        const struct fill_row *row = &fill_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            for (uint64_t seed = 0; seed < SEEDS; seed++) {
                write_random(fixture, row, version, seed);
                if (!read_and_rewrite(fixture, row, version, buffer_bytes(&fixture->first.buffer))) {
                    fail_msg("%s version %d seed %d is not read back", row->name, version, (int)seed);
                }
                assert_same(&fixture->first.buffer, &fixture->second.buffer);
                /* The text covers what bytes do not: fields that the version lacks came back as defaults. */
                assert_same(&fixture->first_text, &fixture->second_text);
            }
        }
    }
}

static void every_message_cut_anywhere_is_refused(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < fill_row_count; i++) {
        const struct fill_row *row = &fill_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            struct bytes whole;

            write_random(fixture, row, version, 1);
            whole = buffer_bytes(&fixture->first.buffer);
            for (size_t size = 0; size < whole.size; size++) {
                /* A copy of its own, so that the sanitizer sees a read past the end. */
                uint8_t *cut = memory_copy(whole.data, size);

                if (read_and_rewrite(fixture, row, version, bytes_of(cut, size))) {
                    fail_msg("%s version %d is accepted after %zu of %zu bytes", row->name, version, size, whole.size);
                }
                memory_free(cut);
            }
        }
    }
}

static void leftover_bytes_are_left_to_the_dispatcher(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < fill_row_count; i++) {
        const struct fill_row *row = &fill_rows[i];
        struct reader reader;

        write_random(fixture, row, row->version_max, 2);
        write_int16(&fixture->first, 0x1234);
        reader_init(&reader, buffer_bytes(&fixture->first.buffer), &fixture->decoded);
        row->read(arena_need(&fixture->filled, 1, row->size), &reader, row->version_max);
        assert_int_equal(reader_left(&reader), 2);
        assert_int_equal(read_int16(&reader), 0x1234);
        assert_true(reader_done(&reader));
        arena_reset(&fixture->decoded);
    }
}

/* Whatever is accepted can be written again and then reads the same: the reader lets nothing in that the writer asserts
 * against. */
static void flipped_bytes_are_refused_or_make_sense(void **state)
{
    struct fixture *fixture = *state;
    struct prng prng;
    size_t accepted = 0;
    size_t refused = 0;

    prng_init(&prng, 42);
    for (size_t i = 0; i < fill_row_count; i++) {
        const struct fill_row *row = &fill_rows[i];

        for (int16_t version = row->version_min; version <= row->version_max; version++) {
            for (int round = 0; round < 60; round++) {
                struct buffer *bytes = &fixture->first.buffer;

                write_random(fixture, row, version, (uint64_t)round / 10);
                for (uint64_t flips = prng_below(&prng, 4); bytes->size > 0 && flips > 0; flips--) {
                    bytes->data[prng_below(&prng, bytes->size)] = (uint8_t)prng_next(&prng);
                }
                if (!read_and_rewrite(fixture, row, version, buffer_bytes(bytes))) {
                    refused++;
                    continue;
                }
                accepted++;
                buffer_clear(&fixture->first_text);
                buffer_append(&fixture->first_text, fixture->second_text.data, fixture->second_text.size);
                buffer_clear(bytes);
                buffer_append(bytes, fixture->second.buffer.data, fixture->second.buffer.size);
                assert_true(read_and_rewrite(fixture, row, version, buffer_bytes(bytes)));
                assert_same(bytes, &fixture->second.buffer);
                assert_same(&fixture->first_text, &fixture->second_text);
            }
        }
    }
    assert_true(accepted > 1000);
    assert_true(refused > 1000);
}

static void fetch_request_12_has_these_bytes(void **state)
{
    static const uint8_t expected[] = {
        0xff, 0xff, 0xff, 0xff,             /* replica id */
        0,    0,    1,    0xf4,             /* wait 500 ms */
        0,    0,    0,    1,                /* at least a byte */
        0x7f, 0xff, 0xff, 0xff, 0,          /* at most; isolation level */
        0,    0,    0,    0,                /* session */
        0xff, 0xff, 0xff, 0xff,             /* epoch of the session */
        2,    3,    't',  '1',  2,          /* one topic, t1, one partition */
        0,    0,    0,    3,                /* partition 3 */
        0xff, 0xff, 0xff, 0xff,             /* leader epoch */
        0,    0,    0,    0,    0, 0, 0, 9, /* offset */
        0xff, 0xff, 0xff, 0xff,             /* last fetched epoch */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* log start offset */
        0,    0,    0x10, 0,    0,          /* 4096 bytes; no tags of the partition */
        0,    1,    1,    1,                /* no tags of the topic; nothing forgotten; no rack; one tag */
        0,    2,    2,    'c'               /* tag 0, two bytes long: the cluster id */
    };
    struct fixture *fixture = *state;
    struct fetch_request request;
    struct fetch_request_topics topic;
    struct fetch_request_topics_partitions partition;
    struct fetch_request copy;
    struct reader reader;

    fetch_request_init(&request);
    fetch_request_topics_init(&topic);
    fetch_request_topics_partitions_init(&partition);
    request.cluster_id = STRING("c");
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.topics_count = 1;
    request.topics = &topic;
    topic.topic = STRING("t1");
    topic.partitions_count = 1;
    topic.partitions = &partition;
    partition.partition = 3;
    partition.fetch_offset = 9;
    partition.partition_max_bytes = 4096;
    fetch_request_write(&request, &fixture->first, 12);
    assert_int_equal(fixture->first.buffer.size, sizeof(expected));
    assert_memory_equal(fixture->first.buffer.data, expected, sizeof(expected));
    reader_init(&reader, buffer_bytes(&fixture->first.buffer), &fixture->decoded);
    fetch_request_read(&copy, &reader, 12);
    assert_true(reader_done(&reader));
    assert_true(string_is(copy.cluster_id, "c"));
    assert_int_equal(copy.topics[0].partitions[0].fetch_offset, 9);
    assert_int_equal(copy.replica_state.replica_epoch, -1);
    assert_true(copy.topics[0].partitions[0].high_watermark == INT64_MAX);
}

static void huge_counts_in_a_message_allocate_nothing(void **state)
{
    static const uint8_t classic[] = {0x7f, 0xff, 0xff, 0xff, 0, 1, 'a', 0, 0, 0};
    static const uint8_t compact[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 2, 'a', 0, 0, 0};
    static const uint8_t more_than_fit[] = {0, 0, 0, 4, 0, 1, 'a', 0, 0, 0};
    struct fixture *fixture = *state;
    struct metadata_request request;
    struct reader reader;

    reader_init(&reader, bytes_of(classic, sizeof(classic)), &fixture->decoded);
    metadata_request_read(&request, &reader, 1);
    assert_false(reader_ok(&reader));
    reader_init(&reader, bytes_of(compact, sizeof(compact)), &fixture->decoded);
    metadata_request_read(&request, &reader, 12);
    assert_false(reader_ok(&reader));
    /* Four topics need at least eight bytes. */
    reader_init(&reader, bytes_of(more_than_fit, sizeof(more_than_fit)), &fixture->decoded);
    metadata_request_read(&request, &reader, 1);
    assert_false(reader_ok(&reader));
    assert_int_equal(fixture->decoded.total, 0);
}

static void message_beyond_the_arena_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct metadata_request request;
    struct arena small;
    struct reader reader;

    arena_init(&small, 8192);
    write_int32(&fixture->first, 1000);
    for (int i = 0; i < 1000; i++) {
        write_string(&fixture->first, STRING("t"), false);
    }
    reader_init(&reader, buffer_bytes(&fixture->first.buffer), &small);
    metadata_request_read(&request, &reader, 1);
    assert_false(reader_ok(&reader));
    arena_deinit(&small);
}

static void null_follows_the_version(void **state)
{
    static const uint8_t null_topics[] = {0xff, 0xff, 0xff, 0xff};
    struct fixture *fixture = *state;
    struct metadata_request request;
    struct reader reader;

    reader_init(&reader, bytes_of(null_topics, 4), &fixture->decoded);
    metadata_request_read(&request, &reader, 0);
    assert_false(reader_ok(&reader));
    reader_init(&reader, bytes_of(null_topics, 4), &fixture->decoded);
    metadata_request_read(&request, &reader, 1);
    assert_true(reader_done(&reader));
    assert_int_equal(request.topics_count, -1);
    assert_null(request.topics);
    assert_true(request.allow_auto_topic_creation);
}

static void nullable_struct_is_a_pointer(void **state)
{
    struct fixture *fixture = *state;
    struct describe_topic_partitions_request request;
    struct describe_topic_partitions_request_cursor cursor = {.topic_name = STRING("t"), .partition_index = 4};
    struct reader reader;

    describe_topic_partitions_request_init(&request);
    assert_null(request.cursor);
    describe_topic_partitions_request_write(&request, &fixture->first, 0);
    request.cursor = &cursor;
    describe_topic_partitions_request_write(&request, &fixture->first, 0);
    reader_init(&reader, buffer_bytes(&fixture->first.buffer), &fixture->decoded);
    describe_topic_partitions_request_read(&request, &reader, 0);
    assert_null(request.cursor);
    describe_topic_partitions_request_read(&request, &reader, 0);
    assert_true(reader_done(&reader));
    assert_true(string_is(request.cursor->topic_name, "t"));
    assert_int_equal(request.cursor->partition_index, 4);
}

static void zeroed_structs_are_good_messages(void **state)
{
    struct fixture *fixture = *state;
    struct produce_request request = {0};
    struct produce_request_topic_data topic = {0};
    struct reader reader;

    request.topic_data_count = 1;
    request.topic_data = &topic;
    produce_request_write(&request, &fixture->first, 9);
    reader_init(&reader, buffer_bytes(&fixture->first.buffer), &fixture->decoded);
    produce_request_read(&request, &reader, 9);
    assert_true(reader_done(&reader));
    assert_null(request.transactional_id.data);
    assert_non_null(request.topic_data[0].name.data);
}

static void dump_names_values_and_hides_secrets(void **state)
{
    struct fixture *fixture = *state;
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_resources resource;
    struct incremental_alter_configs_request_resources_configs config;

    incremental_alter_configs_request_init(&request);
    incremental_alter_configs_request_resources_init(&resource);
    incremental_alter_configs_request_resources_configs_init(&config);
    request.resources_count = 1;
    request.resources = &resource;
    resource.resource_type = 2;
    resource.resource_name = STRING("t");
    resource.configs_count = 1;
    resource.configs = &config;
    config.name = STRING("password");
    config.value = STRING("hunter2");
    incremental_alter_configs_request_dump(&request, &fixture->first_text);
    assert_true(string_is((struct string){(const char *)fixture->first_text.data, fixture->first_text.size},
                          "resources=[{resource_type=2 resource_name=\"t\" configs=[{name=\"password\" "
                          "config_operation=0 value=(secret)}]}] validate_only=false"));
}

/* What a version cannot carry: each of these must stop the process. */
static void write_forgotten_topics_in_fetch_6(struct writer *writer)
{
    struct fetch_request request;
    struct fetch_request_forgotten_topics_data topic;

    fetch_request_init(&request);
    fetch_request_forgotten_topics_data_init(&topic);
    request.forgotten_topics_data_count = 1;
    request.forgotten_topics_data = &topic;
    fetch_request_write(&request, writer, 6);
}

static void write_null_topics_in_metadata_0(struct writer *writer)
{
    struct metadata_request request;

    metadata_request_init(&request);
    request.topics_count = -1;
    metadata_request_write(&request, writer, 0);
}

static void write_produce_2(struct writer *writer)
{
    struct produce_request request;

    produce_request_init(&request);
    produce_request_write(&request, writer, 2);
}

static bool aborts(void (*write)(struct writer *writer), struct writer *writer)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        write(writer);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void values_that_a_version_lacks_stop_the_writer(void **state)
{
    struct fixture *fixture = *state;

    assert_true(aborts(write_forgotten_topics_in_fetch_6, &fixture->first));
    assert_true(aborts(write_null_topics_in_metadata_0, &fixture->first));
    assert_true(aborts(write_produce_2, &fixture->first));
}

static void ignorable_values_are_dropped_in_silence(void **state)
{
    struct fixture *fixture = *state;
    struct fetch_request request;
    struct reader reader;

    fetch_request_init(&request);
    request.session_id = 5;
    request.rack_id = STRING("r1");
    fetch_request_write(&request, &fixture->first, 6);
    reader_init(&reader, buffer_bytes(&fixture->first.buffer), &fixture->decoded);
    fetch_request_read(&request, &reader, 6);
    assert_true(reader_done(&reader));
    assert_int_equal(request.session_id, 0);
    assert_true(string_is(request.rack_id, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_message_at_every_version_survives_the_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(every_message_cut_anywhere_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(leftover_bytes_are_left_to_the_dispatcher, setup, teardown),
        cmocka_unit_test_setup_teardown(flipped_bytes_are_refused_or_make_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(fetch_request_12_has_these_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(huge_counts_in_a_message_allocate_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(message_beyond_the_arena_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(null_follows_the_version, setup, teardown),
        cmocka_unit_test_setup_teardown(nullable_struct_is_a_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(zeroed_structs_are_good_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(dump_names_values_and_hides_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(values_that_a_version_lacks_stop_the_writer, setup, teardown),
        cmocka_unit_test_setup_teardown(ignorable_values_are_dropped_in_silence, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
