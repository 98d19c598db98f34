/* Reading JSON: see json.h. Recursive descent whose depth is counted; values become a tree in the caller's arena,
 * strings without escapes stay views of the input. */
#include "cli/json.h"

struct json_reader {
    const char *start;
    const char *at;
    const char *end;
    struct arena *arena;
    unsigned depth;
    enum status status; /* sticky */
};

static struct json_value *read_value(struct json_reader *reader);

static void fail(struct json_reader *reader, enum status status)
{
    if (reader->status == STATUS_OK) {
        reader->status = status;
    }
}

static void skip_space(struct json_reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL && *reader->at != '\0') {
        reader->at++;
    }
}

static bool take(struct json_reader *reader, char c)
{
    if (reader->at < reader->end && *reader->at == c) {
        reader->at++;
        return true;
    }
    return false;
}

static bool take_word(struct json_reader *reader, const char *word)
{
    const size_t size = strlen(word);

    if ((size_t)(reader->end - reader->at) >= size && memcmp(reader->at, word, size) == 0) {
        reader->at += size;
        return true;
    }
    return false;
}

/* Four hex digits, or -1. */
static int32_t read_hex4(struct json_reader *reader)
{
    int32_t value = 0;

    if (reader->end - reader->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        const char c = *reader->at;
        int digit;

        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
        reader->at++;
    }
    return value;
}

static char *utf8_put(char *to, int32_t code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

/* Behind "\u": one code point, from a surrogate pair if need be; -1 for half a pair. */
static int32_t read_code_point(struct json_reader *reader)
{
    const int32_t first = read_hex4(reader);

    if (first < 0xd800 || first > 0xdfff) {
        return first;
    }
    if (first > 0xdbff || !take_word(reader, "\\u")) {
        return -1;
    }
    const int32_t second = read_hex4(reader);

    if (second < 0xdc00 || second > 0xdfff) {
        return -1;
    }
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

/* Behind a backslash. An escape never grows: "\u0800" is six characters and three bytes. */
static char *read_escape(struct json_reader *reader, char *to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char c = reader->at < reader->end ? *reader->at++ : '\0';
    const char *name = c != '\0' ? strchr(names, c) : NULL;

    if (name != NULL) {
        *to++ = values[name - names];
        return to;
    }
    const int32_t code = c == 'u' ? read_code_point(reader) : -1;

    if (code < 0) {
        fail(reader, STATUS_INVALID);
        return to;
    }
    return utf8_put(to, code);
}

/* The text between two quotes, escapes resolved; a failure is reported where it is. */
static struct string unescape(struct json_reader *reader, const char *start, const char *end)
{
    struct json_reader part = {.start = start, .at = start, .end = end, .status = STATUS_OK};
    char *text = arena_alloc(reader->arena, (size_t)(end - start) + 1);
    char *to = text;

    if (text == NULL) {
        fail(reader, STATUS_TOO_LARGE);
        return STRING_NULL;
    }
    while (part.at < end && part.status == STATUS_OK) {
        if (take(&part, '\\')) {
            to = read_escape(&part, to);
        } else {
            *to++ = *part.at++;
        }
    }
    if (part.status != STATUS_OK) {
        reader->at = part.at;
        fail(reader, part.status);
    }
    return (struct string){text, (size_t)(to - text)};
}

static struct string read_string(struct json_reader *reader)
{
    const char *start;
    bool escaped = false;

    if (!take(reader, '"')) {
        fail(reader, STATUS_INVALID);
        return STRING_NULL;
    }
    start = reader->at;
    while (reader->at < reader->end && *reader->at != '"') {
        if ((unsigned char)*reader->at < 0x20) {
            fail(reader, STATUS_INVALID);
            return STRING_NULL;
        }
        if (*reader->at == '\\') {
            escaped = true;
            reader->at++;
            if (reader->at == reader->end) {
                break;
            }
        }
        reader->at++;
    }
    const char *end = reader->at;

    if (!take(reader, '"')) {
        fail(reader, STATUS_INVALID);
        return STRING_NULL;
    }
    if (!escaped) {
        return (struct string){start, (size_t)(end - start)};
    }
    return unescape(reader, start, end);
}

static void read_digits(struct json_reader *reader)
{
    const char *start = reader->at;

    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    if (reader->at == start) {
        fail(reader, STATUS_INVALID);
    }
}

static void read_number(struct json_reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0')) {
        read_digits(reader);
    }
    if (take(reader, '.')) {
        read_digits(reader);
    }
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+')) {
            (void)take(reader, '-');
        }
        read_digits(reader);
    }
}

static void read_children(struct json_reader *reader, struct json_value *value, char close)
{
    struct json_value **link = &value->first;

    if (++reader->depth > JSON_DEPTH_MAX) {
        fail(reader, STATUS_TOO_LARGE);
        return;
    }
    skip_space(reader);
    if (take(reader, close)) {
        reader->depth--;
        return;
    }
    do {
        struct string name = STRING_NULL;

        if (value->kind == JSON_OBJECT) {
            skip_space(reader);
            name = read_string(reader);
            skip_space(reader);
            if (!take(reader, ':')) {
                fail(reader, STATUS_INVALID);
            }
        }
        struct json_value *child = reader->status == STATUS_OK ? read_value(reader) : NULL;

        if (child == NULL) {
            return;
        }
        child->name = name;
        *link = child;
        link = &child->next;
        skip_space(reader);
    } while (take(reader, ','));
    if (!take(reader, close)) {
        fail(reader, STATUS_INVALID);
    }
    reader->depth--;
}

static struct json_value *read_value(struct json_reader *reader)
{
    struct json_value *value = arena_alloc(reader->arena, sizeof(*value));

    if (value == NULL) {
        fail(reader, STATUS_TOO_LARGE);
        return NULL;
    }
    skip_space(reader);
    const char *start = reader->at;

    if (take(reader, '{')) {
        value->kind = JSON_OBJECT;
        read_children(reader, value, '}');
    } else if (take(reader, '[')) {
        value->kind = JSON_ARRAY;
        read_children(reader, value, ']');
    } else if (reader->at < reader->end && *reader->at == '"') {
        value->kind = JSON_STRING;
        value->text = read_string(reader);
    } else if (take_word(reader, "true")) {
        value->kind = JSON_BOOL;
        value->truth = true;
    } else if (take_word(reader, "false")) {
        value->kind = JSON_BOOL;
    } else if (take_word(reader, "null")) {
        value->kind = JSON_NULL;
    } else {
        value->kind = JSON_NUMBER;
        read_number(reader);
    }
    value->source = (struct string){start, (size_t)(reader->at - start)};
    return reader->status == STATUS_OK ? value : NULL;
}

enum status json_read(struct string input, struct arena *arena, struct json_value **value, size_t *error_at)
{
    struct json_reader reader = {
        .start = input.data, .at = input.data, .end = input.data + input.size, .arena = arena, .status = STATUS_OK};

    *value = read_value(&reader);
    if (reader.status == STATUS_OK) {
        skip_space(&reader);
        if (reader.at != reader.end) {
            fail(&reader, STATUS_INVALID);
        }
    }
    *error_at = (size_t)(reader.at - reader.start);
    return reader.status;
}

const struct json_value *json_find(const struct json_value *object, const char *name)
{
    const struct json_value *found = NULL;

    if (object->kind != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json_value *member = object->first; member != NULL; member = member->next) {
        if (string_is(member->name, name)) {
            found = member;
        }
    }
    return found;
}

enum status json_integer(const struct json_value *value, int64_t *number)
{
    uint64_t magnitude = 0;
    size_t at = 0;
    const bool negative = value->kind == JSON_NUMBER && value->source.data[0] == '-';
    const uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;

    if (value->kind != JSON_NUMBER) {
        return STATUS_INVALID;
    }
    for (at = negative ? 1 : 0; at < value->source.size; at++) {
        const char c = value->source.data[at];

        if (c < '0' || c > '9') {
            return STATUS_INVALID;
        }
        if (magnitude > (limit - (uint64_t)(c - '0')) / 10) {
            return STATUS_OUT_OF_RANGE;
        }
        magnitude = magnitude * 10 + (uint64_t)(c - '0');
    }
    *number = negative ? (int64_t)(~magnitude + 1) : (int64_t)magnitude;
    return STATUS_OK;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum status base64_read(struct string text, struct arena *arena, struct bytes *bytes)
{
    const size_t padding = text.size >= 4 ? (size_t)(text.data[text.size - 1] == '=') +
                                                (size_t)(text.data[text.size - 1] == '=' &&
                                                         text.data[text.size - 2] == '=')
                                          : 0;

    if (text.data == NULL || text.size % 4 != 0) {
        return STATUS_INVALID;
    }
    const size_t size = text.size / 4 * 3 - padding;
    uint8_t *out = arena_alloc(arena, size + 3);

    if (out == NULL) {
        return STATUS_TOO_LARGE;
    }
    for (size_t i = 0; i < text.size; i += 4) {
        uint32_t group = 0;

        for (size_t k = 0; k < 4; k++) {
            const bool pad = i + k >= text.size - padding;
            const int digit = pad ? 0 : base64_digit(text.data[i + k]);

            if (digit < 0) {
                return STATUS_INVALID;
            }
            group = group << 6 | (uint32_t)digit;
        }
        out[i / 4 * 3] = (uint8_t)(group >> 16);
        out[i / 4 * 3 + 1] = (uint8_t)(group >> 8);
        out[i / 4 * 3 + 2] = (uint8_t)group;
    }
    *bytes = bytes_of(out, size);
    return STATUS_OK;
}
