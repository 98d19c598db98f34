/* Client properties by their Kafka names. */
#include "cli/properties.h"
#include "tests/unit/cli/tests.h"

static int setup(void **state)
{
    static struct client_properties properties;

    client_properties_default(&properties);
    *state = &properties;
    return 0;
}

static enum status set(struct client_properties *properties, const char *name, const char *value)
{
    const char *why;
    const char *nearest;

    return client_property_set(properties, name, value, &why, &nearest);
}

static void values_reach_their_fields(void **state)
{
    struct client_properties *properties = *state;

    assert_int_equal(set(properties, "batch.size", "1"), STATUS_OK);
    assert_int_equal(set(properties, "linger.ms", "7"), STATUS_OK);
    assert_int_equal(set(properties, "max.in.flight.requests.per.connection", "3"), STATUS_OK);
    assert_int_equal(set(properties, "fetch.max.wait.ms", "9"), STATUS_OK);
    assert_int_equal(set(properties, "compression.type", "zstd"), STATUS_OK);
    assert_int_equal(set(properties, "compression.level", "9"), STATUS_OK);
    assert_int_equal(set(properties, "isolation.level", "read_uncommitted"), STATUS_OK);
    assert_int_equal(properties->producer.batch_size, 1);
    assert_int_equal(properties->producer.linger_ns, 7000000);
    assert_int_equal(properties->producer.in_flight_max, 3);
    assert_int_equal(properties->fetch_max_wait_ms, 9);
    assert_int_equal(properties->producer.compression, COMPRESSION_ZSTD);
    assert_int_equal(properties->producer.compression_level, 9);
    assert_false(properties->read_committed);
}

static void fewer_acks_switch_idempotence_off(void **state)
{
    struct client_properties *properties = *state;

    assert_true(properties->producer.idempotent);
    assert_int_equal(set(properties, "acks", "all"), STATUS_OK);
    assert_true(properties->producer.idempotent);
    assert_int_equal(set(properties, "acks", "1"), STATUS_OK);
    assert_int_equal(properties->acks, 1);
    assert_false(properties->producer.idempotent);
}

static void bad_values_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"batch.size", "0"},        {"batch.size", "x"},     {"linger.ms", "-1"},
        {"acks", "2"},              {"acks", ""},            {"compression.type", "brotli"},
        {"compression.level", "1"}, {"check.crcs", "maybe"}, {"isolation.level", "none"},
        {"max.in.flight.requests.per.connection", "6"},
    };

    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(set(*state, bad[i][0], bad[i][1]), STATUS_INVALID);
    }
}

static void an_unknown_name_brings_the_nearest(void **state)
{
    const char *why;
    const char *nearest;

    assert_int_equal(client_property_set(*state, "linger.mss", "5", &why, &nearest), STATUS_NOT_FOUND);
    assert_string_equal(nearest, "linger.ms");
    assert_int_equal(client_property_set(*state, "compresion.type", "zstd", &why, &nearest), STATUS_NOT_FOUND);
    assert_string_equal(nearest, "compression.type");
    assert_int_equal(client_property_set(*state, "group.id", "x", &why, &nearest), STATUS_NOT_FOUND);
    assert_null(nearest);
}

int test_properties(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(values_reach_their_fields, setup),
        cmocka_unit_test_setup(fewer_acks_switch_idempotence_off, setup),
        cmocka_unit_test_setup(bad_values_are_refused, setup),
        cmocka_unit_test_setup(an_unknown_name_brings_the_nearest, setup),
    };

    return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
