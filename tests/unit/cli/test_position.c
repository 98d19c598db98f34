/* Where to read from. */
#include "cli/position.h"
#include "tests/unit/cli/tests.h"

#define NOW INT64_C(1700000000000)

static void every_form_is_understood(void **state)
{
    static const struct {
        const char *text;
        struct position position;
    } rows[] = {
        {"beginning", {POSITION_BEGINNING, 0, false}},
        {"end", {POSITION_END, 0, false}},
        {"0", {POSITION_OFFSET, 0, false}},
        {"9223372036854775807", {POSITION_OFFSET, INT64_MAX, false}},
        {"-1", {POSITION_TAIL, 1, false}},
        {"-100", {POSITION_TAIL, 100, false}},
        {"s@1700", {POSITION_TIME, 1700, false}},
        {"e@1701", {POSITION_TIME, 1701, true}},
        {"s@-1h", {POSITION_TIME, NOW - 3600000, false}},
        {"s@-90s", {POSITION_TIME, NOW - 90000, false}},
        {"s@-250ms", {POSITION_TIME, NOW - 250, false}},
        {"e@-5m", {POSITION_TIME, NOW - 300000, true}},
        {"s@-2d", {POSITION_TIME, NOW - 172800000, false}},
        {"s@-99999d", {POSITION_TIME, 0, false}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct position position;

        assert_int_equal(position_parse(rows[i].text, NOW, &position), STATUS_OK);
        assert_int_equal(position.kind, rows[i].position.kind);
        assert_true(position.value == rows[i].position.value);
        assert_int_equal(position.stop, rows[i].position.stop);
    }
}

static void anything_else_is_refused(void **state)
{
    static const char *const bad[] = {"",       "begin", "End",      "+5",  "5x",   "s@",   "s@x",   "s@-1", "s@-1w",
                                      "s@--1h", "x@5",   "e@-h",     "- 5", "0x10", " 5",   "-9223372036854775808",
                                      "9223372036854775808", "s@-9223372036854775807d"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        struct position position;

        assert_int_equal(position_parse(bad[i], NOW, &position), STATUS_INVALID);
    }
}

int test_position(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_understood),
        cmocka_unit_test(anything_else_is_refused),
    };

    return cmocka_run_group_tests_name("position", tests, NULL, NULL);
}
