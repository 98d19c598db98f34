/* Input of produce: pieces, keys, JSON lines. */
#include "cli/produce_input.h"
#include "tests/unit/cli/tests.h"

struct fixture {
    struct produce_input input;
    struct produce_record record;
    const char *why;
};

static void begin(struct fixture *fixture, struct produce_input_options options)
{
    if (fixture->input.options.delimiter.size > 0) {
        produce_input_deinit(&fixture->input);
    }
    if (options.delimiter.size == 0) {
        options.delimiter = STRING("\n");
    }
    produce_input_init(&fixture->input, &options);
}

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){0};
    begin(&fixture, (struct produce_input_options){0});
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    produce_input_deinit(&fixture->input);
    return 0;
}

static void add(struct fixture *fixture, const char *text)
{
    produce_input_add(&fixture->input, bytes_of(text, strlen(text)));
}

static enum status next(struct fixture *fixture)
{
    return produce_input_next(&fixture->input, &fixture->record, &fixture->why);
}

static void assert_bytes(struct bytes bytes, const char *text)
{
    if (text == NULL) {
        assert_null(bytes.data);
    } else {
        assert_non_null(bytes.data);
        assert_int_equal(bytes.size, strlen(text));
        assert_memory_equal(bytes.data, text, strlen(text));
    }
}

static void assert_next(struct fixture *fixture, const char *key, const char *value)
{
    assert_int_equal(next(fixture), STATUS_OK);
    assert_bytes(fixture->record.draft.key, key);
    assert_bytes(fixture->record.draft.value, value);
}

static void a_line_is_a_record_however_the_bytes_come(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "one\ntw");
    assert_next(fixture, NULL, "one");
    assert_int_equal(next(fixture), STATUS_END);
    add(fixture, "o\n\nla");
    assert_next(fixture, NULL, "two");
    assert_next(fixture, NULL, "");
    assert_int_equal(next(fixture), STATUS_END);
    add(fixture, "st");
    assert_int_equal(next(fixture), STATUS_END);
    produce_input_end(&fixture->input);
    assert_next(fixture, NULL, "last");
    assert_int_equal(next(fixture), STATUS_END);
    assert_int_equal(fixture->record.partition, PRODUCE_PARTITION_ANY);
    assert_true(fixture->record.draft.timestamp == TIMESTAMP_NONE);
}

static void a_long_delimiter_may_be_cut_anywhere(void **state)
{
    struct fixture *fixture = *state;
    static const char text[] = "a<=>b<=<=>c";

    begin(fixture, (struct produce_input_options){.delimiter = STRING("<=>")});
    size_t found = 0;

    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        static const char *const expected[] = {"a", "b<="};

        produce_input_add(&fixture->input, bytes_of(text + i, 1));
        if (next(fixture) == STATUS_OK) {
            assert_bytes(fixture->record.draft.value, expected[found++]);
        }
    }
    assert_int_equal(found, 2);
    produce_input_end(&fixture->input);
    assert_next(fixture, NULL, "c");
}

static void keys_are_split_at_their_first_delimiter(void **state)
{
    struct fixture *fixture = *state;

    begin(fixture, (struct produce_input_options){.key_delimiter = STRING(":")});
    add(fixture, "k:v:w\n:v\nplain\nk:\n\n");
    assert_next(fixture, "k", "v:w");
    assert_next(fixture, "", "v");
    assert_next(fixture, NULL, "plain");
    assert_next(fixture, "k", "");
    assert_next(fixture, NULL, "");
    begin(fixture, (struct produce_input_options){
                       .key_delimiter = STRING("::"), .empty_is_null = true, .key = bytes_of("d", 1)});
    add(fixture, "k::\n::v\nplain\n\n");
    assert_next(fixture, "k", NULL);
    assert_next(fixture, NULL, "v");
    assert_next(fixture, "d", "plain");
    assert_next(fixture, "d", NULL);
}

static void much_input_does_not_pile_up(void **state)
{
    struct fixture *fixture = *state;
    char line[1001];

    memset(line, 'x', 1000);
    line[999] = '\n';
    line[1000] = '\0';
    for (int i = 0; i < 1000; i++) {
        add(fixture, line);
        assert_int_equal(next(fixture), STATUS_OK);
        assert_int_equal(fixture->record.draft.value.size, 999);
    }
    assert_true(fixture->input.text.size < 200000);
    assert_int_equal(fixture->input.number, 1000);
}

static void json_lines_carry_everything(void **state)
{
    const struct record_header common[] = {{STRING("all"), BYTES_NULL}};
    struct fixture *fixture = *state;

    begin(fixture, (struct produce_input_options){.json = true, .headers = common, .header_count = 1});
    add(fixture,
        "{\"key\":\"k\",\"value\":\"v\\n\",\"partition\":2,\"timestamp\":17,\"headers\":{\"a\":\"1\",\"b\":null}}\n");
    assert_next(fixture, "k", "v\n");
    assert_int_equal(fixture->record.partition, 2);
    assert_true(fixture->record.draft.timestamp == 17);
    assert_int_equal(fixture->record.draft.header_count, 3);
    assert_string(fixture->record.draft.headers[0].key, "all");
    assert_string(fixture->record.draft.headers[1].key, "a");
    assert_bytes(fixture->record.draft.headers[1].value, "1");
    assert_bytes(fixture->record.draft.headers[2].value, NULL);
    add(fixture, "{}\n");
    assert_next(fixture, NULL, NULL);
    assert_int_equal(fixture->record.draft.header_count, 1);
    add(fixture, "{\"value\":{\"x\": [1, 2]}}\n{\"value\":{\"base64\":\"/wA=\"}}\n{\"value\":17}\n");
    assert_next(fixture, NULL, "{\"x\": [1, 2]}");
    assert_int_equal(next(fixture), STATUS_OK);
    assert_int_equal(fixture->record.draft.value.size, 2);
    assert_memory_equal(fixture->record.draft.value.data, "\xff\x00", 2);
    assert_next(fixture, NULL, "17");
}

static void what_consume_prints_can_be_read_again(void **state)
{
    struct fixture *fixture = *state;

    begin(fixture, (struct produce_input_options){.json = true});
    add(fixture, "{\"topic\":\"t\",\"partition\":1,\"offset\":5,\"tstype\":\"create\",\"ts\":99,\"broker\":2,"
                 "\"headers\":[\"h\",\"v\",\"n\",null],\"key\":null,\"payload\":\"p\"}\n");
    assert_next(fixture, NULL, "p");
    assert_int_equal(fixture->record.partition, 1);
    assert_true(fixture->record.draft.timestamp == 99);
    assert_int_equal(fixture->record.draft.header_count, 2);
    assert_bytes(fixture->record.draft.headers[0].value, "v");
    assert_bytes(fixture->record.draft.headers[1].value, NULL);
}

static void bad_json_lines_are_refused_one_by_one(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "text",
        "{\"value\":",
        "{\"partition\":-1}",
        "{\"partition\":2147483648}",
        "{\"partition\":\"1\"}",
        "{\"timestamp\":1.5}",
        "{\"timestamp\":-2}",
        "{\"headers\":\"x\"}",
        "{\"headers\":[\"a\"]}",
        "{\"headers\":[1,\"a\"]}",
        "{\"key\":{\"base64\":\"!\"}}",
        "{\"value\":{\"base64\":5}}",
    };
    struct fixture *fixture = *state;

    begin(fixture, (struct produce_input_options){.json = true});
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        add(fixture, bad[i]);
        add(fixture, "\n{\"value\":\"good\"}\n");
        assert_int_equal(next(fixture), STATUS_INVALID);
        assert_non_null(fixture->why);
        assert_int_equal(fixture->input.number, 2 * i + 1);
        assert_next(fixture, NULL, "good");
    }
}

static void delimiters_know_escapes(void **state)
{
    struct arena arena;
    struct string delimiter;

    (void)state;
    arena_init(&arena, 4096);
    assert_int_equal(delimiter_parse("\\n", &arena, &delimiter), STATUS_OK);
    assert_string(delimiter, "\n");
    assert_int_equal(delimiter_parse("a\\tb\\x7c\\\\", &arena, &delimiter), STATUS_OK);
    assert_string(delimiter, "a\tb|\\");
    assert_int_equal(delimiter_parse("\\0", &arena, &delimiter), STATUS_OK);
    assert_int_equal(delimiter.size, 1);
    assert_int_equal(delimiter.data[0], 0);
    assert_int_equal(delimiter_parse("", &arena, &delimiter), STATUS_INVALID);
    assert_int_equal(delimiter_parse("\\", &arena, &delimiter), STATUS_INVALID);
    assert_int_equal(delimiter_parse("\\q", &arena, &delimiter), STATUS_INVALID);
    assert_int_equal(delimiter_parse("\\x1", &arena, &delimiter), STATUS_INVALID);
    arena_deinit(&arena);
}

int test_produce_input(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_is_a_record_however_the_bytes_come, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_delimiter_may_be_cut_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_split_at_their_first_delimiter, setup, teardown),
        cmocka_unit_test_setup_teardown(much_input_does_not_pile_up, setup, teardown),
        cmocka_unit_test_setup_teardown(json_lines_carry_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(what_consume_prints_can_be_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_json_lines_are_refused_one_by_one, setup, teardown),
        cmocka_unit_test(delimiters_know_escapes),
    };

    return cmocka_run_group_tests_name("produce_input", tests, NULL, NULL);
}
