/* The .properties parser: one pass over the bytes with a cursor that knows its line. A key or value is unescaped into a
 * scratch buffer of the arena that is as long as the text, which is enough: an escape is never shorter than what it
 * stands for. */
#include "common/config/properties.h"

#include "common/base/assert.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    int line;
    struct config_problem *problem;
};

/* Where unescaped bytes go. */
struct scratch {
    char *data;
    size_t size;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\f';
}

static bool is_line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

static void skip_blanks(struct cursor *cursor)
{
    while (cursor->at < cursor->end && is_blank(*cursor->at)) {
        cursor->at++;
    }
}

/* Past one line end: LF, CR or CR LF. */
static void skip_line_end(struct cursor *cursor)
{
    if (cursor->at < cursor->end) {
        const bool pair = *cursor->at == '\r' && cursor->end - cursor->at > 1 && cursor->at[1] == '\n';

        cursor->at += pair ? 2 : 1;
        cursor->line++;
    }
}

static void skip_line(struct cursor *cursor)
{
    while (cursor->at < cursor->end && !is_line_end(*cursor->at)) {
        cursor->at++;
    }
    skip_line_end(cursor);
}

/* Four hexadecimal digits; -1 if there are not. */
static int32_t read_hex4(struct cursor *cursor)
{
    int32_t value = 0;

    if (cursor->end - cursor->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        const uint8_t c = cursor->at[i];
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : -1;

        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    cursor->at += 4;
    return value;
}

static void put_utf8(struct scratch *scratch, int32_t code)
{
    char *to = scratch->data + scratch->size;

    if (code < 0x80) {
        to[0] = (char)code;
        scratch->size += 1;
    } else if (code < 0x800) {
        to[0] = (char)(0xc0 | (code >> 6));
        to[1] = (char)(0x80 | (code & 0x3f));
        scratch->size += 2;
    } else if (code < 0x10000) {
        to[0] = (char)(0xe0 | (code >> 12));
        to[1] = (char)(0x80 | ((code >> 6) & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        scratch->size += 3;
    } else {
        to[0] = (char)(0xf0 | (code >> 18));
        to[1] = (char)(0x80 | ((code >> 12) & 0x3f));
        to[2] = (char)(0x80 | ((code >> 6) & 0x3f));
        to[3] = (char)(0x80 | (code & 0x3f));
        scratch->size += 4;
    }
}

/* \uXXXX behind its 'u', or two of them for a character beyond U+FFFF. */
static enum status read_unicode(struct cursor *cursor, struct scratch *scratch)
{
    int32_t code = read_hex4(cursor);

    if (code >= 0xd800 && code < 0xdc00 && cursor->end - cursor->at >= 6 && cursor->at[0] == '\\' &&
        cursor->at[1] == 'u') {
        int32_t low;

        cursor->at += 2;
        low = read_hex4(cursor);
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
    }
    if (code <= 0 || (code >= 0xd800 && code < 0xe000)) {
        config_problem_set(cursor->problem, "line %d: \\u needs four hexadecimal digits of a character", cursor->line);
        return STATUS_INVALID;
    }
    put_utf8(scratch, code);
    return STATUS_OK;
}

/* What a backslash begins; the cursor is behind it. */
static enum status read_escape(struct cursor *cursor, struct scratch *scratch)
{
    uint8_t c;

    if (cursor->at == cursor->end) {
        return STATUS_OK;
    }
    c = *cursor->at;
    if (is_line_end(c)) {
        skip_line_end(cursor);
        skip_blanks(cursor);
        return STATUS_OK;
    }
    cursor->at++;
    switch (c) {
    case 'u':
        return read_unicode(cursor, scratch);
    case 't':
        c = '\t';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 'f':
        c = '\f';
        break;
    default:
        break;
    }
    scratch->data[scratch->size++] = (char)c;
    return STATUS_OK;
}

/* Up to the end of the line, for a key also up to a separator, which stays. */
static enum status read_text(struct cursor *cursor, bool key, struct arena *arena, struct scratch *scratch,
                             struct string *text)
{
    scratch->size = 0;
    while (cursor->at < cursor->end && !is_line_end(*cursor->at)) {
        const uint8_t c = *cursor->at;

        if (key && (c == '=' || c == ':' || is_blank(c))) {
            break;
        }
        cursor->at++;
        if (c == '\\') {
            const enum status status = read_escape(cursor, scratch);

            if (status != STATUS_OK) {
                return status;
            }
        } else {
            scratch->data[scratch->size++] = (char)c;
        }
    }
    *text = arena_copy_string(arena, (struct string){scratch->data, scratch->size});
    return STATUS_OK;
}

/* One key and value; the cursor is at the key's first character and ends behind the line. */
static enum status read_property(struct cursor *cursor, struct arena *arena, struct scratch *scratch,
                                 struct property *property)
{
    enum status status;

    property->line = cursor->line;
    status = read_text(cursor, true, arena, scratch, &property->key);
    if (status != STATUS_OK) {
        return status;
    }
    if (property->key.size == 0 || property->key.size > PROPERTIES_KEY_MAX) {
        config_problem_set(cursor->problem, "line %d: the key is %s", property->line,
                           property->key.size == 0 ? "empty" : "too long");
        return STATUS_INVALID;
    }
    skip_blanks(cursor);
    if (cursor->at < cursor->end && (*cursor->at == '=' || *cursor->at == ':')) {
        cursor->at++;
        skip_blanks(cursor);
    }
    status = read_text(cursor, false, arena, scratch, &property->value);
    skip_line_end(cursor);
    return status;
}

static enum status check_duplicate(const struct properties *properties, const struct property *property,
                                   struct config_problem *problem)
{
    for (size_t i = 0; i < properties->count; i++) {
        if (string_equal(properties->items[i].key, property->key)) {
            config_problem_set(problem, "line %d: %.*s was given already in line %d", property->line,
                               STRING_ARGS(property->key), properties->items[i].line);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

/* Bytes of the character that begins with `lead`; 0 if none does. */
static size_t utf8_length(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

/* A zero byte would cut names short without anybody noticing; other bytes that are no UTF-8 would break every answer
 * that shows the value. */
static enum status check_bytes(struct bytes text, struct config_problem *problem)
{
    int line = 1;

    for (size_t i = 0; i < text.size;) {
        const uint8_t lead = text.data[i];
        const size_t length = utf8_length(lead);
        bool valid = lead != 0 && length > 0 && length <= text.size - i;

        for (size_t k = 1; valid && k < length; k++) {
            valid = (text.data[i + k] & 0xc0) == 0x80;
        }
        if (!valid) {
            config_problem_set(problem, "line %d: byte 0x%02x does not belong into a UTF-8 text", line, (unsigned)lead);
            return STATUS_INVALID;
        }
        line += lead == '\n' ? 1 : 0;
        i += length;
    }
    return STATUS_OK;
}

enum status properties_parse(struct bytes text, struct arena *arena, struct properties *properties,
                             struct config_problem *problem)
{
    struct cursor cursor = {.at = text.data, .end = text.data + text.size, .line = 1, .problem = problem};
    struct scratch scratch = {.data = NULL};
    enum status status;

    *properties = (struct properties){.items = NULL};
    if (text.size > PROPERTIES_FILE_MAX) {
        config_problem_set(problem, "the file is larger than %d bytes", PROPERTIES_FILE_MAX);
        return STATUS_TOO_LARGE;
    }
    status = check_bytes(text, problem);
    if (status != STATUS_OK) {
        return status;
    }
    properties->items = arena_need(arena, PROPERTIES_COUNT_MAX, sizeof(*properties->items));
    scratch.data = arena_need(arena, text.size + 1, 1);
    while (status == STATUS_OK && cursor.at < cursor.end) {
        struct property property;

        skip_blanks(&cursor);
        if (cursor.at == cursor.end || is_line_end(*cursor.at) || *cursor.at == '#' || *cursor.at == '!') {
            skip_line(&cursor);
            continue;
        }
        status = read_property(&cursor, arena, &scratch, &property);
        if (status == STATUS_OK) {
            status = check_duplicate(properties, &property, problem);
        }
        if (status == STATUS_OK && properties->count == PROPERTIES_COUNT_MAX) {
            config_problem_set(problem, "line %d: more than %d keys", property.line, PROPERTIES_COUNT_MAX);
            status = STATUS_TOO_LARGE;
        }
        if (status == STATUS_OK) {
            properties->items[properties->count++] = property;
        }
    }
    return status;
}
