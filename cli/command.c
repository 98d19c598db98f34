/* Parses command lines against the command table: see command.h. GNU conventions: --name value, --name=value, -x value,
 * -xvalue, flags may share a dash, -- ends the options. */
#include "cli/command.h"

#include "common/base/assert.h"
#include "common/base/memory.h"

#include <stdio.h>

/* Longest word that suggestions are computed for. */
#define WORD_SIZE_MAX 40

const struct option global_options[] = {
    {"bootstrap", 'b', "HOST:PORT,...", "storage nodes to start from (MILLRACE_BOOTSTRAP)"},
    {"controllers", 'C', "HOST:PORT,...", "controllers to start from (MILLRACE_CONTROLLERS)"},
    {"output", 'o', "table|json", "how results are printed; JSON stands alone on standard output"},
    {"timeout", 0, "SECONDS", "how long to wait for an answer (default 30)"},
    {"property", 'X', "KEY=VALUE", "a client property by its Kafka name; may be repeated"},
    {"trace", 'v', NULL, "show every request with its time on standard error"},
    {"help", 'h', NULL, "this help"},
    {"help-json", 0, NULL, "this help for programs"},
    {NULL, 0, NULL, NULL},
};

/* Edits between two words: insert, delete, replace, swap of neighbours. */
static size_t word_distance(const char *a, const char *b)
{
    const size_t a_size = strlen(a);
    const size_t b_size = strlen(b);
    size_t rows[3][WORD_SIZE_MAX + 1];

    if (a_size > WORD_SIZE_MAX || b_size > WORD_SIZE_MAX) {
        return WORD_SIZE_MAX;
    }
    for (size_t k = 0; k <= b_size; k++) {
        rows[0][k] = k;
    }
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];

        row[0] = i;
        for (size_t k = 1; k <= b_size; k++) {
            size_t best = above[k - 1] + (a[i - 1] != b[k - 1]);

            best = above[k] + 1 < best ? above[k] + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1]) {
                const size_t swapped = rows[(i - 2) % 3][k - 2] + 1;

                best = swapped < best ? swapped : best;
            }
            row[k] = best;
        }
    }
    return rows[a_size % 3][b_size];
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    /* A third of the letters may be wrong; of short words one. */
    size_t limit = strlen(word) / 3;

    limit = limit < 1 ? 1 : limit;
    for (; *words != NULL; words++) {
        const size_t distance = word_distance(word, *words);

        if (distance <= limit) {
            nearest = *words;
            limit = distance - (distance > 0);
        }
    }
    return nearest;
}

static const struct option *option_named(const struct option *options, const char *name, size_t size)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (strlen(options->name) == size && memcmp(options->name, name, size) == 0) {
            return options;
        }
    }
    return NULL;
}

static const struct option *option_lettered(const struct option *options, char letter)
{
    for (; options != NULL && options->name != NULL; options++) {
        if (options->letter == letter) {
            return options;
        }
    }
    return NULL;
}

static const struct option *command_options(const struct arguments *arguments)
{
    return arguments->command != NULL ? arguments->command->options : NULL;
}

static void suggest(struct buffer *error, const char *word, const char *const *words, const char *dashes)
{
    const char *nearest = nearest_word(word, words);

    if (nearest != NULL) {
        buffer_append_format(error, "; did you mean %s%s?", dashes, nearest);
    }
}

static void suggest_option(struct buffer *error, const struct arguments *arguments, const char *name)
{
    const char *words[128];
    size_t count = 0;
    const struct option *lists[2] = {command_options(arguments), global_options};

    for (size_t i = 0; i < 2; i++) {
        for (const struct option *option = lists[i]; option != NULL && option->name != NULL; option++) {
            ASSERT(count + 1 < ARRAY_COUNT(words));
            words[count++] = option->name;
        }
    }
    words[count] = NULL;
    suggest(error, name, words, "--");
}

static void option_given(struct arguments *arguments, const struct option *option, const char *value)
{
    if (strcmp(option->name, "help") == 0) {
        arguments->help = true;
    } else if (strcmp(option->name, "help-json") == 0) {
        arguments->help_json = true;
    } else {
        arguments->options[arguments->option_count++] = (struct given_option){option, value};
    }
}

/* "--name", "--name=value" or "--name" "value"; *at is the index in argv, moved over a value that follows. */
static enum status parse_long(struct arguments *arguments, int argc, char *const *argv, int *at, struct buffer *error)
{
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    const size_t size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *option = option_named(command_options(arguments), name, size);

    option = option != NULL ? option : option_named(global_options, name, size);
    if (option == NULL) {
        buffer_append_format(error, "unknown option --%.*s", (int)size, name);
        char *word = memory_copy_text(name, size);

        suggest_option(error, arguments, word);
        memory_free(word);
        return STATUS_INVALID;
    }
    if (option->value == NULL && equals != NULL) {
        buffer_append_format(error, "option --%s takes no value", option->name);
        return STATUS_INVALID;
    }
    if (option->value != NULL && equals == NULL && *at + 1 >= argc) {
        buffer_append_format(error, "option --%s needs a value: %s", option->name, option->value);
        return STATUS_INVALID;
    }
    option_given(arguments, option, option->value == NULL ? NULL : equals != NULL ? equals + 1 : argv[++*at]);
    return STATUS_OK;
}

/* "-abc": flags until one takes a value, which is the rest of the word or the next one. */
static enum status parse_letters(struct arguments *arguments, int argc, char *const *argv, int *at,
                                 struct buffer *error)
{
    for (const char *letter = argv[*at] + 1; *letter != '\0'; letter++) {
        const struct option *option = option_lettered(command_options(arguments), *letter);

        option = option != NULL ? option : option_lettered(global_options, *letter);
        if (option == NULL) {
            buffer_append_format(error, "unknown option -%c", *letter);
            return STATUS_INVALID;
        }
        if (option->value == NULL) {
            option_given(arguments, option, NULL);
            continue;
        }
        if (letter[1] != '\0') {
            option_given(arguments, option, letter + 1);
        } else if (*at + 1 < argc) {
            option_given(arguments, option, argv[++*at]);
        } else {
            buffer_append_format(error, "option -%c needs a value: %s", *letter, option->value);
            return STATUS_INVALID;
        }
        break;
    }
    return STATUS_OK;
}

/* True if `name` is "first second". */
static bool name_is(const char *name, const char *first, const char *second)
{
    const size_t size = strlen(first);

    if (second == NULL) {
        return strcmp(name, first) == 0;
    }
    return strncmp(name, first, size) == 0 && name[size] == ' ' && strcmp(name + size + 1, second) == 0;
}

static const struct command *command_find(const struct command *table, const char *first, const char *second)
{
    for (; table->name != NULL; table++) {
        if (name_is(table->name, first, second)) {
            return table;
        }
    }
    return NULL;
}

static bool group_exists(const struct command *table, const char *noun)
{
    const size_t size = strlen(noun);

    for (; table->name != NULL; table++) {
        if (strncmp(table->name, noun, size) == 0 && table->name[size] == ' ') {
            return true;
        }
    }
    return false;
}

/* Words that could stand at this place: nouns if `group` is NULL, else the group's verbs. */
static void suggest_command(const struct command *table, const char *group, const char *word, struct buffer *error)
{
    char *words[129] = {NULL};
    size_t count = 0;

    for (; table->name != NULL && count < 128; table++) {
        const char *space = strchr(table->name, ' ');
        const size_t noun_size = space != NULL ? (size_t)(space - table->name) : strlen(table->name);

        if (group == NULL) {
            words[count++] = memory_copy_text(table->name, noun_size);
        } else if (strlen(group) == noun_size && memcmp(group, table->name, noun_size) == 0 && space != NULL) {
            words[count++] = memory_copy_text(space + 1, strlen(space + 1));
        }
    }
    suggest(error, word, (const char *const *)words, "");
    for (size_t i = 0; i < count; i++) {
        memory_free(words[i]);
    }
}

/* Takes a word before the command is known. */
static enum status parse_command_word(const struct command *table, struct arguments *arguments, const char *word,
                                      struct buffer *error)
{
    if (arguments->group == NULL) {
        if (strcmp(word, "help") == 0) {
            arguments->help = true;
            return STATUS_OK;
        }
        arguments->command = command_find(table, word, NULL);
        if (arguments->command == NULL && group_exists(table, word)) {
            arguments->group = word;
        } else if (arguments->command == NULL) {
            buffer_append_format(error, "unknown command \"%s\"", word);
            suggest_command(table, NULL, word, error);
            return STATUS_INVALID;
        }
        return STATUS_OK;
    }
    arguments->command = command_find(table, arguments->group, word);
    if (arguments->command == NULL) {
        buffer_append_format(error, "unknown command \"%s %s\"", arguments->group, word);
        suggest_command(table, arguments->group, word, error);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status check_counts(const struct arguments *arguments, struct buffer *error)
{
    const struct command *command = arguments->command;

    if (arguments->help || arguments->help_json) {
        return STATUS_OK;
    }
    if (command == NULL) {
        buffer_append_format(error, arguments->group != NULL ? "\"%s\" needs another word: what to do"
                                                             : "no command given%s",
                             arguments->group != NULL ? arguments->group : "");
        return STATUS_INVALID;
    }
    if (arguments->value_count < command->arguments_min) {
        buffer_append_format(error, "%s needs %s", command->name, command->arguments);
        return STATUS_INVALID;
    }
    if (arguments->value_count > command->arguments_max) {
        buffer_append_format(error, "%s does not take the argument \"%s\"", command->name,
                             arguments->values[command->arguments_max]);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status arguments_parse(const struct command *table, int argc, char *const *argv, struct arguments *arguments,
                            struct buffer *error)
{
    size_t letters = 0;
    bool options_ended = false;
    enum status status = STATUS_OK;

    for (int at = 1; at < argc; at++) {
        letters += strlen(argv[at]) + 1; /* a word of n letters may hold n flags */
    }
    *arguments = (struct arguments){
        .options = memory_alloc_zero(letters + 1, sizeof(struct given_option)),
        .values = memory_alloc_zero((size_t)argc + 1, sizeof(const char *)),
    };
    for (int at = 1; at < argc && status == STATUS_OK; at++) {
        const char *word = argv[at];

        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && strncmp(word, "--", 2) == 0) {
            status = parse_long(arguments, argc, argv, &at, error);
        } else if (!options_ended && word[0] == '-' && word[1] != '\0') {
            status = parse_letters(arguments, argc, argv, &at, error);
        } else if (arguments->command == NULL) {
            status = parse_command_word(table, arguments, word, error);
        } else {
            arguments->values[arguments->value_count++] = word;
        }
    }
    return status == STATUS_OK ? check_counts(arguments, error) : status;
}

void arguments_deinit(struct arguments *arguments)
{
    memory_free(arguments->options);
    memory_free(arguments->values);
    *arguments = (struct arguments){0};
}

const char *arguments_next(const struct arguments *arguments, const char *name, size_t *at)
{
    ASSERT(option_named(command_options(arguments), name, strlen(name)) != NULL ||
           option_named(global_options, name, strlen(name)) != NULL);
    while (*at < arguments->option_count) {
        const struct given_option *given = &arguments->options[(*at)++];

        if (strcmp(given->option->name, name) == 0) {
            return given->value != NULL ? given->value : "";
        }
    }
    return NULL;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
    size_t at = 0;
    const char *last = NULL;

    for (const char *value; (value = arguments_next(arguments, name, &at)) != NULL;) {
        last = value;
    }
    return last;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
    return arguments_value(arguments, name) != NULL;
}

const char *arguments_global(const struct arguments *arguments, const char *name)
{
    const struct option *option = option_named(global_options, name, strlen(name));
    const char *last = NULL;

    ASSERT(option != NULL);
    for (size_t i = 0; i < arguments->option_count; i++) {
        if (arguments->options[i].option == option) {
            last = arguments->options[i].value;
        }
    }
    return last;
}
