/* Configuration files: what is parsed is parsed the same once more when written out plainly, and a whole configuration
 * is read or refused with a reason. Byte 0 chooses between the parser and the two programs' schemas, and for the latter
 * where the text comes from: the file, --set flags, the environment (one a line).
 *
 * With CHOICE_TOPIC the lines are configs that a client asks for. */
#include "common/base/memory.h"
#include "common/config/controller_config.h"
#include "common/config/node_config.h"
#include "common/config/properties.h"
#include "common/config/topic_config.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/loop.h"

#define ARENA_LIMIT (4U << 20)
#define ITEMS_MAX 64
/* Copies of a value of a topic's config that make it too long. */
#define COPIES 64

enum choice {
    CHOICE_REPEATED = 0x10,    /* values of topic configs many times over */
    CHOICE_LITTLE_ROOM = 0x20, /* the arena is nearly full */
    CHOICE_TOPIC = 0x40,
    CHOICE_NODE = 0x80, /* the node's keys, else the controller's */
};

static void check_text(struct string text)
{
    ASSERT(text.data != NULL && text.data[text.size] == 0 && memchr(text.data, 0, text.size) == NULL);
}

static void write_escaped(struct buffer *out, struct string text)
{
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (c == '\n' || c == '\r' || c == '\t' || c == '\f') {
            buffer_append_format(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 'f');
        } else if ((unsigned char)c >= 0x80) {
            buffer_append(out, &c, 1);
        } else {
            buffer_append_format(out, "\\u%04x", (unsigned)c);
        }
    }
}

static bool parse(struct bytes text, struct arena *arena, struct properties *properties)
{
    struct config_problem problem = {{0}};
    const enum status status = properties_parse(text, arena, properties, &problem);

    ASSERT(status == STATUS_OK || status == STATUS_INVALID || status == STATUS_TOO_LARGE);
    ASSERT((status == STATUS_OK) == (problem.text[0] == 0));
    ASSERT(memchr(problem.text, 0, sizeof(problem.text)) != NULL);
    return status == STATUS_OK;
}

static void check_parser(struct bytes text)
{
    struct properties properties;
    struct properties again;
    struct arena arena;
    struct buffer plain;

    arena_init(&arena, ARENA_LIMIT);
    buffer_init(&plain);
    if (parse(text, &arena, &properties)) {
        for (size_t i = 0; i < properties.count; i++) {
            check_text(properties.items[i].key);
            check_text(properties.items[i].value);
            ASSERT(properties.items[i].line > 0 && properties.items[i].key.size <= PROPERTIES_KEY_MAX);
            write_escaped(&plain, properties.items[i].key);
            buffer_append(&plain, "=", 1);
            write_escaped(&plain, properties.items[i].value);
            buffer_append(&plain, "\n", 1);
        }
        ASSERT(plain.size == 0 || parse(buffer_bytes(&plain), &arena, &again));
        ASSERT(plain.size == 0 || again.count == properties.count);
        for (size_t i = 0; i < properties.count; i++) {
            ASSERT(string_equal(properties.items[i].key, again.items[i].key));
            ASSERT(string_equal(properties.items[i].value, again.items[i].value));
        }
    }
    buffer_deinit(&plain);
    arena_deinit(&arena);
}

/* Every value reads as itself once more, and the values made of several keys can be asked for. */
static void check_config(const struct config *config, bool node)
{
    struct config_problem problem;
    struct arena arena;
    struct buffer text;
    size_t count;

    arena_init(&arena, ARENA_LIMIT);
    buffer_init(&text);
    for (size_t i = 0; i < config_count(config); i++) {
        const struct config_entry *entry = config_at(config, i);
        struct config_value value;

        if (entry->value.null) {
            continue;
        }
        check_text(entry->value.text);
        ASSERT(config_value_parse(entry->definition, entry->value.text, &arena, &value, &problem) == STATUS_OK);
        ASSERT(string_equal(value.text, entry->value.text));
    }
    for (size_t i = 0; i < config_warning_count(config); i++) {
        ASSERT(config_warning_at(config, i)[0] != 0);
    }
    config_print(config, &text);
    (void)server_config_listeners(config, &arena, &count);
    (void)server_config_advertised(config, &arena, &count);
    (void)server_config_voters(config, &arena, &count);
    ASSERT(server_config_controllers(config, &arena, &count) != NULL && count > 0);
    (void)server_config_roll_ms(config);
    (void)server_config_roll_jitter_ms(config);
    (void)server_config_retention_ms(config);
    (void)server_config_connections_per_address(config);
    (void)server_config_sockets(config);
    if (node) {
        ASSERT(node_config_log_dirs(config, &count) != NULL && count > 0);
    } else {
        ASSERT(controller_config_directory(config)[0] != 0);
    }
    buffer_deinit(&text);
    arena_deinit(&arena);
}

/* The lines of `text`, cut apart in place. */
static size_t lines_of(char *text, size_t size, const char *lines[ITEMS_MAX + 1])
{
    size_t count = 0;
    char *at = text;

    while (at < text + size && count < ITEMS_MAX) {
        char *end = memchr(at, '\n', (size_t)(text + size - at));

        lines[count++] = at;
        if (end == NULL) {
            break;
        }
        *end = 0;
        at = end + 1;
    }
    lines[count] = NULL;
    return count;
}

/* A topic's config is refused with a reason, or its canonical text is accepted as it is. */
static void check_topic_config(struct string name, struct string value, struct arena *arena)
{
    struct config_problem problem = {{0}};
    struct string canonical;
    struct string again;
    enum status status;

    if (topic_config_check(name, value, arena, &canonical, &problem) != STATUS_OK) {
        ASSERT(problem.text[0] != 0);
        return;
    }
    check_text(canonical);
    status = topic_config_check(name, canonical, arena, &again, &problem);
    ASSERT(status == STATUS_OK ? string_equal(canonical, again) : (arena->limit < ARENA_LIMIT && problem.text[0] != 0));
}

static void check_topic_configs(struct string text, uint8_t choice)
{
    struct buffer value;
    struct arena arena;

    buffer_init(&value);
    while (text.size > 0) {
        const char *end = memchr(text.data, '\n', text.size);
        const struct string line = {text.data, end != NULL ? (size_t)(end - text.data) : text.size};
        const char *equals = memchr(line.data, '=', line.size);
        const struct string name = {line.data, equals != NULL ? (size_t)(equals - line.data) : line.size};
        struct string found = STRING_NULL;

        if (equals != NULL) {
            buffer_clear(&value);
            for (int i = 0; i < ((choice & CHOICE_REPEATED) != 0 ? COPIES : 1); i++) {
                buffer_append(&value, equals + 1, line.size - name.size - 1);
            }
            found = (struct string){value.size > 0 ? (const char *)value.data : "", value.size};
        }
        arena_init(&arena, (choice & CHOICE_LITTLE_ROOM) != 0 ? 32768 : ARENA_LIMIT);
        check_topic_config(name, found, &arena);
        arena_deinit(&arena);
        text.data += line.size + (end != NULL ? 1 : 0);
        text.size -= line.size + (end != NULL ? 1 : 0);
    }
    buffer_deinit(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    const uint8_t choice = fuzz_byte(&input);
    const bool node = (choice & CHOICE_NODE) != 0;
    struct config_problem problem = {{0}};
    struct config_inputs inputs = {0};
    const char *lines[ITEMS_MAX + 1];
    struct config *config;
    struct fuzz_loop loop;
    char *text;
    enum status status;

    if ((choice & CHOICE_TOPIC) != 0) {
        check_topic_configs((struct string){(const char *)input.data, input.size}, choice);
        return 0;
    }
    if (choice % 4 == 0) {
        check_parser(input);
        return 0;
    }
    fuzz_loop_init(&loop, NULL);
    text = memory_copy_text((const char *)input.data, input.size);
    inputs.disk = &loop.memory.disk;
    if (choice % 4 == 1) {
        fuzz_loop_file(&loop, "/etc/file", input);
        inputs.path = "/etc/file";
    } else if (choice % 4 == 2) {
        inputs.setting_count = lines_of(text, input.size, lines);
        inputs.settings = lines;
    } else {
        (void)lines_of(text, input.size, lines);
        inputs.environment = (char *const *)(uintptr_t)lines;
    }
    status = config_read(node ? node_config_schema() : controller_config_schema(), &inputs, &config, &problem);
    ASSERT((status == STATUS_OK) == (config != NULL) && (status == STATUS_OK) == (problem.text[0] == 0));
    if (status == STATUS_OK) {
        check_config(config, node);
    }
    config_destroy(config);
    memory_free(text);
    fuzz_loop_deinit(&loop);
    return 0;
}
