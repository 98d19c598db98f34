/* Values against their definitions: types, units, limits, canonical text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config/config_definition.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct arena arena;
    struct config_value value;
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

static enum status parse(struct fixture *fixture, const struct config_definition *definition, const char *text)
{
    return config_value_parse(definition, string_of(text), &fixture->arena, &fixture->value, &fixture->problem);
}

static void assert_integer(struct fixture *fixture, const struct config_definition *definition, const char *text,
                           int64_t integer)
{
    char canonical[32];

    assert_int_equal(parse(fixture, definition, text), STATUS_OK);
    assert_true(fixture->value.integer == integer);
    snprintf(canonical, sizeof(canonical), "%lld", (long long)integer);
    assert_string_equal(fixture->value.text.data, canonical);
}

static void assert_refused(struct fixture *fixture, const struct config_definition *definition, const char *text,
                           const char *problem)
{
    assert_int_equal(parse(fixture, definition, text), STATUS_INVALID);
    assert_string_equal(fixture->problem.text, problem);
}

static void booleans_are_true_or_false_in_any_case(void **state)
{
    static const struct config_definition key = CONFIG_BOOLEAN("k", 0, "true", "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &key, "TRUE"), STATUS_OK);
    assert_int_equal(fixture->value.integer, 1);
    assert_string_equal(fixture->value.text.data, "true");
    assert_int_equal(parse(fixture, &key, " false "), STATUS_OK);
    assert_int_equal(fixture->value.integer, 0);
    assert_refused(fixture, &key, "yes", "k: \"yes\" is neither true nor false");
    assert_refused(fixture, &key, "", "k: \"\" is neither true nor false");
    assert_refused(fixture, &key, "falsely", "k: \"falsely\" is neither true nor false");
}

static void sizes_take_units(void **state)
{
    static const struct config_definition key = CONFIG_INT64("k", CONFIG_UNIT_BYTES, 0, "1", -1, INT64_MAX, "");
    struct fixture *fixture = *state;

    assert_integer(fixture, &key, "1234", 1234);
    assert_integer(fixture, &key, "-1", -1);
    assert_integer(fixture, &key, "64MiB", 64 << 20);
    assert_integer(fixture, &key, "64 MiB", 64 << 20);
    assert_integer(fixture, &key, "10B", 10);
    assert_integer(fixture, &key, "2GB", 2000000000);
    assert_integer(fixture, &key, "8388607TiB", INT64_C(8388607) << 40);
    assert_refused(fixture, &key, "8388608TiB", "k: \"8388608TiB\" is not a whole number of bytes");
    assert_refused(fixture, &key, "64mib", "k: \"64mib\" is not a whole number of bytes");
    assert_refused(fixture, &key, "7d", "k: \"7d\" is not a whole number of bytes");
    assert_refused(fixture, &key, "1.5GiB", "k: \"1.5GiB\" is not a whole number of bytes");
}

static void times_become_the_keys_own_unit(void **state)
{
    static const struct config_definition ms = CONFIG_INT64("ms", CONFIG_UNIT_MS, 0, "1", -1, INT64_MAX, "");
    static const struct config_definition hours = CONFIG_INT32("hours", CONFIG_UNIT_HOURS, 0, "1", -1, INT32_MAX, "");
    struct fixture *fixture = *state;

    assert_integer(fixture, &ms, "7d", INT64_C(604800000));
    assert_integer(fixture, &ms, "90s", 90000);
    assert_integer(fixture, &ms, "5m", 300000);
    assert_integer(fixture, &ms, "5min", 300000);
    assert_integer(fixture, &ms, "250ms", 250);
    assert_integer(fixture, &hours, "168", 168);
    assert_integer(fixture, &hours, "7d", 168);
    assert_integer(fixture, &hours, "120m", 2);
    assert_refused(fixture, &hours, "90m", "hours: \"90m\" is not a whole number of hours");
    assert_refused(fixture, &ms, "10us", "ms: \"10us\" is not a whole number of milliseconds");
}

static void a_number_without_unit_refuses_one(void **state)
{
    static const struct config_definition key = CONFIG_INT32("k", CONFIG_UNIT_NONE, 0, "1", 0, 100, "");

    assert_refused(*state, &key, "3s", "k: \"3s\" is not a plain number");
    assert_refused(*state, &key, "3 4", "k: \"3 4\" is not a plain number");
}

static void numbers_keep_their_limits(void **state)
{
    static const struct config_definition key = CONFIG_INT32("k", CONFIG_UNIT_BYTES, 0, "1", 14, INT32_MAX, "");
    static const struct config_definition wide = CONFIG_INT64("w", CONFIG_UNIT_NONE, 0, "1", INT64_MIN, INT64_MAX, "");
    struct fixture *fixture = *state;

    assert_integer(fixture, &key, "14", 14);
    assert_refused(fixture, &key, "13", "k: 13 is out of range: 14 to 2147483647 bytes");
    assert_refused(fixture, &key, "2GiB", "k: 2147483648 is out of range: 14 to 2147483647 bytes");
    assert_integer(fixture, &key, "2147483647", INT32_MAX);
    assert_integer(fixture, &wide, "9223372036854775807", INT64_MAX);
    assert_integer(fixture, &wide, "-9223372036854775808", INT64_MIN);
    assert_refused(fixture, &wide, "9223372036854775808", "w: \"9223372036854775808\" is not a whole number");
    assert_refused(fixture, &wide, "-9223372036854775809", "w: \"-9223372036854775809\" is not a whole number");
    assert_refused(fixture, &wide, "", "w: \"\" is not a whole number");
    assert_refused(fixture, &wide, "-", "w: \"-\" is not a whole number");
    assert_refused(fixture, &wide, "0x10", "w: \"0x10\" is not a plain number");
}

static void doubles_are_finite_and_in_range(void **state)
{
    static const struct config_definition key = CONFIG_DOUBLE("k", 0, "0.5", 0, 1, "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &key, "0.25"), STATUS_OK);
    assert_true(fixture->value.number > 0.2499 && fixture->value.number < 0.2501);
    assert_string_equal(fixture->value.text.data, "0.25");
    assert_refused(fixture, &key, "nan", "k: \"nan\" is not a number");
    assert_refused(fixture, &key, "0.5x", "k: \"0.5x\" is not a number");
    assert_refused(fixture, &key, "", "k: \"\" is not a number");
    assert_refused(fixture, &key, "1.5", "k: 1.5 is out of range: 0 to 1");
}

static void words_are_chosen_from_those_allowed(void **state)
{
    static const char *const words[] = {"delete", "compact", NULL};
    static const struct config_definition word = CONFIG_WORD("w", 0, "delete", words, "");
    static const struct config_definition list = CONFIG_LIST("l", 0, "delete", words, NULL, "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &word, "compact"), STATUS_OK);
    assert_refused(fixture, &word, "Delete", "w: \"Delete\" is not one of: delete, compact");
    assert_int_equal(parse(fixture, &list, "compact,delete"), STATUS_OK);
    assert_int_equal(fixture->value.item_count, 2);
    assert_refused(fixture, &list, "delete,x", "l: \"x\" is not one of: delete, compact");
}

static void lists_are_split_and_trimmed(void **state)
{
    static const struct config_definition key = CONFIG_LIST("k", 0, "", NULL, NULL, "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &key, " /a , /b c,/d "), STATUS_OK);
    assert_int_equal(fixture->value.item_count, 3);
    assert_string_equal(fixture->value.items[0].data, "/a");
    assert_string_equal(fixture->value.items[1].data, "/b c");
    assert_string_equal(fixture->value.items[2].data, "/d");
    assert_int_equal(parse(fixture, &key, ""), STATUS_OK);
    assert_int_equal(fixture->value.item_count, 0);
    assert_refused(fixture, &key, "/a,,/b", "k: an item of the list is empty");
    assert_refused(fixture, &key, "/a,", "k: an item of the list is empty");
    assert_refused(fixture, &key, ",", "k: an item of the list is empty");
}

static void lists_and_values_are_bounded(void **state)
{
    static const struct config_definition list = CONFIG_LIST("l", 0, "", NULL, NULL, "");
    static const struct config_definition text = CONFIG_TEXT("t", 0, "", NULL, "");
    struct fixture *fixture = *state;
    char *commas = malloc(CONFIG_VALUE_MAX + 2);

    memset(commas, ',', CONFIG_VALUE_MAX + 1);
    commas[CONFIG_VALUE_MAX + 1] = '\0';
    assert_refused(fixture, &text, commas, "t: the value is longer than 16384 bytes");
    commas[CONFIG_VALUE_MAX] = '\0';
    assert_int_equal(parse(fixture, &text, commas), STATUS_OK);
    assert_refused(fixture, &list, commas, "l: more than 256 items");
    free(commas);
}

static void an_arena_that_is_nearly_full_is_no_reason_to_die(void **state)
{
    static const struct config_definition key = CONFIG_TEXT("k", 0, "", NULL, "");
    struct fixture *fixture = *state;
    struct arena small;

    arena_init(&small, 4096);
    assert_int_equal(config_value_parse(&key, STRING("text"), &small, &fixture->value, &fixture->problem),
                     STATUS_INVALID);
    assert_string_equal(fixture->problem.text, "k: no memory left for the value");
    arena_deinit(&small);
}

static void null_is_a_value_of_every_key(void **state)
{
    static const struct config_definition key = CONFIG_INT32("k", CONFIG_UNIT_NONE, 0, NULL, 1, 2, "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &key, NULL), STATUS_OK);
    assert_true(fixture->value.null);
    assert_null(fixture->value.text.data);
}

static enum status check_even(const struct config_value *value, struct arena *arena, struct config_problem *problem)
{
    (void)arena;
    config_problem_set(problem, "must be even");
    return value->text.size % 2 == 0 ? STATUS_OK : STATUS_INVALID;
}

static void a_check_of_its_own_names_the_key(void **state)
{
    static const struct config_definition key = CONFIG_TEXT("k", 0, "", check_even, "");
    struct fixture *fixture = *state;

    assert_int_equal(parse(fixture, &key, "ab"), STATUS_OK);
    assert_refused(fixture, &key, "abc", "k: must be even");
}

static void distance_counts_edits_and_swaps(void **state)
{
    (void)state;
    assert_int_equal(config_name_distance(STRING(""), STRING("")), 0);
    assert_int_equal(config_name_distance(STRING(""), STRING("abc")), 3);
    assert_int_equal(config_name_distance(STRING("abc"), STRING("")), 3);
    assert_int_equal(config_name_distance(STRING("log.dirs"), STRING("log.dirs")), 0);
    assert_int_equal(config_name_distance(STRING("log.dir"), STRING("log.dirs")), 1);
    assert_int_equal(config_name_distance(STRING("lgo.dirs"), STRING("log.dirs")), 1);
    assert_int_equal(config_name_distance(STRING("kitten"), STRING("sitting")), 3);
    assert_int_equal(config_name_distance(STRING("sitting"), STRING("kitten")), 3);
}

static void distance_survives_the_longest_names(void **state)
{
    char a[130];
    char b[130];

    (void)state;
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    assert_int_equal(config_name_distance((struct string){a, 128}, (struct string){b, 128}), 128);
    assert_true(config_name_distance((struct string){a, 129}, (struct string){b, 1}) == SIZE_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(booleans_are_true_or_false_in_any_case),
        TEST(sizes_take_units),
        TEST(times_become_the_keys_own_unit),
        TEST(a_number_without_unit_refuses_one),
        TEST(numbers_keep_their_limits),
        TEST(doubles_are_finite_and_in_range),
        TEST(words_are_chosen_from_those_allowed),
        TEST(lists_are_split_and_trimmed),
        TEST(lists_and_values_are_bounded),
        TEST(an_arena_that_is_nearly_full_is_no_reason_to_die),
        TEST(null_is_a_value_of_every_key),
        TEST(a_check_of_its_own_names_the_key),
        TEST(distance_counts_edits_and_swaps),
        TEST(distance_survives_the_longest_names),
    };
    return cmocka_run_group_tests_name("config_definition", tests, NULL, NULL);
}
