/* Command lines against the real table, and what help says of it. */
#include "cli/commands.h"
#include "cli/json.h"
#include "tests/unit/cli/tests.h"

#define WORDS_MAX 16

struct parsed {
    struct arguments arguments;
    struct buffer error;
    enum status status;
};

static int setup(void **state)
{
    static struct parsed parsed;

    parsed = (struct parsed){0};
    buffer_init(&parsed.error);
    *state = &parsed;
    return 0;
}

static int teardown(void **state)
{
    struct parsed *parsed = *state;

    arguments_deinit(&parsed->arguments);
    buffer_deinit(&parsed->error);
    return 0;
}

/* Parses words; the last one must be NULL. */
static void parse(struct parsed *parsed, const char *first, ...)
{
    static char program[] = "millrace";
    char *argv[WORDS_MAX] = {program};
    int argc = 1;
    va_list list;

    teardown((void *[]){parsed});
    va_start(list, first);
    for (const char *word = first; word != NULL; word = va_arg(list, const char *)) {
        argv[argc++] = (char *)(uintptr_t)word;
    }
    va_end(list);
    buffer_init(&parsed->error);
    parsed->status = arguments_parse(command_table, argc, argv, &parsed->arguments, &parsed->error);
}

static void assert_refused(const struct parsed *parsed, const char *why)
{
    assert_int_equal(parsed->status, STATUS_INVALID);
    assert_text(&parsed->error, why);
}

static void options_stand_anywhere(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "-b", "h:1", "topic", "--timeout=5", "create", "one", "--partitions", "3", "two", "-r2", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_string_equal(parsed->arguments.command->name, "topic create");
    assert_int_equal(parsed->arguments.value_count, 2);
    assert_string_equal(parsed->arguments.values[1], "two");
    assert_string_equal(arguments_value(&parsed->arguments, "bootstrap"), "h:1");
    assert_string_equal(arguments_value(&parsed->arguments, "timeout"), "5");
    assert_string_equal(arguments_value(&parsed->arguments, "partitions"), "3");
    assert_string_equal(arguments_value(&parsed->arguments, "replicas"), "2");
    assert_false(arguments_has(&parsed->arguments, "if-not-exists"));
}

static void a_commands_letter_hides_a_global_one(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "consume", "t", "-o", "-100", "-eJ", "-o", "e@5", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_null(arguments_value(&parsed->arguments, "output"));
    assert_true(arguments_has(&parsed->arguments, "exit"));
    assert_true(arguments_has(&parsed->arguments, "json"));
    size_t at = 0;

    assert_string_equal(arguments_next(&parsed->arguments, "from", &at), "-100");
    assert_string_equal(arguments_next(&parsed->arguments, "from", &at), "e@5");
    assert_null(arguments_next(&parsed->arguments, "from", &at));
    parse(parsed, "topic", "ls", "-o", "json", NULL);
    assert_string_equal(arguments_value(&parsed->arguments, "output"), "json");
}

static void a_commands_name_hides_a_global_one(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "dev", "up", "--controllers", "1", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_string_equal(arguments_value(&parsed->arguments, "controllers"), "1");
    assert_null(arguments_global(&parsed->arguments, "controllers"));
    parse(parsed, "status", "--controllers", "h:1", NULL);
    assert_string_equal(arguments_global(&parsed->arguments, "controllers"), "h:1");
}

static void two_dashes_end_the_options(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "topic", "create", "--", "-p", "--x", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_int_equal(parsed->arguments.value_count, 2);
    assert_string_equal(parsed->arguments.values[0], "-p");
    parse(parsed, "produce", "t", "-", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_string_equal(parsed->arguments.values[1], "-");
}

static void unknown_words_bring_the_nearest_one(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "topci", NULL);
    assert_refused(parsed, "unknown command \"topci\"; did you mean topic?");
    parse(parsed, "topic", "delte", "x", NULL);
    assert_refused(parsed, "unknown command \"topic delte\"; did you mean delete?");
    parse(parsed, "topic", "create", "x", "--partitoins=3", NULL);
    assert_refused(parsed, "unknown option --partitoins; did you mean --partitions?");
    parse(parsed, "xylophone", NULL);
    assert_refused(parsed, "unknown command \"xylophone\"");
    parse(parsed, "topic", "create", "x", "-p3", "-q", NULL);
    assert_refused(parsed, "unknown option -q");
}

static void missing_and_superfluous_parts_are_named(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, NULL);
    assert_refused(parsed, "no command given");
    parse(parsed, "topic", NULL);
    assert_refused(parsed, "\"topic\" needs another word: what to do");
    parse(parsed, "topic", "create", NULL);
    assert_refused(parsed, "topic create needs NAME...");
    parse(parsed, "version", "now", NULL);
    assert_refused(parsed, "version does not take the argument \"now\"");
    parse(parsed, "topic", "create", "x", "--partitions", NULL);
    assert_refused(parsed, "option --partitions needs a value: N");
    parse(parsed, "topic", "create", "x", "-p", NULL);
    assert_refused(parsed, "option -p needs a value: N");
    parse(parsed, "topic", "create", "x", "--if-not-exists=yes", NULL);
    assert_refused(parsed, "option --if-not-exists takes no value");
}

static void help_needs_nothing_else_to_be_right(void **state)
{
    struct parsed *parsed = *state;

    parse(parsed, "topic", "create", "--help", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_true(parsed->arguments.help);
    parse(parsed, "help", "topic", "create", NULL);
    assert_int_equal(parsed->status, STATUS_OK);
    assert_true(parsed->arguments.help);
    assert_string_equal(parsed->arguments.command->name, "topic create");
}

static void every_command_is_complete(void **state)
{
    (void)state;
    for (const struct command *command = command_table; command->name != NULL; command++) {
        struct arguments arguments = {.command = command, .help = true};
        struct buffer out;

        assert_non_null(command->run);
        assert_true(strlen(command->summary) > 5);
        assert_true(command->arguments_min <= command->arguments_max);
        buffer_init(&out);
        help_text(command_table, &arguments, &out);
        assert_non_null(memmem(out.data, out.size, command->name, strlen(command->name)));
        buffer_deinit(&out);
    }
}

/* Splits at blanks outside of single quotes, up to a pipe or redirection, as a shell would. */
static int split(char *line, char **argv, int argc)
{
    bool quoted = false;
    bool inside = false;

    for (; *line != '\0' && (quoted || strchr("|<", *line) == NULL); line++) {
        if (*line == '\'') {
            quoted = !quoted;
        }
        if (*line == ' ' && !quoted) {
            *line = '\0';
            inside = false;
        } else if (!inside) {
            inside = true;
            argv[argc++] = line;
        }
    }
    *line = '\0';
    return argc;
}

/* An example that its own parser refuses would be a lie. */
static void every_example_parses(void **state)
{
    struct parsed *parsed = *state;

    for (const struct command *command = command_table; command->name != NULL; command++) {
        for (const struct example *example = command->examples; example != NULL && example->line != NULL; example++) {
            static char program[] = "millrace";
            char line[256];
            char *argv[32] = {program};
            int argc = 1;

            teardown((void *[]){parsed});
            buffer_init(&parsed->error);
            assert_true(strlen(example->line) < sizeof(line));
            memcpy(line, example->line, strlen(example->line) + 1);
            argc = split(line, argv, argc);
            assert_int_equal(arguments_parse(command_table, argc, argv, &parsed->arguments, &parsed->error), STATUS_OK);
        }
    }
}

static void no_two_options_of_a_command_share_a_name(void **state)
{
    (void)state;
    for (const struct command *command = command_table; command->name != NULL; command++) {
        for (const struct option *a = command->options; a != NULL && a->name != NULL; a++) {
            for (const struct option *b = a + 1; b->name != NULL; b++) {
                assert_string_not_equal(a->name, b->name);
                assert_true(a->letter == 0 || a->letter != b->letter);
            }
        }
    }
}

static void help_for_programs_is_json(void **state)
{
    struct arguments arguments = {.help_json = true};
    struct json_value *value;
    struct arena arena;
    struct buffer out;
    size_t error_at;

    (void)state;
    buffer_init(&out);
    arena_init(&arena, 1 << 20);
    help_json(command_table, &arguments, &out);
    assert_int_equal(json_read((struct string){(const char *)out.data, out.size}, &arena, &value, &error_at),
                     STATUS_OK);
    assert_string(json_find(value, "_command")->text, "help");
    size_t count = 0;

    for (const struct json_value *c = json_find(value, "commands")->first; c != NULL; c = c->next) {
        assert_string(json_find(c, "name")->text, command_table[count].name);
        count++;
    }
    assert_null(command_table[count].name);
    arena_deinit(&arena);
    buffer_deinit(&out);
}

int test_command(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(options_stand_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commands_letter_hides_a_global_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commands_name_hides_a_global_one, setup, teardown),
        cmocka_unit_test_setup_teardown(two_dashes_end_the_options, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_words_bring_the_nearest_one, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_and_superfluous_parts_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(help_needs_nothing_else_to_be_right, setup, teardown),
        cmocka_unit_test(every_command_is_complete),
        cmocka_unit_test_setup_teardown(every_example_parses, setup, teardown),
        cmocka_unit_test(no_two_options_of_a_command_share_a_name),
        cmocka_unit_test(help_for_programs_is_json),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
