/* From a command line to an exit code: see cli.h. */
#include "cli/cli.h"

#include "cli/advice.h"
#include "cli/session.h"
#include "common/base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PORT_NODE 9092
#define PORT_CONTROLLER 9093
#define TIMEOUT_SECONDS_DEFAULT 30
#define PROFILE_SIZE_MAX 65536

void cli_error(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("millrace: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

void cli_hint(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    fputs("  what to do: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

void cli_note(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

void cli_server_error(const char *what, const char *where, int16_t code, struct string message)
{
    const struct advice *advice = advice_find(code);

    if (message.size == 0 && advice != NULL) {
        message = string_of(advice->meaning);
    }
    cli_error("%s: %s (%d) from %s%s%.*s", what, kafka_error_name(code), code, where, message.size > 0 ? ": " : "",
              STRING_ARGS(message));
    cli_hint("%s", advice != NULL ? advice->advice : "update millrace: this version does not know the error");
}

bool integer_parse(const char *text, int64_t *value)
{
    char *end;

    if (text[0] != '-' && (text[0] < '0' || text[0] > '9')) {
        return false;
    }
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text;
}

bool cli_option_integer(const struct cli *cli, const char *name, int64_t min, int64_t max, int64_t otherwise,
                        int64_t *value)
{
    const char *text = arguments_value(&cli->arguments, name);

    *value = otherwise;
    if (text == NULL) {
        return true;
    }
    if (!integer_parse(text, value) || *value < min || *value > max) {
        cli_error("--%s: \"%s\" is not a number from %" PRId64 " to %" PRId64, name, text, min, max);
        return false;
    }
    return true;
}

struct json_writer *cli_json_begin(struct cli *cli)
{
    buffer_clear(&cli->text);
    json_writer_init(&cli->writer, &cli->text);
    json_begin_object(&cli->writer);
    json_member_text(&cli->writer, "_command", cli->arguments.command->name);
    json_member_number(&cli->writer, "_version", 1);
    return &cli->writer;
}

bool cli_print(struct bytes bytes)
{
    return fwrite(bytes.data, 1, bytes.size, stdout) == bytes.size && fflush(stdout) == 0;
}

void cli_json_end(struct cli *cli)
{
    json_end_object(&cli->writer);
    buffer_append(&cli->text, "\n", 1);
    (void)cli_print(buffer_bytes(&cli->text));
    buffer_clear(&cli->text);
}

size_t cli_width(void)
{
    struct winsize size;

    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        return size.ws_col;
    }
    return 0;
}

void cli_table_end(struct cli *cli, struct table *table)
{
    buffer_clear(&cli->text);
    table_print(table, cli_width(), &cli->text);
    (void)cli_print(buffer_bytes(&cli->text));
    buffer_clear(&cli->text);
    table_deinit(table);
}

/* The whole of a small file, or NULL. */
static char *read_small_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text;

    if (file == NULL) {
        return NULL;
    }
    text = memory_alloc(PROFILE_SIZE_MAX + 1);
    text[fread(text, 1, PROFILE_SIZE_MAX, file)] = '\0';
    (void)fclose(file);
    return text;
}

static void load_profile(struct cli *cli)
{
    const char *home = getenv("HOME");

    cli->profile = read_small_file("./.local/profile");
    cli->servers_from = "./.local/profile";
    if (cli->profile == NULL && home != NULL) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/.config/millrace/profile", home);
        cli->profile = read_small_file(path);
        cli->servers_from = "~/.config/millrace/profile";
    }
}

static bool take_list(const char *text, uint16_t port, const char *from, struct address_list *list)
{
    const enum status status = address_list_parse(string_of(text), port, list);

    if (status == STATUS_OK) {
        return true;
    }
    cli_error("%s: \"%s\" is not a list of HOST:PORT: %s", from, text, status_text(status));
    cli_hint("write it as localhost:9092,localhost:10092");
    return false;
}

/* Options before environment before profile before localhost; a source that names one kind of server alone says nothing
 * of the other, because the two must be of one cluster. */
static bool find_servers(struct cli *cli)
{
    const char *nodes = arguments_global(&cli->arguments, "bootstrap");
    const char *controllers = arguments_global(&cli->arguments, "controllers");
    char *copies[2] = {NULL, NULL};
    bool ok = true;

    cli->servers_from = "the options";
    if (nodes == NULL && controllers == NULL) {
        nodes = getenv("MILLRACE_BOOTSTRAP");
        controllers = getenv("MILLRACE_CONTROLLERS");
        cli->servers_from = "the environment";
    }
    if (nodes == NULL && controllers == NULL) {
        load_profile(cli);
        const struct string text = string_of(cli->profile);
        const struct string found[2] = {properties_find(text, "bootstrap"), properties_find(text, "controllers")};

        for (int i = 0; i < 2; i++) {
            copies[i] = found[i].size > 0 ? memory_copy_text(found[i].data, found[i].size) : NULL;
        }
        nodes = copies[0];
        controllers = copies[1];
    }
    if (nodes == NULL && controllers == NULL) {
        nodes = "localhost";
        controllers = "localhost";
        cli->servers_from = "the defaults";
    }
    if (nodes != NULL) {
        ok = take_list(nodes, PORT_NODE, cli->servers_from, &cli->nodes);
    }
    if (ok && controllers != NULL) {
        ok = take_list(controllers, PORT_CONTROLLER, cli->servers_from, &cli->controllers);
    }
    memory_free(copies[0]);
    memory_free(copies[1]);
    return ok;
}

/* Options that every command has. consume and produce have an -o and -t of their own, so the format is asked by
 * name. */
static bool take_globals(struct cli *cli)
{
    const char *output = arguments_global(&cli->arguments, "output");
    int64_t seconds;

    if (output != NULL && strcmp(output, "json") != 0 && strcmp(output, "table") != 0) {
        cli_error("unknown output format \"%s\"", output);
        cli_hint("table and json exist");
        return false;
    }
    cli->json = output != NULL && strcmp(output, "json") == 0;
    cli->trace = arguments_has(&cli->arguments, "trace");
    if (!cli_option_integer(cli, "timeout", 1, 86400, TIMEOUT_SECONDS_DEFAULT, &seconds)) {
        return false;
    }
    cli->timeout_ms = (uint32_t)seconds * 1000;
    return find_servers(cli);
}

static int print_help(struct cli *cli)
{
    if (cli->arguments.help_json) {
        help_json(cli->table, &cli->arguments, &cli->text);
    } else {
        help_text(cli->table, &cli->arguments, &cli->text);
    }
    return cli_print(buffer_bytes(&cli->text)) ? EXIT_DONE : EXIT_FAILED;
}

static int usage_error(const struct cli *cli, const struct buffer *error)
{
    const struct arguments *arguments = &cli->arguments;
    const char *name = arguments->command != NULL ? arguments->command->name : arguments->group;

    cli_error("%.*s", (int)error->size, (const char *)error->data);
    cli_hint("millrace %s%s--help", name != NULL ? name : "", name != NULL ? " " : "");
    return EXIT_USAGE;
}

int cli_main(const struct command *table, int argc, char *const *argv)
{
    struct cli cli = {.table = table};
    struct buffer error;
    int code;

    buffer_init(&error);
    buffer_init(&cli.text);
    const enum status status = arguments_parse(table, argc, argv, &cli.arguments, &error);

    if (cli.arguments.help || cli.arguments.help_json || (status != STATUS_OK && argc <= 1)) {
        code = print_help(&cli);
        code = argc <= 1 ? EXIT_USAGE : code;
    } else if (status != STATUS_OK) {
        code = usage_error(&cli, &error);
    } else if (!take_globals(&cli)) {
        code = EXIT_USAGE;
    } else {
        code = cli.arguments.command->run(&cli);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            code = EXIT_FAILED;
        }
    }
    if (cli.session != NULL) {
        session_destroy(cli.session);
    }
    memory_free(cli.profile);
    buffer_deinit(&cli.text);
    buffer_deinit(&error);
    arguments_deinit(&cli.arguments);
    return code;
}
