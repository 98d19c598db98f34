/* Address lists and profile files. */
#include "cli/address.h"
#include "tests/unit/cli/tests.h"

static enum status parse(const char *text, struct address_list *list)
{
    return address_list_parse(string_of(text), 9092, list);
}

static void a_list_has_hosts_with_and_without_port(void **state)
{
    struct address_list list;

    (void)state;
    assert_int_equal(parse("a:1, b ,[::1]:65535,[fe80::2]", &list), STATUS_OK);
    assert_int_equal(list.count, 4);
    assert_string_equal(list.items[0].host, "a");
    assert_int_equal(list.items[0].port, 1);
    assert_string_equal(list.items[1].host, "b");
    assert_int_equal(list.items[1].port, 9092);
    assert_string_equal(list.items[2].host, "::1");
    assert_int_equal(list.items[2].port, 65535);
    assert_string_equal(list.items[3].host, "fe80::2");
}

static void what_is_no_list_is_refused(void **state)
{
    static const char *const bad[] = {"",     ",",       "a,",       "a:",    "a:0",  "a:65536", "a:x",
                                      ":9092", "a b:1",   "[::1",     "[]:1",  "[::1]x", "a:123456"};
    struct address_list list;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_int_equal(parse(bad[i], &list), STATUS_INVALID);
    }
}

static void a_host_or_list_that_is_too_long_is_refused(void **state)
{
    char text[ADDRESSES_MAX * 2 + 300];
    struct address_list list;

    (void)state;
    memset(text, 'h', ADDRESS_HOST_MAX);
    text[ADDRESS_HOST_MAX] = '\0';
    assert_int_equal(parse(text, &list), STATUS_OK);
    text[ADDRESS_HOST_MAX] = 'h';
    text[ADDRESS_HOST_MAX + 1] = '\0';
    assert_int_equal(parse(text, &list), STATUS_INVALID);
    for (size_t i = 0; i <= ADDRESSES_MAX; i++) {
        memcpy(text + 2 * i, "h,", 3);
    }
    text[2 * ADDRESSES_MAX + 1] = '\0';
    assert_int_equal(parse(text, &list), STATUS_FULL);
}

static void an_address_prints_as_it_is_read(void **state)
{
    struct address_list list;
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    assert_int_equal(parse("node:7,[::1]:8", &list), STATUS_OK);
    assert_string_equal(address_print(&list.items[0], text), "node:7");
    assert_string_equal(address_print(&list.items[1], text), "[::1]:8");
}

static void a_property_is_found_among_comments_and_blanks(void **state)
{
    const struct string text = string_of("# bootstrap=no\n\n bootstrap = a:1 \nother=\nlast=z");

    (void)state;
    assert_string(properties_find(text, "bootstrap"), "a:1");
    assert_int_equal(properties_find(text, "other").size, 0);
    assert_non_null(properties_find(text, "other").data);
    assert_string(properties_find(text, "last"), "z");
    assert_null(properties_find(text, "boot").data);
    assert_null(properties_find(STRING_NULL, "boot").data);
}

int test_address(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_hosts_with_and_without_port),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(a_host_or_list_that_is_too_long_is_refused),
        cmocka_unit_test(an_address_prints_as_it_is_read),
        cmocka_unit_test(a_property_is_found_among_comments_and_blanks),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
