/* Every error that Kafka has comes with a meaning and with something to do. */
#include "cli/advice.h"
#include "tests/unit/cli/tests.h"

static void every_code_has_meaning_and_advice(void **state)
{
    static const int16_t codes[] = {
#define X(name, code, retriable) code,
        KAFKA_ERROR_LIST(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        const struct advice *advice = advice_find(codes[i]);

        assert_non_null(advice);
        assert_int_equal(advice->code, codes[i]);
        assert_true(strlen(advice->meaning) > 5);
        assert_true(strlen(advice->advice) > 5);
    }
}

static void an_unknown_code_has_none(void **state)
{
    (void)state;
    assert_null(advice_find(-2));
    assert_null(advice_find(INT16_MAX));
}

int test_advice(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_meaning_and_advice),
        cmocka_unit_test(an_unknown_code_has_none),
    };

    return cmocka_run_group_tests_name("advice", tests, NULL, NULL);
}
