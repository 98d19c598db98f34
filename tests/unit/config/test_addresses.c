/* Hosts, ports, listeners and voters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config/addresses.h"

#include <stdlib.h>

static const struct config_definition list_key = CONFIG_LIST("list", 0, NULL, NULL, NULL, "");

struct fixture {
    struct arena arena;
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

static struct config_value list_of(struct fixture *fixture, const char *text)
{
    struct config_value value;

    assert_int_equal(config_value_parse(&list_key, string_of(text), &fixture->arena, &value, &fixture->problem),
                     STATUS_OK);
    return value;
}

static void addresses_are_host_and_port(void **state)
{
    struct fixture *fixture = *state;
    const struct config_value list = list_of(fixture, "node-1.example:9092, [::1]:9093,127.0.0.1:1");
    struct config_address *addresses;
    size_t count;

    assert_int_equal(config_addresses_parse(&list, &fixture->arena, &addresses, &count, &fixture->problem), STATUS_OK);
    assert_int_equal(count, 3);
    assert_string_equal(addresses[0].host.data, "node-1.example");
    assert_int_equal(addresses[0].port, 9092);
    assert_string_equal(addresses[1].host.data, "::1");
    assert_int_equal(addresses[1].port, 9093);
    assert_string_equal(addresses[2].host.data, "127.0.0.1");
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const texts[] = {"host",    "host:",     ":9092",     "host:0",    "host:65536",  "host:9x",
                                        "ho st:1", "[::1:9092", "::1:9092",  "[]:9092",   "host:-1",     "ho/st:1",
                                        "[::1]9",  "host:+1",   "a@b:9092",  "h:00000000000000000000000000065536"};
    struct fixture *fixture = *state;
    struct config_address address;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (config_address_parse(string_of(texts[i]), &fixture->arena, &address, &fixture->problem) != STATUS_INVALID) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
}

static void a_host_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct config_address address;
    char text[CONFIG_HOST_MAX + 4];

    memset(text, 'h', sizeof(text));
    memcpy(text + CONFIG_HOST_MAX, ":1", 2);
    assert_int_equal(config_address_parse((struct string){text, CONFIG_HOST_MAX + 2}, &fixture->arena, &address,
                                          &fixture->problem),
                     STATUS_OK);
    memcpy(text + CONFIG_HOST_MAX, "h:1", 3);
    assert_int_equal(config_address_parse((struct string){text, CONFIG_HOST_MAX + 3}, &fixture->arena, &address,
                                          &fixture->problem),
                     STATUS_INVALID);
}

static void listeners_have_names_and_maybe_no_host(void **state)
{
    struct fixture *fixture = *state;
    const struct config_value list = list_of(fixture, "PLAINTEXT://:9092,INSIDE_2://[::]:0");
    struct config_listener *listeners;
    size_t count;

    assert_int_equal(config_listeners_parse(&list, &fixture->arena, &listeners, &count, &fixture->problem), STATUS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(listeners[0].name.data, "PLAINTEXT");
    assert_string_equal(listeners[0].address.host.data, "");
    assert_int_equal(listeners[0].address.port, 9092);
    assert_string_equal(listeners[1].name.data, "INSIDE_2");
    assert_string_equal(listeners[1].address.host.data, "::");
    assert_int_equal(listeners[1].address.port, 0);
}

static void listeners_that_clash_or_have_no_name_are_refused(void **state)
{
    static const struct {
        const char *text;
        const char *problem;
    } cases[] = {
        {"localhost:9092", "\"localhost:9092\" is not NAME://host:port"},
        {"://:9092", "\"://:9092\" is not NAME://host:port"},
        {"plain://:9092", "\"plain\" is not a listener's name: capitals, digits and _ only"},
        {"A://:1,A://:2", "two listeners are named A"},
        {"A://:1,B://:1", "two listeners have port 1"},
        {"A://host", "\"host\" has no port: expected host:port"},
        {"A://:1,B://:2,C://:3,D://:4,E://:5,F://:6,G://:7,H://:8,I://:9", "more than 8 listeners"},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct config_value list = list_of(fixture, cases[i].text);

        assert_int_equal(config_check_listeners(&list, &fixture->arena, &fixture->problem), STATUS_INVALID);
        assert_string_equal(fixture->problem.text, cases[i].problem);
    }
}

static void voters_have_ids(void **state)
{
    struct fixture *fixture = *state;
    const struct config_value list = list_of(fixture, "1@a:9093,2@b:9093,2147483647@[fe80::1%eth0]:19093");
    struct config_voter *voters;
    size_t count;

    assert_int_equal(config_voters_parse(&list, &fixture->arena, &voters, &count, &fixture->problem), STATUS_OK);
    assert_int_equal(count, 3);
    assert_int_equal(voters[0].id, 1);
    assert_string_equal(voters[1].address.host.data, "b");
    assert_int_equal(voters[2].id, INT32_MAX);
    assert_string_equal(voters[2].address.host.data, "fe80::1%eth0");
}

static void voters_without_id_or_with_the_same_are_refused(void **state)
{
    static const char *const texts[] = {"a:9093", "@a:9093", "-1@a:9093", "2147483648@a:9093", "1@a:1,1@b:1", "1@a",
                                        "1@",
                                        "1@a:1,2@a:1,3@a:1,4@a:1,5@a:1,6@a:1,7@a:1,8@a:1,9@a:1,10@a:1"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        const struct config_value list = list_of(fixture, texts[i]);

        if (config_check_voters(&list, &fixture->arena, &fixture->problem) != STATUS_INVALID) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_host_and_port),
        TEST(what_is_no_address_is_refused),
        TEST(a_host_is_bounded),
        TEST(listeners_have_names_and_maybe_no_host),
        TEST(listeners_that_clash_or_have_no_name_are_refused),
        TEST(voters_have_ids),
        TEST(voters_without_id_or_with_the_same_are_refused),
    };
    return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}
