/* Help made from the command table: for people with examples, for programs as JSON. */
#include "cli/command.h"
#include "cli/json.h"

static bool in_group(const struct command *command, const char *group)
{
    const size_t size = strlen(group);

    return strncmp(command->name, group, size) == 0 && command->name[size] == ' ';
}

static void options_text(const struct option *options, struct buffer *out)
{
    for (; options != NULL && options->name != NULL; options++) {
        struct buffer left;

        buffer_init(&left);
        if (options->letter != 0) {
            buffer_append_format(&left, "-%c, ", options->letter);
        } else {
            buffer_append_format(&left, "    ");
        }
        buffer_append_format(&left, "--%s", options->name);
        if (options->value != NULL) {
            buffer_append_format(&left, " %s", options->value);
        }
        buffer_append_format(out, "  %-34.*s %s\n", (int)left.size, (const char *)left.data, options->help);
        buffer_deinit(&left);
    }
}

static void command_text(const struct command *command, struct buffer *out)
{
    buffer_append_format(out, "%s\n\nUsage: millrace %s%s%s%s\n", command->summary, command->name,
                         command->options != NULL ? " [OPTIONS]" : "", command->arguments[0] != '\0' ? " " : "",
                         command->arguments);
    if (command->details != NULL) {
        buffer_append_format(out, "\n%s\n", command->details);
    }
    if (command->options != NULL) {
        buffer_append_format(out, "\nOptions:\n");
        options_text(command->options, out);
    }
    if (command->examples != NULL) {
        buffer_append_format(out, "\nExamples:\n");
        for (const struct example *example = command->examples; example->line != NULL; example++) {
            buffer_append_format(out, "  millrace %s\n      %s\n", example->line, example->meaning);
        }
    }
    buffer_append_format(out, "\nOptions of every command: millrace --help\n");
}

static void list_text(const struct command *table, const char *group, struct buffer *out)
{
    for (const struct command *command = table; command->name != NULL; command++) {
        if (group == NULL || in_group(command, group)) {
            buffer_append_format(out, "  %-16s %s\n", command->name, command->summary);
        }
    }
}

void help_text(const struct command *table, const struct arguments *arguments, struct buffer *out)
{
    if (arguments->command != NULL) {
        command_text(arguments->command, out);
        return;
    }
    if (arguments->group != NULL) {
        buffer_append_format(out, "Usage: millrace %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", arguments->group);
        list_text(table, arguments->group, out);
        buffer_append_format(out, "\nMore: millrace %s COMMAND --help\n", arguments->group);
        return;
    }
    buffer_append_format(out,
                         "millrace looks after a Millrace (or any Kafka) cluster, writes to it and reads from it.\n\n"
                              "Usage: millrace COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
    list_text(table, NULL, out);
    buffer_append_format(out, "\nOptions of every command:\n");
    options_text(global_options, out);
    buffer_append_format(
        out, "\nFirst steps:\n"
             "  millrace dev up                            three controllers and three nodes on this machine\n"
             "  millrace topic create hello --partitions 3 a topic\n"
             "  echo 'Hello, stream!' | millrace produce hello\n"
             "  millrace consume hello --from beginning --exit\n"
             "  millrace status                            is everything well?\n"
             "  millrace dev down --purge                  stop and remove it\n"
             "\nServers are found in this order: options, environment, the profile of a local cluster (%s\n"
             "or ~/.config/millrace/profile), localhost:9092 and localhost:9093.\n"
             "Exit code: 0 done, 1 failed or any item failed, 2 usage. More: millrace COMMAND --help\n",
        "./.local/profile");
}

static void options_json(const struct option *options, struct json_writer *json)
{
    json_begin_array(json);
    for (; options != NULL && options->name != NULL; options++) {
        const char letter[2] = {options->letter, '\0'};

        json_begin_object(json);
        json_member_text(json, "name", options->name);
        json_member_text(json, "letter", options->letter != 0 ? letter : NULL);
        json_member_text(json, "value", options->value);
        json_member_text(json, "help", options->help);
        json_end_object(json);
    }
    json_end_array(json);
}

static void command_json(const struct command *command, struct json_writer *json)
{
    json_begin_object(json);
    json_member_text(json, "name", command->name);
    json_member_text(json, "arguments", command->arguments);
    json_member_text(json, "summary", command->summary);
    json_member_text(json, "details", command->details);
    json_name(json, "options");
    options_json(command->options, json);
    json_name(json, "examples");
    json_begin_array(json);
    for (const struct example *example = command->examples; example != NULL && example->line != NULL; example++) {
        json_begin_object(json);
        json_member_text(json, "line", example->line);
        json_member_text(json, "meaning", example->meaning);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

void help_json(const struct command *table, const struct arguments *arguments, struct buffer *out)
{
    struct json_writer json;

    json_writer_init(&json, out);
    json_begin_object(&json);
    json_member_text(&json, "_command", "help");
    json_member_number(&json, "_version", 1);
    json_name(&json, "global_options");
    options_json(global_options, &json);
    json_name(&json, "commands");
    json_begin_array(&json);
    for (const struct command *command = table; command->name != NULL; command++) {
        if (arguments->command != NULL ? command == arguments->command
                                       : arguments->group == NULL || in_group(command, arguments->group)) {
            command_json(command, &json);
        }
    }
    json_end_array(&json);
    json_end_object(&json);
    buffer_append(out, "\n", 1);
}
