/* A server's configuration: an array of entries sorted by name, filled with defaults, then overwritten source by
 * source. */
#include "common/config/config.h"

#include "common/base/assert.h"
#include "common/base/buffer.h"
#include "common/base/memory.h"
#include "common/config/properties.h"
#include "common/env/disk.h"

#include <stdlib.h>

#define CONFIG_ARENA_MAX ((size_t)64 * 1024 * 1024)
#define ENVIRONMENT_PREFIX "MILLRACE_"
#define ENVIRONMENT_NAME_MAX 256
#define WARNING_SIZE_MAX 4096

/* Kinds of input that is accepted without effect; each becomes one sentence. */
enum warning_kind { WARNING_FOREIGN, WARNING_OTHER_ROLE, WARNING_ENVIRONMENT, WARNING_KINDS };

static const char *const warning_texts[] = {
    [WARNING_FOREIGN] = "keys of Kafka that have no effect here: ",
    [WARNING_OTHER_ROLE] = "keys of the other program, not used by this one: ",
    [WARNING_ENVIRONMENT] = "environment variables that name no key: ",
};

struct config {
    const struct config_schema *schema;
    struct arena arena; /* values, items, warnings */
    struct config_entry *entries;
    size_t count;
    struct buffer noted[WARNING_KINDS]; /* names, separated by commas */
    const char *warnings[WARNING_KINDS];
    size_t warning_count;
};

/* Where a setting comes from, for texts. */
struct origin {
    enum config_source source;
    const char *path; /* of the file */
    int line;         /* in the file */
};

const char *config_source_text(enum config_source source)
{
    switch (source) {
    case CONFIG_SOURCE_DEFAULT:
        return "default";
    case CONFIG_SOURCE_FILE:
        return "file";
    case CONFIG_SOURCE_ENVIRONMENT:
        return "environment";
    case CONFIG_SOURCE_FLAG:
        return "flag";
    }
    UNREACHABLE();
}

static int entry_order(const void *a, const void *b)
{
    const struct config_entry *left = a;
    const struct config_entry *right = b;

    return strcmp(left->definition->name, right->definition->name);
}

/* Empty text for a key without default means "none", as if it was not given. */
static struct string effective_text(const struct config_definition *definition, struct string text)
{
    return text.size == 0 && definition->standard == NULL ? STRING_NULL : text;
}

/* Entries with their defaults. A default that its own definition refuses is our error. */
static void config_fill_defaults(struct config *config)
{
    struct config_problem problem;

    for (size_t i = 0; i < CONFIG_TABLES_MAX && config->schema->tables[i] != NULL; i++) {
        config->count += config->schema->tables[i]->count;
    }
    config->entries = arena_need(&config->arena, config->count, sizeof(*config->entries));
    config->count = 0;
    for (size_t i = 0; i < CONFIG_TABLES_MAX && config->schema->tables[i] != NULL; i++) {
        const struct config_table *table = config->schema->tables[i];

        for (size_t k = 0; k < table->count; k++) {
            struct config_entry *entry = &config->entries[config->count++];
            enum status status;

            entry->definition = &table->rows[k];
            status = config_value_parse(entry->definition, string_of(entry->definition->standard), &config->arena,
                                        &entry->standard, &problem);
            ASSERT(status == STATUS_OK);
            entry->value = entry->standard;
        }
    }
    qsort(config->entries, config->count, sizeof(*config->entries), entry_order);
    for (size_t i = 1; i < config->count; i++) {
        ASSERT(entry_order(&config->entries[i - 1], &config->entries[i]) < 0);
    }
}

const struct config_entry *config_find(const struct config *config, struct string name)
{
    size_t low = 0;
    size_t high = config->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = string_compare(string_of(config->entries[middle].definition->name), name);

        if (order == 0) {
            return &config->entries[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* Puts the place in front of what is wrong: "server.properties: line 3: ..." */
static void problem_set_place(struct config_problem *problem, const struct origin *origin)
{
    const struct config_problem reason = *problem;

    switch (origin->source) {
    case CONFIG_SOURCE_FILE:
        config_problem_set(problem, "%s: line %d: %s", origin->path, origin->line, reason.text);
        break;
    case CONFIG_SOURCE_ENVIRONMENT:
        config_problem_set(problem, "environment: %s", reason.text);
        break;
    case CONFIG_SOURCE_FLAG:
        config_problem_set(problem, "--set: %s", reason.text);
        break;
    case CONFIG_SOURCE_DEFAULT:
        break;
    }
}

static void config_note(struct config *config, enum warning_kind kind, struct string name)
{
    struct buffer *noted = &config->noted[kind];

    if (noted->size + name.size < WARNING_SIZE_MAX) {
        buffer_append_format(noted, "%s%.*s", noted->size > 0 ? ", " : "", STRING_ARGS(name));
    }
}

static bool foreign_matches(const char *pattern, struct string name)
{
    const size_t size = strlen(pattern);

    if (pattern[size - 1] == '*') {
        return name.size >= size - 1 && memcmp(name.data, pattern, size - 1) == 0;
    }
    return string_is(name, pattern);
}

static void nearest_consider(struct string name, const char *candidate, const char **nearest, size_t *distance)
{
    const size_t found = config_name_distance(name, string_of(candidate));

    if (found < *distance) {
        *distance = found;
        *nearest = candidate;
    }
}

/* Refuses a name nobody knows, with the nearest one if any is near enough to be meant. */
static enum status config_refuse_unknown(const struct config *config, struct string name,
                                         struct config_problem *problem)
{
    const struct config_table *other = config->schema->other_role;
    const char *nearest = NULL;
    size_t distance = name.size < 9 ? 3 : name.size / 3 + 1;

    for (size_t i = 0; i < config->count; i++) {
        nearest_consider(name, config->entries[i].definition->name, &nearest, &distance);
    }
    for (size_t i = 0; other != NULL && i < other->count; i++) {
        nearest_consider(name, other->rows[i].name, &nearest, &distance);
    }
    if (nearest != NULL) {
        config_problem_set(problem, "unknown key \"%.*s\": did you mean %s?", STRING_ARGS(name), nearest);
    } else {
        config_problem_set(problem, "unknown key \"%.*s\"", STRING_ARGS(name));
    }
    return STATUS_INVALID;
}

/* A key that is not in the schema's tables. */
static enum status config_set_foreign(struct config *config, struct string name, struct string text,
                                      struct config_problem *problem)
{
    const struct config_table *other = config->schema->other_role;
    const struct config_definition *definition =
        other != NULL ? config_definition_find(other->rows, other->count, name) : NULL;

    if (definition != NULL) {
        struct config_value value;

        config_note(config, WARNING_OTHER_ROLE, name);
        return config_value_parse(definition, effective_text(definition, text), &config->arena, &value, problem);
    }
    for (const struct config_foreign_key *key = config->schema->foreign; key != NULL && key->pattern != NULL; key++) {
        if (!foreign_matches(key->pattern, name)) {
            continue;
        }
        if (key->why != NULL) {
            config_problem_set(problem, "%.*s: %s", STRING_ARGS(name), key->why);
            return STATUS_INVALID;
        }
        config_note(config, WARNING_FOREIGN, name);
        return STATUS_OK;
    }
    return config_refuse_unknown(config, name, problem);
}

/* One setting from any source; a later source replaces what an earlier one said. */
static enum status config_set(struct config *config, struct string name, struct string text,
                              const struct origin *origin, struct config_problem *problem)
{
    /* The entries belong to this config; config_find is shared with its readers, who may not change them. */
    struct config_entry *entry = (struct config_entry *)(uintptr_t)config_find(config, name);
    struct config_value value;
    enum status status;

    if (entry == NULL) {
        status = config_set_foreign(config, name, text, problem);
    } else {
        status = config_value_parse(entry->definition, effective_text(entry->definition, text), &config->arena, &value,
                                    problem);
    }
    if (status != STATUS_OK) {
        problem_set_place(problem, origin);
    } else if (entry != NULL) {
        entry->value = value;
        entry->source = origin->source;
        entry->line = origin->line;
    }
    return status;
}

static enum status config_read_file(struct config *config, struct disk *disk, const char *path,
                                    struct config_problem *problem)
{
    struct arena scratch;
    struct properties properties;
    uint8_t *data;
    size_t size;
    enum status status = disk_read_file(disk, path, PROPERTIES_FILE_MAX, &data, &size);

    if (status != STATUS_OK) {
        config_problem_set(problem, "%s: %s", path, status_text(status));
        return status;
    }
    arena_init(&scratch, CONFIG_ARENA_MAX);
    status = properties_parse(bytes_of(data, size), &scratch, &properties, problem);
    if (status != STATUS_OK) {
        const struct config_problem reason = *problem;

        config_problem_set(problem, "%s: %s", path, reason.text);
    }
    for (size_t i = 0; status == STATUS_OK && i < properties.count; i++) {
        const struct property *property = &properties.items[i];
        const struct origin origin = {.source = CONFIG_SOURCE_FILE, .path = path, .line = property->line};

        status = config_set(config, property->key, property->value, &origin, problem);
    }
    arena_deinit(&scratch);
    memory_free(data);
    return status;
}

/* "log.dirs" gives "MILLRACE_LOG_DIRS". */
static void environment_name(const char *key, char name[ENVIRONMENT_NAME_MAX])
{
    size_t size = strlen(ENVIRONMENT_PREFIX);

    memcpy(name, ENVIRONMENT_PREFIX, size);
    for (const char *c = key; *c != '\0'; c++) {
        const size_t marks = *c == '.' ? 1 : *c == '_' ? 2 : *c == '-' ? 3 : 0;

        ASSERT(size + 4 < ENVIRONMENT_NAME_MAX);
        for (size_t i = 0; i < marks; i++) {
            name[size++] = '_';
        }
        if (marks == 0) {
            name[size++] = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
        }
    }
    name[size] = '\0';
}

/* The key whose environment name is `name`; NULL if there is none. Walks all keys: the rule cannot be reversed. */
static const char *environment_key(const struct config *config, struct string name)
{
    char candidate[ENVIRONMENT_NAME_MAX];

    for (size_t i = 0; i < config->count; i++) {
        environment_name(config->entries[i].definition->name, candidate);
        if (string_is(name, candidate)) {
            return config->entries[i].definition->name;
        }
    }
    return NULL;
}

static enum status config_read_environment(struct config *config, char *const *environment,
                                           struct config_problem *problem)
{
    const struct origin origin = {.source = CONFIG_SOURCE_ENVIRONMENT};
    enum status status = STATUS_OK;

    for (; status == STATUS_OK && environment != NULL && *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        const struct string name = {*environment, equals != NULL ? (size_t)(equals - *environment) : 0};
        const char *key;

        if (strncmp(*environment, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0 || equals == NULL ||
            string_is(name, "MILLRACE_BOOTSTRAP") || string_is(name, "MILLRACE_CONTROLLERS")) {
            continue; /* the last two tell the command line where the cluster is */
        }
        key = environment_key(config, name);
        if (key == NULL) {
            config_note(config, WARNING_ENVIRONMENT, name);
        } else {
            status = config_set(config, string_of(key), string_of(equals + 1), &origin, problem);
        }
    }
    return status;
}

static enum status config_read_settings(struct config *config, const char *const *settings, size_t count,
                                        struct config_problem *problem)
{
    const struct origin origin = {.source = CONFIG_SOURCE_FLAG};
    enum status status = STATUS_OK;

    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const char *equals = strchr(settings[i], '=');

        if (equals == NULL) {
            config_problem_set(problem, "--set: \"%s\" is not key=value", settings[i]);
            return STATUS_INVALID;
        }
        status = config_set(config, (struct string){settings[i], (size_t)(equals - settings[i])}, string_of(equals + 1),
                            &origin, problem);
    }
    return status;
}

static enum status config_check_whole(const struct config *config, struct config_problem *problem)
{
    struct arena scratch;
    enum status status = STATUS_OK;

    for (size_t i = 0; i < config->count; i++) {
        const struct config_entry *entry = &config->entries[i];

        if ((entry->definition->flags & CONFIG_FLAG_REQUIRED) != 0 && entry->value.null) {
            config_problem_set(problem, "%s is required: %s", entry->definition->name, entry->definition->doc);
            return STATUS_INVALID;
        }
    }
    if (config->schema->check != NULL) {
        arena_init(&scratch, CONFIG_ARENA_MAX);
        status = config->schema->check(config, &scratch, problem);
        arena_deinit(&scratch);
    }
    return status;
}

static void config_make_warnings(struct config *config)
{
    for (size_t i = 0; i < WARNING_KINDS; i++) {
        const struct buffer *noted = &config->noted[i];

        if (noted->size > 0) {
            config->warnings[config->warning_count++] =
                arena_format(&config->arena, "%s%.*s", warning_texts[i], (int)noted->size,
                             (const char *)noted->data).data;
        }
    }
}

enum status config_read(const struct config_schema *schema, const struct config_inputs *inputs, struct config **config,
                        struct config_problem *problem)
{
    struct config *reading = memory_alloc_zero(1, sizeof(*reading));
    enum status status = STATUS_OK;

    *config = NULL;
    reading->schema = schema;
    arena_init(&reading->arena, CONFIG_ARENA_MAX);
    for (size_t i = 0; i < WARNING_KINDS; i++) {
        buffer_init(&reading->noted[i]);
    }
    config_fill_defaults(reading);
    if (inputs->path != NULL) {
        status = config_read_file(reading, inputs->disk, inputs->path, problem);
    }
    if (status == STATUS_OK) {
        status = config_read_environment(reading, inputs->environment, problem);
    }
    if (status == STATUS_OK) {
        status = config_read_settings(reading, inputs->settings, inputs->setting_count, problem);
    }
    if (status == STATUS_OK) {
        status = config_check_whole(reading, problem);
    }
    if (status != STATUS_OK) {
        config_destroy(reading);
        return status;
    }
    config_make_warnings(reading);
    *config = reading;
    return STATUS_OK;
}

void config_destroy(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < WARNING_KINDS; i++) {
        buffer_deinit(&config->noted[i]);
    }
    arena_deinit(&config->arena);
    memory_free(config);
}

/* The entry of a key that the caller knows to exist with this type. */
static const struct config_entry *config_need(const struct config *config, const char *name, enum config_type type)
{
    const struct config_entry *entry = config_find(config, string_of(name));

    ASSERT(entry != NULL);
    ASSERT(entry->definition->type == type);
    return entry;
}

bool config_boolean(const struct config *config, const char *name)
{
    return config_need(config, name, CONFIG_TYPE_BOOLEAN)->value.integer != 0;
}

int16_t config_int16(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_need(config, name, CONFIG_TYPE_INT16);

    ASSERT(!entry->value.null);
    return (int16_t)entry->value.integer;
}

int32_t config_int32(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_need(config, name, CONFIG_TYPE_INT32);

    ASSERT(!entry->value.null);
    return (int32_t)entry->value.integer;
}

int64_t config_int64(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_find(config, string_of(name));

    ASSERT(entry != NULL);
    ASSERT(entry->definition->type == CONFIG_TYPE_INT16 || entry->definition->type == CONFIG_TYPE_INT32 ||
           entry->definition->type == CONFIG_TYPE_INT64);
    ASSERT(!entry->value.null);
    return entry->value.integer;
}

const char *config_string(const struct config *config, const char *name)
{
    return config_need(config, name, CONFIG_TYPE_STRING)->value.text.data;
}

const struct string *config_list(const struct config *config, const char *name, size_t *count)
{
    const struct config_entry *entry = config_need(config, name, CONFIG_TYPE_LIST);

    *count = entry->value.item_count;
    return entry->value.items;
}

bool config_is_null(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_find(config, string_of(name));

    ASSERT(entry != NULL);
    return entry->value.null;
}

bool config_is_given(const struct config *config, const char *name)
{
    const struct config_entry *entry = config_find(config, string_of(name));

    ASSERT(entry != NULL);
    return entry->source != CONFIG_SOURCE_DEFAULT && !entry->value.null;
}

const struct config_entry *config_first_given(const struct config *config, const char *const *names)
{
    for (; names[1] != NULL; names++) {
        if (config_is_given(config, *names)) {
            break;
        }
    }
    return config_find(config, string_of(*names));
}

size_t config_count(const struct config *config)
{
    return config->count;
}

const struct config_entry *config_at(const struct config *config, size_t index)
{
    ASSERT(index < config->count);
    return &config->entries[index];
}

size_t config_warning_count(const struct config *config)
{
    return config->warning_count;
}

const char *config_warning_at(const struct config *config, size_t index)
{
    ASSERT(index < config->warning_count);
    return config->warnings[index];
}

/* A value as the file would have to say it, on one line. */
static void print_value(const struct config_entry *entry, struct buffer *into)
{
    const struct string text = entry->value.text;

    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (c == '\\') {
            buffer_append_format(into, "\\\\");
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            buffer_append_format(into, "\\u%04x", (unsigned)(unsigned char)c);
        } else {
            buffer_append(into, &c, 1);
        }
    }
}

void config_print(const struct config *config, struct buffer *into)
{
    for (size_t i = 0; i < config->count; i++) {
        const struct config_entry *entry = &config->entries[i];
        const size_t begin = into->size;
        int padding;

        buffer_append_format(into, "%s=", entry->definition->name);
        print_value(entry, into);
        padding = 56 - (int)(into->size - begin);
        buffer_append_format(into, "%*s # %s", padding > 0 ? padding : 0, "", config_source_text(entry->source));
        if (entry->source == CONFIG_SOURCE_FILE) {
            buffer_append_format(into, ", line %d", entry->line);
        }
        buffer_append_format(into, "\n");
    }
}
