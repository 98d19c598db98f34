/* Command lines, option values and client properties. Byte 0 chooses; words end with a zero byte. */
#include "cli/address.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/position.h"
#include "cli/properties.h"
#include "cli/segment_file.h"
#include "common/base/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 64

enum kind { KIND_ARGUMENTS, KIND_POSITION, KIND_ADDRESSES, KIND_PROPERTY, KIND_LOOKUP, KIND_COUNT };

/* `text` is not empty and ends with a zero byte. */
static int words_of(char *text, size_t size, char *words[WORDS_MAX + 1])
{
    int count = 0;

    for (size_t at = 0; at < size && count < WORDS_MAX; at += strlen(text + at) + 1) {
        words[count++] = text + at;
    }
    words[count] = NULL;
    return count;
}

static void check_help(const struct arguments *arguments)
{
    struct buffer out;
    struct json_value *value;
    struct arena arena;
    size_t error_at;

    buffer_init(&out);
    arena_init(&arena, 4U << 20);
    help_text(command_table, arguments, &out);
    ASSERT(out.size > 0);
    buffer_clear(&out);
    help_json(command_table, arguments, &out);
    ASSERT(json_read((struct string){(const char *)out.data, out.size}, &arena, &value, &error_at) == STATUS_OK);
    arena_deinit(&arena);
    buffer_deinit(&out);
}

static void check_options(const struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->option_count; i++) {
        const struct given_option *given = &arguments->options[i];

        ASSERT((given->value != NULL) == (given->option->value != NULL));
        ASSERT(arguments->command == NULL || arguments_has(arguments, given->option->name));
    }
    for (int i = 0; i < arguments->value_count; i++) {
        ASSERT(arguments->values[i] != NULL);
    }
}

/* All -X of a command line: what is refused is said, and only that. */
static void check_properties(const struct arguments *arguments)
{
    const struct cli cli = {.arguments = *arguments};
    struct client_properties properties;
    FILE *const terminal = stderr;
    char *said = NULL;
    size_t size = 0;
    bool taken;

    stderr = open_memstream(&said, &size);
    ASSERT(stderr != NULL);
    taken = client_properties_read(&cli, &properties);
    ASSERT(fclose(stderr) == 0);
    stderr = terminal;
    ASSERT(taken == (size == 0));
    free(said);
}

static void check_arguments(char *text, size_t size)
{
    char *words[WORDS_MAX + 1];
    const int count = words_of(text, size, words);
    struct arguments arguments;
    struct buffer error;
    enum status status;

    buffer_init(&error);
    status = arguments_parse(command_table, count, words, &arguments, &error);
    ASSERT(status == STATUS_OK || status == STATUS_INVALID);
    ASSERT((status == STATUS_OK) == (error.size == 0));
    check_options(&arguments);
    if (status == STATUS_OK) {
        ASSERT(arguments.command != NULL || arguments.help || arguments.help_json);
        check_properties(&arguments);
    }
    check_help(&arguments);
    arguments_deinit(&arguments);
    buffer_deinit(&error);
}

static void check_addresses(struct string text)
{
    struct address_list *list = memory_alloc_zero(2, sizeof(*list));

    if (address_list_parse(text, 9092, &list[0]) == STATUS_OK) {
        struct buffer again;

        buffer_init(&again);
        ASSERT(list[0].count > 0 && list[0].count <= ADDRESSES_MAX);
        for (size_t i = 0; i < list[0].count; i++) {
            char printed[ADDRESS_TEXT_MAX];

            buffer_append_format(&again, "%s%s", i > 0 ? "," : "", address_print(&list[0].items[i], printed));
        }
        ASSERT(address_list_parse((struct string){(const char *)again.data, again.size}, 1, &list[1]) == STATUS_OK);
        ASSERT(list[0].count == list[1].count);
        for (size_t i = 0; i < list[0].count; i++) {
            ASSERT(strcmp(list[0].items[i].host, list[1].items[i].host) == 0);
            ASSERT(list[0].items[i].port == list[1].items[i].port);
        }
        buffer_deinit(&again);
    }
    memory_free(list);
}

static void check_property(char *text, size_t size)
{
    char *words[WORDS_MAX + 1];
    const int count = words_of(text, size, words);
    struct client_properties properties;

    client_properties_default(&properties);
    for (int i = 0; i + 1 < count; i += 2) {
        const char *why = NULL;
        const char *nearest;
        const enum status status = client_property_set(&properties, words[i], words[i + 1], &why, &nearest);

        ASSERT(status == STATUS_OK || status == STATUS_NOT_FOUND || (status == STATUS_INVALID && why != NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const unsigned kind = fuzz_byte(&input) % KIND_COUNT;
    char *text = memory_copy_text((const char *)input.data, input.size);
    struct position position;

    switch (kind) {
    case KIND_ARGUMENTS:
        check_arguments(text, input.size);
        break;
    case KIND_POSITION:
        if (position_parse(text, 1700000000000, &position) == STATUS_OK && position.kind == POSITION_OFFSET) {
            ASSERT(position.value >= 0);
        }
        (void)segment_base_offset(text);
        break;
    case KIND_ADDRESSES:
        check_addresses((struct string){text, input.size});
        break;
    case KIND_PROPERTY:
        check_property(text, input.size);
        break;
    default:
        ASSERT(properties_find((struct string){text, input.size}, "bootstrap").size <= input.size);
        break;
    }
    memory_free(text);
    return 0;
}
