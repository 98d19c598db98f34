/* The .properties parser against Java's rules, and what we refuse beyond them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config/properties.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct arena arena;
    struct properties properties;
    struct config_problem problem;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    arena_init(&fixture->arena, 16 * 1024 * 1024);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_deinit(&fixture->arena);
    free(fixture);
    return 0;
}

/* Parses from a copy without a zero byte behind it, so that reading too far is seen. */
static enum status parse(struct fixture *fixture, const char *text, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    enum status status;

    memcpy(copy, text, size);
    status = properties_parse(bytes_of(copy, size), &fixture->arena, &fixture->properties, &fixture->problem);
    free(copy);
    return status;
}

static void assert_one(struct fixture *fixture, const char *text, const char *key, const char *value)
{
    assert_int_equal(parse(fixture, text, strlen(text)), STATUS_OK);
    assert_int_equal(fixture->properties.count, 1);
    assert_string_equal(fixture->properties.items[0].key.data, key);
    assert_string_equal(fixture->properties.items[0].value.data, value);
    assert_int_equal(fixture->properties.items[0].value.size, strlen(value));
}

static void assert_refused(struct fixture *fixture, const char *text, const char *problem)
{
    assert_int_equal(parse(fixture, text, strlen(text)), STATUS_INVALID);
    assert_string_equal(fixture->problem.text, problem);
}

static void separators_are_equals_colon_or_blank(void **state)
{
    assert_one(*state, "key=value", "key", "value");
    assert_one(*state, "key:value\n", "key", "value");
    assert_one(*state, "key value\r\n", "key", "value");
    assert_one(*state, " \t key \t = \t value\n", "key", "value");
    assert_one(*state, "key  value = more", "key", "value = more");
    assert_one(*state, "key==value", "key", "=value");
    assert_one(*state, "key", "key", "");
    assert_one(*state, "key=", "key", "");
    assert_one(*state, "listeners=PLAINTEXT://:9092", "listeners", "PLAINTEXT://:9092");
}

static void blanks_at_the_end_belong_to_the_value(void **state)
{
    assert_one(*state, "key=value \n", "key", "value ");
}

static void comments_and_empty_lines_are_skipped(void **state)
{
    assert_one(*state, "# a=1 \\\n! b=2\n\n  \t\n   # c\nkey=value # not a comment\n", "key", "value # not a comment");
}

static void a_backslash_joins_lines(void **state)
{
    struct fixture *fixture = *state;

    assert_one(fixture, "log.dirs=/a,\\\n    /b,\\\r\n\t/c\n", "log.dirs", "/a,/b,/c");
    assert_one(fixture, "ke\\\n  y=v", "key", "v");
    assert_one(fixture, "key=value\\", "key", "value");
    assert_one(fixture, "key=a\\\\\n", "key", "a\\");
}

static void line_numbers_count_joined_lines(void **state)
{
    struct fixture *fixture = *state;
    const char *text = "a=1\\\n  2\n\nb=3\r\nc=4\rd=5";

    assert_int_equal(parse(fixture, text, strlen(text)), STATUS_OK);
    assert_int_equal(fixture->properties.count, 4);
    assert_string_equal(fixture->properties.items[0].value.data, "12");
    assert_int_equal(fixture->properties.items[0].line, 1);
    assert_int_equal(fixture->properties.items[1].line, 4);
    assert_int_equal(fixture->properties.items[2].line, 5);
    assert_int_equal(fixture->properties.items[3].line, 6);
}

static void escapes_stand_for_characters(void **state)
{
    assert_one(*state, "a\\=b\\:c\\ d=\\t\\n\\r\\f\\#\\!\\q\\\\", "a=b:c d", "\t\n\r\f#!q\\");
    assert_one(*state, "k=\\u0041\\u00e9\\u20AC\\ud83d\\ude00", "k", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_one(*state, "k=caf\xc3\xa9", "k", "caf\xc3\xa9");
    assert_one(*state, "k=\\\xc3\xa9", "k", "\xc3\xa9");
}

static void escapes_that_are_no_character_are_refused(void **state)
{
    assert_refused(*state, "\nk=\\u00", "line 2: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\u00g0", "line 1: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\u0000", "line 1: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\ud83d", "line 1: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\ud83dxxxxxx", "line 1: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\ud83d\\u0041", "line 1: \\u needs four hexadecimal digits of a character");
    assert_refused(*state, "k=\\ude00", "line 1: \\u needs four hexadecimal digits of a character");
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
    struct fixture *fixture = *state;

    assert_refused(fixture, "a=1\nk=\xff", "line 2: byte 0xff does not belong into a UTF-8 text");
    assert_refused(fixture, "k=\xc3", "line 1: byte 0xc3 does not belong into a UTF-8 text");
    assert_int_equal(parse(fixture, "k=\0x", 4), STATUS_INVALID);
    assert_string_equal(fixture->problem.text, "line 1: byte 0x00 does not belong into a UTF-8 text");
}

static void a_key_given_twice_is_refused_with_both_lines(void **state)
{
    assert_refused(*state, "a=1\nb=2\na = 3\n", "line 3: a was given already in line 1");
}

static void an_empty_or_endless_key_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char text[PROPERTIES_KEY_MAX + 2];

    assert_refused(fixture, "=value", "line 1: the key is empty");
    memset(text, 'k', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_refused(fixture, text, "line 1: the key is too long");
    text[PROPERTIES_KEY_MAX] = '\0';
    assert_one(fixture, text, text, "");
}

static void sizes_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    char *text = malloc(PROPERTIES_FILE_MAX + 1);
    size_t size = 0;

    memset(text, '#', PROPERTIES_FILE_MAX + 1);
    assert_int_equal(parse(fixture, text, PROPERTIES_FILE_MAX), STATUS_OK);
    assert_int_equal(parse(fixture, text, PROPERTIES_FILE_MAX + 1), STATUS_TOO_LARGE);
    for (int i = 0; i <= PROPERTIES_COUNT_MAX; i++) {
        size += (size_t)snprintf(text + size, PROPERTIES_FILE_MAX - size, "k%d=v\n", i);
    }
    assert_int_equal(parse(fixture, text, size), STATUS_TOO_LARGE);
    assert_string_equal(fixture->problem.text, "line 2049: more than 2048 keys");
    free(text);
}

static void nothing_gives_no_keys(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, "", 0), STATUS_OK);
    assert_int_equal(fixture->properties.count, 0);
}

/* Every prefix of a text with all constructs is read or refused, never read beyond its end (the copies are exact, so
 * the sanitizer would see it). */
static void every_prefix_is_survived(void **state)
{
    struct fixture *fixture = *state;
    const char *text = "# c\r\na\\u0041\\ud83d\\ude00=\\\n   b\\\\ : c\n!\n k \\= v\\\r\n \\t\xc3\xa9\n";
    size_t accepted = 0;

    for (size_t size = 0; size <= strlen(text); size++) {
        accepted += parse(fixture, text, size) == STATUS_OK ? 1 : 0;
        arena_reset(&fixture->arena);
    }
    assert_true(accepted > strlen(text) / 2);
    assert_true(accepted < strlen(text));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(separators_are_equals_colon_or_blank),
        TEST(blanks_at_the_end_belong_to_the_value),
        TEST(comments_and_empty_lines_are_skipped),
        TEST(a_backslash_joins_lines),
        TEST(line_numbers_count_joined_lines),
        TEST(escapes_stand_for_characters),
        TEST(escapes_that_are_no_character_are_refused),
        TEST(bytes_that_are_no_utf8_are_refused),
        TEST(a_key_given_twice_is_refused_with_both_lines),
        TEST(an_empty_or_endless_key_is_refused),
        TEST(sizes_are_bounded),
        TEST(nothing_gives_no_keys),
        TEST(every_prefix_is_survived),
    };
    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
