/* kcat's format language and envelope. */
#include "cli/format.h"
#include "common/batch/batch_builder.h"
#include "tests/unit/cli/tests.h"

/* One record in a batch, as a reader gets it. */
struct fixture {
    struct buffer out;
    struct batch_builder builder;
    struct format format;
    struct record record;
    struct placed_record placed;
};

static void make_record(struct fixture *fixture, const struct record_draft *draft)
{
    const struct batch_options options = {
        .base_offset = 42, .append_time = TIMESTAMP_NONE, .delete_horizon = TIMESTAMP_NONE, .producer_id = -1,
        .producer_epoch = -1, .base_sequence = -1, .size_max = 4096};
    struct batch_header header;
    struct record_iterator iterator;

    batch_builder_reset(&fixture->builder, &options);
    assert_int_equal(batch_builder_append(&fixture->builder, draft), STATUS_OK);
    const struct space space = batch_builder_finish(&fixture->builder);
    const struct bytes batch = bytes_of(space.data, space.size);

    assert_int_equal(batch_header_read(batch, &header), STATUS_OK);
    record_iterator_init(&iterator, &header,
                         bytes_of(batch.data + RECORD_BATCH_HEADER_SIZE, batch.size - RECORD_BATCH_HEADER_SIZE));
    assert_int_equal(record_next(&iterator, &fixture->record), STATUS_OK);
    fixture->placed = (struct placed_record){
        .topic = STRING("top"), .partition = 3, .leader_id = 2, .record = &fixture->record};
}

static int setup(void **state)
{
    static struct fixture fixture;
    const struct batch_options options = batch_options_default();
    const struct record_header headers[] = {{STRING("h"), bytes_of("v", 1)}, {STRING("n"), BYTES_NULL}};

    fixture = (struct fixture){0};
    buffer_init(&fixture.out);
    batch_builder_init(&fixture.builder, &options);
    make_record(&fixture, &(struct record_draft){.timestamp = 1700000000123,
                                                 .key = bytes_of("key", 3),
                                                 .value = bytes_of("va\0ue", 5),
                                                 .headers = headers,
                                                 .header_count = 2});
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    buffer_deinit(&fixture->out);
    batch_builder_deinit(&fixture->builder);
    format_deinit(&fixture->format);
    return 0;
}

static void print(struct fixture *fixture, const char *text)
{
    size_t error_at;

    format_deinit(&fixture->format);
    buffer_clear(&fixture->out);
    assert_int_equal(format_compile(&fixture->format, text, &error_at), STATUS_OK);
    format_print(&fixture->format, &fixture->placed, &fixture->out);
}

static void every_verb_prints_its_part(void **state)
{
    struct fixture *fixture = *state;

    print(fixture, "%t [%p] at %o: %k(%K) %S %T %h%%\\n");
    assert_text(&fixture->out, "top [3] at 42: key(3) 5 1700000000123 h=v,n=%\n");
    print(fixture, "%s");
    assert_int_equal(fixture->out.size, 5);
    assert_memory_equal(fixture->out.data, "va\0ue", 5);
    print(fixture, "%R%s");
    assert_int_equal(fixture->out.size, 9);
    assert_memory_equal(fixture->out.data, "\0\0\0\5va\0ue", 9);
}

static void null_prints_as_nothing_or_as_a_word(void **state)
{
    struct fixture *fixture = *state;
    size_t error_at;

    make_record(fixture, &(struct record_draft){.timestamp = 1});
    print(fixture, "[%k|%K|%s|%S|%h]");
    assert_text(&fixture->out, "[|-1||-1|]");
    buffer_clear(&fixture->out);
    format_deinit(&fixture->format);
    assert_int_equal(format_compile(&fixture->format, "%k %s", &error_at), STATUS_OK);
    fixture->format.null_word = true;
    format_print(&fixture->format, &fixture->placed, &fixture->out);
    assert_text(&fixture->out, "NULL NULL");
}

static void escapes_are_resolved_in_plain_text(void **state)
{
    struct fixture *fixture = *state;

    print(fixture, "\\t\\x41\\x0a\\\\%%%p\\r");
    assert_text(&fixture->out, "\tA\n\\%3\r");
    print(fixture, "");
    assert_int_equal(fixture->out.size, 0);
}

static void what_is_not_understood_is_pointed_at(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } rows[] = {{"%", 0}, {"ab%q", 2}, {"%s\\", 2}, {"\\q", 0}, {"x\\x4", 1}, {"%s %", 3}};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        size_t error_at;

        format_deinit(&fixture->format);
        assert_int_equal(format_compile(&fixture->format, rows[i].text, &error_at), STATUS_INVALID);
        assert_int_equal(error_at, rows[i].at);
    }
}

static void the_envelope_is_kcats(void **state)
{
    struct fixture *fixture = *state;

    format_print_json(&fixture->placed, &fixture->out);
    assert_text(&fixture->out,
                "{\"topic\":\"top\",\"partition\":3,\"offset\":42,\"tstype\":\"create\",\"ts\":1700000000123,"
                "\"broker\":2,\"headers\":[\"h\",\"v\",\"n\",null],\"key\":\"key\",\"payload\":\"va\\u0000ue\"}\n");
    make_record(fixture, &(struct record_draft){.timestamp = 1, .value = bytes_of("\xfe", 1)});
    fixture->placed.append_time = true;
    buffer_clear(&fixture->out);
    format_print_json(&fixture->placed, &fixture->out);
    assert_text(&fixture->out, "{\"topic\":\"top\",\"partition\":3,\"offset\":42,\"tstype\":\"logappend\",\"ts\":1,"
                               "\"broker\":2,\"key\":null,\"payload\":{\"base64\":\"/g==\"}}\n");
}

int test_format(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_verb_prints_its_part, setup, teardown),
        cmocka_unit_test_setup_teardown(null_prints_as_nothing_or_as_a_word, setup, teardown),
        cmocka_unit_test_setup_teardown(escapes_are_resolved_in_plain_text, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_understood_is_pointed_at, setup, teardown),
        cmocka_unit_test_setup_teardown(the_envelope_is_kcats, setup, teardown),
    };

    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
