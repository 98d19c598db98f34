/* Opening fetched batches: offsets, damage, transactions. */
#include "cli/consumer.h"
#include "common/base/endian.h"
#include "common/batch/batch_builder.h"
#include "tests/unit/cli/tests.h"

struct fixture {
    struct consumer consumer;
    struct buffer records; /* what a leader sends */
    struct buffer seen;    /* "offset=value " of each record */
    int64_t next_offset;
    int64_t wanted;        /* records until ENOUGH */
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.wanted = INT64_MAX};
    consumer_init(&fixture.consumer);
    buffer_init(&fixture.records);
    buffer_init(&fixture.seen);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    consumer_deinit(&fixture->consumer);
    buffer_deinit(&fixture->records);
    buffer_deinit(&fixture->seen);
    return 0;
}

static void add_batch(struct fixture *fixture, const struct batch_options *options, struct bytes key,
                      const char *letters)
{
    struct batch_builder builder;
    struct batch_options with = *options;

    with.base_offset = fixture->next_offset;
    batch_builder_init(&builder, &with);
    for (; *letters != '\0'; letters++) {
        const struct record_draft draft = {.timestamp = 1, .key = key, .value = bytes_of(letters, 1)};

        assert_int_equal(batch_builder_append(&builder, &draft), STATUS_OK);
        fixture->next_offset++;
    }
    const struct space batch = batch_builder_finish(&builder);

    buffer_append(&fixture->records, batch.data, batch.size);
    batch_builder_deinit(&builder);
}

static void add(struct fixture *fixture, const char *letters)
{
    const struct batch_options options = batch_options_default();

    add_batch(fixture, &options, BYTES_NULL, letters);
}

static void add_transactional(struct fixture *fixture, int64_t producer_id, const char *letters)
{
    struct batch_options options = batch_options_default();

    options.transactional = true;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    add_batch(fixture, &options, BYTES_NULL, letters);
}

static void add_marker(struct fixture *fixture, int64_t producer_id, bool commit)
{
    const uint8_t key[4] = {0, 0, 0, commit};
    struct batch_options options = batch_options_default();

    options.transactional = true;
    options.control = true;
    options.producer_id = producer_id;
    options.producer_epoch = 0;
    add_batch(fixture, &options, bytes_of(key, sizeof(key)), "m");
}

static enum consumer_verdict see(void *context, const struct batch_header *batch, const struct record *record)
{
    struct fixture *fixture = context;

    (void)batch;
    buffer_append_format(&fixture->seen, "%d=%.*s ", (int)record->offset, (int)record->value.size,
                         (const char *)record->value.data);
    return --fixture->wanted == 0 ? CONSUMER_ENOUGH : CONSUMER_MORE;
}

static enum status read_all(struct fixture *fixture, struct consumer_limits limits, int64_t *offset)
{
    if (limits.offset_stop == 0) {
        limits.offset_stop = INT64_MAX;
    }
    limits.check_crcs = true;
    buffer_clear(&fixture->seen);
    return consumer_read(&fixture->consumer, buffer_bytes(&fixture->records), &limits, offset, see, fixture);
}

static void reading_begins_inside_a_batch(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 1;

    add(fixture, "abc");
    add(fixture, "de");
    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "1=b 2=c 3=d 4=e ");
    assert_int_equal(offset, 5);
}

static void reading_stops_where_it_should(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 0;

    add(fixture, "abc");
    add(fixture, "de");
    assert_int_equal(read_all(fixture, (struct consumer_limits){.offset_stop = 2}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=a 1=b ");
    assert_int_equal(offset, 2);
    offset = 0;
    assert_int_equal(read_all(fixture, (struct consumer_limits){.offset_stop = 3}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=a 1=b 2=c ");
    assert_int_equal(offset, 3);
    offset = 0;
    fixture->wanted = 4;
    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=a 1=b 2=c 3=d ");
    assert_int_equal(offset, 4);
}

static void a_batch_that_is_cut_waits_for_the_next_fetch(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 0;

    add(fixture, "ab");
    const size_t whole = fixture->records.size;

    add(fixture, "cd");
    const size_t size = fixture->records.size;

    for (size_t cut = whole; cut < size; cut++) {
        fixture->records.size = cut;
        offset = 0;
        assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
        assert_text(&fixture->seen, "0=a 1=b ");
        assert_int_equal(offset, 2);
    }
}

static void a_flipped_bit_is_found(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 0;

    add(fixture, "ab");
    const size_t whole = fixture->records.size;

    add(fixture, "cd");
    for (size_t at = whole + 21; at < fixture->records.size; at++) {
        fixture->records.data[at] ^= 0x10;
        offset = 0;
        assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_CORRUPT);
        /* What came before is read, and we stand at the damage. */
        assert_text(&fixture->seen, "0=a 1=b ");
        assert_int_equal(offset, 2);
        fixture->records.data[at] ^= 0x10;
    }
}

static void compacted_ranges_are_stepped_over(void **state)
{
    struct fixture *fixture = *state;
    const struct batch_options options = batch_options_default();
    struct batch_builder builder;
    const struct record_draft draft = {.timestamp = 1, .value = bytes_of("x", 1)};
    int64_t offset = 0;

    batch_builder_init(&builder, &options);
    assert_int_equal(batch_builder_append_at(&builder, 3, &draft), STATUS_OK);
    batch_builder_extend(&builder, 9, 1);
    const struct space batch = batch_builder_finish(&builder);

    buffer_append(&fixture->records, batch.data, batch.size);
    batch_builder_deinit(&builder);
    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "3=x ");
    assert_int_equal(offset, 10);
}

static void aborted_transactions_are_left_out_to_their_marker(void **state)
{
    struct fixture *fixture = *state;
    const struct aborted_transaction aborted[] = {{7, 2}, {8, 4}};
    int64_t offset = 0;

    add(fixture, "a");                     /* 0 */
    add_transactional(fixture, 9, "b");    /* 1: commits */
    add_transactional(fixture, 7, "cd");   /* 2, 3: aborts */
    add_transactional(fixture, 8, "e");    /* 4: aborts */
    add_marker(fixture, 7, false);         /* 5 */
    add_transactional(fixture, 7, "f");    /* 6: the next one of the same producer commits */
    add_marker(fixture, 8, false);         /* 7 */
    add_marker(fixture, 9, true);          /* 8 */
    add_marker(fixture, 7, true);          /* 9 */
    add(fixture, "g");                     /* 10 */
    assert_int_equal(
        read_all(fixture, (struct consumer_limits){.aborted = aborted, .aborted_count = 2}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=a 1=b 6=f 10=g ");
    assert_int_equal(offset, 11);
    /* Who reads uncommitted data gets all but the markers. */
    offset = 0;
    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=a 1=b 2=c 3=d 4=e 6=f 10=g ");
}

static void every_codec_is_opened(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 0;

    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct batch_options options = batch_options_default();

        options.compression = (enum compression)codec;
        options.compression_level = compression_level_default(options.compression);
        add_batch(fixture, &options, BYTES_NULL, "x");
    }
    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_text(&fixture->seen, "0=x 1=x 2=x 3=x 4=x ");
}

static void nothing_is_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t offset = 17;

    assert_int_equal(read_all(fixture, (struct consumer_limits){0}, &offset), STATUS_OK);
    assert_int_equal(offset, 17);
    assert_int_equal(fixture->seen.size, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int test_consumer(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reading_begins_inside_a_batch),
        TEST(reading_stops_where_it_should),
        TEST(a_batch_that_is_cut_waits_for_the_next_fetch),
        TEST(a_flipped_bit_is_found),
        TEST(compacted_ranges_are_stepped_over),
        TEST(aborted_transactions_are_left_out_to_their_marker),
        TEST(every_codec_is_opened),
        TEST(nothing_is_nothing),
    };

    return cmocka_run_group_tests_name("consumer", tests, NULL, NULL);
}
