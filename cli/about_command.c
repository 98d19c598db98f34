/* millrace explain and version: what the program knows without a cluster. */
#include "cli/advice.h"
#include "cli/commands.h"

#include <stdio.h>

#ifndef MILLRACE_VERSION
#define MILLRACE_VERSION "0.1.0"
#endif

/* The code that `text` names: a number, or a name in any case with '-' for '_'. */
static bool error_parse(const char *text, int16_t *code)
{
    char name[64];
    int64_t number;
    size_t size = 0;

    if (integer_parse(text, &number)) {
        *code = (int16_t)number;
        return number >= INT16_MIN && number <= INT16_MAX && advice_find(*code) != NULL;
    }
    for (; text[size] != '\0' && size + 1 < sizeof(name); size++) {
        name[size] = text[size] == '-' ? '_' : text[size];
    }
    name[size] = '\0';
    return kafka_error_parse(string_of(name), code);
}

static void explain_all(struct cli *cli)
{
    struct table table;

    table_init(&table, "CODE> NAME RETRIABLE MEANING");
#define X(name, code, retriable)                                                                                       \
    table_cell(&table, "%d", code);                                                                                    \
    table_cell(&table, "%s", #name);                                                                                   \
    table_cell(&table, "%s", (retriable) ? "yes" : "no");                                                              \
    table_cell(&table, "%s", advice_find(code)->meaning);
    KAFKA_ERROR_LIST(X)
#undef X
    cli_table_end(cli, &table);
}

int explain_command(struct cli *cli)
{
    int16_t code;

    if (cli->arguments.value_count == 0) {
        explain_all(cli);
        return EXIT_DONE;
    }
    if (!error_parse(cli->arguments.values[0], &code)) {
        cli_error("Kafka has no error \"%s\"", cli->arguments.values[0]);
        cli_hint("see all: millrace explain");
        return EXIT_USAGE;
    }
    const struct advice *advice = advice_find(code);

    if (cli->json) {
        struct json_writer *json = cli_json_begin(cli);

        json_member_number(json, "code", code);
        json_member_text(json, "name", kafka_error_name(code));
        json_member_bool(json, "retriable", kafka_error_retriable(code));
        json_member_text(json, "meaning", advice->meaning);
        json_member_text(json, "advice", advice->advice);
        cli_json_end(cli);
        return EXIT_DONE;
    }
    buffer_append_format(&cli->text, "%s (%d), %s\n  meaning     %s\n  what to do  %s\n", kafka_error_name(code), code,
                         kafka_error_retriable(code) ? "clients may try again" : "trying again does not help",
                         advice->meaning, advice->advice);
    return cli_print(buffer_bytes(&cli->text)) ? EXIT_DONE : EXIT_FAILED;
}

int version_command(struct cli *cli)
{
    if (cli->json) {
        json_member_text(cli_json_begin(cli), "version", MILLRACE_VERSION);
        cli_json_end(cli);
    } else {
        printf("millrace %s\n", MILLRACE_VERSION);
    }
    return EXIT_DONE;
}
