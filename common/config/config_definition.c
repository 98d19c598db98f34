/* Reading values: text, unit and limits in, a typed value with its canonical text out. */
#include "common/config/config_definition.h"

#include "common/base/assert.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_COMPARED 128
/* Beside copies of the text: the items of a list with the arena's rounding, and what checks of addresses take. */
#define VALUE_ARENA_NEED (CONFIG_ITEMS_MAX * 128 + 8192)

/* A suffix and what one of it is in the smallest unit: bytes, or microseconds. */
struct unit_suffix {
    const char *text;
    int64_t factor;
};

static const struct unit_suffix size_suffixes[] = {
    {"B", 1},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};
static const struct unit_suffix time_suffixes[] = {
    {"us", 1},           {"ms", 1000},         {"s", 1000000},
    {"m", 60000000},     {"min", 60000000},    {"h", INT64_C(3600000000)},
    {"d", INT64_C(86400000000)},
};

void config_problem_set(struct config_problem *problem, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(problem->text, sizeof(problem->text), format, arguments);
    va_end(arguments);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static struct string trim(struct string text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* One of the unit in bytes or microseconds. */
static int64_t unit_factor(enum config_unit unit)
{
    switch (unit) {
    case CONFIG_UNIT_NONE:
    case CONFIG_UNIT_BYTES:
    case CONFIG_UNIT_US:
        return 1;
    case CONFIG_UNIT_MS:
        return 1000;
    case CONFIG_UNIT_MINUTES:
        return 60000000;
    case CONFIG_UNIT_HOURS:
        return INT64_C(3600000000);
    }
    UNREACHABLE();
}

static const char *unit_text(enum config_unit unit)
{
    switch (unit) {
    case CONFIG_UNIT_NONE:
        return "";
    case CONFIG_UNIT_BYTES:
        return " bytes";
    case CONFIG_UNIT_US:
        return " microseconds";
    case CONFIG_UNIT_MS:
        return " milliseconds";
    case CONFIG_UNIT_MINUTES:
        return " minutes";
    case CONFIG_UNIT_HOURS:
        return " hours";
    }
    UNREACHABLE();
}

/* The factor of a suffix that fits the unit, or 0. */
static int64_t suffix_factor(enum config_unit unit, struct string suffix)
{
    const bool size = unit == CONFIG_UNIT_BYTES;
    const struct unit_suffix *suffixes = size ? size_suffixes : time_suffixes;
    const size_t count = size ? ARRAY_COUNT(size_suffixes) : ARRAY_COUNT(time_suffixes);

    for (size_t i = 0; unit != CONFIG_UNIT_NONE && i < count; i++) {
        if (string_is(suffix, suffixes[i].text)) {
            return suffixes[i].factor;
        }
    }
    return 0;
}

/* Decimal digits with an optional sign at the start of `text`; the number of characters read, 0 if there is no number
 * or it does not fit. */
static size_t read_integer(struct string text, int64_t *number)
{
    const bool negative = text.size > 0 && text.data[0] == '-';
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    const size_t first = at;
    int64_t value = 0;

    while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') {
        const int64_t digit = text.data[at] - '0';

        if (__builtin_mul_overflow(value, 10, &value) ||
            (negative ? __builtin_sub_overflow(value, digit, &value) : __builtin_add_overflow(value, digit, &value))) {
            return 0;
        }
        at++;
    }
    *number = value;
    return at > first ? at : 0;
}

static enum status parse_integer(const struct config_definition *definition, struct string text, int64_t *integer,
                                 struct config_problem *problem)
{
    const size_t digits = read_integer(text, integer);
    const struct string suffix = trim((struct string){text.data + digits, text.size - digits});
    const int64_t to = unit_factor(definition->unit);

    if (digits > 0 && suffix.size > 0) {
        const int64_t from = suffix_factor(definition->unit, suffix);
        int64_t smallest;

        if (definition->unit == CONFIG_UNIT_NONE) {
            config_problem_set(problem, "%s: \"%.*s\" is not a plain number", definition->name, STRING_ARGS(text));
            return STATUS_INVALID;
        }
        if (from == 0 || __builtin_mul_overflow(*integer, from, &smallest) || smallest % to != 0) {
            config_problem_set(problem, "%s: \"%.*s\" is not a whole number of%s", definition->name, STRING_ARGS(text),
                               unit_text(definition->unit));
            return STATUS_INVALID;
        }
        *integer = smallest / to;
    }
    if (digits == 0) {
        config_problem_set(problem, "%s: \"%.*s\" is not a whole number", definition->name, STRING_ARGS(text));
        return STATUS_INVALID;
    }
    if (*integer < definition->min || *integer > definition->max) {
        config_problem_set(problem, "%s: %" PRId64 " is out of range: %" PRId64 " to %" PRId64 "%s", definition->name,
                           *integer, definition->min, definition->max, unit_text(definition->unit));
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status parse_double(const struct config_definition *definition, struct string text, double *number,
                                struct config_problem *problem)
{
    char copy[64];
    char *end = copy;

    if (text.size > 0 && text.size < sizeof(copy)) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        *number = strtod(copy, &end);
    }
    if (end == copy || *end != '\0' || !isfinite(*number)) {
        config_problem_set(problem, "%s: \"%.*s\" is not a number", definition->name, STRING_ARGS(text));
        return STATUS_INVALID;
    }
    if (*number < (double)definition->min || *number > (double)definition->max) {
        config_problem_set(problem, "%s: %g is out of range: %" PRId64 " to %" PRId64, definition->name, *number,
                           definition->min, definition->max);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status check_word(const struct config_definition *definition, struct string word,
                              struct config_problem *problem)
{
    char allowed[256] = "";

    if (definition->words == NULL) {
        return STATUS_OK;
    }
    for (size_t i = 0; definition->words[i] != NULL; i++) {
        const size_t used = strlen(allowed);

        if (string_is(word, definition->words[i])) {
            return STATUS_OK;
        }
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i == 0 ? "" : ", ", definition->words[i]);
    }
    config_problem_set(problem, "%s: \"%.*s\" is not one of: %s", definition->name, STRING_ARGS(word), allowed);
    return STATUS_INVALID;
}

static enum status parse_list(const struct config_definition *definition, struct string text, struct arena *arena,
                              struct config_value *value, struct config_problem *problem)
{
    struct string *items;
    size_t count = text.size > 0 ? 1 : 0;

    for (size_t i = 0; i < text.size; i++) {
        count += text.data[i] == ',' ? 1 : 0;
    }
    if (count > CONFIG_ITEMS_MAX) {
        config_problem_set(problem, "%s: more than %d items", definition->name, CONFIG_ITEMS_MAX);
        return STATUS_INVALID;
    }
    items = arena_need(arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        const char *comma = memchr(text.data, ',', text.size);
        const size_t size = comma != NULL ? (size_t)(comma - text.data) : text.size;
        const struct string item = trim((struct string){text.data, size});

        if (item.size == 0) {
            config_problem_set(problem, "%s: an item of the list is empty", definition->name);
            return STATUS_INVALID;
        }
        if (check_word(definition, item, problem) != STATUS_OK) {
            return STATUS_INVALID;
        }
        items[i] = arena_copy_string(arena, item);
        text.data += comma != NULL ? size + 1 : size;
        text.size -= comma != NULL ? size + 1 : size;
    }
    value->items = items;
    value->item_count = count;
    return STATUS_OK;
}

static enum status parse_boolean(const struct config_definition *definition, struct string text,
                                 struct config_value *value, struct config_problem *problem)
{
    char lower[6] = "";

    for (size_t i = 0; i < text.size && text.size < sizeof(lower); i++) {
        lower[i] = text.data[i] >= 'A' && text.data[i] <= 'Z' ? (char)(text.data[i] + 32) : text.data[i];
    }
    if (strcmp(lower, "true") != 0 && strcmp(lower, "false") != 0) {
        config_problem_set(problem, "%s: \"%.*s\" is neither true nor false", definition->name, STRING_ARGS(text));
        return STATUS_INVALID;
    }
    value->integer = strcmp(lower, "true") == 0;
    return STATUS_OK;
}

static enum status parse_typed(const struct config_definition *definition, struct string text, struct arena *arena,
                               struct config_value *value, struct config_problem *problem)
{
    enum status status = STATUS_OK;

    switch (definition->type) {
    case CONFIG_TYPE_BOOLEAN:
        status = parse_boolean(definition, text, value, problem);
        text = string_of(value->integer != 0 ? "true" : "false");
        break;
    case CONFIG_TYPE_INT16:
    case CONFIG_TYPE_INT32:
    case CONFIG_TYPE_INT64:
        status = parse_integer(definition, text, &value->integer, problem);
        value->text = arena_format(arena, "%" PRId64, value->integer);
        return status;
    case CONFIG_TYPE_DOUBLE:
        status = parse_double(definition, text, &value->number, problem);
        break;
    case CONFIG_TYPE_LIST:
        status = parse_list(definition, text, arena, value, problem);
        break;
    case CONFIG_TYPE_STRING:
        status = check_word(definition, text, problem);
        break;
    }
    value->text = arena_copy_string(arena, text);
    return status;
}

enum status config_value_parse(const struct config_definition *definition, struct string text, struct arena *arena,
                               struct config_value *value, struct config_problem *problem)
{
    struct config_problem reason;
    enum status status;

    *value = (struct config_value){.null = text.data == NULL};
    if (text.data == NULL) {
        return STATUS_OK;
    }
    if (text.size > CONFIG_VALUE_MAX) {
        config_problem_set(problem, "%s: the value is longer than %d bytes", definition->name, CONFIG_VALUE_MAX);
        return STATUS_INVALID;
    }
    /* Texts may come from a client and the arena may be that of its request: nothing below runs out of it. */
    if (arena->limit - arena->total < 4 * text.size + VALUE_ARENA_NEED) {
        config_problem_set(problem, "%s: no memory left for the value", definition->name);
        return STATUS_INVALID;
    }
    text = trim(text);
    status = parse_typed(definition, text, arena, value, problem);
    if (status == STATUS_OK && definition->check != NULL) {
        status = definition->check(value, arena, &reason);
        if (status != STATUS_OK) {
            config_problem_set(problem, "%s: %s", definition->name, reason.text);
        }
    }
    return status;
}

const struct config_definition *config_definition_find(const struct config_definition *rows, size_t count,
                                                       struct string name)
{
    for (size_t i = 0; i < count; i++) {
        if (string_is(name, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau and Levenshtein's distance, restricted to neighbours, with three rows of the table. */
size_t config_name_distance(struct string a, struct string b)
{
    size_t rows[3][NAME_MAX_COMPARED + 1];

    if (a.size > NAME_MAX_COMPARED || b.size > NAME_MAX_COMPARED) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.size; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            const size_t replaced = above[j - 1] + (a.data[i - 1] != b.data[j - 1] ? 1 : 0);

            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1]) {
                row[j] = least(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a.size % 3][b.size];
}
