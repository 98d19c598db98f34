/* JSON out and in. */
#include "cli/json.h"
#include "tests/unit/cli/tests.h"

struct fixture {
    struct buffer out;
    struct json_writer json;
    struct arena arena;
    struct json_value *value;
    size_t error_at;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){0};
    buffer_init(&fixture.out);
    json_writer_init(&fixture.json, &fixture.out);
    arena_init(&fixture.arena, 1 << 20);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    buffer_deinit(&fixture->out);
    arena_deinit(&fixture->arena);
    return 0;
}

static enum status read_text(struct fixture *fixture, const char *text)
{
    return json_read(string_of(text), &fixture->arena, &fixture->value, &fixture->error_at);
}

static void commas_stand_where_they_belong(void **state)
{
    struct fixture *fixture = *state;
    struct json_writer *json = &fixture->json;

    json_begin_object(json);
    json_member_number(json, "a", INT64_MIN);
    json_name(json, "b");
    json_begin_array(json);
    json_end_array(json);
    json_name(json, "c");
    json_begin_array(json);
    json_bool(json, true);
    json_null(json);
    json_begin_object(json);
    json_member_text(json, "d", "x");
    json_member_text(json, "e", NULL);
    json_end_object(json);
    json_number(json, 7);
    json_end_array(json);
    json_end_object(json);
    assert_text(&fixture->out,
                "{\"a\":-9223372036854775808,\"b\":[],\"c\":[true,null,{\"d\":\"x\",\"e\":null},7]}");
}

static void text_is_escaped_and_broken_utf8_replaced(void **state)
{
    struct fixture *fixture = *state;

    json_string(&fixture->json, string_of("q\" b\\ \n\t\r \x01\x7f \xc3\xa4 \xff \xed\xa0\x80"));
    assert_text(&fixture->out, "\"q\\\" b\\\\ \\n\\t\\r \\u0001\\u007f \xc3\xa4 \xef\xbf\xbd "
                               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void bytes_that_are_no_text_become_base64(void **state)
{
    struct fixture *fixture = *state;

    json_begin_array(&fixture->json);
    json_bytes(&fixture->json, bytes_of("\xff\x00\x01", 3));
    json_bytes(&fixture->json, bytes_of("\xff", 1));
    json_bytes(&fixture->json, bytes_of("ok", 2));
    json_bytes(&fixture->json, bytes_of("", 0));
    json_bytes(&fixture->json, BYTES_NULL);
    json_end_array(&fixture->json);
    assert_text(&fixture->out, "[{\"base64\":\"/wAB\"},{\"base64\":\"/w==\"},\"ok\",\"\",null]");
}

static void base64_comes_back(void **state)
{
    struct fixture *fixture = *state;
    uint8_t data[70];

    for (size_t size = 0; size < sizeof(data); size++) {
        struct bytes bytes;

        data[size] = (uint8_t)(size * 37);
        buffer_clear(&fixture->out);
        base64_append(&fixture->out, bytes_of(data, size));
        assert_int_equal(base64_read((struct string){size > 0 ? (const char *)fixture->out.data : "",
                                                     fixture->out.size},
                                     &fixture->arena, &bytes),
                         STATUS_OK);
        assert_int_equal(bytes.size, size);
        assert_memory_equal(bytes.data, data, size);
    }
}

static void broken_base64_is_refused(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {"a", "abc", "ab=c", "====", "a===", "ab-_", "abcd\n"};
    struct bytes bytes;

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(base64_read(string_of(bad[i]), &fixture->arena, &bytes), STATUS_INVALID);
    }
}

static void values_are_read(void **state)
{
    struct fixture *fixture = *state;
    int64_t number;

    assert_int_equal(read_text(fixture, " {\"a\" : [1, -2.5e3, true, null, \"x\"] , \"b\":{}, \"a\":7} "), STATUS_OK);
    assert_int_equal(fixture->value->kind, JSON_OBJECT);
    const struct json_value *array = fixture->value->first;

    assert_int_equal(array->kind, JSON_ARRAY);
    assert_string(array->source, "[1, -2.5e3, true, null, \"x\"]");
    assert_int_equal(array->first->next->kind, JSON_NUMBER);
    assert_int_equal(json_integer(array->first->next, &number), STATUS_INVALID);
    assert_true(array->first->next->next->truth);
    /* The last of equal names counts. */
    assert_int_equal(json_integer(json_find(fixture->value, "a"), &number), STATUS_OK);
    assert_int_equal(number, 7);
    assert_null(json_find(fixture->value, "c"));
}

static void escapes_are_resolved(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(read_text(fixture, "\"a\\n\\\"\\/\\u00e4\\ud83d\\ude00\\u0041\""), STATUS_OK);
    assert_string(fixture->value->text, "a\n\"/\xc3\xa4\xf0\x9f\x98\x80" "A");
}

static void integers_reach_their_limits_and_no_further(void **state)
{
    struct fixture *fixture = *state;
    int64_t number;

    assert_int_equal(read_text(fixture, "9223372036854775807"), STATUS_OK);
    assert_int_equal(json_integer(fixture->value, &number), STATUS_OK);
    assert_true(number == INT64_MAX);
    assert_int_equal(read_text(fixture, "-9223372036854775808"), STATUS_OK);
    assert_int_equal(json_integer(fixture->value, &number), STATUS_OK);
    assert_true(number == INT64_MIN);
    assert_int_equal(read_text(fixture, "9223372036854775808"), STATUS_OK);
    assert_int_equal(json_integer(fixture->value, &number), STATUS_OUT_OF_RANGE);
    assert_int_equal(read_text(fixture, "-99999999999999999999"), STATUS_OK);
    assert_int_equal(json_integer(fixture->value, &number), STATUS_OUT_OF_RANGE);
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "", " ", "{", "}", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "01", "-",
        "1.", "1e", "+1", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\n\"", "nul", "truefalse", "1 2", "[1 2]", "{\"a\":1,}", "\"\\udc00\"", "'a'", "[", "\"\\u12g4\"",
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(read_text(fixture, bad[i]), STATUS_INVALID);
        assert_true(fixture->error_at <= strlen(bad[i]));
    }
}

static void depth_and_memory_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char text[2 * JSON_DEPTH_MAX + 8];
    struct arena small;

    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    text[2 * JSON_DEPTH_MAX] = '\0';
    assert_int_equal(read_text(fixture, text), STATUS_OK);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    text[JSON_DEPTH_MAX + 1] = '\0';
    assert_int_equal(read_text(fixture, text), STATUS_TOO_LARGE);
    arena_init(&small, 256);
    assert_int_equal(json_read(string_of("[1,2,3,4,5,6,7,8,9]"), &small, &fixture->value, &fixture->error_at),
                     STATUS_TOO_LARGE);
    arena_deinit(&small);
}

/* Every prefix of a good text is bad, and reading it touches nothing behind its end (the sanitizer watches). */
static void no_prefix_reads_beyond_itself(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5e3,true,null,\"x\\u00e4\\ud83d\\ude00\"],\"b\":{\"c\":\"\\n\"}}";
    struct fixture *fixture = *state;

    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        char *copy = test_malloc(size + (size == 0));

        memcpy(copy, text, size);
        assert_int_equal(json_read((struct string){copy, size}, &fixture->arena, &fixture->value, &fixture->error_at),
                         STATUS_INVALID);
        test_free(copy);
        arena_reset(&fixture->arena);
    }
}

int test_json(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commas_stand_where_they_belong, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_escaped_and_broken_utf8_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_that_are_no_text_become_base64, setup, teardown),
        cmocka_unit_test_setup_teardown(base64_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_base64_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(values_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(escapes_are_resolved, setup, teardown),
        cmocka_unit_test_setup_teardown(integers_reach_their_limits_and_no_further, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_json_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(depth_and_memory_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(no_prefix_reads_beyond_itself, setup, teardown),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
