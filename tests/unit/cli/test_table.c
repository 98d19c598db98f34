/* Tables for people. */
#include "cli/table.h"
#include "tests/unit/cli/tests.h"

static int setup(void **state)
{
    static struct buffer out;

    buffer_init(&out);
    *state = &out;
    return 0;
}

static int teardown(void **state)
{
    buffer_deinit(*state);
    return 0;
}

static void columns_are_as_wide_as_their_content(void **state)
{
    struct buffer *out = *state;
    struct table table;

    table_init(&table, "NAME COUNT> NOTE");
    table_cell(&table, "a");
    table_cell(&table, "%d", 1234567);
    table_cell(&table, "first");
    table_string(&table, STRING("longer-name"));
    table_cell(&table, "%d", 5);
    table_cell(&table, "%s", "");
    assert_int_equal(table_rows(&table), 2);
    table_print(&table, 0, out);
    assert_text(out, "NAME           COUNT  NOTE\n"
                     "a            1234567  first\n"
                     "longer-name        5  \n");
    table_deinit(&table);
}

static void the_last_column_is_cut_at_the_terminals_edge(void **state)
{
    struct buffer *out = *state;
    struct table table;

    table_init(&table, "A B");
    table_cell(&table, "x");
    table_cell(&table, "0123456789abcdef");
    table_print(&table, 13, out);
    assert_text(out, "A  B\nx  012345678~\n");
    table_deinit(&table);
}

static void letters_of_several_bytes_count_once(void **state)
{
    struct buffer *out = *state;
    struct table table;

    table_init(&table, "A B");
    table_cell(&table, "\xc3\xa4\xc3\xb6");
    table_cell(&table, "x");
    table_cell(&table, "ab");
    table_cell(&table, "y");
    table_print(&table, 0, out);
    assert_text(out, "A   B\n\xc3\xa4\xc3\xb6  x\nab  y\n");
    assert_int_equal(text_width("\xe2\x82\xac"), 1);
    table_deinit(&table);
}

static void what_a_terminal_would_obey_is_not_printed(void **state)
{
    struct buffer *out = *state;
    struct table table;

    table_init(&table, "A");
    table_string(&table, STRING("\033[2Jx\n\x7f"));
    table_print(&table, 0, out);
    assert_text(out, "A\n?[2Jx??\n");
    table_deinit(&table);
}

int test_table(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(columns_are_as_wide_as_their_content, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_column_is_cut_at_the_terminals_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(letters_of_several_bytes_count_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_terminal_would_obey_is_not_printed, setup, teardown),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
